package postgres

import (
	"context"
	"errors"

	"github.com/paybuf/paybuf/payment"
)

// endpointInUse gives an error unless a tenant has an endpoint that is sent to:
// CodeNotFound or CodeEndpointDisabled.
func endpointInUse(ctx context.Context, q querier, tenant payment.TenantID, id payment.EndpointID) error {
	status, err := endpointStatus(ctx, q, tenant, id)
	if err == nil && status != payment.EndpointEnabled {
		return &payment.Error{
			Code:   payment.CodeEndpointDisabled,
			Detail: "the webhook endpoint is disabled, so nothing is sent to it; enable it first",
		}
	}
	return err
}

const hastenTestSQL = `
	UPDATE webhook_deliveries d
	   SET tries = 0, next_at = now(), updated_at = now()
	 WHERE d.endpoint_id = $1 AND d.tenant_id = $2 AND d.payment_id = '' AND d.state = 'waiting'
	   AND d.sequence = (SELECT max(sequence) FROM webhook_deliveries
	                      WHERE endpoint_id = $1 AND payment_id = '' AND state = 'waiting')
	RETURNING ` + deliveryColumns

const queueTestSQL = `
	INSERT INTO webhook_deliveries AS d (endpoint_id, sequence, tenant_id, payment_id, version, type,
	                                     state, next_at, event_at, updated_at)
	VALUES ($1, nextval(pg_get_serial_sequence('events', 'sequence')), $2, '', 0, $3, 'waiting', now(), now(), now())
	RETURNING ` + deliveryColumns

// QueueTest queues a test for a tenant's endpoint and gives its delivery. A test that
// waits already is made due instead, so that nobody can pile them up.
func (db *DB) QueueTest(
	ctx context.Context, tenant payment.TenantID, id payment.EndpointID,
) (queued payment.WebhookDelivery, err error) {
	err = db.transact(ctx, "queue a webhook test", func(ctx context.Context, q querier) error {
		if err := endpointInUse(ctx, q, tenant, id); err != nil {
			return err
		}
		queued, err = oneDelivery(ctx, q, hastenTestSQL, id, tenant)
		if isNotFound(err) {
			queued, err = oneDelivery(ctx, q, queueTestSQL, id, tenant, payment.EventTest)
		}
		return err
	})
	return queued, err
}

func isNotFound(err error) bool {
	coded, ok := errors.AsType[*payment.Error](err)
	return ok && coded.Code == payment.CodeNotFound
}

const redeliverSQL = `
	UPDATE webhook_deliveries d
	   SET state = 'waiting', reason = '', tries = 0, next_at = now(), updated_at = now()
	 WHERE d.endpoint_id = $1 AND d.sequence = $2 AND d.tenant_id = $3 AND d.payment_id = $4
	RETURNING ` + deliveryColumns

// Redeliver queues a delivery to a tenant's endpoint once more, due at once and with
// its schedule from the beginning, whatever came of it before.
func (db *DB) Redeliver(
	ctx context.Context, tenant payment.TenantID, id payment.EndpointID, of payment.Event,
) (queued payment.WebhookDelivery, err error) {
	err = db.transact(ctx, "redeliver a webhook", func(ctx context.Context, q querier) error {
		if err := endpointInUse(ctx, q, tenant, id); err != nil {
			return err
		}
		queued, err = oneDelivery(ctx, q, redeliverSQL, id, of.Sequence, tenant, of.PaymentID)
		return err
	})
	return queued, err
}
