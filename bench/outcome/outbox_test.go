package outcome

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// outboxOf makes tables as Paybuf has them, of the columns that matter here.
func outboxOf(t *testing.T) (*Outbox, *pgx.Conn) {
	t.Helper()
	url := prepared(t).URL()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	for _, sql := range []string{
		"CREATE TABLE webhook_endpoints (id text, url text)",
		"CREATE TABLE webhook_deliveries (endpoint_id text, sequence bigint, state text, next_at timestamptz)",
		"CREATE TABLE webhook_attempts (sequence bigint)", "CREATE TABLE webhook_workers (id text)",
		"CREATE TABLE events (sequence bigint)",
		"INSERT INTO webhook_endpoints VALUES ('a', 'http://h/a'), ('b', 'http://h/b')",
		"INSERT INTO webhook_deliveries VALUES ('a', 1, 'waiting', now()), ('a', 2, 'waiting', now()), ('b', 1, 'waiting', now())",
	} {
		execute(t, conn, sql)
	}
	o, err := OpenOutbox(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close(context.Background()) })
	return o, conn
}

func checkDeliveries(t *testing.T, o *Outbox, except string, all, delivered int64) Deliveries {
	t.Helper()
	got, err := o.Deliveries(t.Context(), except)
	if err != nil || got.All != all || got.Delivered != delivered {
		t.Errorf("%+v, %v; want %d of %d", got, err, delivered, all)
	}
	return got
}

func TestOutbox_countsWhatIsDeliveredAndPutsItBack(t *testing.T) {
	o, conn := outboxOf(t)
	if err := o.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := checkDeliveries(t, o, "", 3, 0); got.Last.Unix() != 0 {
		t.Errorf("the last of none was delivered at %s", got.Last)
	}
	before := time.Now()
	execute(t, conn, "UPDATE webhook_deliveries SET state = 'delivered', next_at = NULL WHERE endpoint_id = 'b'")
	execute(t, conn, "INSERT INTO webhook_attempts VALUES (1)")
	execute(t, conn, "INSERT INTO webhook_workers VALUES ('w')")
	got := checkDeliveries(t, o, "", 3, 1)
	checkWithin(t, got.Last, before, time.Now())
	checkDeliveries(t, o, "http://h/b", 2, 0)
	now := time.Now()
	if err := o.Restore(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	checkDeliveries(t, o, "", 3, 0)
	var due time.Time
	var rest int
	row := conn.QueryRow(t.Context(), `SELECT min(next_at), (SELECT count(*) FROM webhook_attempts) + (SELECT count(*) FROM webhook_workers)
		FROM webhook_deliveries`)
	if err := row.Scan(&due, &rest); err != nil || rest != 0 || due.Sub(now) < time.Hour-time.Second {
		t.Errorf("due at %s, %d rows are left of what was sent: %v", due, rest, err)
	}
	if err := o.Keep(t.Context()); err == nil {
		t.Error("it was kept twice")
	}
}

func TestOutbox_tellsWhenEventsWereCommitted(t *testing.T) {
	o, conn := outboxOf(t)
	before := time.Now()
	execute(t, conn, "INSERT INTO events VALUES (7)")
	events, err := o.Events(t.Context())
	if err != nil || len(events) != 1 {
		t.Fatalf("%v, %v", events, err)
	}
	checkWithin(t, events[7], before, time.Now())
	execute(t, conn, "DROP TABLE events, webhook_deliveries")
	if _, err := o.Events(t.Context()); err == nil {
		t.Error("events without a table were read")
	}
	if _, err := o.Deliveries(t.Context(), ""); err == nil {
		t.Error("deliveries without a table were counted")
	}
	if _, err := OpenOutbox(t.Context(), "postgres://nobody@127.0.0.1:1/none?sslmode=disable"); err == nil {
		t.Error("nobody listens")
	}
}

func TestLedger_givesIDsOfAState(t *testing.T) {
	url := prepared(t).URL()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	execute(t, conn, "CREATE TABLE payments (id text, state text)")
	execute(t, conn, "INSERT INTO payments VALUES ('pay_2', 'succeeded'), ('pay_1', 'succeeded'), ('pay_3', 'paying')")
	l := open(t, url, Paybuf)
	if ids, err := l.IDs(t.Context(), "succeeded", 10); err != nil || len(ids) != 2 || ids[0] != "pay_1" {
		t.Errorf("%v, %v", ids, err)
	}
	if ids, err := l.IDs(t.Context(), "succeeded", 1); err != nil || len(ids) != 1 {
		t.Errorf("%v, %v", ids, err)
	}
	execute(t, conn, "DROP TABLE payments")
	if _, err := l.IDs(t.Context(), "succeeded", 1); err == nil {
		t.Error("ids without a table were read")
	}
}
