package stripepayer

import (
	"context"
	"errors"
	"net/http"

	"github.com/stripe/stripe-go/v85"

	"github.com/paybuf/paybuf/internal/outbound"
	"github.com/paybuf/paybuf/payment"
)

// The causes of our own deadlines; they end up in the evidence.
var (
	errChargeSlow = errors.New("stripe did not answer the charge in time")
	errLookupSlow = errors.New("stripe did not answer the look-up in time")
	errNoSearch   = errors.New("this account has no search")
)

// intentsMax limits what one look-up reads. There is one intent of a payment,
// unless Stripe forgot a key and charged again.
const intentsMax = 3

// Payer is one account at Stripe. It is safe for concurrent use.
type Payer struct {
	cfg       Config // with its defaults filled in
	client    *stripe.Client
	transport *http.Transport
}

// New makes an adapter. It sends nothing. The error is a *payment.Error with
// CodeConfig that never repeats the key.
func New(cfg Config) (*Payer, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	transport := outbound.NewTransport(cfg.Connections, nil)
	return &Payer{cfg: cfg, client: newClient(cfg, transport), transport: transport}, nil
}

// Charge creates and confirms a PaymentIntent by one send and says what the answer
// proves.
func (p *Payer) Charge(ctx context.Context, request payment.Request) payment.Answer {
	params, err := p.params(request)
	if err != nil {
		return neverSent(err)
	}
	bounded, cancel := context.WithTimeoutCause(ctx, p.cfg.Timeout, errChargeSlow)
	defer cancel()
	got := p.exchange(bounded, func(ctx context.Context) (*stripe.PaymentIntent, error) {
		return p.client.V1PaymentIntents.Create(ctx, params)
	})
	got.canceled = errors.Is(ctx.Err(), context.Canceled)
	return p.judge(request.ID, request.Money, request.PaymentMethod, got).charge()
}

// Lookup searches for the payment's intents and reads what it found. money is what
// we asked for: an intent of another amount is a Mismatch.
func (p *Payer) Lookup(ctx context.Context, id payment.ID, money payment.Money) payment.Answer {
	if p.cfg.NoSearch {
		return p.judge(id, money, "", exchange{err: errNoSearch}).unknown(failureNotAsked)
	}
	bounded, cancel := context.WithTimeoutCause(ctx, p.cfg.LookupTimeout, errLookupSlow)
	defer cancel()
	found, got := p.search(bounded, id)
	if got.err != nil {
		return p.judge(id, money, "", got).lookup()
	}
	if len(found) == 0 {
		return p.judge(id, money, "", got).notFound()
	}
	answers := make([]payment.Answer, 0, len(found))
	for _, intent := range found {
		read := p.exchange(bounded, func(ctx context.Context) (*stripe.PaymentIntent, error) {
			return p.client.V1PaymentIntents.Retrieve(ctx, intent, nil)
		})
		answers = append(answers, p.judge(id, money, "", read).lookup())
	}
	return together(answers)
}

// search gives the ids of the intents that carry a payment's id.
func (p *Payer) search(ctx context.Context, id payment.ID) ([]string, exchange) {
	var found []string
	got := p.exchange(ctx, func(ctx context.Context) (*stripe.PaymentIntent, error) {
		params := &stripe.PaymentIntentSearchParams{SearchParams: stripe.SearchParams{
			Query: "metadata['" + metadataID + "']:'" + string(id) + "'", Limit: stripe.Int64(intentsMax), Single: true,
		}}
		page := p.client.V1PaymentIntents.Search(ctx, params)
		if err := page.Err(); err != nil {
			return nil, err
		}
		for _, intent := range page.Data() {
			if intent == nil || !outbound.IsID(intent.ID) {
				return nil, errForeign
			}
			found = append(found, intent.ID)
		}
		return &stripe.PaymentIntent{APIResource: stripe.APIResource{LastResponse: page.LastResponse()}}, nil
	})
	return found, got
}

// Traits are what Stripe promises and the configuration allows.
func (p *Payer) Traits() payment.Traits {
	return payment.Traits{
		KeyWindow:       keyWindow,
		KeyBytesMax:     keyBytesMax,
		CanLookup:       !p.cfg.NoSearch,
		VisibilityDelay: p.cfg.VisibilityDelay,
		CanPend:         true,
	}
}

// Close closes idle connections. Calls under way are not disturbed.
func (p *Payer) Close() { p.transport.CloseIdleConnections() }
