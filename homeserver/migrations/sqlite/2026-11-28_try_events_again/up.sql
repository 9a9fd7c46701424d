-- Events of which what they stand on could not be had when they came: they are tried again by themselves.
CREATE TABLE postponed_events (
    position BIGINT PRIMARY KEY NOT NULL,
    room_id TEXT NOT NULL,
    origin TEXT NOT NULL,
    event_id TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    json TEXT NOT NULL
);
CREATE UNIQUE INDEX postponed_events_event ON postponed_events (origin, room_id, event_id);
CREATE INDEX postponed_events_next ON postponed_events (next_at);
