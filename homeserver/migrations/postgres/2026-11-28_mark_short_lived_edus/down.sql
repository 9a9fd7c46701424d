ALTER TABLE outbox DROP COLUMN short_lived;
