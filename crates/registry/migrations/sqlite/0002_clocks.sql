-- What was found about the clocks of devices, by the record of the journal that tells of it.

CREATE TABLE clocks (
    source    TEXT   NOT NULL,
    host      TEXT   NOT NULL,
    seq       BIGINT NOT NULL,
    found_at  BIGINT NOT NULL,
    cause     TEXT   NOT NULL,
    offset_us BIGINT NOT NULL,
    spread_us BIGINT NOT NULL,
    minutes   BIGINT NOT NULL,
    events    BIGINT NOT NULL,
    PRIMARY KEY (source, host, seq)
);
