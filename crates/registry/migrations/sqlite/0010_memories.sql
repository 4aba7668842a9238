-- What the detector remembers, once a day: baselines and values seen outlive the journal's retention, and the state file
-- beside it, and are in every copy of these tables.

CREATE TABLE detector_memories (
    date  TEXT NOT NULL PRIMARY KEY,
    state BLOB NOT NULL
);
