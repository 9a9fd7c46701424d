-- Rooms that are being replaced: the new one is made, and what moves is not all there yet. With the event that
-- says so in the old one where the new one names it already.
CREATE TABLE room_upgrades (
    old_room_nid INTEGER PRIMARY KEY NOT NULL REFERENCES rooms (room_nid),
    new_room_nid BIGINT NOT NULL REFERENCES rooms (room_nid),
    user_nid BIGINT NOT NULL REFERENCES accounts (user_nid),
    tombstone_id TEXT,
    tombstone TEXT
);
