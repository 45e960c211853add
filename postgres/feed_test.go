package postgres_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

const otherTenant payment.TenantID = "other"

// follower reads a tenant's feed by its cursor, as a client does.
type follower struct {
	ledger *ledger
	tenant payment.TenantID
	limit  int
	cursor payment.FeedCursor
	seen   []int64 // sequences
	events []payment.Event
}

// read reads until there is nothing more, and gives an error instead of failing, for
// goroutines.
func (f *follower) read(ctx context.Context) error {
	for {
		events, err := f.ledger.Feed(ctx, f.tenant, f.cursor, f.limit)
		if err != nil || len(events) == 0 {
			return err
		}
		for _, e := range events {
			f.seen = append(f.seen, e.Sequence)
		}
		f.events = append(f.events, events...)
		f.cursor = events[len(events)-1].Cursor()
	}
}

func (f *follower) mustRead() {
	f.ledger.t.Helper()
	if err := f.read(f.ledger.t.Context()); err != nil {
		f.ledger.t.Fatal(err)
	}
}

// until reads until n events were seen: others may write in the same cluster, and hold
// the feed up for a moment.
func (f *follower) until(n int) {
	f.ledger.t.Helper()
	eventually(f.ledger.t, fmt.Sprintf("%d events are shown", n), func() bool {
		f.mustRead()
		return len(f.seen) >= n
	})
	if len(f.seen) != n {
		f.ledger.t.Fatalf("saw %d events, want %d: %v", len(f.seen), n, f.seen)
	}
}

const writeEventSQL = `
	INSERT INTO events (payment_id, tenant_id, version, type, state, at)
	VALUES ('pay_raw', $1, 1, 'payment.paying', 'paying', now())
	RETURNING sequence`

// writer is a transaction that has written an event and not ended.
type writer struct {
	conn     *pgx.Conn
	sequence int64
}

// write uses a connection of its own, so that any number may be open.
func (l *ledger) write(of payment.TenantID) writer {
	l.t.Helper()
	conn, err := pgx.Connect(l.t.Context(), l.url)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	w := writer{conn: conn}
	if _, err := conn.Exec(l.t.Context(), "BEGIN"); err != nil {
		l.t.Fatal(err)
	}
	if err := conn.QueryRow(l.t.Context(), writeEventSQL, of).Scan(&w.sequence); err != nil {
		l.t.Fatal(err)
	}
	return w
}

func (w writer) commit(t *testing.T) {
	t.Helper()
	w.end(t, "COMMIT")
}

func (w writer) rollBack(t *testing.T) {
	t.Helper()
	w.end(t, "ROLLBACK")
}

func (w writer) end(t *testing.T, how string) {
	t.Helper()
	if _, err := w.conn.Exec(t.Context(), how); err != nil {
		t.Fatal(err)
	}
	if err := w.conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// permutations gives all orders of the numbers from 0 to n-1.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, shorter := range permutations(n - 1) {
		for at := range n {
			all = append(all, slices.Insert(slices.Clone(shorter), at, n-1))
		}
	}
	return all
}

// Four writers draw their sequences in one order and end in every other; one of them
// rolls back, and one is another tenant's. Whoever followed the sequence alone would
// lose events, so the scenario is one that counts.
func TestFeed_inWhateverOrderWritersCommitNoEventIsSkipped(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const writers, foreign, broken = 4, 1, 2
	mine := &follower{ledger: l, tenant: tenant, limit: 1}
	others := &follower{ledger: l, tenant: otherTenant, limit: 2}
	var naive, naiveSeen int64
	var want, wantOthers []int64
	for _, order := range permutations(writers) {
		var open []writer
		for i := range writers {
			if i == foreign {
				open = append(open, l.write(otherTenant))
				wantOthers = append(wantOthers, open[i].sequence)
				continue
			}
			open = append(open, l.write(tenant))
			if i != broken {
				want = append(want, open[i].sequence)
			}
		}
		for _, i := range order {
			if i == broken {
				open[i].rollBack(t)
			} else {
				open[i].commit(t)
			}
			mine.mustRead()
			others.mustRead()
			var n int64
			row := l.raw.QueryRow(t.Context(),
				`SELECT count(*), coalesce(max(sequence), $2) FROM events WHERE tenant_id = $1 AND sequence > $2`, tenant, naive)
			if err := row.Scan(&n, &naive); err != nil {
				t.Fatal(err)
			}
			naiveSeen += n
		}
	}
	mine.until(len(want))
	others.until(len(wantOthers))
	if !slices.Equal(mine.seen, want) || !slices.Equal(others.seen, wantOthers) {
		t.Errorf("saw %v and %v,\nwant %v and %v", mine.seen, others.seen, want, wantOthers)
	}
	if naiveSeen >= int64(len(want)) {
		t.Errorf("who follows the sequence saw all %d of %d: the scenario shows nothing", naiveSeen, len(want))
	}
}

