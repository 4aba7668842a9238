-- Times are microseconds since 1970-01-01 UTC; yes and no are 1 and 0; lists and maps are JSON text.
-- Only AUTOINCREMENT is SQLite's own: a PostgreSQL set of migrations says GENERATED ALWAYS AS IDENTITY instead.

CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE tokens (
    id            TEXT   NOT NULL PRIMARY KEY,
    name          TEXT   NOT NULL,
    role          TEXT   NOT NULL,
    secret_sha256 TEXT   NOT NULL UNIQUE,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT,
    last_used_at  BIGINT,
    revoked_at    BIGINT
);
-- A name may be given again once its token is revoked: the sender stays the same, the secret does not.
CREATE UNIQUE INDEX tokens_living_name ON tokens (name) WHERE revoked_at IS NULL;

CREATE TABLE senders (
    sender      TEXT   NOT NULL PRIMARY KEY,
    zone        TEXT,
    product     TEXT,
    params      TEXT   NOT NULL,
    relay       BIGINT NOT NULL,
    workstation BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);

CREATE TABLE sources (
    id         TEXT   NOT NULL PRIMARY KEY,
    sender     TEXT   NOT NULL,
    product    TEXT   NOT NULL,
    category   TEXT,
    first_seen BIGINT NOT NULL,
    last_seen  BIGINT NOT NULL,
    events     BIGINT NOT NULL,
    bytes      BIGINT NOT NULL,
    last_seq   BIGINT NOT NULL,
    peers      TEXT   NOT NULL
);
CREATE INDEX sources_last_seen ON sources (last_seen);

CREATE TABLE alerts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    rule        TEXT    NOT NULL,
    entity      TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    resolution  TEXT,
    disposition TEXT    NOT NULL,
    effect      TEXT    NOT NULL,
    severity    TEXT    NOT NULL,
    assignee    TEXT,
    previous    BIGINT,
    created_at  BIGINT  NOT NULL,
    updated_at  BIGINT  NOT NULL,
    first_at    BIGINT  NOT NULL,
    last_at     BIGINT  NOT NULL,
    detections  BIGINT  NOT NULL,
    events      BIGINT  NOT NULL
);
-- At most one alert that is not closed for a rule and an entity: the group that detections join.
CREATE UNIQUE INDEX alerts_open_group ON alerts (rule, entity) WHERE state <> 'closed';
CREATE INDEX alerts_group ON alerts (rule, entity, id);
CREATE INDEX alerts_state ON alerts (state, id);

CREATE TABLE alert_history (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    alert   BIGINT  NOT NULL REFERENCES alerts (id),
    at      BIGINT  NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    state   TEXT    NOT NULL,
    comment TEXT
);
CREATE INDEX alert_history_alert ON alert_history (alert, id);

CREATE TABLE detections (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT    NOT NULL UNIQUE,
    rule          TEXT    NOT NULL,
    rules_version TEXT    NOT NULL,
    group_key     TEXT    NOT NULL,
    entity_kind   TEXT,
    entity_name   TEXT,
    disposition   TEXT    NOT NULL,
    effect        TEXT    NOT NULL,
    seq           BIGINT  NOT NULL,
    first_at      BIGINT  NOT NULL,
    last_at       BIGINT  NOT NULL,
    count         BIGINT  NOT NULL,
    evidence      TEXT    NOT NULL,
    query         TEXT    NOT NULL,
    facts         TEXT    NOT NULL,
    stored_at     BIGINT  NOT NULL,
    alert         BIGINT  REFERENCES alerts (id)
);
CREATE INDEX detections_alert ON detections (alert, number);
CREATE INDEX detections_rule ON detections (rule, number);
CREATE INDEX detections_disposition ON detections (disposition, last_at);

CREATE TABLE outbox (
    id         TEXT   NOT NULL PRIMARY KEY,
    channel    TEXT   NOT NULL,
    alert      BIGINT NOT NULL,
    body       TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    attempts   BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    next_at    BIGINT NOT NULL,
    done_at    BIGINT,
    error      TEXT
);
CREATE INDEX outbox_due ON outbox (state, channel, next_at);
CREATE INDEX outbox_channel ON outbox (channel, created_at);
CREATE INDEX outbox_alert ON outbox (alert);

CREATE TABLE rule_overrides (
    rule       TEXT   NOT NULL,
    tunable    TEXT   NOT NULL,
    value      TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    actor      TEXT   NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (rule, tunable)
);

CREATE TABLE rule_exceptions (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    rule       TEXT,
    query      TEXT    NOT NULL,
    owner      TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    created_at BIGINT  NOT NULL,
    expires_at BIGINT  NOT NULL
);

-- What the journal has yet to be told: written with the change itself, deleted once the journal has it.
CREATE TABLE pending_audits (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     BIGINT NOT NULL,
    record TEXT   NOT NULL
);
