package postgres

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

const (
	// deliveriesScanMax bounds how many deliveries of other states one page passes over.
	deliveriesScanMax = 10_000
	// attemptsShownMax is how many attempts of a delivery are shown, the last ones.
	attemptsShownMax = 100
)

// deliveryColumns are what scanDelivery reads of webhook_deliveries d.
const deliveryColumns = `d.endpoint_id, d.sequence, d.tenant_id, d.payment_id, d.version, d.type, d.event_at,
	d.state, d.reason, d.attempts, d.tries, d.next_at, d.updated_at`

// scanDelivery reads a delivery. Of its event there is what the row itself holds,
// which is all of a test's.
func scanDelivery(row pgx.CollectableRow) (payment.WebhookDelivery, error) {
	var d payment.WebhookDelivery
	var nextAt *time.Time
	err := row.Scan(
		&d.Endpoint, &d.Event.Sequence, &d.Event.Tenant, &d.Event.PaymentID, &d.Event.Version, &d.Event.Type, &d.Event.At,
		&d.State, &d.Reason, &d.Attempts, &d.Tries, &nextAt, &d.UpdatedAt,
	)
	d.Event.At, d.UpdatedAt, d.NextAt = d.Event.At.UTC(), d.UpdatedAt.UTC(), instant(nextAt)
	return d, err
}

func readDeliveries(ctx context.Context, q querier, sql string, args ...any) ([]payment.WebhookDelivery, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanDelivery)
}

const endpointStatusSQL = `SELECT status FROM webhook_endpoints WHERE id = $1 AND tenant_id = $2 AND status <> 'deleted'`

// endpointStatus finds out whether a tenant has an endpoint, and how that is.
func endpointStatus(
	ctx context.Context, q querier, tenant payment.TenantID, id payment.EndpointID,
) (status payment.EndpointStatus, err error) {
	err = q.QueryRow(ctx, endpointStatusSQL, id, tenant).Scan(&status)
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNoEndpoint()
	}
	return status, err
}

// The inner query ends after so many rows whatever their states, since an endpoint
// may have a million that were delivered before one that was not.
const deliveriesSQL = `
	SELECT ` + deliveryColumns + `
	  FROM (SELECT *
	          FROM webhook_deliveries
	         WHERE endpoint_id = $1 AND tenant_id = $2 AND sequence < $3
	         ORDER BY sequence DESC
	         LIMIT $6) d
	 WHERE cardinality($4::text[]) = 0 OR d.state = ANY ($4)
	 ORDER BY d.sequence DESC
	 LIMIT $5`

// The dead have an index of their own.
const deadDeliveriesSQL = `
	SELECT ` + deliveryColumns + `
	  FROM webhook_deliveries d
	 WHERE d.endpoint_id = $1 AND d.tenant_id = $2 AND d.sequence < $3 AND d.state = 'dead'
	 ORDER BY d.sequence DESC
	 LIMIT $4`

const deliveriesScannedSQL = `
	SELECT sequence
	  FROM webhook_deliveries
	 WHERE endpoint_id = $1 AND tenant_id = $2 AND sequence < $3
	 ORDER BY sequence DESC
	OFFSET $4 - 1
	 LIMIT 1`

// Deliveries reads a page of the deliveries to a tenant's endpoint, the newest first,
// and where the next one begins: before that sequence, 0 if this was the last. A page
// may be short, or empty, and not be the last.
func (db *DB) Deliveries(
	ctx context.Context, tenant payment.TenantID, id payment.EndpointID, page payment.DeliveryPage,
) (found []payment.WebhookDelivery, next int64, err error) {
	if page.Before == 0 {
		page.Before = math.MaxInt64
	}
	err = db.call(ctx, "read webhook deliveries", func(ctx context.Context, q querier) error {
		if _, err := endpointStatus(ctx, q, tenant, id); err != nil {
			return err
		}
		found, next, err = pageOfDeliveries(ctx, q, tenant, id, page)
		return err
	})
	return found, next, err
}

