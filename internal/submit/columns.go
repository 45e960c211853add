package submit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/paybuf/paybuf/internal/nearest"
)

// partLenMin is from which length a column's name inside another tells that
// several were meant to be put together.
const partLenMin = 3

// Names of the columns unless Columns has others: those of the API.
const (
	orderColumn         = "order_number"
	amountColumn        = "amount"
	currencyColumn      = "currency"
	paymentMethodColumn = "payment_method"
	customerColumn      = "customer"
	descriptionColumn   = "description"
	notBeforeColumn     = "not_before"
)

// columns are where the parts of an order stand in a record.
type columns struct {
	order, amount, currency, paymentMethod, customer, description, notBefore column
}

// column puts a text together from a record. The zero value gives "".
type column []piece

// piece is a fixed text, or the field at an index.
type piece struct {
	text  string
	index int
	field bool
}

func (c column) of(record []string) string {
	if len(c) == 1 && c[0].field {
		return record[c[0].index]
	}
	var text strings.Builder
	for _, piece := range c {
		if piece.field {
			text.WriteString(record[piece.index])
		} else {
			text.WriteString(piece.text)
		}
	}
	return text.String()
}

func fixed(text string) column { return column{{text: text}} }

// header finds columns by name.
type header []string

// findColumns resolves a mapping against a header row.
func findColumns(names []string, mapping Columns) (columns, error) {
	names = slices.Clone(names)
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	head := header(names)
	var found columns
	for _, wanted := range []struct {
		into        *column
		what        string
		name, usual string
		fixed       string
		optional    bool
	}{
		{into: &found.order, what: "order number", name: mapping.Order, usual: orderColumn},
		{into: &found.amount, what: "amount", name: mapping.Amount, usual: amountColumn},
		{into: &found.currency, what: "currency", name: mapping.Currency, usual: currencyColumn,
			fixed: mapping.FixedCurrency},
		{into: &found.paymentMethod, what: "payment method", name: mapping.PaymentMethod,
			usual: paymentMethodColumn, fixed: mapping.FixedPaymentMethod},
		{into: &found.customer, what: "customer", name: mapping.Customer, usual: customerColumn, optional: true},
		{into: &found.description, what: "description", name: mapping.Description, usual: descriptionColumn,
			optional: true},
		{into: &found.notBefore, what: "not before", name: mapping.NotBefore, usual: notBeforeColumn,
			fixed: mapping.FixedNotBefore, optional: true},
	} {
		if wanted.fixed != "" {
			*wanted.into = fixed(wanted.fixed)
			continue
		}
		name := wanted.name
		orDefault(&name, wanted.usual)
		if wanted.optional && wanted.name == "" && !slices.Contains(head, name) {
			continue
		}
		resolved, err := head.resolve(name)
		if err != nil {
			return columns{}, fmt.Errorf("%s: %w", wanted.what, err)
		}
		*wanted.into = resolved
	}
	return found, nil
}

// resolve finds one column, or the several that a text with braces names.
func (h header) resolve(text string) (column, error) {
	if slices.Contains(h, text) || !strings.Contains(text, "{") {
		at, err := h.index(text)
		return column{{index: at, field: true}}, err
	}
	var pieces column
	for rest := text; rest != ""; {
		before, after, opened := strings.Cut(rest, "{")
		if before != "" {
			pieces = append(pieces, piece{text: before})
		}
		if !opened {
			break
		}
		name, remaining, closed := strings.Cut(after, "}")
		if !closed {
			return nil, fmt.Errorf("%q: a brace is not closed", text)
		}
		at, err := h.index(name)
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, piece{index: at, field: true})
		rest = remaining
	}
	return pieces, nil
}

func (h header) index(name string) (int, error) {
	at := slices.Index(h, name)
	if at < 0 {
		return 0, h.missing(name)
	}
	if slices.Contains(h[at+1:], name) {
		return 0, fmt.Errorf("two columns are named %q", name)
	}
	return at, nil
}

// missing says which columns there are, so that the mapping can be put right
// without opening the file.
func (h header) missing(name string) error {
	quoted := make([]string, len(h))
	parts := make([]string, 0, len(h)) // columns that the name holds
	for i, column := range h {
		quoted[i] = strconv.Quote(column)
		if len(column) >= partLenMin && strings.Contains(name, column) {
			parts = append(parts, "{"+column+"}")
		}
	}
	hint := ""
	if near, ok := nearest.Name(name, h); len(parts) > 1 {
		hint = fmt.Sprintf("; several are put together in braces, such as %q", strings.Join(parts, "-"))
	} else if ok {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Errorf("no column %q; the columns are %s%s", name, strings.Join(quoted, ", "), hint)
}
