package stripepayer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"

	"github.com/go-json-experiment/json"
	"github.com/stripe/stripe-go/v85"

	"github.com/paybuf/paybuf/internal/outbound"
)

var errForeign = errors.New("the answer is not Stripe's")

// exchange is what came of a request. Status is 0 if no status line came.
type exchange struct {
	connected bool // there was a connection to send on: bytes may have left
	canceled  bool // our caller gave up
	status    int
	header    http.Header
	intent    *stripe.PaymentIntent // nil if err is not
	refusal   *stripe.Error         // Stripe's own error, if that is what err is
	err       error
}

// newClient gives Stripe's client without what must not be: repetitions, logs,
// telemetry.
func newClient(cfg Config, transport *http.Transport) *stripe.Client {
	api := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		HTTPClient: &http.Client{
			Transport:     lane{transport: transport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		MaxNetworkRetries: stripe.Int64(0),
		EnableTelemetry:   stripe.Bool(false),
		LeveledLogger:     &stripe.LeveledLogger{Level: stripe.LevelNull},
		URL:               stripe.String(cfg.BaseURL),
	})
	return stripe.NewClient(cfg.SecretKey, stripe.WithBackends(&stripe.Backends{
		API: api, Connect: api, Uploads: api, MeterEvents: api,
	}))
}

// exchange makes one request of Stripe's client and takes its answer apart.
func (p *Payer) exchange(ctx context.Context, do func(context.Context) (*stripe.PaymentIntent, error)) exchange {
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	intent, err := do(traced)
	got := exchange{connected: connected.Load()}
	if err != nil {
		got.fail(ctx, err)
		return got
	}
	got.intent = intent
	if response := intent.LastResponse; response != nil {
		got.status, got.header = response.StatusCode, response.Header
	}
	return got
}

// fail finds what is worth knowing about an error: Stripe's own, or the end of ctx,
// or what the network said.
func (e *exchange) fail(ctx context.Context, err error) {
	e.err = err
	if refusal, isRefusal := errors.AsType[*stripe.Error](err); isRefusal {
		e.refusal, e.status = refusal, refusal.HTTPStatusCode
		if refusal.LastResponse != nil {
			e.header = refusal.LastResponse.Header
		}
		return
	}
	if foreign, isForeign := errors.AsType[*foreignAnswer](err); isForeign {
		e.status, e.header, e.err = foreign.status, foreign.header, foreign.cause
	}
	if cause := context.Cause(ctx); cause != nil {
		e.err = cause
	}
	if wrapped, isWrapped := errors.AsType[*url.Error](e.err); isWrapped {
		e.err = wrapped.Err // without the URL
	}
}

// lane is the way to Stripe: one send per request, and nothing comes back that is
// not Stripe's JSON in full.
type lane struct{ transport *http.Transport }

// RoundTrip implements http.RoundTripper.
func (l lane) RoundTrip(request *http.Request) (*http.Response, error) {
	once := outbound.OneSend(request)
	once.Header = once.Header.Clone()
	// The library's tell the versions of things, and what it finds in the environment.
	once.Header.Set("User-Agent", "paybuf")
	once.Header.Del("X-Stripe-Client-User-Agent")
	response, err := l.transport.RoundTrip(once)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // nothing more is read from it
	body, err := outbound.ReadAnswer(outbound.BodyOf(response))
	if err == nil && !isStripes(response.StatusCode, body) {
		err = errForeign
	}
	if err != nil {
		return nil, &foreignAnswer{status: response.StatusCode, header: response.Header, cause: err}
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// foreignAnswer is one that the library must not see: it would take half an
// answer, or a proxy's page, for an empty one of Stripe's.
type foreignAnswer struct {
	status int
	header http.Header
	cause  error
}

func (f *foreignAnswer) Error() string { return f.cause.Error() }
func (f *foreignAnswer) Unwrap() error { return f.cause }

// isStripes tells whether a body is the object or the error that Stripe sends with
// such a status. json/v2 refuses double members, in which two readers could see
// two answers.
func isStripes(status int, body []byte) bool {
	var form struct {
		Object string `json:"object"`
		Error  *struct {
			Type string `json:"type"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &form); err != nil {
		return false
	}
	switch {
	case status == http.StatusOK:
		return form.Object != "" && form.Error == nil
	case status >= http.StatusBadRequest:
		return form.Error != nil && form.Error.Type != ""
	}
	return false
}
