package webhook

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/paybuf/paybuf/internal/outbound"
)

// parcel is what is sent once: the body and its signature's parts.
type parcel struct {
	url       string
	id        string // of the event
	at        time.Time
	signature string
	body      []byte
}

// answer is what came of it.
type answer struct {
	status     int           // 0: there was none
	retryAfter time.Duration // 0 if it was not asked for
	excerpt    string
	slow       bool  // not all of it came in time
	err        error // why there was none, or not all of it
}

// courier takes parcels to their endpoints.
type courier interface {
	deliver(ctx context.Context, p parcel) answer
}

var (
	errSlow      = errors.New("the endpoint took too long")
	errForbidden = errors.New("the URL may not be sent to")
)

// poster is the courier over HTTP.
type poster struct {
	transport *http.Transport
	targets   Targets
	timeout   time.Duration
	agent     string
}

func newPoster(cfg Config) *poster {
	return &poster{
		transport: newTransport(cfg), targets: cfg.Targets, timeout: cfg.Timeout, agent: "Paybuf-Webhook/" + cfg.Version,
	}
}

// deliver makes one request. It follows no redirect: the transport never does.
func (p *poster) deliver(ctx context.Context, sent parcel) answer {
	if p.targets.CheckURL(sent.url) != nil { // the rules may have changed since it was kept
		return answer{err: errForbidden}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, errSlow)
	defer cancel()
	request, err := p.request(ctx, sent)
	if err != nil {
		return answer{err: err}
	}
	response, err := p.transport.RoundTrip(request)
	if err != nil {
		if context.Cause(ctx) != nil {
			err = context.Cause(ctx)
		}
		return answer{err: err}
	}
	defer response.Body.Close() //nolint:errcheck // only read
	got := answer{status: response.StatusCode}
	got.retryAfter, _ = outbound.RetryAfter(response.Header)
	// An answer that is read to its end leaves the connection for the next request; on
	// one that goes on the connection is closed.
	body, err := io.ReadAll(io.LimitReader(outbound.BodyOf(response), answerBytesMax))
	got.excerpt = outbound.ExcerptOf(string(body[:min(len(body), excerptBytesMax)]), excerptBytesMax)
	got.err, got.slow = err, err != nil && context.Cause(ctx) != nil
	return got
}

func (p *poster) request(ctx context.Context, sent parcel) (*http.Request, error) {
	parsed, err := url.Parse(sent.url)
	if err != nil {
		return nil, errForbidden // its text would repeat the URL
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "", bytes.NewReader(sent.body))
	if err != nil {
		return nil, err
	}
	request.URL, request.Host = parsed, parsed.Host
	// The names are canonical for net/http; on the wire case does not matter.
	request.Header = http.Header{
		http.CanonicalHeaderKey(standardwebhooks.HeaderWebhookID):        {sent.id},
		http.CanonicalHeaderKey(standardwebhooks.HeaderWebhookTimestamp): {strconv.FormatInt(sent.at.Unix(), 10)},
		http.CanonicalHeaderKey(standardwebhooks.HeaderWebhookSignature): {sent.signature},
		"Content-Type": {"application/json"},
		"User-Agent":   {p.agent},
	}
	return request, nil
}

func (p *poster) close() { p.transport.CloseIdleConnections() }
