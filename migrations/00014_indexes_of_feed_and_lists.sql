-- Indexes that are built beside the traffic, as those of 00010.

-- +goose NO TRANSACTION
-- +goose Up

SET lock_timeout = 0;

-- An interrupted build leaves an index that nobody uses, under its name.
DROP INDEX CONCURRENTLY IF EXISTS events_in_feed;
CREATE INDEX CONCURRENTLY events_in_feed ON events (tenant_id, place, sequence);
-- Nobody reads a tenant's events in the order of their writing any more.
DROP INDEX CONCURRENTLY IF EXISTS events_of_tenant;

DROP INDEX CONCURRENTLY IF EXISTS payments_of_tenant;
CREATE INDEX CONCURRENTLY payments_of_tenant ON payments (tenant_id, created_at, id);

RESET lock_timeout;

-- +goose Down
DROP INDEX CONCURRENTLY payments_of_tenant;
CREATE INDEX CONCURRENTLY events_of_tenant ON events (tenant_id, sequence);
DROP INDEX CONCURRENTLY events_in_feed;
