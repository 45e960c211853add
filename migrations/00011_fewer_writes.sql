-- Less to write for each payment. Nothing here reads or rewrites a table: the locks
-- are held for a moment, whatever the tables' size.

-- +goose Up

-- A charge has its row when it has ended, and that is not changed any more: until
-- then the payment's own row is the record of the call.
ALTER TABLE attempts RESET (fillfactor);

-- sequence is unique because only the identity column gives it. Events are read by
-- their payment or by their tenant, in its order, and both have an index.
ALTER TABLE events DROP CONSTRAINT events_pkey;

-- +goose Down
ALTER TABLE events ADD CONSTRAINT events_pkey PRIMARY KEY (sequence);
ALTER TABLE attempts SET (fillfactor = 50);
