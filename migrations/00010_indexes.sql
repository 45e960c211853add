-- Indexes of payments that are built beside the traffic: a table of ten million rows is
-- read for half a minute, and no claim or outcome could be written meanwhile, until leases
-- run out.

-- +goose NO TRANSACTION
-- +goose Up

-- It waits for whoever is at work, and meanwhile nobody waits for it.
SET lock_timeout = 0;

-- A build that was interrupted leaves an index that nobody uses, under its name.
DROP INDEX CONCURRENTLY IF EXISTS payments_parked;
-- What an operator has to look at. Others are found by their due time, or asked for
-- by name.
CREATE INDEX CONCURRENTLY payments_parked ON payments (updated_at, id) WHERE state = 'parked';

DROP INDEX CONCURRENTLY IF EXISTS payments_succeeded;
-- For the search for payments that no statement shows.
CREATE INDEX CONCURRENTLY payments_succeeded ON payments (updated_at, id) WHERE state = 'succeeded';

RESET lock_timeout;

-- +goose Down
DROP INDEX CONCURRENTLY payments_succeeded;
DROP INDEX CONCURRENTLY payments_parked;
