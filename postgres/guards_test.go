package postgres_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/paybuf/paybuf/payment"
)

// refuses checks that the database itself does not run a statement.
func (l *ledger) refuses(class, sql string, args ...any) {
	l.t.Helper()
	_, err := l.raw.Exec(l.t.Context(), sql, args...)
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || answer.Code[:2] != class {
		l.t.Errorf("%s: got %v, want an error of class %s", sql, err, class)
	}
}

func TestTables_finalStateNeverChanges(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for _, final := range []payment.State{payment.Succeeded, payment.Failed, payment.Canceled} {
		work := l.put("of "+string(final), final)
		for _, to := range payment.States() {
			l.refuses("23", "UPDATE payments SET state = $2, version = version + 1 WHERE id = $1", work.ID, to)
		}
		l.refuses("23", "UPDATE payments SET payer_reference = 'x', version = version + 1 WHERE id = $1", work.ID)
		if p := l.read(work.ID); p.State != final || p.Version != work.Version {
			t.Errorf("a final payment changed: %+v", p)
		}
	}
}

func TestTables_versionGrows(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	work := l.put("A-1", payment.Unknown)
	for _, version := range []int64{0, 1, work.Version} {
		l.refuses("23", "UPDATE payments SET state = 'pending', version = $2 WHERE id = $1", work.ID, version)
	}
	l.refuses("23", "UPDATE payments SET next_at = now()")
}

func TestTables_acceptedRequestNeverChanges(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.put("A-1", payment.Paying)
	for column, value := range map[string]string{
		"id": "'x'", "tenant_id": "'x'", "order_number": "'x'", "retry_of": "'x'", "amount_minor": "1",
		"currency": "'USD'", "payment_method": "'x'", "customer": "'x'", "fingerprint": "sha256('x')",
		"accepted_at": "now()", "not_before": "now()",
	} {
		l.refuses("23", fmt.Sprintf("UPDATE payments SET version = version + 1, %s = %s", column, value))
	}
}

func TestTables_bareRowIsFilledInOnceAndWhole(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.cancel(byOrder(order(t, "A-1")))
	const fillSQL = `UPDATE payments SET version = version + 1, amount_minor = 5, currency = 'EUR',
		payment_method = 'tok', fingerprint = sha256('x')`
	for _, more := range []string{
		"state = 'paying', next_at = now()", "state = 'failed'", "attempts = 1", "payer_reference = 'x'",
		"failure_code = 'x'", "id = 'x'", "tenant_id = 'x'", "order_number = 'x'", "retry_of = 'x'",
	} {
		l.refuses("23", fillSQL+", "+more)
	}
	l.refuses("23", "UPDATE payments SET version = version + 1, fingerprint = sha256('x')") // half of it
	l.refuses("23", "UPDATE payments SET version = version + 1, customer = 'x'")
	l.refuses("23", "UPDATE payments SET version = version + 1, state = 'failed'")
	l.exec(fillSQL)
	l.refuses("23", fillSQL)
}

func TestTables_historyStays(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.put("A-1", payment.Paying)
	for _, sql := range []string{
		"DELETE FROM payments", "TRUNCATE payments", "DELETE FROM events", "TRUNCATE events",
		"UPDATE events SET state = 'succeeded'", "UPDATE events SET at = now() WHERE false",
		"DELETE FROM releases", "TRUNCATE releases", "UPDATE releases SET reason = ''",
	} {
		l.refuses("23", sql)
	}
	l.refuses("42", `INSERT INTO events (sequence, payment_id, tenant_id, version, type, state, at)
		VALUES (1, 'x', 'x', 1, 'x', 'x', now())`)
	if l.count("payments") != 1 || l.count("events") != 1 {
		t.Error("rows are missing")
	}
}

func TestTables_refuseRowsThatCannotBe(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	work := l.put("A-1", payment.Paying)
	const copySQL = `
		INSERT INTO payments (id, tenant_id, order_number, amount_minor, currency, payment_method, customer,
			description, metadata, fingerprint, accepted_at, state, version, attempts, next_at, created_at, updated_at)
		SELECT 'pay_2', tenant_id, 'A-2', %s, currency, payment_method, customer,
			description, metadata, %s, accepted_at, %s, %s, attempts, %s, created_at, updated_at FROM payments`
	for _, sql := range []string{
		fmt.Sprintf(copySQL, "0", "fingerprint", "state", "1", "next_at"),             // nothing to pay
		fmt.Sprintf(copySQL, "1000000000001", "fingerprint", "state", "1", "next_at"), // too much to pay
		fmt.Sprintf(copySQL, "1", "'\\x00'", "state", "1", "next_at"),                 // half a fingerprint
		fmt.Sprintf(copySQL, "1", "fingerprint", "'queued'", "1", "next_at"),          // queued has no row
		fmt.Sprintf(copySQL, "1", "fingerprint", "'paid'", "1", "next_at"),            // no such state
		fmt.Sprintf(copySQL, "1", "fingerprint", "state", "0", "next_at"),             // no version
		fmt.Sprintf(copySQL, "1", "fingerprint", "state", "1", "NULL"),                // nobody ever looks
		fmt.Sprintf(copySQL, "1", "fingerprint", "'failed'", "1", "next_at"),          // final and due
		fmt.Sprintf(copySQL, "1", "fingerprint", "'parked'", "1", "next_at"),          // parked and due
		fmt.Sprintf(copySQL, "NULL", "fingerprint", "state", "1", "next_at"),          // paid, and no amount
		fmt.Sprintf(copySQL, "NULL", "fingerprint", "'canceled'", "1", "NULL"),        // half a tombstone
		fmt.Sprintf(copySQL, "1", "NULL", "'canceled'", "1", "NULL"),                  // the other half
		`INSERT INTO attempts (payment_id, version, kind, number, started_at, verdict)
			VALUES ('pay_2', 1, 'charge', 1, now(), 'charged')`, // a verdict without end
	} {
		l.refuses("23", sql)
	}
	l.refuses("23", `INSERT INTO payments SELECT (jsonb_populate_record(p, '{"id": "pay_2"}')).* FROM payments p`)
	if p := l.read(work.ID); p.Version != 1 {
		t.Errorf("the payment changed: %+v", p)
	}
	l.exec(fmt.Sprintf(copySQL, "1", "fingerprint", "state", "1", "next_at"))
}
