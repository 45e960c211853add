package postgres

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

// fenceSQL lets an outcome count only for the payment as it was leased.
const fenceSQL = ` AND p.version = o.version AND p.state = o.was`

// Rows are locked in the order of their keys before any is changed: an UPDATE
// with a join locks in whichever order its plan has. An attempt's row
// is made here, whole, and began when its lease did: until then the payment's own
// row is the record of the call. Nobody else makes one of that version, so nobody
// looks for it.
var settleSQL = `
	WITH held AS (
		SELECT o.*, p.updated_at AS leased_at
		  FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[],
		              $8::text[], $9::text[], $10::integer[], $11::text[], $12::text[])
		       AS o (id, version, was, state, next_in, payer_reference, failure_code,
		             failure_message, verdict, http_status, request_id, excerpt)
		  JOIN payments p ON p.id = o.id` + fenceSQL + `
		 ORDER BY p.id
		   FOR UPDATE OF p
	), settled AS (
		UPDATE payments p
		   SET state = o.state,
		       version = p.version + 1,
		       payer_reference = coalesce(nullif(o.payer_reference, ''), p.payer_reference),
		       failure_code = o.failure_code,
		       failure_message = o.failure_message,
		       lookups = p.lookups + (o.was IN ('unknown', 'pending'))::integer,
		       last_attempt_at = CASE o.was WHEN 'paying' THEN now() ELSE p.last_attempt_at END,
		       next_at = CASE WHEN o.state NOT IN ('parked', 'succeeded', 'failed', 'canceled')
		                      THEN now() + o.next_in * interval '1 microsecond' END,
		       updated_at = now()
		  FROM held o
		 WHERE p.id = o.id` + fenceSQL + `
		RETURNING p.id, p.tenant_id, p.version, p.state, p.attempts, p.lookups, p.updated_at, o.leased_at,
		          p.failure_code, p.failure_message, o.was, o.payer_reference, o.verdict, o.http_status, o.request_id, o.excerpt
	), attempted AS (
		INSERT INTO attempts (payment_id, version, kind, number, started_at, ended_at,
		                      verdict, payer_reference, http_status, request_id, excerpt)
		SELECT id, version - 1,
		       CASE was WHEN 'paying' THEN 'charge' ELSE 'lookup' END,
		       CASE was WHEN 'paying' THEN attempts ELSE lookups END,
		       leased_at, updated_at, verdict, payer_reference, http_status, request_id, excerpt
		  FROM settled
		 WHERE was IN ('paying', 'unknown', 'pending')
	), ` + told(`SELECT id, tenant_id, version, 'payment.' || state, state, was, `+failureDetail+`, updated_at
		  FROM settled WHERE was <> state`) + `
	SELECT count(*) FROM settled`

// Settle writes what workers found out, each with its attempt and, if the state
// changed, its event. settled counts the outcomes written; the others
// came too late: the payment has moved on since it was leased, and nothing of
// theirs is kept.
//
// An outcome must be a step of the table of states, or no step at all. A step to
// Paying is refused, because the attempt has to be on record before the payer is
// called, which is what Claim and Lease do. The ids differ.
func (db *DB) Settle(ctx context.Context, outcomes []payment.Outcome) (settled int, err error) {
	if len(outcomes) == 0 {
		return 0, nil
	}
	if n := len(outcomes); n > BatchMax {
		return 0, refused("settle: %d outcomes, at most %d are allowed", n, BatchMax)
	}
	outcomes = slices.SortedFunc(slices.Values(outcomes), func(a, b payment.Outcome) int {
		return cmp.Compare(a.ID, b.ID)
	})
	if i := firstTwice(outcomes, func(o payment.Outcome) payment.ID { return o.ID }); i >= 0 {
		return 0, refused("settle: %s is in the batch twice", outcomes[i].ID)
	}
	var c outcomeColumns
	for _, outcome := range outcomes {
		if err := checkStep(outcome); err != nil {
			return 0, err
		}
		c.add(outcome)
	}
	err = db.call(ctx, "settle payments", func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, settleStatement(), c.ids, c.versions, c.froms, c.tos, c.nextIns, c.payerReferences,
			c.failureCodes, c.failureMessages, c.verdicts, c.httpStatuses, c.requestIDs, c.excerpts).Scan(&settled)
	})
	if err == nil {
		db.tellSettled(outcomes)
	}
	return settled, err
}

// settleStatement is settleSQL. Without its fence it is what a test must notice.
func settleStatement() string {
	if fault.Dropped(fault.Fence) {
		return strings.ReplaceAll(settleSQL, fenceSQL, "")
	}
	return settleSQL
}

func checkStep(o payment.Outcome) error {
	stays := o.From == o.To && !o.From.Final()
	if o.To == payment.Paying || (!stays && !o.From.MayBecome(o.To)) {
		return refused("settle: %s may not go from %s to %s", o.ID, o.From, o.To)
	}
	return nil
}

// outcomeColumns are outcomes turned into the arrays that unnest takes.
type outcomeColumns struct {
	ids                           []string
	versions                      []int64
	froms, tos                    []string
	nextIns                       []int64 // microseconds
	payerReferences               []string
	failureCodes, failureMessages []string
	verdicts                      []string
	httpStatuses                  []int32
	requestIDs, excerpts          []string
}

func (c *outcomeColumns) add(o payment.Outcome) {
	c.ids = append(c.ids, string(o.ID))
	c.versions = append(c.versions, o.Version)
	c.froms = append(c.froms, string(o.From))
	c.tos = append(c.tos, string(o.To))
	c.nextIns = append(c.nextIns, max(0, o.NextIn).Microseconds())
	c.payerReferences = append(c.payerReferences, storable(o.Answer.PayerReference, payerTextBytesMax))
	c.failureCodes = append(c.failureCodes, storable(o.Code, payerTextBytesMax))
	c.failureMessages = append(c.failureMessages, storable(o.Message, payerTextBytesMax))
	c.verdicts = append(c.verdicts, o.Answer.Verdict.String())
	c.httpStatuses = append(c.httpStatuses, int32(o.Answer.Evidence.HTTPStatus)) //nolint:gosec // three digits
	c.requestIDs = append(c.requestIDs, storable(o.Answer.Evidence.RequestID, payerTextBytesMax))
	c.excerpts = append(c.excerpts, storable(o.Answer.Evidence.Excerpt, payment.EvidenceBytesMax))
}
