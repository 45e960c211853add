package submit

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/internal/table"
	"github.com/paybuf/paybuf/payment"
)

var errNoTime = errors.New("/not_before must be a time such as 2026-11-21T09:00:00Z")

// csvRequests reads a CSV file whose first row names the columns.
type csvRequests struct {
	rows    *table.Reader
	columns columns
	unit    AmountUnit
	row     Row // the last one
}

func newCSV(source io.Reader, mapping Columns, pass int) (*csvRequests, error) {
	rows, err := table.NewReader(source)
	if err != nil {
		return nil, err
	}
	found, err := findColumns(rows.Header(), mapping)
	if err != nil {
		return nil, err
	}
	return &csvRequests{rows: rows, columns: found, unit: mapping.AmountUnit, row: Row{Pass: pass, Line: 1}}, nil
}

// next implements requests. A row that is no CSV is refused alone, since its
// successor begins on the next line.
func (c *csvRequests) next() (request, error) {
	record, err := c.rows.Next()
	if errors.Is(err, io.EOF) {
		return request{}, io.EOF
	}
	malformed, isMalformed := errors.AsType[*table.RowError](err)
	if err != nil && !isMalformed {
		return request{}, fmt.Errorf("after line %d: %w", c.row.Line, err)
	}
	c.row.Line = c.rows.Line()
	read := request{row: c.row, sizeBytes: c.rows.SizeBytes()}
	if isMalformed {
		read.refuse(payment.CodeMalformed, malformed.Err.Error())
	} else {
		c.fill(&read, record)
	}
	return read, nil
}

// fill makes the order of a record.
func (c *csvRequests) fill(read *request, record []string) {
	read.order = client.Order{
		OrderNumber:   c.columns.order.Of(record),
		Currency:      c.columns.currency.Of(record),
		PaymentMethod: c.columns.paymentMethod.Of(record),
		Customer:      c.columns.customer.Of(record),
		Description:   c.columns.description.Of(record),
	}
	read.orderNumber = read.order.OrderNumber
	minor, err := table.Amount(c.columns.amount.Of(record), read.order.Currency, c.unit)
	if err != nil {
		read.refuse(payment.CodeInvalid, err.Error())
		return
	}
	read.order.AmountMinor = minor
	if read.order.NotBefore, err = readTime(c.columns.notBefore.Of(record)); err != nil {
		read.refuse(payment.CodeInvalid, err.Error())
	}
}

// readTime gives zero for a row that may be paid at once. Its error does not repeat
// the text: a wrongly mapped column may hold anything.
func readTime(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, errNoTime
	}
	return at, nil
}
