package httppayer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/internal/outbound"
	"github.com/paybuf/paybuf/payment"
)

// call is one request to be sent once.
type call struct {
	method  string
	url     *url.URL
	key     payment.ID // "" for a look-up
	body    []byte     // nil for a look-up
	timeout time.Duration
	slow    error // the cause if timeout ends it
}

// exchange is what came of a call. Status is 0 if no status line came; err may
// come with a status, if the body could not be read.
type exchange struct {
	connected bool // there was a connection to send on: bytes may have left
	canceled  bool // our caller gave up
	status    int
	header    http.Header
	body      []byte
	err       error
}

// send makes one round trip on the transport itself, not through an http.Client,
// which would follow redirects.
func (p *Payer) send(ctx context.Context, c call) exchange {
	bounded, cancel := c.bound(ctx)
	defer cancel()
	var result exchange
	trace := httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { result.connected = true }}
	if fault.Enabled {
		trace.WroteRequest = func(httptrace.WroteRequestInfo) { fault.At(fault.PayerSent) }
	}
	traced := httptrace.WithClientTrace(bounded, &trace)
	response, err := p.transport.RoundTrip(p.newRequest(traced, c))
	if err != nil {
		result.err = because(bounded, err)
		result.canceled = errors.Is(ctx.Err(), context.Canceled)
		return result
	}
	defer response.Body.Close() //nolint:errcheck // nothing more is read from it
	result.status, result.header = response.StatusCode, response.Header
	result.body, err = outbound.ReadAnswer(outbound.BodyOf(response))
	if err != nil {
		result.err = because(bounded, err)
	}
	return result
}

// bound gives the context its deadline, unless it ends sooner anyway.
func (c call) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if ends, bounded := ctx.Deadline(); bounded && time.Until(ends) <= c.timeout {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, c.timeout, c.slow)
}

// newHeader gives what every request says.
func newHeader(token string) http.Header {
	header := http.Header{}
	header.Set("Accept", "application/json")
	header.Set("User-Agent", "paybuf")
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	return header
}

// newRequest makes a request without parsing its URL again, as http.NewRequest does.
func (p *Payer) newRequest(ctx context.Context, c call) *http.Request {
	request := (&http.Request{Method: c.method, URL: c.url, Header: maps.Clone(p.header)}).WithContext(ctx)
	if c.body == nil {
		request.Header.Set("Cache-Control", "no-cache") // an old "not found" would be a lie
		return request
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", string(c.key))
	// http.Transport sends a POST with an Idempotency-Key again on another
	// connection if it can rewind the body. GetBody stays nil, so it cannot.
	request.Body = io.NopCloser(bytes.NewReader(c.body))
	request.ContentLength = int64(len(c.body))
	return request
}

// because gives the cause of the context's end if that is why err came.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
