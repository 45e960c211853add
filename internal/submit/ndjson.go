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
	number, problem := orderNumberOf(line)
	if problem != "" {
		read.refuse(payment.CodeMalformed, problem)
	}
	read.orderNumber = number
	return read
}

// orderNumberOf finds the member that chooses the lane. It is more lenient than
// the API, which has the last word.
func orderNumberOf(line []byte) (number, problem string) {
	var wanted struct {
		OrderNumber jsontext.Value `json:"order_number"`
	}
	lenient := []json.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
	if err := json.Unmarshal(line, &wanted, lenient...); err != nil {
		return "", "the line is not one JSON object"
	}
	written := wanted.OrderNumber
	if len(written) == 0 {
		return "", "the object has no order_number"
	}
	if unquoted, err := jsontext.AppendUnquote(nil, written); err == nil {
		return string(unquoted), ""
	}
	return string(written), "" // no text: the API will refuse it
}
