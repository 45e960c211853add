-- What belongs to the schema as a whole.

-- +goose Up

-- The lowest migration that a binary must know to work with this schema. A
-- migration that older binaries cannot live with raises it to its own number.
CREATE TABLE schema_floor (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    needs    bigint  NOT NULL CHECK (needs >= 1)
);
INSERT INTO schema_floor (needs) VALUES (1);

-- Readiness probes write here and roll back, because a demoted primary still
-- answers every SELECT.
CREATE TABLE write_probes (
    at timestamptz NOT NULL
);

-- Refuses whatever it is the trigger of. 23001 is restrict_violation: an error
-- of the data, which no repetition cures.
-- +goose StatementBegin
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = format('%s on %s is refused: %s', TG_OP, TG_TABLE_NAME, TG_ARGV[0]);
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION refuse();
DROP TABLE write_probes;
DROP TABLE schema_floor;
