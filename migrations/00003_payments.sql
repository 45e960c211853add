-- What we do about each order number. A row is the claim: once it is committed,
-- no other request for the same order can lead to a charge.
--
-- Keys are COLLATE "C". An index in a locale's order can break when the system's
-- C library is upgraded, and a broken unique index here is a second charge.

-- +goose Up

CREATE TABLE payments (
    id             text COLLATE "C" PRIMARY KEY,
    -- No foreign key: a claim must not fail because a tenant's row is missing
    -- after a restore.
    tenant_id      text COLLATE "C" NOT NULL,
    order_number   text COLLATE "C" NOT NULL,
    retry_of       text COLLATE "C",
    amount_minor   bigint      NOT NULL CHECK (amount_minor BETWEEN 1 AND 1000000000000),
    currency       text        NOT NULL CHECK (length(currency) = 3),
    payment_method text        NOT NULL,
    customer       text        NOT NULL,
    description    text        NOT NULL,
    metadata       jsonb       NOT NULL,
    fingerprint    bytea       NOT NULL CHECK (octet_length(fingerprint) = 32),
    accepted_at    timestamptz NOT NULL,

    -- 'queued' is missing: a queued payment has no row yet.
    state text NOT NULL CHECK (state IN ('paying', 'retrying', 'unknown', 'pending',
                                         'parked', 'succeeded', 'failed', 'canceled')),
    -- The fence. Each write names the version that it has read.
    version         bigint NOT NULL CHECK (version >= 1),
    payer_reference text   NOT NULL DEFAULT '',
    failure_code    text   NOT NULL DEFAULT '',
    failure_message text   NOT NULL DEFAULT '',

    attempts         integer NOT NULL CHECK (attempts >= 0),
    lookups          integer NOT NULL DEFAULT 0 CHECK (lookups >= 0),
    first_attempt_at timestamptz,
    last_attempt_at  timestamptz,
    -- When somebody must look at the row again: the end of the lease while one is
    -- held, the due time otherwise. NULL if only a human can go on, or nobody.
    next_at          timestamptz,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,

    CONSTRAINT payments_order_key UNIQUE NULLS NOT DISTINCT (tenant_id, order_number, retry_of),
    CONSTRAINT payments_next_at_fits_state CHECK
        ((next_at IS NULL) = (state IN ('parked', 'succeeded', 'failed', 'canceled')))
);

CREATE INDEX payments_due ON payments (next_at) WHERE next_at IS NOT NULL;

-- What the code promises, held against the code's own bugs and against a hasty
-- hand at psql.
CREATE TRIGGER payments_final BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (OLD.state IN ('succeeded', 'failed', 'canceled'))
    EXECUTE FUNCTION refuse('a final state never changes');
CREATE TRIGGER payments_fence BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (NEW.version <= OLD.version)
    EXECUTE FUNCTION refuse('the version must grow');
CREATE TRIGGER payments_request
    BEFORE UPDATE OF id, tenant_id, order_number, retry_of, amount_minor, currency,
                     payment_method, customer, fingerprint, accepted_at
    ON payments FOR EACH ROW
    EXECUTE FUNCTION refuse('what was accepted never changes');
CREATE TRIGGER payments_kept BEFORE DELETE OR TRUNCATE ON payments FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('an order number is known for ever');

-- +goose Down
DROP TABLE payments;
