-- What is no event is not kept for ever for a server that does not come back. NULL: for ever.
ALTER TABLE outbox ADD COLUMN expires_at BIGINT;
