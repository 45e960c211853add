package outcome

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const readTimeout = 30 * time.Second

var errReadSlow = errors.New("postgres did not answer in time")

// Source says where a pipeline keeps payments that have come to their end.
type Source struct {
	from        string // table and condition
	orderNumber string // expression
}

// The sources that are measured.
var (
	Paybuf = Source{from: `payments WHERE state = 'succeeded'`, orderNumber: `order_number`}
	River  = Source{from: `river_job WHERE state = 'completed'`, orderNumber: `args->>'order_number'`}
)

// Ledger is a connection to a pipeline's Postgres.
type Ledger struct {
	conn   *pgx.Conn
	source Source
}

// Open connects to the database at a URL.
func Open(ctx context.Context, url string, source Source) (*Ledger, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readTimeout, errReadSlow)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("outcomes: %w", err)
	}
	return &Ledger{conn: conn, source: source}, nil
}

// Close ends the connection.
func (l *Ledger) Close(ctx context.Context) error { return l.conn.Close(ctx) }

// Count gives how many payments have come to their end.
func (l *Ledger) Count(ctx context.Context) (int64, error) {
	return l.number(ctx, "SELECT count(*) FROM "+l.source.from)
}

// statementsSQL counts what clients have sent, BEGIN and COMMIT included: each is a
// round trip, unless it was sent together with others.
const statementsSQL = `
	SELECT coalesce(sum(s.calls), 0)::bigint
	  FROM pg_stat_statements s
	 WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND s.toplevel`

// Statements gives how many statements were executed in this database since it was
// made, our own included.
func (l *Ledger) Statements(ctx context.Context) (int64, error) {
	return l.number(ctx, statementsSQL)
}

func (l *Ledger) number(ctx context.Context, sql string) (n int64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readTimeout, errReadSlow)
	defer cancel()
	if err := l.conn.QueryRow(ctx, sql).Scan(&n); err != nil {
		return 0, fmt.Errorf("outcomes: %w", errors.Join(err, context.Cause(ctx)))
	}
	return n, nil
}

// Commits gives when the end of each payment was committed, by order number. The
// last transaction that wrote a row is the one which brought it to its end, since
// no pipeline writes it again.
func (l *Ledger) Commits(ctx context.Context) (map[string]time.Time, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readTimeout, errReadSlow)
	defer cancel()
	rows, err := l.conn.Query(ctx, "SELECT "+l.source.orderNumber+", pg_xact_commit_timestamp(xmin) FROM "+l.source.from)
	if err != nil {
		return nil, fmt.Errorf("outcomes: %w", err)
	}
	commits := map[string]time.Time{}
	var order string
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&order, &at}, func() error {
		commits[order] = at
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("outcomes: %w", errors.Join(err, context.Cause(ctx)))
	}
	return commits, nil
}
