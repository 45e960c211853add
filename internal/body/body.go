// Package body takes the bodies of requests in.
//
// It promises that a body has a media type that was asked for, a limit of size and
// a limit of time, and that no answer repeats what was sent. A Form is a small JSON
// object; intake, which must be fast, reads its own.
package body

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

// buffers are of bodies that were read and done with.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// JSON is the media type of nearly all bodies.
const JSON = "application/json"

// MediaType tells which of the allowed media types a body has: in UTF-8, and with
// nothing around it. Its error has CodeMediaType.
func MediaType(header http.Header, allowed ...string) (string, error) {
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

// Read takes a body of up to bytesMax in, within its time. Its error has
// CodeTooLarge or CodeMalformed; the connection is then not used again: what is left
// of the body may never come, or may not end.
func Read(
	w http.ResponseWriter, r *http.Request, bytesMax int64, timeout time.Duration,
) (*bytes.Buffer, error) {
	if r.ContentLength > bytesMax {
		w.Header().Set("Connection", "close")
		return nil, TooLarge(bytesMax)
	}
	// Without a deadline (httptest's recorder knows none) the server's own holds.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(timeout))

	body := buffers.Get().(*bytes.Buffer) //nolint:forcetypeassert // the pool holds nothing else
	body.Reset()
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, bytesMax)); err != nil {
		w.Header().Set("Connection", "close")
		return nil, unread(err, timeout)
	}
	// Left in place it would cut the wait for the buffer short.
	_ = control.SetReadDeadline(time.Time{})
	return body, nil
}

// Done gives the buffer of a body back, of which nothing may be used any more.
func Done(read *bytes.Buffer) { buffers.Put(read) }

// unread says why a body could not be read.
func unread(err error, timeout time.Duration) error {
	if over, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return TooLarge(over.Limit)
	}
	detail := "the body ended before all of it had come"
	if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() {
		detail = fmt.Sprintf("the body did not come within %s", timeout)
	}
	return &payment.Error{Code: payment.CodeMalformed, Detail: detail, Cause: err}
}

// TooLarge refuses what has more bytes than it may.
func TooLarge(bytesMax int64) error {
	return &payment.Error{
		Code:   payment.CodeTooLarge,
		Detail: fmt.Sprintf("the body has more than %d bytes", bytesMax),
	}
}

func unsupported(detail string) error {
	return &payment.Error{Code: payment.CodeMediaType, Detail: detail}
}