func TestFeed_waitsForOlderWritersOfAnybody(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	f := &follower{ledger: l, tenant: tenant, limit: 10}
	older := l.write(otherTenant)
	l.claim(order(t, "A-1"))
	f.until(0)
	older.rollBack(t)
	f.until(1)
}

// What a writer that is under way will commit is not behind the end.
func TestFeedEnd_missesNothingThatIsCommittedLater(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.claim(order(t, "A-1"))
	(&follower{ledger: l, tenant: tenant, limit: 10}).until(1)
	underWay := l.write(tenant)
	end, err := l.FeedEnd(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{ledger: l, tenant: tenant, limit: 10, cursor: end}
	l.claim(order(t, "A-2"))
	underWay.commit(t)
	f.until(2)
	if f.seen[0] != underWay.sequence {
		t.Errorf("saw %v, want %d first", f.seen, underWay.sequence)
	}
}

// Real claims and outcomes of two tenants beside transactions that take their time or
// roll back, and followers who read all the while in small steps.
func TestFeed_manyWritersAndFollowersAgreeOnOneOrder(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const writers, rounds, batch, slow = 4, 12, 3, 2
	tenants := []payment.TenantID{tenant, otherTenant}
	var followers []*follower
	for _, of := range tenants {
		for _, limit := range []int{1, 3, 7} {
			followers = append(followers, &follower{ledger: l, tenant: of, limit: limit})
		}
	}
	done := make(chan struct{})
	failed := make(chan error, len(followers))
	follow := background(func() (int, error) {
		together(len(followers), func(i int) {
			for {
				if err := followers[i].read(t.Context()); err != nil {
					failed <- err
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
		return 0, nil
	})
	together(writers+slow, func(i int) {
		for round := range rounds {
			if i >= writers {
				w := l.write(tenants[round%2])
				_ = query[string](l, `SELECT pg_sleep(0.02)::text`)
				if round%3 == 0 {
					w.rollBack(t)
				} else {
					w.commit(t)
				}
				continue
			}
			var requests []payment.Request
			for n := range batch {
				requests = append(requests, requestOf(t, tenants[(i+n)%2], fmt.Sprintf("%d-%d-%d", i, round, n)))
			}
			var outcomes []payment.Outcome
			for _, work := range l.claim(requests...) {
				outcomes = append(outcomes, outcome(work, payment.Succeeded, payment.VerdictCharged))
			}
			l.settle(outcomes...)
		}
	})
	close(done)
	if _, err := follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
	for _, f := range followers {
		f.until(l.count("events WHERE tenant_id = $1", f.tenant))
		f.wantInOrder()
	}
	for i, f := range followers {
		if first := followers[i/3*3]; !slices.Equal(f.seen, first.seen) {
			t.Errorf("two followers of %s saw\n%v and\n%v", f.tenant, f.seen, first.seen)
		}
	}
}

// wantInOrder holds what was seen against the order of the feed: each once, and those
// of one payment in the order of their versions.
func (f *follower) wantInOrder() {
	f.ledger.t.Helper()
	inOrder := slices.IsSortedFunc(f.events, func(a, b payment.Event) int {
		return cmp.Or(cmp.Compare(a.Place, b.Place), cmp.Compare(a.Sequence, b.Sequence))
	})
	if distinct := slices.Compact(slices.Sorted(slices.Values(f.seen))); !inOrder || len(distinct) != len(f.seen) {
		f.ledger.t.Errorf("not each once in order: %v", f.seen)
	}
	versions := map[payment.ID]int64{}
	for _, e := range f.events {
		if e.Tenant != f.tenant || (e.PaymentID != "pay_raw" && e.Version <= versions[e.PaymentID]) {
			f.ledger.t.Errorf("%+v comes after version %d", e, versions[e.PaymentID])
		}
		versions[e.PaymentID] = e.Version
	}
}

// requestOf makes the request of a tenant.
func requestOf(t *testing.T, of payment.TenantID, number string) payment.Request {
	t.Helper()
	request := order(t, number)
	draft := payment.Draft{OrderNumber: number, AmountMinor: 1999, Currency: "EUR", PaymentMethod: "tok_visa"}
	request, err := payment.NewRequest(idKey(t, 0), of, draft, request.AcceptedAt)
	if err != nil {
		t.Fatal(err)
	}
	return request
}
