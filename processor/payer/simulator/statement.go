package simulator

import (
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"
)

// statementColumns are those that `paybuf reconcile` reads by default.
var statementColumns = []string{"reference", "charge_id", "status", "amount", "currency", "charged_at"}

// WriteStatement writes the charges of a ledger file that were made in [from, to)
// as a CSV file, oldest first, and apart from them those that were taken back in that
// time; amounts in minor units. A zero time is no bound. The file may be in use, and
// of any size.
func WriteStatement(to io.Writer, ledger string, from, until time.Time) error {
	rows := csv.NewWriter(to)
	if err := rows.Write(statementColumns); err != nil {
		return fmt.Errorf("write the statement: %w", err)
	}
	for became, charges := range map[status]iter.Seq2[Charge, error]{succeeded: Charges(ledger), voided: Voids(ledger)} {
		for charge, err := range charges {
			if err != nil {
				return err
			}
			if charge.At.Before(from) || (!until.IsZero() && !charge.At.Before(until)) {
				continue
			}
			if err := rows.Write(charge.record(became)); err != nil {
				return fmt.Errorf("write the statement: %w", err)
			}
		}
	}
	rows.Flush()
	if err := rows.Error(); err != nil {
		return fmt.Errorf("write the statement: %w", err)
	}
	return nil
}

func (c Charge) record(became status) []string {
	return []string{
		c.Reference, c.ID, string(became), strconv.FormatInt(c.Money.Minor(), 10),
		c.Money.Currency(), c.At.UTC().Format(time.RFC3339Nano),
	}
}

// statement streams, so that it has no length: what breaks off is cut off, and its
// reader sees that.
func (h *handler) statement(w http.ResponseWriter, r *http.Request) {
	from, errFrom := bound(r.URL.Query().Get("from"))
	until, errUntil := bound(r.URL.Query().Get("to"))
	if errFrom != nil || errUntil != nil {
		h.refuse(w, http.StatusBadRequest, "invalid_request", "from and to must be times such as 2026-11-21T09:00:00Z")
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	h.start(w, http.StatusOK)
	if err := WriteStatement(w, h.engine.opts.Ledger, from, until); err != nil {
		panic(http.ErrAbortHandler) // so that half a statement does not look like a whole one
	}
}

func bound(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339, text)
}
