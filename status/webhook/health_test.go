package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"code.dny.dev/ssrf"

	"github.com/paybuf/paybuf/payment"
)

var start = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

func TestHealth_placesGrowWithSuccessAndShrinkWithTimeouts(t *testing.T) {
	h := newHealth(16)
	if h.places(start) != placesFirst {
		t.Errorf("it begins with %d places", h.places(start))
	}
	for range 200 {
		h.note(ResultDelivered, answer{status: 200}, start, 16)
	}
	if h.places(start) != 16 || !h.trusted {
		t.Errorf("after successes it has %d places, trusted: %v", h.places(start), h.trusted)
	}
	h.note(ResultTimeout, answer{err: errSlow}, start, 16)
	if h.places(start) != 8 || h.trusted {
		t.Errorf("after a time-out it has %d places, trusted: %v", h.places(start), h.trusted)
	}
	h.note(ResultDelivered, answer{status: 200, slow: true}, start, 16)
	if h.places(start) != 4 || h.trusted {
		t.Errorf("after a success that dripped it has %d places, trusted: %v", h.places(start), h.trusted)
	}
	for range 3 {
		h.note(ResultTimeout, answer{err: errSlow}, start, 16)
	}
	if h.places(start) != 1 {
		t.Errorf("it has %d places", h.places(start))
	}
}

func TestHealth_theCircuitOpensAfterFailuresInARow(t *testing.T) {
	for _, result := range []Result{ResultTimeout, ResultUnreachable, ResultFailed, ResultForbidden} {
		h := newHealth(16)
		for range failuresMax - 1 {
			h.note(result, answer{}, start, 16)
		}
		if h.open {
			t.Errorf("%s: it is open after %d", result, failuresMax-1)
		}
		h.note(ResultRefused, answer{status: 400}, start, 16) // it answers
		for range failuresMax {
			h.note(result, answer{}, start, 16)
		}
		if !h.open || h.places(start) != 0 || h.places(start.Add(2*time.Second)) != 1 {
			t.Errorf("%s: after %d it is %+v", result, failuresMax, h)
		}
	}
}

func TestHealth_probesComeLessAndLessOftenUntilOneSucceeds(t *testing.T) {
	h, now := newHealth(16), start
	for range failuresMax {
		h.note(ResultTimeout, answer{}, now, 16)
	}
	last := time.Duration(0)
	for probe := range 20 {
		pause := h.resumeAt.Sub(now)
		if least := min(probeBase<<probe, probeMax) * 8 / 10; pause < least || pause > probeMax*12/10 {
			t.Fatalf("pause %d is %s, want at least %s", probe, pause, least)
		}
		h.note(ResultTimeout, answer{}, now, 16) // was under way before: nothing new
		if got := h.resumeAt.Sub(now); got != pause {
			t.Fatalf("a straggler made the pause %s, it was %s", got, pause)
		}
		last, now = pause, h.resumeAt
		h.note(ResultTimeout, answer{}, now, 16)
	}
	if last < probeMax*8/10 {
		t.Errorf("the last pause is %s", last)
	}
	h.note(ResultDelivered, answer{status: 200}, h.resumeAt, 16)
	if h.open || h.failures != 0 || h.places(h.resumeAt) < 1 {
		t.Errorf("after a success it is %+v", h)
	}
}

func TestHealth_throttlingGrowsOncePerPause(t *testing.T) {
	h := newHealth(16)
	first := h.note(ResultThrottled, answer{status: 429}, start, 16)
	again := h.note(ResultThrottled, answer{status: 429}, start.Add(time.Second), 16) // was under way
	if first < 4*time.Second || again > first {
		t.Errorf("the pauses are %s and %s", first, again)
	}
	if h.open || h.failures != 0 {
		t.Error("429 is taken for a failure")
	}
	long := h.note(ResultThrottled, answer{status: 429, retryAfter: 48 * time.Hour}, start.Add(2*time.Second), 16)
	if long != pauseMax {
		t.Errorf("it is granted %s, want %s", long, pauseMax)
	}
}

