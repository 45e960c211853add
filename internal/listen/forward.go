package listen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/paybuf/paybuf/client"
)

const (
	forwardTimeout  = 15 * time.Second
	answerBytesMax  = 64 << 10 // read, so that the connection can be used again
	excerptBytesMax = 200
)

// errForwardSlow is the cause of the end of a forward that took too long.
var errForwardSlow = fmt.Errorf("no answer within %s", forwardTimeout)

// pauses are those after a forward that was not taken. A program that is being restarted
// is back after some seconds.
var pauses = []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}

// result is what came of one request.
type result struct {
	status  int // 0: there was no answer
	took    time.Duration
	excerpt string // of the body of an answer that is no success
	err     error  // why there was no answer
}

func (r result) taken() bool {
	return r.status >= http.StatusOK && r.status < http.StatusMultipleChoices
}

// forwarder sends events to one URL.
type forwarder struct {
	url     string
	webhook *client.Webhook
	http    *http.Client
}

func newForwarder(url string, webhook *client.Webhook, connections int) *forwarder {
	transport := &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}
	return &forwarder{url: url, webhook: webhook, http: &http.Client{Transport: transport, CheckRedirect: refuseRedirect}}
}

// send makes one request. Its signature is of now, however often the event was sent.
func (f *forwarder) send(ctx context.Context, event client.Event) result {
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, forwardTimeout, errForwardSlow)
	defer cancel()
	got := f.roundTrip(ctx, event)
	if cause := context.Cause(ctx); got.err != nil && cause != nil {
		got.err = cause
	}
	got.took = time.Since(began)
	return got
}

func (f *forwarder) roundTrip(ctx context.Context, event client.Event) result {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url, bytes.NewReader(event.JSON))
	if err != nil {
		return result{err: err}
	}
	request.Header.Set("User-Agent", "paybuf-listen")
	if err := f.webhook.Sign(request.Header, event.ID, time.Now(), event.JSON); err != nil {
		return result{err: err}
	}
	response, err := f.http.Do(request)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // without the URL, which everybody knows
		}
		return result{err: err}
	}
	defer func() { _ = response.Body.Close() }() // all of it that counts has been read
	body, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return result{err: fmt.Errorf("read the answer: %w", err)}
	}
	got := result{status: response.StatusCode}
	if !got.taken() {
		got.excerpt = string(body[:min(len(body), excerptBytesMax)])
	}
	return got
}

// refuseRedirect hands a redirect to the caller: to a webhook it is a failure.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// rest waits unless the context ends before, which it tells by false.
func rest(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
