-- Which detections make no alert for a time, and which have made none because of that.

CREATE TABLE suppressions (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    rules        TEXT    NOT NULL,
    entities     TEXT    NOT NULL,
    hosts        TEXT    NOT NULL,
    facts        TEXT    NOT NULL,
    pages        BIGINT  NOT NULL,
    starts_at    BIGINT  NOT NULL,
    ends_at      BIGINT  NOT NULL,
    owner        TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    created_by   TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    ended_by     TEXT,
    ended_reason TEXT,
    -- Whether its end has been put on record.
    told         BIGINT  NOT NULL DEFAULT 0
);
CREATE INDEX suppressions_ends ON suppressions (ends_at);

ALTER TABLE detections ADD COLUMN suppressed_by BIGINT REFERENCES suppressions (id);
CREATE INDEX detections_suppressed ON detections (suppressed_by) WHERE suppressed_by IS NOT NULL;
