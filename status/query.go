package status

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/paybuf/paybuf/payment"
)

const (
	orderNumberParameter = "order_number"
	// parametersNamedMax limits how many unknown parameters an answer names, and
	// nameEchoBytesMax how long a name it repeats.
	parametersNamedMax = 10
	nameEchoBytesMax   = 64
)

// orderNumberOf reads the query of a list. What is not known is refused: a filter
// that is ignored would show payments that were not asked for.
func orderNumberOf(rawQuery string) (string, error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return "", &payment.Error{Code: payment.CodeMalformed, Detail: "the query cannot be read"}
	}
	values := query[orderNumberParameter]
	delete(query, orderNumberParameter)
	switch {
	case len(query) > 0:
		return "", unknownParameters(slices.Sorted(maps.Keys(query)))
	case len(values) == 0:
		return "", invalidQuery("order_number is missing; ask for /v1/payments?order_number=...")
	case len(values) > 1:
		return "", invalidQuery("order_number is given more than once")
	}
	return values[0], payment.CheckOrderNumber(values[0])
}

func unknownParameters(names []string) error {
	refusal := &payment.Error{
		Code:   payment.CodeInvalid,
		Detail: "the query has unknown parameters; order_number is the only one",
	}
	for _, name := range names[:min(len(names), parametersNamedMax)] {
		refusal.Fields = append(refusal.Fields, payment.FieldError{Detail: "unknown query parameter" + echo(name)})
	}
	return refusal
}

// echo repeats a name if it is short, text, and holds no card number.
func echo(name string) string {
	if len(name) > nameEchoBytesMax || !utf8.ValidString(name) || payment.ContainsCardNumber(name) {
		return ""
	}
	return " " + strconv.Quote(name)
}

func invalidQuery(detail string) error {
	return &payment.Error{Code: payment.CodeInvalid, Detail: detail}
}
