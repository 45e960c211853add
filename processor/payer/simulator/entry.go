package simulator

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

// entryBytesMax limits a line of the ledger: ids of textBytesMax, all of whose
// characters need an escape of six bytes, leave room.
const entryBytesMax = 8 << 10

// status is what became of a send that the payer worked on.
type status string

// The statuses, as the contract and the ledger name them. A charge gets another
// line when it was pending and is decided, and when it is voided.
const (
	succeeded status = "succeeded"
	declined  status = "declined"
	pending   status = "pending"
	voided    status = "voided"
)

// entry is one line of the ledger.
type entry struct {
	Number    uint64    `json:"number"` // of the charge; its id is "ch_<number>"
	Reference string    `json:"reference"`
	Key       string    `json:"key,omitzero"`
	Status    status    `json:"status"`
	Amount    int64     `json:"amount"`
	Currency  string    `json:"currency"`
	Body      string    `json:"body"` // digest of the request, to notice another with the same key
	At        time.Time `json:"at"`
	VisibleAt time.Time `json:"visible_at,omitzero"` // look-ups miss it until then
}

func (e entry) money() (payment.Money, error) { return payment.NewMoney(e.Amount, e.Currency) }

func (e entry) line() ([]byte, error) {
	line, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode a ledger entry: %w", err)
	}
	return append(line, '\n'), nil
}

func parseEntry(line []byte) (entry, error) {
	var e entry
	if err := json.Unmarshal(line, &e, json.RejectUnknownMembers(true)); err != nil {
		return entry{}, err
	}
	if e.Number == 0 || e.Reference == "" {
		return entry{}, errors.New("no number or reference")
	}
	switch e.Status {
	case succeeded, declined, pending, voided:
	default:
		return entry{}, fmt.Errorf("%q is no status", e.Status)
	}
	_, err := e.money()
	return e, err
}

// scan visits each entry of a ledger and gives how many bytes hold whole
// entries. What a crash tore, an end that is no whole entry, is not visited and
// not an error; anything unreadable before the end is.
func scan(ledger io.Reader, visit func(entry) error) (wholeBytes int64, err error) {
	reader := bufio.NewReaderSize(ledger, entryBytesMax)
	var torn error
	for number := 1; ; number++ {
		line, err := reader.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return wholeBytes, nil
		case torn != nil:
			return wholeBytes, torn
		case err != nil:
			return wholeBytes, fmt.Errorf("ledger line %d: %w", number, err)
		}
		e, err := parseEntry(line)
		if err != nil {
			torn = fmt.Errorf("ledger line %d: %w", number, err)
			continue
		}
		if err := visit(e); err != nil {
			return wholeBytes, err
		}
		wholeBytes += int64(len(line))
	}
}
