package payer

import (
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/bench/wire"
)

// Tally is what the payer has counted.
type Tally struct {
	Charges    int64 `json:"charges"`    // calls that charged
	References int64 `json:"references"` // that they were for; fewer, if one was charged twice
}

// charge is the answer to a charge, in the generic contract.
type charge struct {
	ID          string  `json:"id"`
	Reference   string  `json:"reference"`
	Status      string  `json:"status"`
	Amount      int64   `json:"amount"`
	Currency    string  `json:"currency"`
	DeclineCode *string `json:"decline_code"`
}

// asked is what the payer reads of a request for a charge.
type asked struct {
	Reference string `json:"reference"`
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"`
}

var errIncomplete = errors.New("reference, amount and currency are required")

// book keeps the first charge of each reference and counts all of them.
type book struct {
	mu      sync.Mutex
	first   map[string]asked
	charges int64
}

func newBook() *book { return &book{first: map[string]asked{}} }

// charge always charges: a second time for the same reference, too, where a real
// payer would know the key. That is how it is found out.
func (b *book) charge(body []byte) (charge, error) {
	var wanted asked
	if err := json.Unmarshal(body, &wanted); err != nil {
		return charge{}, fmt.Errorf("read the charge: %w", err)
	}
	if wanted.Reference == "" || wanted.Amount <= 0 || wanted.Currency == "" {
		return charge{}, errIncomplete
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.charges++
	if _, known := b.first[wanted.Reference]; !known {
		b.first[wanted.Reference] = wanted
	}
	return wanted.charged(), nil
}

// find gives the charge of a reference.
func (b *book) find(reference string) (charge, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wanted, known := b.first[reference]
	return wanted.charged(), known
}

func (b *book) tally() Tally {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Tally{Charges: b.charges, References: int64(len(b.first))}
}

func (a asked) charged() charge {
	return charge{
		ID: "ch_" + a.Reference, Reference: a.Reference, Status: "succeeded", Amount: a.Amount, Currency: a.Currency,
	}
}

// refusal is the answer to anything else.
type refusal struct {
	Error string `json:"error"`
}

// answer gives the status and the body of what a request is answered.
func (b *book) answer(r wire.Request) (status int, body any) {
	switch r.Route() {
	case "POST /charges":
		made, err := b.charge(r.Body)
		if err != nil {
			return http.StatusBadRequest, refusal{Error: err.Error()}
		}
		return http.StatusCreated, made
	case "GET /charges":
		if found, known := b.find(r.Target.Query().Get("reference")); known {
			return http.StatusOK, found
		}
		return http.StatusNotFound, refusal{Error: "not_found"}
	case "GET " + tallyPath:
		return http.StatusOK, b.tally()
	}
	return http.StatusNotFound, refusal{Error: "no_such_path"}
}
