package reconcile

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/paybuf/paybuf/internal/table"
	"github.com/paybuf/paybuf/payment"
)

const (
	// chargeIDBytesMax and referenceBytesMax are far above what payers use.
	chargeIDBytesMax  = 255
	referenceBytesMax = 255
	readAheadBytes    = 64 << 10

	statusOfAll = string(payment.ChargeSucceeded)
)

// FormatError is a statement that must be put right before it can be read. It
// never repeats what stands in the file.
type FormatError struct {
	Line   int64  // 0 if it is about the file as a whole
	Column string // its name; "" if it is about the line as a whole
	Err    error
}

// Error implements error.
func (e *FormatError) Error() string {
	switch {
	case e.Line == 0:
		return e.Err.Error()
	case e.Column == "":
		return fmt.Sprintf("line %d: %v", e.Line, e.Err)
	}
	return fmt.Sprintf("line %d, column %q: %v", e.Line, e.Column, e.Err)
}

// Unwrap gives what is wrong.
func (e *FormatError) Unwrap() error { return e.Err }

// reader reads a statement line by line.
type reader struct {
	rows  *table.Reader
	found found
	unit  table.Unit
}

func newReader(source io.Reader, columns Columns) (*reader, error) {
	if err := columns.check(); err != nil {
		return nil, &FormatError{Err: err}
	}
	buffered := bufio.NewReaderSize(source, readAheadBytes)
	if err := table.SkipBOM(buffered); err != nil {
		return nil, &FormatError{Err: err}
	}
	rows, err := table.NewReader(buffered)
	if err != nil {
		return nil, &FormatError{Err: err}
	}
	found, err := columns.find(rows.Header())
	if err != nil {
		return nil, &FormatError{Err: err}
	}
	return &reader{rows: rows, found: found, unit: cmp.Or(columns.Unit, table.Minor)}, nil
}

// next gives the next line; io.EOF at the end. A *FormatError ends the file too: a
// statement that is wrong in one place is not believed in the others.
func (r *reader) next() (payment.StatementLine, error) {
	record, err := r.rows.Next()
	if errors.Is(err, io.EOF) {
		return payment.StatementLine{}, io.EOF
	}
	if malformed, ok := errors.AsType[*table.RowError](err); ok {
		return payment.StatementLine{}, &FormatError{Line: malformed.Line, Err: malformed.Err}
	}
	if errors.Is(err, table.ErrRowTooLong) {
		return payment.StatementLine{}, &FormatError{Line: r.rows.Line() + 1, Err: err}
	}
	if err != nil {
		return payment.StatementLine{}, fmt.Errorf("read the statement after line %d: %w", r.rows.Line(), err)
	}
	return r.line(record)
}

// line makes a line of a record.
func (r *reader) line(record []string) (payment.StatementLine, error) {
	line := payment.StatementLine{
		ChargeID: strings.TrimSpace(r.found.chargeID.Of(record)),
		Status:   payment.ChargeStatus(strings.ToLower(strings.TrimSpace(r.found.status.Of(record)))),
		Currency: strings.TrimSpace(r.found.currency.Of(record)),
		Number:   r.rows.Line(),
	}
	var at, amount, reference error
	line.ChargedAt, at = time.Parse(time.RFC3339, strings.TrimSpace(r.found.chargedAt.Of(record)))
	if at != nil {
		at = errors.New("must be a time such as 2026-11-21T09:00:00Z (RFC 3339)")
	}
	line.AmountMinor, amount = table.Amount(r.found.amount.Of(record), line.Currency, r.unit)
	if amount == nil && line.AmountMinor < 0 {
		amount = errors.New("must not be negative; a refund is told by the status of its charge")
	}
	line.Reference, reference = readReference(r.found.reference.Of(record))
	for _, part := range []struct {
		of  named
		err error
	}{
		{r.found.chargeID, checkChargeID(line.ChargeID)},
		{r.found.reference, reference},
		{r.found.status, checkStatus(line.Status)},
		{r.found.currency, checkCurrency(line.Currency)},
		{r.found.amount, amount},
		{r.found.chargedAt, at},
	} {
		if part.err != nil {
			return payment.StatementLine{}, &FormatError{Line: line.Number, Column: part.of.name, Err: part.err}
		}
	}
	return line, nil
}

func checkChargeID(text string) error {
	switch {
	case text == "" || len(text) > chargeIDBytesMax:
		return fmt.Errorf("must have 1 to %d bytes", chargeIDBytesMax)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return errors.New("must be text without control characters")
	case payment.ContainsCardNumber(text):
		return errors.New("holds what may be a card number; is it the right column?")
	}
	return nil
}

// readReference takes what a bank puts there. Ours hold nothing like a card
// number, so digits of what does are of no use to us and are not kept.
func readReference(text string) (string, error) {
	text = strings.TrimSpace(text)
	switch {
	case len(text) > referenceBytesMax:
		return "", fmt.Errorf("must have at most %d bytes", referenceBytesMax)
	case payment.ContainsCardNumber(text):
		return strings.Map(maskDigit, text), nil
	}
	return text, nil
}

func maskDigit(r rune) rune {
	if unicode.IsDigit(r) {
		return '#'
	}
	return r
}

func checkStatus(status payment.ChargeStatus) error {
	if slices.Contains(payment.ChargeStatuses(), status) {
		return nil
	}
	names := make([]string, 0, len(payment.ChargeStatuses()))
	for _, known := range payment.ChargeStatuses() {
		names = append(names, string(known))
	}
	return fmt.Errorf("must be one of %s", strings.Join(names, ", "))
}

// checkCurrency does not ask whether the currency is an active one: a charge in a
// withdrawn one is worth being told of.
func checkCurrency(code string) error {
	if len(code) != 3 || strings.ContainsFunc(code, func(r rune) bool { return r < 'A' || r > 'Z' }) {
		return errors.New("must be an ISO 4217 code such as EUR")
	}
	return nil
}
