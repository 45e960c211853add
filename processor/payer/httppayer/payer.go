package httppayer

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/paybuf/paybuf/internal/outbound"
	"github.com/paybuf/paybuf/payment"
)

// The causes of our own deadlines; they end up in the evidence.
var (
	errChargeSlow = errors.New("the payer did not answer the charge in time")
	errLookupSlow = errors.New("the payer did not answer the look-up in time")
	errNoLookup   = errors.New("this payer cannot be asked about a charge")
	errVoidSlow   = errors.New("the payer did not answer the void in time")
	errNoVoid     = errors.New("this payer takes no charge back")
)

// Payer is one payer's HTTP endpoint. It is safe for concurrent use.
type Payer struct {
	charges   *url.URL    // {base}/charges
	voids     *url.URL    // {base}/voids
	cfg       Config      // with its defaults filled in
	header    http.Header // of every request; its values are shared
	transport *http.Transport
}

// New makes an adapter for the payer at baseURL: http or https, with a host and
// perhaps a path, without user, query or fragment. It sends nothing. The error
// is a *payment.Error with CodeConfig that never repeats the URL, which may hold
// a secret that does not belong there.
func New(baseURL string, cfg Config) (*Payer, error) {
	base, err := parseBase(baseURL)
	if err != nil {
		return nil, err
	}
	cfg, err = cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Payer{
		charges: base.JoinPath("charges"), voids: base.JoinPath("voids"), cfg: cfg,
		header: newHeader(cfg.Token), transport: outbound.NewTransport(cfg.Connections, cfg.TLS),
	}, nil
}

// Charge sends the request once and says what its answer proves.
func (p *Payer) Charge(ctx context.Context, request payment.Request) payment.Answer {
	body, err := encodeCharge(request)
	if err != nil {
		return p.newJudge(asked{}, exchange{err: err}).charge()
	}
	sent := p.send(ctx, call{
		method: http.MethodPost, url: p.charges, key: request.ID, body: body,
		timeout: p.cfg.Timeout, slow: errChargeSlow,
	})
	want := asked{reference: request.ID, money: request.Money, paymentMethod: request.PaymentMethod}
	return p.newJudge(want, sent).charge()
}

// Lookup asks what became of the charge with our id. money is what we asked for:
// an answer about another amount is a Mismatch.
func (p *Payer) Lookup(ctx context.Context, id payment.ID, money payment.Money) payment.Answer {
	want := asked{reference: id, money: money}
	if !p.cfg.Traits.CanLookup {
		return p.newJudge(want, exchange{err: errNoLookup}).lookup()
	}
	sent := p.send(ctx, call{
		method: http.MethodGet, url: about(p.charges, id),
		timeout: p.cfg.LookupTimeout, slow: errLookupSlow,
	})
	return p.newJudge(want, sent).lookup()
}

// Void tells the payer to take back what was charged with our id, if anything
// was. money is what we asked for: an answer about another amount is a Mismatch.
func (p *Payer) Void(ctx context.Context, id payment.ID, money payment.Money) payment.Answer {
	want := asked{reference: id, money: money}
	if !p.cfg.Traits.CanVoid {
		return p.newJudge(want, exchange{err: errNoVoid}).void()
	}
	sent := p.send(ctx, call{
		method: http.MethodPost, url: about(p.voids, id),
		timeout: p.cfg.Timeout, slow: errVoidSlow,
	})
	return p.newJudge(want, sent).void()
}

// about gives the address of what concerns one payment.
func about(base *url.URL, id payment.ID) *url.URL {
	address := *base
	address.RawQuery = url.Values{"reference": {string(id)}}.Encode()
	return &address
}

// Traits are what the operator says that this payer offers.
func (p *Payer) Traits() payment.Traits { return *p.cfg.Traits }

// Close closes idle connections. Calls under way are not disturbed.
func (p *Payer) Close() { p.transport.CloseIdleConnections() }

func parseBase(text string) (*url.URL, error) {
	base, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, badConfig("the payer's URL cannot be read")
	case base.Scheme != "http" && base.Scheme != "https":
		return nil, badConfig("the payer's URL must begin with http:// or https://")
	case base.Hostname() == "":
		return nil, badConfig("the payer's URL must name a host")
	case base.User != nil || base.RawQuery != "" || base.ForceQuery || base.Fragment != "":
		return nil, badConfig("the payer's URL must have no user, query or fragment; a secret is given as the token")
	case base.Path == "":
		base.Path = "/" // else what is joined to it has no slash in front
	}
	return base, nil
}

func badConfig(detail string) error {
	return &payment.Error{Code: payment.CodeConfig, Detail: detail}
}

// orDefault gives fallback for the zero duration.
func orDefault(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}