func pageOfDeliveries(
	ctx context.Context, q querier, tenant payment.TenantID, id payment.EndpointID, page payment.DeliveryPage,
) (found []payment.WebhookDelivery, next int64, err error) {
	wanted := page.Limit + 1 // one more tells whether there is a next page
	if len(page.States) == 1 && page.States[0] == payment.DeliveryDead {
		found, err = readDeliveries(ctx, q, deadDeliveriesSQL, id, tenant, page.Before, wanted)
	} else {
		found, err = readDeliveries(ctx, q, deliveriesSQL, id, tenant, page.Before, textsOf(page.States), wanted, deliveriesScanMax)
		if err == nil && len(found) < wanted && len(page.States) > 0 {
			err = q.QueryRow(ctx, deliveriesScannedSQL, id, tenant, page.Before, deliveriesScanMax).Scan(&next)
			if noRow(err) {
				err = nil
			}
		}
	}
	if err == nil && len(found) == wanted {
		found = found[:page.Limit]
		next = found[page.Limit-1].Event.Sequence
	}
	return found, next, err
}

const deliverySQL = `
	SELECT ` + deliveryColumns + `
	  FROM webhook_deliveries d
	  JOIN webhook_endpoints n ON n.id = d.endpoint_id AND n.status <> 'deleted'
	 WHERE d.endpoint_id = $1 AND d.sequence = $2 AND d.tenant_id = $3 AND d.payment_id = $4`

// OFFSET 0 keeps the planner from going by the tenant: that is all of its events.
const eventSQL = `
	SELECT ` + eventColumns + `
	  FROM (SELECT * FROM events WHERE payment_id = $1 AND sequence = $2 OFFSET 0) e` + eventPayment + `
	 WHERE e.tenant_id = $3`

const webhookAttemptsSQL = `
	SELECT a.endpoint_id, a.sequence, a.number, a.url, a.started_at, a.took_us, a.http_status, a.error, a.excerpt
	  FROM (SELECT *
	          FROM webhook_attempts
	         WHERE endpoint_id = $1 AND sequence = $2
	         ORDER BY number DESC
	         LIMIT $3) a
	 ORDER BY a.number`

// Delivery reads a delivery to a tenant's endpoint with all of its event, and its last
// attempts in their order. Its error has CodeNotFound if there is none of this event,
// whether or not another tenant has it.
func (db *DB) Delivery(
	ctx context.Context, tenant payment.TenantID, id payment.EndpointID, of payment.Event,
) (found payment.WebhookDelivery, attempts []payment.WebhookAttempt, err error) {
	err = db.call(ctx, "read a webhook delivery", func(ctx context.Context, q querier) error {
		found, err = oneDelivery(ctx, q, deliverySQL, id, of.Sequence, tenant, of.PaymentID)
		if err != nil {
			return err
		}
		if found.Event.PaymentID != "" {
			if found.Event, err = readEvent(ctx, q, of, tenant); err != nil {
				return err
			}
		}
		rows, err := q.Query(ctx, webhookAttemptsSQL, id, of.Sequence, attemptsShownMax)
		if err != nil {
			return err
		}
		attempts, err = pgx.CollectRows(rows, scanWebhookAttempt)
		return err
	})
	return found, attempts, err
}

// oneDelivery runs a statement that gives one delivery.
func oneDelivery(ctx context.Context, q querier, sql string, args ...any) (payment.WebhookDelivery, error) {
	found, err := readDeliveries(ctx, q, sql, args...)
	switch {
	case err != nil:
		return payment.WebhookDelivery{}, err
	case len(found) == 0:
		return payment.WebhookDelivery{}, &payment.Error{Code: payment.CodeNotFound, Detail: "there is no such delivery"}
	}
	return found[0], nil
}

func readEvent(ctx context.Context, q querier, of payment.Event, tenant payment.TenantID) (payment.Event, error) {
	rows, err := q.Query(ctx, eventSQL, of.PaymentID, of.Sequence, tenant)
	if err != nil {
		return payment.Event{}, err
	}
	return pgx.CollectExactlyOneRow(rows, collectEvent)
}

func scanWebhookAttempt(row pgx.CollectableRow) (payment.WebhookAttempt, error) {
	var a payment.WebhookAttempt
	var micros int64
	err := row.Scan(&a.Endpoint, &a.Sequence, &a.Number, &a.URL, &a.StartedAt, &micros, &a.HTTPStatus, &a.Error, &a.Excerpt)
	a.StartedAt, a.Took = a.StartedAt.UTC(), time.Duration(micros)*time.Microsecond
	return a, err
}
