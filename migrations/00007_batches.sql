-- Which payments were sent together, for those who ask about all of them at once.

-- +goose Up

-- One row per batch: a list is written once, read whole, and looked through only by
-- its own id. There are no foreign keys, since a list may come before its payments.
CREATE TABLE batches (
    id         text COLLATE "C" PRIMARY KEY,
    tenant_id  text COLLATE "C" NOT NULL,
    payments   text[] COLLATE "C" NOT NULL CHECK (cardinality(payments) BETWEEN 1 AND 1000),
    created_at timestamptz NOT NULL
);
CREATE TRIGGER batches_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON batches FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('a batch never changes');

-- A letter that was to be a batch's list, so that the audit of the journal does not
-- publish it for ever.
ALTER TABLE dead_letters ADD COLUMN batch_id text COLLATE "C";
CREATE INDEX dead_letters_of_batch ON dead_letters (batch_id) WHERE batch_id IS NOT NULL;

-- +goose Down
DROP INDEX dead_letters_of_batch;
ALTER TABLE dead_letters DROP COLUMN batch_id;
DROP TABLE batches;
