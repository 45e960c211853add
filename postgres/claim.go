package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

// Claim makes the rows that say "we are about to call the payer": a payment, its
// first attempt and its event for each request whose order number has none. The
// Works that it returns are the caller's until the lease ends, which is counted
// from before Claim returns. Each request is either a Work, a duplicate (the same
// body exists) or a conflict (another body exists, which is put on record).
// conflicts are requests that were refused as such: they are put on record and
// never make a payment.
//
// The ids in requests differ. A batch without conflicts of which nothing exists
// takes one round trip. After an error some or all of the requests may have been
// claimed all the same; the next Claim calls them duplicates, and when the lease
// has run out Lease hands them to somebody who asks the payer first.
func (db *DB) Claim(
	ctx context.Context, requests, conflicts []payment.Request, lease time.Duration,
) (payment.Claimed, error) {
	if err := checkClaim(requests, conflicts, lease); err != nil {
		return payment.Claimed{}, err
	}
	requests = slices.SortedFunc(slices.Values(requests), byID)
	if i := firstTwice(requests, func(r payment.Request) payment.ID { return r.ID }); i >= 0 {
		return payment.Claimed{}, refused("claim: %s is in the batch twice", requests[i].ID)
	}
	if len(conflicts) > 0 {
		return db.claimWithConflicts(ctx, requests, conflicts, lease)
	}
	if len(requests) == 0 {
		return payment.Claimed{}, nil
	}
	var claimed payment.Claimed
	var rest []payment.Request
	err := db.call(ctx, "claim payments", func(ctx context.Context, q querier) (err error) {
		claimed.Works, rest, err = insertPayments(ctx, q, requests, lease)
		return err
	})
	if err != nil || len(rest) == 0 {
		return claimed, err
	}
	fault.At(fault.PostgresInserted)
	err = db.transact(ctx, "class repeated requests", func(ctx context.Context, q querier) (err error) {
		claimed.Duplicates, claimed.Conflicts, err = classExisting(ctx, q, rest)
		return err
	})
	if err != nil {
		return payment.Claimed{}, err
	}
	return claimed, nil
}

// claimWithConflicts commits all or nothing, so that a conflict that cannot be
// stored does not leave claims behind that nobody works on.
func (db *DB) claimWithConflicts(
	ctx context.Context, requests, conflicts []payment.Request, lease time.Duration,
) (payment.Claimed, error) {
	var claimed payment.Claimed
	err := db.transact(ctx, "claim payments and record conflicts", func(ctx context.Context, q querier) error {
		works, rest, err := insertPayments(ctx, q, requests, lease)
		if err != nil {
			return err
		}
		duplicates, others, err := classExisting(ctx, q, rest)
		if err != nil {
			return err
		}
		claimed = payment.Claimed{Works: works, Duplicates: duplicates, Conflicts: others + len(conflicts)}
		return recordConflicts(ctx, q, conflicts)
	})
	if err != nil {
		return payment.Claimed{}, err
	}
	return claimed, nil
}

// Rows are inserted in the order of their keys, so that two batches that share
// orders wait for each other instead of locking up.
const insertPaymentsSQL = `
	WITH claimed AS (
		INSERT INTO payments (id, tenant_id, order_number, retry_of, amount_minor, currency,
		                      payment_method, customer, description, metadata, fingerprint, accepted_at,
		                      state, version, attempts, first_attempt_at, last_attempt_at,
		                      next_at, created_at, updated_at)
		SELECT r.id, r.tenant_id, r.order_number, nullif(r.retry_of, ''), r.amount_minor, r.currency,
		       r.payment_method, r.customer, r.description, r.metadata::jsonb, r.fingerprint, r.accepted_at,
		       'paying', 1, 1, now(), now(),
		       now() + $13::bigint * interval '1 microsecond', now(), now()
		  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[],
		              $7::text[], $8::text[], $9::text[], $10::text[], $11::bytea[], $12::timestamptz[])
		       AS r (id, tenant_id, order_number, retry_of, amount_minor, currency,
		             payment_method, customer, description, metadata, fingerprint, accepted_at)
		 ORDER BY r.id COLLATE "C"
		    ON CONFLICT DO NOTHING
		RETURNING id, tenant_id, created_at, next_at
	), attempted AS (
		INSERT INTO attempts (payment_id, version, kind, number, started_at)
		SELECT id, 1, 'charge', 1, created_at FROM claimed
	), told AS (
		INSERT INTO events (payment_id, tenant_id, version, type, state, at)
		SELECT id, tenant_id, 1, 'payment.paying', 'paying', created_at FROM claimed
	)
	SELECT id, created_at, next_at FROM claimed`

// insertPayments claims what it can. rest are the requests whose id or order
// number has a row already.
func insertPayments(
	ctx context.Context, q querier, requests []payment.Request, lease time.Duration,
) (works []payment.Work, rest []payment.Request, err error) {
	if len(requests) == 0 {
		return nil, nil, nil
	}
	columns, err := columnsOf(requests)
	if err != nil {
		return nil, nil, err
	}
	rows, err := q.Query(ctx, insertPaymentsSQL, columns.ids, columns.tenants, columns.orderNumbers, columns.retryOfs,
		columns.amounts, columns.currencies, columns.paymentMethods, columns.customers, columns.descriptions,
		columns.metadata, columns.fingerprints, columns.acceptedAts, lease.Microseconds())
	if err != nil {
		return nil, nil, err
	}
	type claim struct{ at, until time.Time }
	claims := make(map[payment.ID]claim, len(requests))
	var id payment.ID
	var c claim
	if _, err := pgx.ForEachRow(rows, []any{&id, &c.at, &c.until}, func() error {
		claims[id] = c
		return nil
	}); err != nil {
		return nil, nil, err
	}
	for _, request := range requests {
		if c, ours := claims[request.ID]; ours {
			works = append(works, firstWork(request, c.at.UTC(), c.until.UTC()))
		} else {
			rest = append(rest, request)
		}
	}
	return works, rest, nil
}

func firstWork(request payment.Request, at, until time.Time) payment.Work {
	return payment.Work{
		Payment: payment.Payment{
			Request: request, State: payment.Paying, Version: 1, Attempts: 1, NextAt: until, UpdatedAt: at,
		},
		Attempt: 1, FirstAttemptAt: at, LastAttemptAt: at, LeasedAt: at,
	}
}

func checkClaim(requests, conflicts []payment.Request, lease time.Duration) error {
	if n := len(requests) + len(conflicts); n > BatchMax {
		return refused("claim: %d requests, at most %d are allowed", n, BatchMax)
	}
	return checkLease(lease)
}

func checkLease(lease time.Duration) error {
	if lease <= 0 {
		return refused("a lease of %v ends before it begins", lease)
	}
	return nil
}

func byID(a, b payment.Request) int { return cmp.Compare(a.ID, b.ID) }

// firstTwice finds an element of sorted with the same id as the one before it;
// -1 if there is none.
func firstTwice[T any](sorted []T, id func(T) payment.ID) int {
	for i := 1; i < len(sorted); i++ {
		if id(sorted[i-1]) == id(sorted[i]) {
			return i
		}
	}
	return -1
}
