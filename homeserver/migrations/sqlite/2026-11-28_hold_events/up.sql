-- Events of rooms that are being entered, as other servers sent them: taken in when that is done.
CREATE TABLE held_events (
    position BIGINT PRIMARY KEY NOT NULL,
    room_id TEXT NOT NULL,
    origin TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    json TEXT NOT NULL
);
CREATE INDEX held_events_room ON held_events (room_id, position);
CREATE INDEX held_events_origin ON held_events (origin);
