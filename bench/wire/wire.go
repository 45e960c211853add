package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json"
)

const (
	lineBytesMax = 8 << 10
	linesMax     = 64
	bodyBytesMax = 64 << 10
)

var (
	errNotHTTP      = errors.New("the request is not HTTP/1.1")
	errTooManyLines = errors.New("the request has too many header lines")
	errBodyLength   = errors.New("the request's Content-Length cannot be used")
)

// Request is one request. Its slices are its own.
type Request struct {
	Method string
	Target *url.URL
	Body   []byte
	head   []byte // header lines, without their ends
}

// Route is the method and the path, such as "GET /tally".
func (r Request) Route() string { return r.Method + " " + r.Target.Path }

// Header gives the value of a header field, "" if there is none.
func (r Request) Header(name string) string {
	for line := range bytes.Lines(r.head) {
		found, value, _ := bytes.Cut(line, []byte(":"))
		if len(found) == len(name) && bytes.EqualFold(found, []byte(name)) {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// readRequest reads one request, whose body is as long as Content-Length says. The
// error is io.EOF if the client is done.
func readRequest(from *bufio.Reader) (Request, error) {
	line, err := readLine(from)
	if err != nil {
		return Request{}, err
	}
	var r Request
	method, rest, _ := bytes.Cut(line, []byte(" "))
	target, version, _ := bytes.Cut(rest, []byte(" "))
	if string(version) != "HTTP/1.1" {
		return Request{}, errNotHTTP
	}
	r.Method = string(method)
	if r.Target, err = url.ParseRequestURI(string(target)); err != nil {
		return Request{}, fmt.Errorf("read the target: %w", err)
	}
	length, err := r.readHeader(from)
	if err != nil {
		return Request{}, noEOF(err)
	}
	r.Body = make([]byte, length)
	if _, err := io.ReadFull(from, r.Body); err != nil {
		return Request{}, noEOF(err)
	}
	return r, nil
}

// readHeader keeps the header and gives the length of the body, 0 if none is said.
func (r *Request) readHeader(from *bufio.Reader) (length int, err error) {
	for range linesMax {
		line, err := readLine(from)
		if err != nil {
			return 0, err
		}
		if len(line) == 0 {
			return length, nil
		}
		r.head = append(append(r.head, line...), '\n')
		name, value, _ := bytes.Cut(line, []byte(":"))
		if !bytes.EqualFold(name, []byte("Content-Length")) {
			continue
		}
		length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		if err != nil || length < 0 || length > bodyBytesMax {
			return 0, errBodyLength
		}
	}
	return 0, errTooManyLines
}

// readLine gives a line without its end. It holds until the next read.
func readLine(from *bufio.Reader) ([]byte, error) {
	line, err := from.ReadSlice('\n')
	if err != nil {
		if len(line) > 0 {
			return nil, noEOF(err)
		}
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// noEOF makes an end within a request an error.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendAnswer puts a whole answer together, to be sent by one write; nil is no body.
func appendAnswer(to []byte, status int, body any) (_ []byte, err error) {
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("encode the answer: %w", err)
		}
	}
	to = fmt.Appendf(to, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		status, http.StatusText(status), len(text))
	return append(to, text...), nil
}
