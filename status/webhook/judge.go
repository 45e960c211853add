package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

	"github.com/paybuf/paybuf/payment"
)

// Result is what an attempt came to, in one word.
type Result string

// The results.
const (
	ResultDelivered   Result = "delivered"   // 2xx
	ResultRedirected  Result = "redirected"  // 3xx, which is not followed
	ResultRefused     Result = "refused"     // another answer that is no success
	ResultGone        Result = "gone"        // 410
	ResultThrottled   Result = "throttled"   // 429, 502, 503, 504
	ResultFailed      Result = "failed"      // another 5xx
	ResultTimeout     Result = "timeout"     // no answer in time
	ResultUnreachable Result = "unreachable" // no connection, or none that holds
	ResultForbidden   Result = "forbidden"   // an address that is not sent to
)

// Results gives all of them.
func Results() []Result {
	return []Result{
		ResultDelivered, ResultRedirected, ResultRefused, ResultGone, ResultThrottled, ResultFailed,
		ResultTimeout, ResultUnreachable, ResultForbidden,
	}
}

// judge says what an answer means. One that says 2xx and is cut off counts: the
// consumer has taken the event.
func judge(a answer) Result {
	switch {
	case a.status/100 == 2:
		return ResultDelivered
	case a.status == http.StatusGone:
		return ResultGone
	case a.status == http.StatusTooManyRequests || a.status >= 502 && a.status <= 504:
		return ResultThrottled
	case a.status >= 500:
		return ResultFailed
	case a.status/100 == 3:
		return ResultRedirected
	case a.status != 0:
		return ResultRefused
	case errors.Is(a.err, errSlow), isTimeout(a.err):
		return ResultTimeout
	case isForbidden(a.err):
		return ResultForbidden
	}
	return ResultUnreachable
}

func isForbidden(err error) bool {
	return errors.Is(err, errForbidden) || errors.Is(err, ssrf.ErrProhibitedIP) ||
		errors.Is(err, ssrf.ErrProhibitedNetwork) || errors.Is(err, ssrf.ErrInvalidHostPort)
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// describe says why an attempt failed, to the tenant: an address of ours, a name
// server's or what a name resolves to inside are not in it.
func describe(result Result, a answer) string {
	switch result {
	case ResultDelivered:
		return ""
	case ResultRedirected:
		return fmt.Sprintf("answered %d; redirects are not followed", a.status)
	case ResultGone, ResultThrottled, ResultFailed, ResultRefused:
		return fmt.Sprintf("answered %d", a.status)
	case ResultTimeout:
		return "no answer in time"
	case ResultForbidden:
		return "the URL, or the address of its host, is none that is sent to"
	case ResultUnreachable:
		return describeBroken(a.err)
	}
	return string(result)
}

func describeBroken(err error) string {
	_, isDNS := errors.AsType[*net.DNSError](err)
	_, isCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, isNoTLS := errors.AsType[tls.RecordHeaderError](err)
	_, isAlert := errors.AsType[tls.AlertError](err)
	switch {
	case isDNS:
		return "the host name cannot be resolved"
	case isCertificate:
		return "the server's certificate is not trusted, or not for this host"
	case isNoTLS || isAlert:
		return "no TLS connection could be agreed on"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "the host cannot be reached"
	}
	return "the connection was lost, or the answer was no HTTP"
}

// jitterShare is how far a pause is drawn from its length, so that what failed
// together does not come back together.
const jitterShare = 0.2

func jittered(pause time.Duration) time.Duration {
	return time.Duration(float64(pause) * (1 - jitterShare + 2*jitterShare*rand.Float64())) //nolint:gosec // no secret
}

// resolve says what becomes of a delivery after one more try. A try counts whatever
// came of it. pause is what its endpoint was given.
func resolve(d payment.WebhookDelivery, result Result, schedule []time.Duration, pause time.Duration) payment.DeliveryResult {
	r := payment.DeliveryResult{State: payment.DeliveryWaiting, PauseFor: pause}
	tries := d.Tries + 1
	switch {
	case result == ResultDelivered:
		r.State = payment.DeliveryDelivered
	case result == ResultGone:
		r.State, r.Reason, r.Gone = payment.DeliveryDead, payment.DeadEndpointDisabled, true
	case tries >= len(schedule):
		r.State, r.Reason = payment.DeliveryDead, payment.DeadExhausted
	default:
		r.NextIn = max(jittered(schedule[tries]), pause)
	}
	return r
}
