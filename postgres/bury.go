package postgres

import (
	"context"
	"crypto/sha256"

	"github.com/paybuf/paybuf/payment"
)

const reasonBytesMax = 1000

const burySQL = `
	INSERT INTO dead_letters (digest, payment_id, batch_id, subject, raw, reason, first_at)
	SELECT l.digest, nullif(l.payment_id, ''), nullif(l.batch_id, ''), l.subject, l.raw, l.reason, now()
	  FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[])
	       AS l (digest, payment_id, batch_id, subject, raw, reason)
	 ORDER BY l.digest
	    ON CONFLICT DO NOTHING`

// Bury keeps messages that nobody can read. The same message is kept once, with
// the reason given first.
func (db *DB) Bury(ctx context.Context, letters []payment.DeadLetter) error {
	if len(letters) == 0 {
		return nil
	}
	if n := len(letters); n > BatchMax {
		return refused("bury: %d letters, at most %d are allowed", n, BatchMax)
	}
	var digests, raws [][]byte
	var ids, batchIDs, subjects, reasons []string
	for _, letter := range letters {
		digest := sha256.Sum256(append([]byte(letter.Subject+"\x00"), letter.Raw...))
		digests = append(digests, digest[:])
		ids = append(ids, storable(string(letter.PaymentID), payerTextBytesMax))
		batchIDs = append(batchIDs, storable(string(letter.BatchID), payerTextBytesMax))
		raws = append(raws, append([]byte{}, letter.Raw...)) // not nil, which is NULL
		subjects = append(subjects, storable(letter.Subject, payerTextBytesMax))
		reasons = append(reasons, storable(letter.Reason, reasonBytesMax))
	}
	return db.call(ctx, "bury dead letters", func(ctx context.Context, q querier) error {
		_, err := q.Exec(ctx, burySQL, digests, ids, batchIDs, subjects, raws, reasons)
		return err
	})
}
