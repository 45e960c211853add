package postgres_test

import (
	"context"
	"testing"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
)

// restoredPlace is where a cluster had come to that counts its transactions from the
// beginning now.
const restoredPlace = 1_000_000_000_000

func (l *ledger) writeAt(of payment.TenantID, place int64) {
	l.t.Helper()
	l.exec(`INSERT INTO events (payment_id, tenant_id, version, type, state, at, place)
		VALUES ('pay_raw', $1, 1, 'payment.paying', 'paying', now(), $2)`, of, place)
}

func (l *ledger) migrate() {
	l.t.Helper()
	if _, err := postgres.Migrate(l.t.Context(), l.url); err != nil {
		l.t.Fatal(err)
	}
}

func TestMigrate_afterADumpWasRestoredNoFollowerSkipsAnEvent(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	if err := l.CheckFeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.writeAt(tenant, restoredPlace)
	l.writeAt(tenant, restoredPlace+7)
	l.writeAt("zz", restoredPlace+9) // the highest is another tenant's
	anew := &follower{ledger: l, tenant: tenant, limit: 2}
	halfway := &follower{ledger: l, tenant: tenant, limit: 2, cursor: payment.FeedEnd(restoredPlace + 1)}

	// Before, what was restored is late.
	anew.until(0)
	halfway.until(0)
	mustCode(t, l.CheckFeed(t.Context()), payment.CodeConfig)

	l.migrate()
	if err := l.CheckFeed(t.Context()); err != nil {
		t.Error(err)
	}
	anew.until(2)
	halfway.until(1)
	l.claim(order(t, "A-1"))
	anew.until(3)
	halfway.until(2)
	if lowest := query[int64](l, "SELECT min(place) FROM events WHERE payment_id <> 'pay_raw'"); lowest <= restoredPlace+9 {
		t.Errorf("a new event is at %d", lowest)
	}

	base := query[int64](l, "SELECT base FROM feed")
	l.migrate()
	if again := query[int64](l, "SELECT base FROM feed"); again != base {
		t.Errorf("the base went from %d to %d although places rise", base, again)
	}
}

// What was written before anybody noticed is not lost to those who begin anew.
func TestMigrate_whatWasWrittenBeforeItIsShownToNewFollowers(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.writeAt(tenant, restoredPlace)
	l.claim(order(t, "A-1"))
	anew := &follower{ledger: l, tenant: tenant, limit: 1}
	anew.until(1)
	l.migrate()
	l.claim(order(t, "A-2"))
	anew.until(3)
	anew.wantInOrder()
}

// Neither an event of a transaction that began before the places were raised, nor the
// first ones after that, are behind a cursor that was given before the dump: one
// beyond its last event, since transactions that write none have places, too.
func TestRebase_nothingThatComesIsBehindACursorFromBefore(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	tx, err := l.raw.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	if _, err := tx.Exec(t.Context(), "SELECT pg_current_xact_id()"); err != nil {
		t.Fatal(err)
	}
	l.writeAt(tenant, restoredPlace)
	late := &follower{ledger: l, tenant: tenant, limit: 10, cursor: payment.FeedEnd(restoredPlace + 1_000_000)}
	l.migrate()
	if err := l.CheckFeed(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := tx.Exec(t.Context(), `INSERT INTO events (payment_id, tenant_id, version, type, state, at)
		VALUES ('pay_raw', $1, 1, 'payment.paying', 'paying', now())`, tenant); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	late.until(1)
	if end, err := l.FeedEnd(t.Context()); err != nil || end.Place <= restoredPlace {
		t.Errorf("the feed's end is at %+v, %v", end, err)
	}
}

// The statements are those of docs/operating.md, for a restore to an earlier moment.
func TestRebase_afterARestoreToAnEarlierMomentFollowersSeeAllThatComes(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.claim(order(t, "A-1"))
	end, err := l.FeedEnd(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// It has seen what the restore took back.
	ahead := &follower{ledger: l, tenant: tenant, limit: 10, cursor: payment.FeedEnd(end.Place + 1_000_000)}
	before := query[int64](l, "SELECT max(sequence) FROM events")
	l.exec(`SELECT feed_rebase(base + pg_current_xact_id()::text::bigint + 1000000000000) FROM feed`)
	l.exec(`SELECT setval(pg_get_serial_sequence('events', 'sequence'), nextval(pg_get_serial_sequence('events', 'sequence')) + 10000000000)`)
	l.claim(order(t, "A-2"))
	ahead.until(1)
	if e := ahead.events[0]; e.Sequence <= before+10_000_000_000 || e.Sequence >= 1<<53 || e.Place <= restoredPlace {
		t.Errorf("the next event is %+v", e)
	}
	(&follower{ledger: l, tenant: tenant, limit: 10}).until(2)
}

func TestFeedHorizon_staysWhereTheOldestWriterIs(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	w := l.write(tenant)
	l.claim(order(t, "A-1"))
	first, next, err := l.FeedHorizon(t.Context())
	if err != nil || first >= next {
		t.Fatalf("from %d to %d, %v", first, next, err)
	}
	l.claim(order(t, "A-2"))
	if _, later, err := l.FeedHorizon(t.Context()); err != nil || later <= next {
		t.Errorf("from %d to %d, %v", next, later, err)
	}
	w.commit(t)
	eventually(t, "it moves", func() bool {
		oldest, _, err := l.FeedHorizon(t.Context())
		return err == nil && oldest > first
	})
}
