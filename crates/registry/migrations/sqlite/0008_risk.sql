-- When a detection fired, which its episode does not move; of what each firing of the risk of an entity was made.

ALTER TABLE detections ADD COLUMN fired_at BIGINT NOT NULL DEFAULT 0;
UPDATE detections SET fired_at = last_at;
CREATE INDEX detections_entity ON detections (entity_kind, entity_name, rule, fired_at);
CREATE INDEX detections_fired ON detections (fired_at);

CREATE TABLE risk_steps (
    risk        TEXT   NOT NULL,
    detection   TEXT   NOT NULL,
    rule        TEXT   NOT NULL,
    disposition TEXT   NOT NULL,
    effect      TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    points      REAL   NOT NULL,
    PRIMARY KEY (risk, detection)
);
