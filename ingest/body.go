package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const bodyBytesMax = 64 << 10

// bodies are buffers of bodies that were read: what a request holds was copied out.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const jsonType = "application/json"

// checkMediaType allows JSON in UTF-8 and nothing around it.
func checkMediaType(header http.Header) error {
	_, err := mediaTypeOf(header, jsonType)
	return err
}

// mediaTypeOf tells which of the allowed media types a body has. The answer never
// repeats what was sent.
func mediaTypeOf(header http.Header, allowed ...string) (string, error) {
	wanted := "send Content-Type: " + strings.Join(allowed, " or ")
	kinds := header.Values("Content-Type")
	switch {
	case len(kinds) == 0:
		return "", unsupported("there is no Content-Type; " + wanted)
	case len(kinds) > 1:
		return "", unsupported("there is more than one Content-Type; " + wanted)
	case header.Get("Content-Encoding") != "":
		return "", unsupported("the body has a Content-Encoding; send it as it is")
	case slices.Contains(allowed, kinds[0]):
		return kinds[0], nil
	}
	kind, params, err := mime.ParseMediaType(kinds[0])
	if err != nil || !slices.Contains(allowed, kind) {
		return "", unsupported("the body is not JSON; " + wanted)
	}
	if charset, given := params["charset"]; given && !strings.EqualFold(charset, "utf-8") {
		return "", unsupported("JSON is in UTF-8 (RFC 8259, section 8.1); " + wanted)
	}
	return kind, nil
}

// readBody takes a body of up to bytesMax in, within its time. After an error the connection
// is not used again: what is left of the body may never come, or may not end.
func readBody(
	w http.ResponseWriter, r *http.Request, bytesMax int64, timeout time.Duration,
) (*bytes.Buffer, error) {
	if r.ContentLength > bytesMax {
		w.Header().Set("Connection", "close")
		return nil, tooLarge(bytesMax)
	}
	// Without a deadline (httptest's recorder knows none) the server's own holds.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(timeout))

	body := bodies.Get().(*bytes.Buffer) //nolint:forcetypeassert // the pool holds nothing else
	body.Reset()
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, bytesMax)); err != nil {
		w.Header().Set("Connection", "close")
		return nil, unread(err, timeout)
	}
	// Left in place it would cut the wait for the buffer short.
	_ = control.SetReadDeadline(time.Time{})
	return body, nil
}

// unread says why a body could not be read.
func unread(err error, timeout time.Duration) error {
	if over, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(over.Limit)
	}
	detail := "the body ended before all of it had come"
	if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() {
		detail = fmt.Sprintf("the body did not come within %s", timeout)
	}
	return &payment.Error{Code: payment.CodeMalformed, Detail: detail, Cause: err}
}

func tooLarge(bytesMax int64) error {
	return &payment.Error{
		Code:   payment.CodeTooLarge,
		Detail: fmt.Sprintf("the body has more than %d bytes", bytesMax),
	}
}

func unsupported(detail string) error {
	return &payment.Error{Code: payment.CodeMediaType, Detail: detail}
}
