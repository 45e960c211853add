package httppayer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/internal/outbound"
)

const (
	requestIDBytesMax = 128
	hidden            = "[hidden]"
)

// membersToShow are those of the contract that hold text.
var membersToShow = []string{"id", "reference", "status", "amount", "currency", "decline_code", "error", "code"}

// freeEscapes finds runs of \uXXXX; a run, since two may make one character.
var freeEscapes = regexp.MustCompile(`(?:\\u[0-9a-fA-F]{4})+`)

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
		Excerpt:    excerpt(text, want.paymentMethod, p.cfg.Token),
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

// excerpt hides the secrets before it cuts, since half of one is one too.
func excerpt(text string, secrets ...string) string {
	text = unescaped(text)
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		text = strings.ReplaceAll(text, secret, hidden)
		if quoted := quotedJSON(secret); quoted != secret {
			text = strings.ReplaceAll(text, quoted, hidden)
		}
	}
	if payment.ContainsCardNumber(text) {
		text = strings.Map(maskDigit, text)
	}
	return cut(strings.Map(printableRune, text))
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
			members[name] = jsontext.Value(`"` + hidden + `"`)
		}
	}
	shown, err := json.Marshal(members, json.Deterministic(true))
	if err != nil {
		return fmt.Sprintf("%d bytes of JSON", len(body))
	}
	return string(shown)
}

// unescaped undoes the escapes that a JSON writer is free to use, `\/` and
// `\u00e9`, so that a secret looks the same whoever wrote it. It works on half a
// JSON text too.
func unescaped(text string) string {
	text = strings.ReplaceAll(text, `\/`, "/")
	return freeEscapes.ReplaceAllStringFunc(text, func(escapes string) string {
		plain, err := jsontext.AppendUnquote(nil, `"`+escapes+`"`)
		if err != nil {
			return escapes
		}
		return string(plain)
	})
}

func quotedJSON(secret string) string {
	quoted, err := jsontext.AppendQuote(nil, secret)
	if err != nil {
		return secret
	}
	return string(quoted[1 : len(quoted)-1])
}

// cut shortens to the limit at a character's border.
func cut(text string) string {
	if len(text) <= payment.EvidenceBytesMax {
		return text
	}
	end := payment.EvidenceBytesMax
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

func maskDigit(r rune) rune {
	if unicode.IsDigit(r) {
		return '#'
	}
	return r
}

// printableRune replaces what could disturb a terminal, a log or a database;
// strings.Map has made bad UTF-8 into U+FFFD.
func printableRune(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return ' '
}
