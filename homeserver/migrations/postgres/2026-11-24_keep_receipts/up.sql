-- Up to where users have said that they read: one row per room, user, type and thread. `thread` is '' for
-- all of the room, 'main', or the root's event id.
CREATE TABLE receipts (
    room_nid BIGINT NOT NULL REFERENCES rooms (room_nid),
    user_nid BIGINT NOT NULL REFERENCES users (user_nid),
    receipt_type TEXT NOT NULL,
    thread TEXT NOT NULL,
    event_id TEXT NOT NULL,
    -- The event's place in the stream.
    event_position BIGINT NOT NULL,
    ts BIGINT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (room_nid, user_nid, receipt_type, thread)
);
CREATE INDEX receipts_position ON receipts (room_nid, position);

-- Up to where nothing is unread for a user of this server: by receipts of either type, by what they sent, or
-- because they were not in the room.
CREATE TABLE read_positions (
    user_nid BIGINT NOT NULL REFERENCES users (user_nid),
    room_nid BIGINT NOT NULL REFERENCES rooms (room_nid),
    thread TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (user_nid, room_nid, thread)
);
