// Package postgres is the ledger: the tables in which a payment is claimed
// before the payer hears of it, and in which its outcome is kept. It holds every
// SQL statement of Paybuf and is the only package that knows pgx.
//
// It promises that an order number has at most one row for ever; that a row is
// changed only by the holder of its current version (the fence); that a change,
// the attempt that led to it and the event that tells of it are committed
// together or not at all; that a final state never changes; and that all leases
// run by the database's clock.
//
// Every write may be repeated. If a call fails on its way back, nobody can tell
// whether it was committed, and nobody has to: a second Claim classes its
// requests as duplicates, and the lease of the first runs out into Lease; a
// second Settle finds that the fence has moved on; a second Bury finds the
// letters.
//
// Errors are *payment.Error. Their codes tell what to do: CodeInvalid is about
// the rows of the call and the same call fails again, so a batch is to be halved
// until the row is found; CodeUnavailable passes, and the call may be repeated;
// CodeConfig needs an operator; CodeNotFound is an answer; CodeInternal is a
// mistake of ours.
package postgres
