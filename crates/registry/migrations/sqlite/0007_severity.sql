-- Beside the severity in force, which people may set, the one that is proposed.

ALTER TABLE alerts ADD COLUMN proposed TEXT NOT NULL DEFAULT 'low';
UPDATE alerts SET proposed = severity;
ALTER TABLE alerts ADD COLUMN severity_set_by TEXT;
ALTER TABLE alerts ADD COLUMN severity_set_at BIGINT;
ALTER TABLE alerts ADD COLUMN severity_reason TEXT;
