-- What a step in the handling of an alert set, and to how many alerts it was done at once.

ALTER TABLE alert_history ADD COLUMN detail TEXT;
ALTER TABLE alert_history ADD COLUMN together BIGINT;
CREATE INDEX alerts_assignee ON alerts (assignee, id);
