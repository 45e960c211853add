-- Where tenants want to be told of events, and what became of telling them.

-- +goose Up

CREATE TABLE webhook_endpoints (
    id          text COLLATE "C" PRIMARY KEY,
    tenant_id   text COLLATE "C" NOT NULL,
    url         text   NOT NULL,
    description text   NOT NULL,
    event_types text[] NOT NULL, -- none: all
    -- 'deleted' stays for the log of its deliveries.
    status      text   NOT NULL CHECK (status IN ('enabled', 'disabled', 'deleted')),
    -- Why it is disabled: 'owner', 'gone' (410) or 'failing'.
    status_reason text NOT NULL DEFAULT '',
    status_at   timestamptz NOT NULL,
    -- Sealed with the key of that name. The old one signs too until its time is over.
    secret      bytea  NOT NULL,
    secret_key  text   NOT NULL,
    old_secret     bytea,
    old_secret_key text,
    old_secret_until timestamptz,
    -- Since when no delivery has succeeded although some failed; NULL if the last one did.
    failing_since timestamptz,
    -- Not before then: it asked for a pause.
    resume_at   timestamptz,
    -- The worker that sends to it, '' if none.
    worker_id   text COLLATE "C" NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CHECK ((old_secret IS NULL) = (old_secret_key IS NULL) AND (old_secret IS NULL) = (old_secret_until IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX webhook_endpoints_of_tenant ON webhook_endpoints (tenant_id, created_at, id) WHERE status <> 'deleted';
CREATE INDEX webhook_endpoints_of_worker ON webhook_endpoints (worker_id, id) WHERE status = 'enabled';

-- Who may send now. What a worker holds is free when its lease has run out.
CREATE TABLE webhook_workers (
    id           text COLLATE "C" PRIMARY KEY,
    leased_until timestamptz NOT NULL
);

-- One row per event and endpoint, written by the statement that writes the event.
CREATE TABLE webhook_deliveries (
    endpoint_id text COLLATE "C" NOT NULL,
    -- Of the event. A test has one of its own, and no event.
    sequence    bigint NOT NULL,
    tenant_id   text COLLATE "C" NOT NULL,
    payment_id  text COLLATE "C" NOT NULL, -- '' of a test
    version     bigint NOT NULL,
    type        text   NOT NULL,
    state       text   NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    -- Why it is dead: 'exhausted', 'endpoint_disabled' or 'endpoint_deleted'.
    reason      text   NOT NULL DEFAULT '',
    attempts    integer NOT NULL DEFAULT 0 CHECK (attempts >= 0), -- in all
    tries       integer NOT NULL DEFAULT 0 CHECK (tries >= 0),    -- since it was last queued, for the schedule
    next_at     timestamptz,
    event_at    timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (endpoint_id, sequence),
    CHECK ((next_at IS NULL) = (state <> 'waiting'))
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_at, sequence) WHERE state = 'waiting';
-- Whether an earlier one of the same payment still waits.
CREATE INDEX webhook_deliveries_line ON webhook_deliveries (endpoint_id, payment_id, sequence) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (endpoint_id, sequence) WHERE state = 'dead';

-- What was sent and what came back, once per attempt.
CREATE TABLE webhook_attempts (
    endpoint_id text COLLATE "C" NOT NULL,
    sequence    bigint  NOT NULL,
    number      integer NOT NULL,
    url         text    NOT NULL,
    started_at  timestamptz NOT NULL,
    took_us     bigint  NOT NULL,
    http_status integer NOT NULL, -- 0: there was no answer
    error       text    NOT NULL, -- '' if it succeeded
    excerpt     text    NOT NULL, -- of the answer's body
    PRIMARY KEY (endpoint_id, sequence, number)
);

-- +goose Down
DROP TABLE webhook_attempts;
DROP TABLE webhook_deliveries;
DROP TABLE webhook_workers;
DROP TABLE webhook_endpoints;
