-- Which payment a dead letter was to be: the audit of the journal must know that
-- somebody has seen it, or it would publish the same letter for ever.

-- +goose Up

ALTER TABLE dead_letters ADD COLUMN payment_id text COLLATE "C";
CREATE INDEX dead_letters_of_payment ON dead_letters (payment_id) WHERE payment_id IS NOT NULL;

-- +goose Down
DROP INDEX dead_letters_of_payment;
ALTER TABLE dead_letters DROP COLUMN payment_id;
