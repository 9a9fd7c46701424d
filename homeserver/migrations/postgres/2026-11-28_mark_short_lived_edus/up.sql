-- Of worth for a day: only of those some go where too many wait. What was queued before is left alone.
ALTER TABLE outbox ADD COLUMN short_lived BOOLEAN NOT NULL DEFAULT FALSE;
