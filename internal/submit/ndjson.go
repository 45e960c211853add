package submit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/internal/table"
	"github.com/paybuf/paybuf/payment"
)

// ndjsonRequests reads one JSON object per line and passes it on untouched: what
// is right is for the API to say.
type ndjsonRequests struct {
	lines *bufio.Scanner
	row   Row
}

func newNDJSON(source io.Reader, pass int) *ndjsonRequests {
	lines := bufio.NewScanner(source)
	lines.Buffer(nil, table.RowBytesMax)
	return &ndjsonRequests{lines: lines, row: Row{Pass: pass}}
}

// next implements requests. Blank lines are no requests.
func (n *ndjsonRequests) next() (request, error) {
	for n.lines.Scan() {
		n.row.Line++
		if line := n.lines.Bytes(); len(bytes.TrimSpace(line)) > 0 {
			return n.request(bytes.Clone(line)), nil
		}
	}
	err := n.lines.Err()
	switch {
	case err == nil:
		return request{}, io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		err = table.ErrRowTooLong
	}
	return request{}, fmt.Errorf("after line %d: %w", n.row.Line, err)
}

func (n *ndjsonRequests) request(line []byte) request {
	read := request{row: n.row, sizeBytes: int64(len(line) + 1), json: line}
	identity, problem := identityOf(line)
	if problem != "" {
		read.refuse(payment.CodeMalformed, problem)
	}
	read.orderNumber, read.retryOf = identity.orderNumber, identity.retryOf
	return read
}

// lenient reads what only the API may refuse.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// identityOf finds the member that chooses the lane, the order number or the payment
// token in its place, and which payment is tried again. It is more lenient than the
// API, which has the last word.
func identityOf(line []byte) (identity link, problem string) {
	var wanted struct {
		OrderNumber  jsontext.Value `json:"order_number"`
		PaymentToken jsontext.Value `json:"payment_token"`
		RetryOf      jsontext.Value `json:"retry_of"`
	}
	if err := json.Unmarshal(line, &wanted, lenient); err != nil {
		return link{}, "the line is not one JSON object"
	}
	written := wanted.OrderNumber
	if len(written) == 0 {
		written = wanted.PaymentToken
	}
	if len(written) == 0 {
		return link{}, "the object has no order_number"
	}
	return link{textOf(written), payment.ID(textOf(wanted.RetryOf))}, ""
}

// textOf unquotes a string. What is none the API will refuse.
func textOf(written jsontext.Value) string {
	if unquoted, err := jsontext.AppendUnquote(nil, written); err == nil {
		return string(unquoted)
	}
	return string(written)
}
