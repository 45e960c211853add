// Package webhook tells tenants' endpoints of events: it signs, sends, backs off and
// gives endpoints up that are gone.
//
// It promises that each delivery of the outbox is tried on a schedule until the
// endpoint has answered 2xx or the schedule is at its end, at least once and with the
// same webhook-id each time; that of one payment an endpoint hears in order; that
// nothing is sent to an address inside our own networks, whatever a name resolves to;
// and that an endpoint which hangs, fails or floods costs the others nearly nothing.
// What is due, and what came of it, is the outbox's: a worker that dies leaves only a
// lease behind.
//
// No other package sends to a tenant's URL, or signs (Standard Webhooks 1.0.0).
package webhook
