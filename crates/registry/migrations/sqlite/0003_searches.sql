-- Searches that people keep under a name, and what each has searched for lately.

CREATE TABLE saved_searches (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    owner       TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    query       TEXT    NOT NULL,
    from_text   TEXT,
    to_text     TEXT,
    description TEXT    NOT NULL,
    shared      BIGINT  NOT NULL,
    created_at  BIGINT  NOT NULL,
    changed_at  BIGINT  NOT NULL,
    UNIQUE (owner, name)
);

CREATE TABLE search_history (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    actor          TEXT    NOT NULL,
    query          TEXT    NOT NULL,
    from_text      TEXT,
    to_text        TEXT,
    at             BIGINT  NOT NULL,
    times          BIGINT  NOT NULL,
    took_ms        BIGINT  NOT NULL,
    total          BIGINT  NOT NULL,
    total_relation TEXT    NOT NULL
);
CREATE INDEX search_history_actor ON search_history (actor, id);
