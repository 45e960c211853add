package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/payment"
)

const cardRefusal = "send the payer's token, never a card number"

var (
	errTooDeep  = errors.New("nested too deep")
	errTrailing = errors.New("data after the document")
)

// unreadable is the refusal of a body that is no single JSON document. The
// decoder's own text is not shown, since it quotes the body. A card number that
// was sent this way is refused as one all the same: the client must not send it
// again with its JSON repaired.
func unreadable(err error, body []byte) error {
	detail := unreadableDetail(err, body)
	if holdsCard(body) {
		return &payment.Error{
			Code:   payment.CodeCardNumber,
			Detail: cardRefusal,
			Fields: []payment.FieldError{{Detail: cardDetail + "; also, " + detail}},
		}
	}
	return &payment.Error{Code: payment.CodeMalformed, Detail: detail}
}

// holdsCard looks for a card number in what can be read as JSON, where it may be
// written with escapes, and in the raw text of all the rest.
func holdsCard(body []byte) bool {
	json := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true))
	for json.StackDepth() <= nestingMax {
		token, err := json.ReadToken()
		if err != nil {
			break
		}
		if holdsCardToken(token) {
			return true
		}
	}
	return payment.ContainsCardNumber(string(body))
}

func holdsCardToken(token jsontext.Token) bool {
	kind := token.Kind()
	return (kind == '"' || kind == '0') && payment.ContainsCardNumber(token.String())
}

func unreadableDetail(err error, body []byte) string {
	syntax, atByte := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return "the body begins with a byte order mark, which JSON must not have (RFC 8259, section 8.1)"
	case !utf8.Valid(body):
		return "the body is not valid UTF-8"
	case errors.Is(err, errTooDeep):
		return fmt.Sprintf("the body is nested deeper than %d levels", nestingMax)
	case errors.Is(err, errTrailing):
		return "the body goes on after its JSON document"
	case errors.Is(err, io.EOF):
		return "the body is empty; send a JSON object"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the body ends before its JSON does"
	case atByte:
		return fmt.Sprintf("the body is not valid JSON at byte %d", syntax.ByteOffset)
	}
	return "the body is not valid JSON"
}
