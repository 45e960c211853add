-- Indexes that are built beside the traffic, as those of 00010.

-- +goose NO TRANSACTION
-- +goose Up

SET lock_timeout = 0;

-- An interrupted build leaves an index that nobody uses, under its name.
DROP INDEX CONCURRENTLY IF EXISTS events_in_feed;
CREATE INDEX CONCURRENTLY events_in_feed ON events (tenant_id, place, sequence);
-- Nobody reads a tenant's events in the order of their writing any more.
DROP INDEX CONCURRENTLY IF EXISTS events_of_tenant;

-- A payment has one such event, of its creation, and at is its created_at. An index of
-- payments would be written again by each of their updates, of which none is HOT.
DROP INDEX CONCURRENTLY IF EXISTS events_of_creation;
CREATE INDEX CONCURRENTLY events_of_creation ON events (tenant_id, at, payment_id)
 WHERE version = 1 AND type <> 'payment.conflict';

RESET lock_timeout;

-- +goose Down
DROP INDEX CONCURRENTLY events_of_creation;
CREATE INDEX CONCURRENTLY events_of_tenant ON events (tenant_id, sequence);
DROP INDEX CONCURRENTLY events_in_feed;
