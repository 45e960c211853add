-- Messages that nobody can read, kept whole for a human.

-- +goose Up

CREATE TABLE dead_letters (
    -- SHA-256 of subject, a zero byte and raw: a redelivery is the same letter.
    digest   bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    subject  text        NOT NULL,
    raw      bytea       NOT NULL,
    reason   text        NOT NULL,
    first_at timestamptz NOT NULL
);

-- +goose Down
DROP TABLE dead_letters;
