-- Rooms that were entered without their members: by which join, and which other servers were in them then (a JSON
-- list; the one that helped comes first). Until the members are here; then the position of that commit.
CREATE TABLE partial_rooms (
    room_nid INTEGER PRIMARY KEY NOT NULL REFERENCES rooms (room_nid),
    join_nid BIGINT NOT NULL,
    servers TEXT NOT NULL,
    whole_at BIGINT
);
-- Their events since, in order: each is checked again once the members are here.
CREATE TABLE partial_events (
    room_nid BIGINT NOT NULL REFERENCES rooms (room_nid),
    generation BIGINT NOT NULL,
    event_nid BIGINT NOT NULL,
    PRIMARY KEY (room_nid, generation)
);
