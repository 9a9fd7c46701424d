-- Held events are bounded in bytes, and the same of a server is held once: its SHA-256 tells.
ALTER TABLE held_events ADD COLUMN digest TEXT NOT NULL DEFAULT '';
ALTER TABLE held_events ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
UPDATE held_events SET bytes = LENGTH(CAST(json AS BLOB));
DROP INDEX held_events_origin;
-- All that is looked at before events are held.
CREATE INDEX held_events_origin ON held_events (origin, room_id, digest, bytes);
