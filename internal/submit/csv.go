package submit

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

var errNoTime = errors.New("/not_before must be a time such as 2026-11-21T09:00:00Z")

// csvRequests reads a CSV file (RFC 4180) whose first row names the columns.
type csvRequests struct {
	reader  *csv.Reader
	limiter *rowLimiter
	columns columns
	unit    AmountUnit
	row     Row   // the last one
	offset  int64 // of its end
}

func newCSV(source io.Reader, mapping Columns, pass int) (*csvRequests, error) {
	limiter := &rowLimiter{source: source, leftBytes: rowBytesMax}
	reader := csv.NewReader(limiter)
	reader.ReuseRecord = true
	header, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty: a row that names the columns is needed")
	}
	if err != nil {
		return nil, fmt.Errorf("the row that names the columns: %w", err)
	}
	found, err := findColumns(header, mapping)
	if err != nil {
		return nil, err
	}
	return &csvRequests{
		reader:  reader,
		limiter: limiter,
		columns: found,
		unit:    mapping.AmountUnit,
		row:     Row{Pass: pass, Line: 1},
		offset:  reader.InputOffset(),
	}, nil
}

// next implements requests. A row that is no CSV is refused alone, since its
// successor begins on the next line.
func (c *csvRequests) next() (request, error) {
	c.limiter.renew()
	record, err := c.reader.Read()
	if errors.Is(err, io.EOF) {
		return request{}, io.EOF
	}
	malformed, isMalformed := errors.AsType[*csv.ParseError](err)
	if err != nil && !isMalformed {
		return request{}, fmt.Errorf("after line %d: %w", c.row.Line, err)
	}
	if isMalformed {
		c.row.Line = int64(malformed.StartLine)
	} else {
		line, _ := c.reader.FieldPos(0)
		c.row.Line = int64(line)
	}
	read := request{row: c.row, sizeBytes: c.reader.InputOffset() - c.offset}
	c.offset = c.reader.InputOffset()
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
		OrderNumber:   c.columns.order.of(record),
		Currency:      c.columns.currency.of(record),
		PaymentMethod: c.columns.paymentMethod.of(record),
		Customer:      c.columns.customer.of(record),
		Description:   c.columns.description.of(record),
	}
	read.orderNumber = read.order.OrderNumber
	minor, err := readAmount(c.columns.amount.of(record), read.order.Currency, c.unit)
	if err != nil {
		read.refuse(payment.CodeInvalid, err.Error())
		return
	}
	read.order.AmountMinor = minor
	if read.order.NotBefore, err = readTime(c.columns.notBefore.of(record)); err != nil {
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

// rowLimiter fails a read when more was asked for since renew than one row may
// have. What is buffered above it is read ahead, so the limit is not exact.
type rowLimiter struct {
	source    io.Reader
	leftBytes int
}

func (l *rowLimiter) renew() { l.leftBytes = rowBytesMax }

// Read implements io.Reader.
func (l *rowLimiter) Read(into []byte) (int, error) {
	if l.leftBytes <= 0 {
		return 0, errRowTooLong
	}
	n, err := l.source.Read(into[:min(len(into), l.leftBytes)])
	l.leftBytes -= n
	return n, err
}
