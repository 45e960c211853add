package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

// Totals count what the ledger holds, all at one moment.
type Totals struct {
	Payments       map[payment.State]int64 // without those still queued, which have no row
	Succeeded      map[string]int64        // minor units, by currency
	Conflicts      int64                   // differing bodies, each counted once
	DeadLetters    int64
	ChargeAttempts int64 // attempts to charge, by all payments; those under way, too
}

const totalsSQL = `
	SELECT 'payments' AS total, state AS of, count(*) FROM payments GROUP BY state
	UNION ALL
	SELECT 'succeeded', currency, sum(amount_minor)::bigint FROM payments
	 WHERE state = 'succeeded' GROUP BY currency
	UNION ALL
	SELECT 'conflicts', '', count(*) FROM conflicts
	UNION ALL
	SELECT 'dead_letters', '', count(*) FROM dead_letters
	UNION ALL
	SELECT 'charges', '', coalesce(sum(attempts), 0) FROM payments`

// Totals reads whole tables: for operators and trials, not for each request.
func (db *DB) Totals(ctx context.Context) (Totals, error) {
	totals := Totals{Payments: map[payment.State]int64{}, Succeeded: map[string]int64{}}
	err := db.call(ctx, "count the ledger", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, totalsSQL)
		if err != nil {
			return err
		}
		var total, of string
		var n int64
		_, err = pgx.ForEachRow(rows, []any{&total, &of, &n}, func() error {
			switch total {
			case "payments":
				totals.Payments[payment.State(of)] = n
			case "succeeded":
				totals.Succeeded[of] = n
			case "conflicts":
				totals.Conflicts = n
			case "dead_letters":
				totals.DeadLetters = n
			case "charges":
				totals.ChargeAttempts = n
			}
			return nil
		})
		return err
	})
	return totals, err
}