func TestResolve_whatBecomesOfADelivery(t *testing.T) {
	schedule := []time.Duration{0, time.Minute, time.Hour}
	for _, test := range []struct {
		tries  int
		result Result
		pause  time.Duration
		want   payment.DeliveryResult
		least  time.Duration
	}{
		{0, ResultDelivered, 0, payment.DeliveryResult{State: payment.DeliveryDelivered}, 0},
		{9, ResultDelivered, 0, payment.DeliveryResult{State: payment.DeliveryDelivered}, 0},
		{0, ResultGone, 0, payment.DeliveryResult{State: payment.DeliveryDead, Reason: payment.DeadEndpointDisabled, Gone: true}, 0},
		{0, ResultFailed, 0, payment.DeliveryResult{State: payment.DeliveryWaiting}, 48 * time.Second},
		{1, ResultTimeout, 0, payment.DeliveryResult{State: payment.DeliveryWaiting}, 48 * time.Minute},
		{0, ResultThrottled, time.Hour, payment.DeliveryResult{State: payment.DeliveryWaiting, PauseFor: time.Hour}, time.Hour},
		{2, ResultRedirected, 0, payment.DeliveryResult{State: payment.DeliveryDead, Reason: payment.DeadExhausted}, 0},
		{5, ResultForbidden, 0, payment.DeliveryResult{State: payment.DeliveryDead, Reason: payment.DeadExhausted}, 0},
	} {
		got := resolve(payment.WebhookDelivery{Tries: test.tries}, test.result, schedule, test.pause)
		if got.NextIn < test.least || (test.least == 0) != (got.NextIn == 0) {
			t.Errorf("try %d, %s: next in %s, want at least %s", test.tries+1, test.result, got.NextIn, test.least)
		}
		if got.NextIn = 0; got != test.want {
			t.Errorf("try %d, %s: %+v, want %+v", test.tries+1, test.result, got, test.want)
		}
	}
}

func TestDescribe_repeatsNoAddress(t *testing.T) {
	const private = "10.9.8.7"
	for name, err := range map[string]error{
		"resolution":  &net.DNSError{Err: "no such host", Name: "x", Server: private},
		"refused":     &net.OpError{Op: "dial", Err: fmt.Errorf("%s: %w", private, syscall.ECONNREFUSED)},
		"unreachable": fmt.Errorf("%s: %w", private, syscall.EHOSTUNREACH),
		"prohibited":  fmt.Errorf("%s: %w", private, ssrf.ErrProhibitedIP),
		"certificate": fmt.Errorf("%s: %w", private, &tls.CertificateVerificationError{Err: errors.New(private)}),
		"no TLS":      fmt.Errorf("%s: %w", private, tls.RecordHeaderError{Msg: private}),
		"deadline":    fmt.Errorf("%s: %w", private, context.DeadlineExceeded),
		"another":     errors.New(private),
	} {
		a := answer{err: err}
		if text := describe(judge(a), a); text == "" || strings.Contains(text, private) {
			t.Errorf("%s is described as %q", name, text)
		}
	}
	for _, result := range Results() {
		if text := describe(result, answer{status: http.StatusTeapot}); (text == "") != (result == ResultDelivered) {
			t.Errorf("%s is described as %q", result, text)
		}
	}
}

func TestFirstWants_keepsToWhatOneQuestionMayHave(t *testing.T) {
	var wants []payment.DeliveryWant
	for range 1000 {
		wants = append(wants, payment.DeliveryWant{Limit: 10})
	}
	wants[300].Not = make([]int64, 2*wantRowsMax)
	asked, questions := 0, 0
	for len(wants) > 0 {
		var first []payment.DeliveryWant
		first, wants = firstWants(wants)
		rows := 0
		for _, want := range first {
			rows += want.Limit + len(want.Not)
		}
		if len(first) == 0 || len(first) > wantsMax || rows > wantRowsMax && len(first) > 1 {
			t.Fatalf("a question has %d endpoints, %d rows", len(first), rows)
		}
		asked += len(first)
		questions++
	}
	if asked != 1000 || questions > 7 {
		t.Errorf("%d endpoints in %d questions", asked, questions)
	}
}

func TestFifo_givesInOrderAndForgets(t *testing.T) {
	var q fifo[*int]
	next := 0
	for i := range 1000 {
		q.push(new(i))
		if i%3 == 0 {
			if got := *q.pop(); got != next {
				t.Fatalf("got %d, want %d", got, next)
			}
			next++
		}
	}
	for ; q.len() > 0; next++ {
		if got := *q.pop(); got != next {
			t.Fatalf("got %d, want %d", got, next)
		}
	}
	if next != 1000 || len(q.items) != 0 {
		t.Errorf("%d were given, %d are kept", next, len(q.items))
	}
}
