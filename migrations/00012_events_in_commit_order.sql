-- Events get a place that tells when they were committed, and what they changed.

-- +goose Up

-- The id of the transaction that wrote the event, above feed.base. Events come in the
-- order (place, sequence) and are shown once all transactions up to theirs have ended:
-- then nothing can appear before what a reader has seen. Those so far are at 0, in the
-- order of their sequence; the constant default rewrites no table.
ALTER TABLE events ADD COLUMN place bigint NOT NULL DEFAULT 0;
ALTER TABLE events ALTER COLUMN place SET DEFAULT (pg_current_xact_id()::text::bigint);
-- The state before, NULL if it did not change or nobody wrote it down.
ALTER TABLE events ADD COLUMN was text;

-- A cluster that was restored from a dump counts its transactions from the beginning,
-- and places would too: base is what they are raised by.
CREATE TABLE feed (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    base     bigint  NOT NULL CHECK (base >= 0)
);
INSERT INTO feed (base) VALUES (0);

-- Raises the places of events to come above all there are and above at_least, and
-- tells the new base; changes nothing if they are above already. Those to come are
-- also those of transactions that run already and wait for the lock: the oldest counts.
-- A cursor may be beyond the last event, at the transaction that came last where it was
-- given: a leap of a billion is more than ever lies between the two.
-- +goose StatementBegin
CREATE FUNCTION feed_rebase(at_least bigint DEFAULT 0) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    known  bigint;
    above  bigint;
    oldest bigint;
BEGIN
    LOCK TABLE events IN ACCESS EXCLUSIVE MODE;
    SELECT base INTO known FROM feed FOR UPDATE;
    SELECT greatest(at_least, coalesce(max(place), 0)), pg_snapshot_xmin(pg_current_snapshot())::text::bigint
      INTO above, oldest FROM events;
    IF above >= known + oldest THEN
        known := above - oldest + 1000000000;
        UPDATE feed SET base = known;
        EXECUTE format('ALTER TABLE events ALTER COLUMN place SET DEFAULT (%s + pg_current_xact_id()::text::bigint)', known);
    END IF;
    RETURN known;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION feed_rebase(bigint);
DROP TABLE feed;
ALTER TABLE events DROP COLUMN was;
ALTER TABLE events DROP COLUMN place;
