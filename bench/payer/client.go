package payer

import (
	"context"
	"net/http"

	"github.com/paybuf/paybuf/bench/wire"
)

// Teller asks the payer at an address for its count, again and again.
type Teller struct{ client *wire.Client }

// NewTeller makes a teller of the payer at host:port.
func NewTeller(address string) *Teller { return &Teller{client: wire.NewClient("the payer", address)} }

// Tally asks for the count.
func (t *Teller) Tally(ctx context.Context) (tally Tally, err error) {
	return tally, t.client.Ask(ctx, http.MethodGet, tallyPath, &tally)
}

// Close closes the connection.
func (t *Teller) Close() { t.client.Close() }
