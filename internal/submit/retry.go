package submit

import (
	"bytes"
	"context"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

// failedPagesMax bounds the listing of one batch, whatever its cursors say.
const failedPagesMax = 100

// link is what a row and the payment that came of it have in common: the order
// number, and which payment it tried again.
type link struct {
	orderNumber string
	retryOf     payment.ID
}

// failures are the payments of batches that have failed.
type failures struct {
	exact map[link]payment.ID
	last  map[string]payment.ID // of each order number
}

// failedOf lists the payments of batches that have failed.
func failedOf(ctx context.Context, api *client.Client, batches []payment.BatchID) (*failures, error) {
	failed := &failures{exact: map[link]payment.ID{}, last: map[string]payment.ID{}}
	for _, batch := range batches {
		if err := failed.list(ctx, api, batch); err != nil {
			return nil, err
		}
	}
	return failed, nil
}

func (f *failures) list(ctx context.Context, api *client.Client, batch payment.BatchID) error {
	cursor := ""
	for range failedPagesMax {
		page, err := api.BatchPayments(ctx, batch, payment.Failed, cursor)
		if err != nil {
			return err
		}
		for _, p := range page.Payments {
			f.add(p)
		}
		if cursor = page.NextCursor; cursor == "" {
			return nil
		}
	}
	return fmt.Errorf("%s has more than %d pages", batch, failedPagesMax)
}

func (f *failures) add(p client.Payment) {
	f.exact[link{p.OrderNumber, p.RetryOf}] = p.ID
	_, triedAgain := f.exact[link{p.OrderNumber, p.ID}]
	_, known := f.last[p.OrderNumber]
	if isRetry := p.RetryOf != ""; !triedAgain && (isRetry || !known) {
		f.last[p.OrderNumber] = p.ID
	}
}

// of gives the payment that a row's order is to try again. A row that names none
// means the last: a file stays as it is when its retries have failed, too.
func (f *failures) of(row request) (payment.ID, bool) {
	if row.retryOf == "" {
		id, found := f.last[row.orderNumber]
		return id, found
	}
	id, found := f.exact[link{row.orderNumber, row.retryOf}]
	return id, found
}

// retries reads those rows of another input whose payments have failed, as tries of
// them again. Sent twice, they are repetitions like all others.
type retries struct {
	requests
	failed *failures
	tally  *tally
	meter  *meter
}

// next implements requests.
func (r *retries) next() (request, error) {
	for {
		read, err := r.requests.next()
		if err != nil || read.unsendable != nil {
			return read, err
		}
		failed, found := r.failed.of(read)
		if !found {
			r.tally.skip()
			r.meter.advance(read.sizeBytes)
			continue
		}
		read.order.RetryOf = failed
		if read.json != nil {
			read.json = withRetryOf(read.json, failed)
		}
		return read, nil
	}
}

// withRetryOf puts the member in, in the place of the one that is there. All else
// stays as it was written, and what is wrong with that is for the API to say.
func withRetryOf(line []byte, id payment.ID) []byte {
	const name = `"retry_of"`
	reader := jsontext.NewDecoder(bytes.NewReader(line), lenient)
	out := append(make([]byte, 0, len(line)+64), `{`+name+`:"`+string(id)+`"`...)
	if _, err := reader.ReadToken(); err != nil {
		return line
	}
	for reader.PeekKind() == '"' {
		member, err := reader.ReadValue()
		member = bytes.Clone(member)
		if err != nil {
			return line
		}
		value, err := reader.ReadValue()
		if err != nil {
			return line
		}
		if text, err := jsontext.AppendUnquote(nil, member); err == nil && string(text) == "retry_of" {
			continue
		}
		out = append(append(append(append(out, ','), member...), ':'), value...)
	}
	return append(out, '}')
}
