-- Payments that wait for their time, payments that were canceled before they came,
-- and what operators decided.

-- +goose Up

ALTER TABLE payments
    DROP CONSTRAINT payments_state_check,
    ADD CONSTRAINT payments_state_check CHECK (state IN ('scheduled', 'paying', 'retrying', 'unknown', 'pending',
                                                         'parked', 'succeeded', 'failed', 'canceled')),
    ADD COLUMN not_before timestamptz,
    -- Of an order that was canceled before its request came, only the order number is
    -- known. The request fills in the rest if it comes; the state stays.
    ALTER COLUMN amount_minor DROP NOT NULL,
    ALTER COLUMN currency DROP NOT NULL,
    ALTER COLUMN payment_method DROP NOT NULL,
    ALTER COLUMN fingerprint DROP NOT NULL,
    ADD CONSTRAINT payments_bare_is_canceled CHECK
        (state = 'canceled' OR num_nulls(amount_minor, currency, payment_method, fingerprint) = 0);

DROP TRIGGER payments_final ON payments;
CREATE TRIGGER payments_final BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (OLD.state IN ('succeeded', 'failed', 'canceled')
          AND NOT (OLD.fingerprint IS NULL AND NEW.state = OLD.state))
    EXECUTE FUNCTION refuse('a final state never changes');

DROP TRIGGER payments_request ON payments;
CREATE TRIGGER payments_request
    BEFORE UPDATE OF id, tenant_id, order_number, retry_of, amount_minor, currency,
                     payment_method, customer, fingerprint, accepted_at, not_before
    ON payments FOR EACH ROW
    WHEN (OLD.fingerprint IS NOT NULL
          OR NEW.id <> OLD.id OR NEW.tenant_id <> OLD.tenant_id OR NEW.order_number <> OLD.order_number
          OR NEW.retry_of IS DISTINCT FROM OLD.retry_of)
    EXECUTE FUNCTION refuse('what was accepted never changes');

-- Who released a parked payment, to what, and why.
CREATE TABLE releases (
    payment_id text COLLATE "C" NOT NULL,
    version    bigint      NOT NULL, -- of the payment after it
    state      text        NOT NULL,
    operator   text        NOT NULL,
    reason     text        NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (payment_id, version)
);
CREATE TRIGGER releases_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON releases FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('decisions are only added');

-- +goose Down
DROP TABLE releases;
DROP TRIGGER payments_request ON payments;
CREATE TRIGGER payments_request
    BEFORE UPDATE OF id, tenant_id, order_number, retry_of, amount_minor, currency,
                     payment_method, customer, fingerprint, accepted_at
    ON payments FOR EACH ROW
    EXECUTE FUNCTION refuse('what was accepted never changes');
DROP TRIGGER payments_final ON payments;
CREATE TRIGGER payments_final BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (OLD.state IN ('succeeded', 'failed', 'canceled'))
    EXECUTE FUNCTION refuse('a final state never changes');
ALTER TABLE payments
    DROP CONSTRAINT payments_bare_is_canceled,
    ALTER COLUMN fingerprint SET NOT NULL,
    ALTER COLUMN payment_method SET NOT NULL,
    ALTER COLUMN currency SET NOT NULL,
    ALTER COLUMN amount_minor SET NOT NULL,
    DROP COLUMN not_before,
    DROP CONSTRAINT payments_state_check,
    ADD CONSTRAINT payments_state_check CHECK (state IN ('paying', 'retrying', 'unknown', 'pending',
                                                         'parked', 'succeeded', 'failed', 'canceled'));
