package postgres

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

// A list goes as one text, since lists of different lengths make no array.
const keepBatchesSQL = `
	INSERT INTO batches (id, tenant_id, payments, created_at)
	SELECT b.id, b.tenant_id, string_to_array(b.payments, ' '), b.created_at
	  FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
	       AS b (id, tenant_id, payments, created_at)
	 ORDER BY b.id COLLATE "C"
	    ON CONFLICT DO NOTHING`

// KeepBatches keeps the lists of batches. What is there already stays as it is.
func (db *DB) KeepBatches(ctx context.Context, batches []payment.Batch) error {
	if len(batches) == 0 {
		return nil
	}
	if n := len(batches); n > BatchMax {
		return refused("keep batches: %d of them, at most %d are allowed", n, BatchMax)
	}
	byID := func(a, b payment.Batch) int { return cmp.Compare(a.ID, b.ID) }
	sameID := func(a, b payment.Batch) bool { return a.ID == b.ID }
	batches = slices.CompactFunc(slices.SortedStableFunc(slices.Values(batches), byID), sameID)
	var ids, tenants, lists []string
	var times []time.Time
	for _, batch := range batches {
		ids = append(ids, string(batch.ID))
		tenants = append(tenants, string(batch.Tenant))
		lists = append(lists, strings.Join(textsOf(batch.Payments), " "))
		times = append(times, batch.CreatedAt)
	}
	return db.call(ctx, "keep batches", func(ctx context.Context, q querier) error {
		_, err := q.Exec(ctx, keepBatchesSQL, ids, tenants, lists, times)
		return err
	})
}

func textsOf[T ~string](ids []T) []string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	return texts
}

const batchSQL = `SELECT payments, created_at FROM batches WHERE id = $1 AND tenant_id = $2`

// Batch reads the list of a tenant's batch. Its error has CodeNotFound if the
// tenant has no such batch, whether or not another has.
func (db *DB) Batch(ctx context.Context, tenant payment.TenantID, id payment.BatchID) (payment.Batch, error) {
	batch := payment.Batch{ID: id, Tenant: tenant}
	err := db.call(ctx, "read a batch", func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, batchSQL, id, tenant).Scan(&batch.Payments, &batch.CreatedAt)
		if errors.Is(err, pgx.ErrNoRows) {
			return &payment.Error{Code: payment.CodeNotFound, Detail: "there is no such batch"}
		}
		return err
	})
	batch.CreatedAt = batch.CreatedAt.UTC()
	return batch, err
}

// OFFSET 0 keeps the planner from going by the tenant: that is all of its payments,
// and for ever more of them.
const countStatesSQL = `
	SELECT p.state, count(*)
	  FROM (SELECT state, tenant_id FROM payments WHERE id = ANY($1::text[]) OFFSET 0) p
	 WHERE p.tenant_id = $2
	 GROUP BY p.state`

// CountStates counts the payments of a batch by their states. Those without a row
// are Queued.
func (db *DB) CountStates(ctx context.Context, batch payment.Batch) (map[payment.State]int, error) {
	var counts map[payment.State]int
	err := db.call(ctx, "count a batch", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, countStatesSQL, textsOf(batch.Payments), batch.Tenant)
		if err != nil {
			return err
		}
		counts = map[payment.State]int{payment.Queued: len(batch.Payments)}
		var state payment.State
		var n int
		_, err = pgx.ForEachRow(rows, []any{&state, &n}, func() error {
			counts[state] = n
			counts[payment.Queued] -= n
			return nil
		})
		return err
	})
	return counts, err
}

const batchPaymentsSQL = `
	SELECT asked.position, asked.id, p.id IS NOT NULL, ` + paymentColumns + `
	  FROM unnest($1::text[]) WITH ORDINALITY AS asked (id, position)
	  LEFT JOIN LATERAL (SELECT * FROM payments WHERE id = asked.id OFFSET 0) p ON p.tenant_id = $2
	 WHERE $3 = '' OR coalesce(p.state, 'queued') = $3
	 ORDER BY asked.position
	 LIMIT $4`

// BatchPayments lists payments of a batch in their order.
func (db *DB) BatchPayments(
	ctx context.Context, batch payment.Batch, page payment.BatchPage,
) ([]payment.BatchItem, error) {
	start := min(page.From, len(batch.Payments))
	ids := textsOf(batch.Payments[start:])
	if page.State == "" {
		ids = ids[:min(page.Limit, len(ids))] // look up no more than are listed
	}
	var items []payment.BatchItem
	err := db.call(ctx, "list a batch", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, batchPaymentsSQL, ids, batch.Tenant, page.State, page.Limit)
		if err != nil {
			return err
		}
		items, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (payment.BatchItem, error) {
			item, err := scanBatchItem(row)
			item.Position += start
			return item, err
		})
		return err
	})
	return items, err
}

// batchItemColumns is how many columns batchPaymentsSQL has before paymentColumns.
const batchItemColumns = 3

func scanBatchItem(row pgx.CollectableRow) (payment.BatchItem, error) {
	var ordinal int
	var id payment.ID
	var claimed bool
	into := make([]any, len(row.FieldDescriptions())) // what is nil is not scanned
	copy(into, []any{&ordinal, &id, &claimed})
	if err := row.Scan(into...); err != nil {
		return payment.BatchItem{}, unreadable(id, err)
	}
	item := payment.BatchItem{Position: ordinal - 1}
	if !claimed {
		item.Payment.ID, item.Payment.State = id, payment.Queued
		return item, nil
	}
	var err error
	item.Payment, err = scanPayment(rowRest{row})
	return item, err
}

// rowRest is a row without its first batchItemColumns.
type rowRest struct{ pgx.CollectableRow }

// Scan implements pgx.CollectableRow.
func (r rowRest) Scan(into ...any) error {
	return r.CollectableRow.Scan(append(make([]any, batchItemColumns), into...)...)
}

const missingBatchesSQL = `
	SELECT asked.id
	  FROM unnest($1::text[]) AS asked (id)
	 WHERE NOT EXISTS (SELECT FROM batches b WHERE b.id = asked.id)
	   AND NOT EXISTS (SELECT FROM dead_letters d WHERE d.batch_id = asked.id)
	 ORDER BY asked.id COLLATE "C"`

// MissingBatches gives those of ids that the ledger has neither the list nor a
// dead letter of.
func (db *DB) MissingBatches(ctx context.Context, ids []payment.BatchID) ([]payment.BatchID, error) {
	return missingOf(ctx, db, missingBatchesSQL, ids)
}
