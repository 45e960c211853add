package client

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// errAnswerTooLarge ends the reading of a body that cannot be an answer.
var errAnswerTooLarge = fmt.Errorf("the answer has more than %d bytes", answerBytesMax)

// keyEscapes are those of a String in RFC 9651, section 3.3.3.
var keyEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// call is one request as it is sent, any number of times.
type call struct {
	method string
	path   string
	body   []byte // nil if there is none
	kind   string // the media type of body; JSON if ""
	etag   string // for If-None-Match, "" if not wanted

	idempotencyKey string // "" if there is none

	// hold is how long the API is asked to hold its answer back until there is news,
	// in whole seconds; 0 if not wanted. It is asked for by Prefer, or in the query by a
	// parameter.
	hold      time.Duration
	holdParam string
}

// answer is one response, read to its end.
type answer struct {
	status     int
	header     http.Header
	body       []byte
	receivedAt time.Time
}

// exchange makes one attempt. An error says nothing about whether the request
// has arrived.
func (c *Client) exchange(ctx context.Context, what call) (answer, error) {
	limit := c.cfg.AttemptTimeout + what.hold
	attemptCtx, cancel := context.WithTimeoutCause(ctx, limit, errAttemptSlow)
	defer cancel()
	ans, err := c.roundTrip(attemptCtx, what)
	// net/http reports a deadline without its cause.
	if cause := context.Cause(attemptCtx); err != nil && errors.Is(cause, errAttemptSlow) {
		return answer{}, fmt.Errorf("%w (%s)", cause, limit)
	}
	return ans, err
}

func (c *Client) roundTrip(ctx context.Context, what call) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, what.method, c.base+what.target(), bytes.NewReader(what.body))
	if err != nil {
		return answer{}, err
	}
	c.setHeader(request.Header, what)
	response, err := c.cfg.HTTPClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }() // all of it that counts has been read
	body, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax+1))
	if err != nil {
		return answer{}, fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > answerBytesMax {
		return answer{}, errAnswerTooLarge
	}
	return answer{
		status:     response.StatusCode,
		header:     response.Header,
		body:       body,
		receivedAt: time.Now(),
	}, nil
}

// target is the path and the query of a call.
func (what call) target() string {
	if what.hold == 0 || what.holdParam == "" {
		return what.path
	}
	return what.path + "&" + what.holdParam + "=" + what.holdSeconds()
}

func (what call) holdSeconds() string { return strconv.FormatInt(int64(what.hold/time.Second), 10) }

func (c *Client) setHeader(header http.Header, what call) {
	header.Set("User-Agent", "paybuf-client")
	header.Set("Accept", "application/json, application/problem+json")
	if what.body != nil {
		header.Set("Content-Type", cmp.Or(what.kind, "application/json"))
	}
	if what.idempotencyKey != "" {
		header.Set("Idempotency-Key", `"`+keyEscapes.Replace(what.idempotencyKey)+`"`)
	}
	if what.etag != "" {
		header.Set("If-None-Match", what.etag)
	}
	if what.hold > 0 && what.holdParam == "" {
		header.Set("Prefer", "wait="+what.holdSeconds())
	}
	if c.cfg.Key != "" {
		header.Set("Authorization", "Bearer "+c.cfg.Key)
	}
}

// retryAfter reads Retry-After as RFC 9110, section 10.2.3, has it: seconds or a
// date. A date is taken relative to the server's own clock if it told the time.
// What is neither, or past, is 0.
func (a answer) retryAfter() time.Duration {
	text := strings.TrimSpace(a.header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		now = a.receivedAt
	}
	return max(0, at.Sub(now))
}
