-- What the payer's statements say, and in what they differ from our rows.

-- +goose Up

-- One row per charge, by the payer's own id, whichever statement told of it: two
-- charges of one order are found also if they stand in the statements of two days.
CREATE TABLE statement_lines (
    charge_id    text COLLATE "C" PRIMARY KEY,
    reference    text COLLATE "C" NOT NULL,
    status       text        NOT NULL CHECK (status IN ('succeeded', 'refunded', 'voided')),
    amount_minor bigint      NOT NULL CHECK (amount_minor >= 0),
    currency     text        NOT NULL CHECK (length(currency) = 3),
    charged_at   timestamptz NOT NULL,
    statement    text COLLATE "C" NOT NULL, -- the latest that told of it
    line         bigint      NOT NULL,
    -- The fence of a judgement: a line that was told anew is judged anew.
    revision     bigint      NOT NULL DEFAULT 1,
    judged       boolean     NOT NULL DEFAULT false,
    first_at     timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);
CREATE INDEX statement_lines_of_reference ON statement_lines (reference);
CREATE INDEX statement_lines_unjudged ON statement_lines (charge_id) WHERE NOT judged;

CREATE TABLE discrepancies (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text COLLATE "C" NOT NULL CHECK (kind IN ('doubled', 'wrong_amount', 'foreign',
                                                          'charged_but_not_succeeded', 'missing')),
    reference   text COLLATE "C" NOT NULL,
    charge_id   text COLLATE "C" NOT NULL, -- '' if there is none
    detail      text        NOT NULL,
    statement   text COLLATE "C" NOT NULL,
    first_at    timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    resolved_at timestamptz,
    resolved_by text,
    reason      text,
    -- A statement that is read again finds what is known.
    UNIQUE (kind, reference, charge_id),
    CHECK (num_nulls(resolved_at, resolved_by, reason) IN (0, 3))
);
CREATE INDEX discrepancies_open ON discrepancies (id) WHERE resolved_at IS NULL;
CREATE INDEX discrepancies_open_of_statement ON discrepancies (statement) WHERE resolved_at IS NULL;
CREATE TRIGGER discrepancies_resolved BEFORE UPDATE ON discrepancies FOR EACH ROW
    WHEN (OLD.resolved_at IS NOT NULL
          AND (NEW.resolved_at, NEW.resolved_by, NEW.reason) IS DISTINCT FROM (OLD.resolved_at, OLD.resolved_by, OLD.reason))
    EXECUTE FUNCTION refuse('a resolution never changes');
CREATE TRIGGER discrepancies_kept BEFORE DELETE OR TRUNCATE ON discrepancies FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('a discrepancy is resolved, not removed');

-- Which statements were read, so that of several processes one reads each.
CREATE TABLE statements (
    name         text COLLATE "C" NOT NULL,
    digest       text COLLATE "C" NOT NULL, -- of the content; '' if the name says it all
    owner        text        NOT NULL,
    leased_until timestamptz NOT NULL,
    period_from  timestamptz,
    period_until timestamptz,
    lines        bigint      NOT NULL DEFAULT 0,
    failure      text        NOT NULL DEFAULT '',
    started_at   timestamptz NOT NULL,
    done_at      timestamptz,
    PRIMARY KEY (name, digest)
);
CREATE INDEX statements_done ON statements (done_at) WHERE failure = '';

-- Not valid for what is there, which is known to fit: the table is not read under its lock.
ALTER TABLE attempts
    DROP CONSTRAINT attempts_kind_check,
    ADD CONSTRAINT attempts_kind_check CHECK (kind IN ('charge', 'lookup', 'statement')) NOT VALID;

-- +goose Down
ALTER TABLE attempts
    DROP CONSTRAINT attempts_kind_check,
    ADD CONSTRAINT attempts_kind_check CHECK (kind IN ('charge', 'lookup'));
DROP TABLE statements;
DROP TABLE discrepancies;
DROP TABLE statement_lines;
