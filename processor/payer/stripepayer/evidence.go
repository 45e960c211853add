package stripepayer

import (
	"fmt"
	"strings"

	"github.com/stripe/stripe-go/v85"

	"github.com/paybuf/paybuf/internal/outbound"
	"github.com/paybuf/paybuf/payment"
)

// evidence is what a human may see of an exchange later. Of Stripe's objects it
// shows codes, ids and states alone: they hold client secrets, and messages name
// payment methods.
func (p *Payer) evidence(got exchange, paymentMethod string) payment.Evidence {
	var text string
	switch {
	case got.refusal != nil:
		text = outlineOfError(got.refusal) + headers(got)
	case got.err != nil:
		text = got.err.Error()
	case got.intent != nil:
		text = outlineOfIntent(got.intent) + headers(got)
	}
	id := got.header.Get("Request-Id")
	if !outbound.IsID(id) {
		id = ""
	}
	return payment.Evidence{
		HTTPStatus: got.status,
		RequestID:  outbound.Excerpt(id, p.cfg.SecretKey, paymentMethod),
		Excerpt:    outbound.Excerpt(text, p.cfg.SecretKey, paymentMethod),
	}
}

func outlineOfError(refusal *stripe.Error) string {
	text := outline("type", string(refusal.Type), "code", string(refusal.Code),
		"decline_code", string(refusal.DeclineCode), "param", refusal.Param)
	if refusal.PaymentIntent != nil {
		text += " " + outlineOfIntent(refusal.PaymentIntent)
	}
	return text
}

func outlineOfIntent(intent *stripe.PaymentIntent) string {
	if intent.ID == "" {
		return ""
	}
	text := outline("intent", intent.ID, "status", string(intent.Status), "paybuf_id", intent.Metadata[metadataID],
		"currency", string(intent.Currency))
	return text + fmt.Sprintf(" amount=%d amount_received=%d", intent.Amount, intent.AmountReceived)
}

// headers are those that Stripe tells about a repetition.
func headers(got exchange) string {
	text := outline("should_retry", got.header.Get("Stripe-Should-Retry"), "replayed", got.header.Get("Idempotent-Replayed"))
	if text != "" {
		text = " " + text
	}
	return text
}

// outline names those values that look like a code.
func outline(pairs ...string) string {
	var shown []string
	for i := 0; i+1 < len(pairs); i += 2 {
		switch name, value := pairs[i], pairs[i+1]; {
		case value == "":
		case outbound.IsCode(value):
			shown = append(shown, name+"="+value)
		default:
			shown = append(shown, name+"="+outbound.Hidden)
		}
	}
	return strings.Join(shown, " ")
}
