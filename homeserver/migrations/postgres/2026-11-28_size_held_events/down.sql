DROP INDEX held_events_origin;
CREATE INDEX held_events_origin ON held_events (origin);
ALTER TABLE held_events DROP COLUMN bytes;
ALTER TABLE held_events DROP COLUMN digest;
