package localtest

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Query runs statements on a connection of their own and returns the last one's
// first column as text, a row an element. It is for tests of packages that do
// not know SQL themselves.
func Query(t testing.TB, url, statements string) []string {
	t.Helper()
	column, err := query(url, statements)
	if err != nil {
		t.Fatalf("localtest: %s: %v", statements, err)
	}
	return column
}

// Try runs statements that may fail.
func Try(url, statements string) error {
	_, err := query(url, statements)
	return err
}

func query(url, statements string) (column []string, err error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), queryTimeout, errors.New("the test server is too slow"))
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	results, err := conn.PgConn().Exec(ctx, statements).ReadAll()
	if err != nil || len(results) == 0 {
		return nil, err
	}
	for _, row := range results[len(results)-1].Rows {
		column = append(column, string(row[0]))
	}
	return column, nil
}
