-- What happened to the payments. The rows of one change are written by the same
-- statement as the change itself, so they need no foreign keys to be right.

-- +goose Up

-- One row per call of the payer. The row of a call that charges is committed
-- before the call is made, so an attempt without an end may have been heard.
CREATE TABLE attempts (
    payment_id text COLLATE "C" NOT NULL,
    -- The payment's version while the lease for this call was held.
    version    bigint      NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('charge', 'lookup')),
    -- Counts the charges of the payment, or the look-ups since the last charge.
    number     integer     NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz,
    verdict    text,
    payer_reference text    NOT NULL DEFAULT '',
    http_status     integer NOT NULL DEFAULT 0,
    request_id      text    NOT NULL DEFAULT '',
    excerpt         text    NOT NULL DEFAULT '',
    PRIMARY KEY (payment_id, version),
    CHECK ((ended_at IS NULL) = (verdict IS NULL))
    -- Each charge is updated once, soon: room in its page saves an index entry.
) WITH (fillfactor = 50);

-- What tenants are told, in the order in which it was written (not committed).
CREATE TABLE events (
    sequence   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id text COLLATE "C" NOT NULL,
    tenant_id  text COLLATE "C" NOT NULL,
    version    bigint      NOT NULL,
    type       text        NOT NULL,
    state      text        NOT NULL,
    detail     jsonb,
    at         timestamptz NOT NULL
);
CREATE INDEX events_of_payment ON events (payment_id, sequence);
CREATE INDEX events_of_tenant ON events (tenant_id, sequence);
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('events are only added');

-- Another body for an order number that has one. It is never charged. There is no
-- foreign key because it may come before the order's own row.
CREATE TABLE conflicts (
    payment_id     text COLLATE "C" NOT NULL,
    fingerprint    bytea       NOT NULL CHECK (octet_length(fingerprint) = 32),
    tenant_id      text COLLATE "C" NOT NULL,
    order_number   text COLLATE "C" NOT NULL,
    amount_minor   bigint      NOT NULL,
    currency       text        NOT NULL,
    payment_method text        NOT NULL,
    customer       text        NOT NULL,
    first_at       timestamptz NOT NULL,
    PRIMARY KEY (payment_id, fingerprint)
);

-- +goose Down
DROP TABLE conflicts;
DROP TABLE events;
DROP TABLE attempts;
