package httppayer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/internal/outbound"
	"github.com/paybuf/paybuf/payment"
)

const requestIDBytesMax = 128

// membersToShow are those of the contract that hold text.
var membersToShow = []string{"id", "reference", "status", "amount", "currency", "decline_code", "error", "code"}

// evidence is what a human may see of an exchange later: neither the payment
// method, nor our token, nor a card number.
func (p *Payer) evidence(want asked, sent exchange) payment.Evidence {
	text := string(sent.body)
	if want.paymentMethod == "" {
		text = outline(sent.body)
	}
	if sent.err != nil {
		text = strings.TrimSpace(sent.err.Error() + " " + text)
	}
	return payment.Evidence{
		HTTPStatus: sent.status,
		RequestID:  requestID(sent),
		Excerpt:    outbound.Excerpt(text, want.paymentMethod, p.cfg.Token),
	}
}

func requestID(sent exchange) string {
	for _, name := range []string{"Request-Id", "X-Request-Id"} {
		if id := sent.header.Get(name); len(id) <= requestIDBytesMax && outbound.IsID(id) {
			return id
		}
	}
	return ""
}

// outline shows a body in which a payment method might be that we do not know,
// the answer to a look-up: members of the contract, numbers, and the names of
// the rest.
func outline(body []byte) string {
	var members map[string]jsontext.Value
	if len(body) == 0 {
		return ""
	}
	if err := json.Unmarshal(body, &members); err != nil {
		return fmt.Sprintf("%d bytes that are no JSON object", len(body))
	}
	for name, value := range members {
		kind := value.Kind()
		if kind == '{' || kind == '[' || (kind == '"' && !slices.Contains(membersToShow, name)) {
			members[name] = jsontext.Value(`"` + outbound.Hidden + `"`)
		}
	}
	shown, err := json.Marshal(members, json.Deterministic(true))
	if err != nil {
		return fmt.Sprintf("%d bytes of JSON", len(body))
	}
	return string(shown)
}
