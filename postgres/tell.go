package postgres

// told ends a statement's list of CTEs with those that put events on record, and what
// is to be delivered of them: with the change itself, or not at all. events is a query
// of (payment_id, tenant_id, version, type, state, was, detail, at).
//
// Of an endpoint that is disabled the delivery is dead from the beginning, so that it
// is listed as undeliverable and can be recovered. An endpoint that is disabled at
// this moment may get one that waits; whoever sends finds it. That there is any
// endpoint is asked once: where there is none, no event looks for its tenant's.
func told(events string) string {
	return `told AS (
		INSERT INTO events (payment_id, tenant_id, version, type, state, was, detail, at)
		` + events + `
		RETURNING sequence, payment_id, tenant_id, version, type, at
	), queued AS (
		INSERT INTO webhook_deliveries (endpoint_id, sequence, tenant_id, payment_id, version, type,
		                                state, reason, next_at, event_at, updated_at)
		SELECT e.id, t.sequence, t.tenant_id, t.payment_id, t.version, t.type,
		       CASE e.status WHEN 'enabled' THEN 'waiting' ELSE 'dead' END,
		       CASE e.status WHEN 'enabled' THEN '' ELSE 'endpoint_disabled' END,
		       CASE e.status WHEN 'enabled' THEN t.at END, t.at, t.at
		  FROM told t
		  JOIN webhook_endpoints e ON e.tenant_id = t.tenant_id AND e.status <> 'deleted'
		   AND (e.event_types = '{}' OR t.type = ANY (e.event_types))
		 WHERE EXISTS (SELECT FROM webhook_endpoints WHERE status <> 'deleted')
	)`
}

// failureDetail is an event's detail, of a row with these columns: why a payment
// failed or was parked, which the payment's own row forgets when it goes on.
const failureDetail = `CASE WHEN state IN ('failed', 'parked')
	THEN jsonb_build_object('code', failure_code, 'message', failure_message) END`
