package payer

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

// request is what the payer needs of one.
type request struct {
	method, path, reference string
	body                    []byte
}

// readRequest reads one request, whose body is as long as Content-Length says. The
// error is io.EOF if the client is done.
func readRequest(from *bufio.Reader) (request, error) {
	line, err := readLine(from)
	if err != nil {
		return request{}, err
	}
	var r request
	method, rest, _ := bytes.Cut(line, []byte(" "))
	target, version, _ := bytes.Cut(rest, []byte(" "))
	if string(version) != "HTTP/1.1" {
		return request{}, errNotHTTP
	}
	address, err := url.ParseRequestURI(string(target))
	if err != nil {
		return request{}, fmt.Errorf("read the target: %w", err)
	}
	r.method, r.path, r.reference = string(method), address.Path, address.Query().Get("reference")
	length, err := readHeader(from)
	if err != nil {
		return request{}, noEOF(err)
	}
	r.body = make([]byte, length)
	if _, err := io.ReadFull(from, r.body); err != nil {
		return request{}, noEOF(err)
	}
	return r, nil
}

// readHeader gives the length of the body, 0 if none is said.
func readHeader(from *bufio.Reader) (length int, err error) {
	for range linesMax {
		line, err := readLine(from)
		if err != nil {
			return 0, err
		}
		if len(line) == 0 {
			return length, nil
		}
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

// appendAnswer puts a whole answer together, to be sent by one write.
func appendAnswer(to []byte, status int, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	to = fmt.Appendf(to, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		status, http.StatusText(status), len(text))
	return append(to, text...), nil
}
