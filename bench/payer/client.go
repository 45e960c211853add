package payer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
)

const tallyTimeout = 10 * time.Second

var errTallySlow = errors.New("the payer did not answer in time")

// Teller asks the payer at an address for its count, again and again.
type Teller struct {
	url    string
	client *http.Client
}

// NewTeller makes a teller of the payer at host:port.
func NewTeller(address string) *Teller {
	return &Teller{url: "http://" + address + tallyPath, client: &http.Client{Transport: &http.Transport{}}}
}

// Tally asks for the count.
func (t *Teller) Tally(ctx context.Context) (Tally, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, tallyTimeout, errTallySlow)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, http.NoBody)
	if err != nil {
		return Tally{}, fmt.Errorf("ask the payer: %w", err)
	}
	response, err := t.client.Do(request)
	if err != nil {
		return Tally{}, fmt.Errorf("ask the payer: %w", errors.Join(err, context.Cause(ctx)))
	}
	defer func() { _ = response.Body.Close() }() // read to its end, or of no more use
	if response.StatusCode != http.StatusOK {
		return Tally{}, fmt.Errorf("ask the payer: it answers %s", response.Status)
	}
	var tally Tally
	if err := json.UnmarshalRead(response.Body, &tally); err != nil {
		return Tally{}, fmt.Errorf("ask the payer: %w", err)
	}
	return tally, nil
}

// Close closes the connection.
func (t *Teller) Close() { t.client.CloseIdleConnections() }
