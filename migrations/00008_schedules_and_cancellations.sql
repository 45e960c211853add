-- Payments that wait for their time, payments that were canceled before they came,
-- and what operators decided.

-- +goose Up

-- The constraints are NOT VALID so that the table is not read once more under a lock:
-- what is there kept stricter ones.
ALTER TABLE payments
    DROP CONSTRAINT payments_state_check,
    ADD CONSTRAINT payments_state_check CHECK (state IN ('scheduled', 'paying', 'retrying', 'unknown', 'pending',
                                                         'parked', 'succeeded', 'failed', 'canceled')) NOT VALID,
    ADD COLUMN not_before timestamptz,
    -- Of an order that was canceled before its request came, only the order number is
    -- known. The request fills in the rest if it comes; the state stays.
    ALTER COLUMN amount_minor DROP NOT NULL,
    ALTER COLUMN currency DROP NOT NULL,
    ALTER COLUMN payment_method DROP NOT NULL,
    ALTER COLUMN fingerprint DROP NOT NULL,
    ADD CONSTRAINT payments_bare_is_canceled CHECK
        (num_nulls(amount_minor, currency, payment_method, fingerprint) = 0
         OR (num_nulls(amount_minor, currency, payment_method, fingerprint) = 4
             AND state = 'canceled' AND retry_of IS NULL)) NOT VALID;

DROP TRIGGER payments_final ON payments;
CREATE TRIGGER payments_final BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (OLD.state IN ('succeeded', 'failed', 'canceled')
          AND NOT (OLD.fingerprint IS NULL AND NEW.fingerprint IS NOT NULL
                   AND (NEW.state, NEW.attempts, NEW.payer_reference, NEW.failure_code)
                     = (OLD.state, OLD.attempts, OLD.payer_reference, OLD.failure_code)))
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
-- An order that is canceled must stay so for programs that know no bare rows: with a
-- body that nobody can have sent, whatever comes is a conflict.
UPDATE payments
   SET version = version + 1, amount_minor = 1, currency = 'XXX', payment_method = '', fingerprint = sha256('bare')
 WHERE fingerprint IS NULL;
-- They know no schedules either, but payments that are certainly not charged and due
-- later.
UPDATE payments SET version = version + 1, state = 'retrying' WHERE state = 'scheduled';
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
