-- Who has alerts in hand. A person who is removed stays, for the records that name them.

CREATE TABLE people (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT    NOT NULL,
    contacts       TEXT    NOT NULL,
    accounts       TEXT    NOT NULL,
    created_at     BIGINT  NOT NULL,
    changed_at     BIGINT  NOT NULL,
    removed_at     BIGINT,
    removed_reason TEXT
);
CREATE INDEX people_living ON people (id) WHERE removed_at IS NULL;
