package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const bodyBytesMax = 64 << 10

// bodies are buffers of bodies that were read: what a request holds was copied out.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// checkMediaType allows JSON in UTF-8 and nothing around it. The answer never
// repeats what was sent.
func checkMediaType(header http.Header) error {
	const wanted = "send Content-Type: application/json"
	kinds := header.Values("Content-Type")
	switch {
	case len(kinds) == 0:
		return unsupported("there is no Content-Type; " + wanted)
	case len(kinds) > 1:
		return unsupported("there is more than one Content-Type; " + wanted)
	case header.Get("Content-Encoding") != "":
		return unsupported("the body has a Content-Encoding; send it as it is")
	case kinds[0] == "application/json":
		return nil
	}
	kind, params, err := mime.ParseMediaType(kinds[0])
	if err != nil || kind != "application/json" {
		return unsupported("the body is not JSON; " + wanted)
	}
	if charset, given := params["charset"]; given && !strings.EqualFold(charset, "utf-8") {
		return unsupported("JSON is in UTF-8 (RFC 8259, section 8.1); " + wanted)
	}
	return nil
}

// readBody takes the body in, within its limits. After an error the connection
// is not used again: what is left of the body may never come, or may not end.
func readBody(w http.ResponseWriter, r *http.Request, timeout time.Duration) (*bytes.Buffer, error) {
	if r.ContentLength > bodyBytesMax {
		w.Header().Set("Connection", "close")
		return nil, tooLarge()
	}
	// Without a deadline (httptest's recorder knows none) the server's own holds.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(timeout))

	body := bodies.Get().(*bytes.Buffer) //nolint:forcetypeassert,errcheck // the pool holds nothing else
	body.Reset()
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, bodyBytesMax)); err != nil {
		w.Header().Set("Connection", "close")
		return nil, unread(err, timeout)
	}
	// Left in place it would cut the wait for the buffer short.
	_ = control.SetReadDeadline(time.Time{})
	return body, nil
}

// unread says why a body could not be read.
func unread(err error, timeout time.Duration) error {
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return tooLarge()
	}
	detail := "the body ended before all of it had come"
	if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() {
		detail = fmt.Sprintf("the body did not come within %s", timeout)
	}
	return &payment.Error{Code: payment.CodeMalformed, Detail: detail, Cause: err}
}

func tooLarge() error {
	return &payment.Error{
		Code:   payment.CodeTooLarge,
		Detail: fmt.Sprintf("the body has more than %d bytes", bodyBytesMax),
	}
}

func unsupported(detail string) error {
	return &payment.Error{Code: payment.CodeMediaType, Detail: detail}
}
