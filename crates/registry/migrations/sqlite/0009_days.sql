-- What detection saw on each day, and each rule: so that "nothing found" can be told from "nothing seen".

CREATE TABLE detector_days (
    date     TEXT   NOT NULL PRIMARY KEY,
    events   BIGINT NOT NULL,
    unread   BIGINT NOT NULL,
    awake_us BIGINT NOT NULL
);

CREATE TABLE rule_days (
    rule       TEXT   NOT NULL,
    date       TEXT   NOT NULL,
    events     BIGINT NOT NULL,
    complete   BIGINT NOT NULL,
    matched    BIGINT NOT NULL,
    keyless    BIGINT NOT NULL,
    excepted   BIGINT NOT NULL,
    detections BIGINT NOT NULL,
    evicted    BIGINT NOT NULL,
    PRIMARY KEY (rule, date)
);
