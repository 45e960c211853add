package postgres

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

// The version in which the statement was believed has no attempt of its own: the
// one of a call is written with its outcome, and then the version moves on. A
// worker that holds the payment finds so, and its outcome changes nothing.
var settleByStatementSQL = `
	WITH held AS (
		SELECT o.*
		  FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
		       AS o (id, version, was, state, charge_id, failure_code, failure_message, excerpt)
		  JOIN payments p ON p.id = o.id AND p.version = o.version AND p.state = o.was
		 ORDER BY p.id
		   FOR UPDATE OF p
	), settled AS (
		UPDATE payments p
		   SET state = o.state,
		       version = p.version + 1,
		       payer_reference = coalesce(nullif(p.payer_reference, ''), o.charge_id),
		       failure_code = o.failure_code,
		       failure_message = o.failure_message,
		       next_at = NULL,
		       updated_at = now()
		  FROM held o
		 WHERE p.id = o.id AND p.version = o.version AND p.state = o.was
		RETURNING p.id, p.tenant_id, p.version, p.state, p.updated_at, p.failure_code, p.failure_message,
		          o.was, o.charge_id, o.excerpt
	), attempted AS (
		INSERT INTO attempts (payment_id, version, kind, number, started_at, ended_at, verdict, payer_reference, excerpt)
		SELECT id, version - 1, 'statement', 1, updated_at, updated_at, 'charged', charge_id, excerpt
		  FROM settled
	), ` + told(`SELECT id, tenant_id, version, 'payment.' || state, state, was, `+failureDetail+`, updated_at
		  FROM settled`) + `
	SELECT id, tenant_id, version FROM settled`

const recordFindingsSQL = `
	INSERT INTO discrepancies (kind, reference, charge_id, detail, statement, first_at, last_at)
	SELECT r.kind, r.reference, r.charge_id, r.detail, r.statement, now(), now()
	  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
	       AS r (kind, reference, charge_id, detail, statement)
	 ORDER BY r.charge_id COLLATE "C", r.kind COLLATE "C"
	    ON CONFLICT (kind, reference, charge_id) DO UPDATE
	   SET detail = excluded.detail, statement = excluded.statement, last_at = now()`

const markJudgedSQL = `
	UPDATE statement_lines l
	   SET judged = true
	  FROM (SELECT r.* FROM unnest($1::text[], $2::bigint[]) AS r (charge_id, revision)
	          JOIN statement_lines s ON s.charge_id = r.charge_id AND s.revision = r.revision
	         ORDER BY s.charge_id
	           FOR UPDATE OF s) r
	 WHERE l.charge_id = r.charge_id AND l.revision = r.revision`

// JudgeCharges writes judgements: payments that a statement settles, each with an
// attempt of the kind "statement" and its event, what was found, and that the
// lines are judged. Of a payment that has moved on since it was read nothing is
// written, and its lines stay unjudged; late are their judgements.
func (db *DB) JudgeCharges(
	ctx context.Context, judgements []payment.ChargeJudgement,
) (late []payment.ChargeJudgement, err error) {
	if n := len(judgements); n > BatchMax {
		return nil, refused("judge: %d charges, at most %d are allowed", n, BatchMax)
	}
	steps, err := stepsOf(judgements)
	if err != nil {
		return nil, err
	}
	var moved map[string]payment.Change
	err = db.transact(ctx, "judge charges", func(ctx context.Context, q querier) error {
		var err error
		moved, err = settleByStatement(ctx, q, steps)
		if err != nil {
			return err
		}
		var inTime []payment.ChargeJudgement
		late = nil // a clash may have this run again
		for _, j := range judgements {
			if _, ours := moved[j.Reference]; j.To != "" && !ours {
				late = append(late, j)
			} else {
				inTime = append(inTime, j)
			}
		}
		if err := recordFindings(ctx, q, inTime); err != nil {
			return err
		}
		return markJudged(ctx, q, inTime)
	})
	if err != nil {
		return nil, err
	}
	db.tell(func() []payment.Change { return slices.Collect(maps.Values(moved)) })
	return late, nil
}

// stepsOf gives the judgements that move a payment, one for each.
func stepsOf(judgements []payment.ChargeJudgement) ([]payment.ChargeJudgement, error) {
	var steps []payment.ChargeJudgement
	for _, j := range judgements {
		if j.To == "" {
			continue
		}
		if !j.State.MayBecome(j.To) || (j.To != payment.Succeeded && j.To != payment.Parked) {
			return nil, refused("judge: %s may not go from %s to %s by a statement", j.Reference, j.State, j.To)
		}
		steps = append(steps, j)
	}
	slices.SortStableFunc(steps, func(a, b payment.ChargeJudgement) int { return cmp.Compare(a.Reference, b.Reference) })
	return slices.CompactFunc(steps, func(a, b payment.ChargeJudgement) bool { return a.Reference == b.Reference }), nil
}

// settleByStatement gives what it moved, by the reference.
func settleByStatement(
	ctx context.Context, q querier, steps []payment.ChargeJudgement,
) (map[string]payment.Change, error) {
	moved := map[string]payment.Change{}
	if len(steps) == 0 {
		return moved, nil
	}
	var ids, froms, tos, chargeIDs, codes, messages, excerpts []string
	var versions []int64
	for _, j := range steps {
		ids = append(ids, j.Reference)
		versions = append(versions, j.Version)
		froms = append(froms, string(j.State))
		tos = append(tos, string(j.To))
		chargeIDs = append(chargeIDs, j.ChargeID)
		codes = append(codes, storable(j.Reason.Code, payerTextBytesMax))
		messages = append(messages, storable(j.Reason.Message, payerTextBytesMax))
		excerpts = append(excerpts, storable(fmt.Sprintf("statement %s line %d", j.Statement, j.Number), payment.EvidenceBytesMax))
	}
	rows, err := q.Query(ctx, settleByStatementSQL, ids, versions, froms, tos, chargeIDs, codes, messages, excerpts)
	if err != nil {
		return nil, err
	}
	var change payment.Change
	_, err = pgx.ForEachRow(rows, []any{&change.ID, &change.Tenant, &change.Version}, func() error {
		moved[string(change.ID)] = change
		return nil
	})
	return moved, err
}

func recordFindings(ctx context.Context, q querier, judgements []payment.ChargeJudgement) error {
	var kinds, references, chargeIDs, details, statements []string
	for _, j := range judgements {
		for _, finding := range j.Findings {
			kinds = append(kinds, string(finding.Kind))
			references = append(references, j.Reference)
			chargeIDs = append(chargeIDs, j.ChargeID)
			details = append(details, storable(finding.Detail, payerTextBytesMax))
			statements = append(statements, j.Statement)
		}
	}
	if len(kinds) == 0 {
		return nil
	}
	_, err := q.Exec(ctx, recordFindingsSQL, kinds, references, chargeIDs, details, statements)
	return err
}

// markJudged leaves those open that are to be judged again.
func markJudged(ctx context.Context, q querier, judgements []payment.ChargeJudgement) error {
	var chargeIDs []string
	var revisions []int64
	for _, j := range judgements {
		if !j.Open {
			chargeIDs = append(chargeIDs, j.ChargeID)
			revisions = append(revisions, j.Revision)
		}
	}
	if len(chargeIDs) == 0 {
		return nil
	}
	_, err := q.Exec(ctx, markJudgedSQL, chargeIDs, revisions)
	return err
}
