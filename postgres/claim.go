package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

// Claim makes the rows that say "we are about to call the payer": a payment with its
// first attempt counted, and its event, for each request whose order number has none.
// The Works that it returns are the caller's until the lease ends, which is counted
// from before Claim returns.
//
// Each request is either new, a duplicate (the same body exists, or the order was
// canceled before any body came) or a conflict (another body exists, which is put
// on record). What is new becomes a Work, or Scheduled if it must not be paid yet,
// or Refused: it tries a payment again, and not all before it are known to be
// uncharged. That is asked of what was committed before this call, so a payment and
// the one that tries it again never come to be in the same batch.
//
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
		claimed, rest, err = insertPayments(ctx, q, requests, lease)
		return err
	})
	if err == nil {
		db.tellClaimed(requests, rest)
	}
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
	var rest []payment.Request
	err := db.transact(ctx, "claim payments and record conflicts", func(ctx context.Context, q querier) error {
		var err error
		if claimed, rest, err = insertPayments(ctx, q, requests, lease); err != nil {
			return err
		}
		if claimed.Duplicates, claimed.Conflicts, err = classExisting(ctx, q, rest); err != nil {
			return err
		}
		claimed.Conflicts += len(conflicts)
		return recordConflicts(ctx, q, conflicts)
	})
	if err != nil {
		return payment.Claimed{}, err
	}
	db.tellClaimed(requests, rest)
	return claimed, nil
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
