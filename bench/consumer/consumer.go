package consumer

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/paybuf/paybuf/bench/wire"
)

// Serve runs the consumer on a free port of loopback, writes its address to out as one
// line, and serves until in ends.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	if err := wire.Serve(ctx, newLog().answer, in, out); err != nil {
		return fmt.Errorf("consumer: %w", err)
	}
	return nil
}

// HookPath is the path of the endpoint with a number.
func HookPath(number int) string { return fmt.Sprintf("%s%d", hookPath, number) }

// Teller asks the consumer at an address, again and again.
type Teller struct{ client *wire.Client }

// NewTeller makes a teller of the consumer at host:port.
func NewTeller(address string) *Teller {
	return &Teller{client: wire.NewClient("the consumer", address)}
}

// Tally asks for the count.
func (t *Teller) Tally(ctx context.Context) (tally Tally, err error) {
	return tally, t.client.Ask(ctx, http.MethodGet, tallyPath, &tally)
}

// Receipts asks when which events came, in no order.
func (t *Teller) Receipts(ctx context.Context) (all []Receipt, err error) {
	return all, t.client.Ask(ctx, http.MethodGet, receiptsPath, &all)
}

// Reset has the consumer forget everything, and from now on never answer on the path
// hangs; "" is none.
func (t *Teller) Reset(ctx context.Context, hangs string) error {
	return t.client.Ask(ctx, http.MethodPost, resetPath+"?hangs="+url.QueryEscape(hangs), &struct{}{})
}

// Close closes the connection.
func (t *Teller) Close() { t.client.Close() }
