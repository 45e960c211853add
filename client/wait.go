package client

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	// holdMax is for how long the API is asked to hold an answer back (RFC 7240,
	// section 4.3): below the minute after which proxies give up.
	holdMax = 50 * time.Second
	// holdMargin is left of a deadline for the answer to come.
	holdMargin = 500 * time.Millisecond
	// heldMin is how long an answer without news must have been held back for the
	// next question to follow at once.
	heldMin = 900 * time.Millisecond

	// pollBase and pollMax bound how often Wait looks if the API does not say.
	pollBase = 250 * time.Millisecond
	pollMax  = 5 * time.Second
)

// Wait waits until a payment's state is final or it is parked, since what is parked
// waits for a human. It asks the API to answer when there is news; of one that does
// not do so it asks as often as told. It ends with the context at the latest; the
// payment is then the last that was seen.
func (c *Client) Wait(ctx context.Context, id payment.ID) (Payment, error) {
	return c.waitFrom(ctx, Payment{ID: id})
}

// waitFrom is Wait for a payment that was seen before.
func (c *Client) waitFrom(ctx context.Context, last Payment) (Payment, error) {
	for seen, err := range c.looks(ctx, last.ID, c.holdMost(ctx)) {
		switch {
		case err != nil && last.State != "":
			return last, fmt.Errorf("wait for %s: still %s: %w", last.ID, last.State, err)
		case err != nil:
			return last, fmt.Errorf("wait for %s: %w", last.ID, err)
		case seen.ended():
			return seen, nil
		}
		last = seen
	}
	return last, nil // never: only an error ends the looks
}

// looks gives a payment as it is, and then whenever there is news of it. The first answer
// may be held back, too: without an entity tag the API takes nothing but the end for news.
// It ends with an error: the context's, or why the API cannot be asked.
func (c *Client) looks(ctx context.Context, id payment.ID, hold time.Duration) iter.Seq2[Payment, error] {
	return func(yield func(Payment, error) bool) {
		etag := ""
		for poll := 0; ; poll++ {
			asked := time.Now()
			seen, err := c.look(ctx, id, etag, hold)
			if err != nil {
				yield(Payment{}, err)
				return
			}
			isUnchanged := seen.payment.HTTPStatus == http.StatusNotModified
			if !isUnchanged && !yield(seen.payment, nil) {
				return
			}
			isNew := seen.etag != etag
			isFirst := etag == "" && hold == 0 // of those that may be held back the next one is the first
			etag, hold = seen.etag, c.holdMost(ctx)
			if seen.held && time.Since(asked) >= heldMin || isNew && (seen.held || isFirst) {
				poll = -1
			} else if !sleep(ctx, pollAfter(poll, seen.payment.RetryAfter)) {
				yield(Payment{}, context.Cause(ctx))
				return
			}
		}
	}
}

// ended tells that no waiting makes more of it.
func (p Payment) ended() bool { return p.Final || p.State == payment.Parked }

// sight is what one look at a payment has shown.
type sight struct {
	payment Payment // only HTTPStatus and RetryAfter if it is unchanged
	etag    string
	held    bool // the API has waited for news, or would have
}

// look reads a payment that no longer has the entity tag, for which the API may hold
// its answer back.
func (c *Client) look(ctx context.Context, id payment.ID, etag string, hold time.Duration) (sight, error) {
	path := paymentsPath + "/" + url.PathEscape(string(id))
	ans, err := c.do(ctx, call{method: http.MethodGet, path: path, etag: etag, hold: hold})
	if err != nil {
		return sight{}, err
	}
	held := hold > 0 && ans.held()
	if ans.status == http.StatusNotModified {
		unchanged := Payment{HTTPStatus: ans.status, RetryAfter: ans.retryAfter()}
		return sight{payment: unchanged, etag: etag, held: held}, nil
	}
	found, err := readPayment(ans)
	return sight{payment: found, etag: ans.header.Get("ETag"), held: held}, err
}

// holdMost is the longest time, in whole seconds, for which an answer can be held
// back and still be heard.
func (c *Client) holdMost(ctx context.Context) time.Duration {
	most := holdMax
	if deadline, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(deadline)-holdMargin)
	}
	if timeout := c.cfg.HTTPClient.Timeout; timeout > 0 {
		most = min(most, timeout/2)
	}
	return max(0, most.Truncate(time.Second))
}

// held tells that the preference to wait was honoured (RFC 7240, section 3).
func (a answer) held() bool {
	for _, line := range a.header.Values("Preference-Applied") {
		for preference := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(preference, "=")
			if strings.EqualFold(strings.TrimSpace(name), "wait") {
				return true
			}
		}
	}
	return false
}

// pollAfter is what the API told, or else a growing pause with jitter.
func pollAfter(poll int, told time.Duration) time.Duration {
	if told > 0 {
		return told
	}
	pause := min(pollMax, pollBase<<min(poll, 10))
	return pause/2 + rand.N(pause/2) //nolint:gosec // spreads load, guards nothing
}
