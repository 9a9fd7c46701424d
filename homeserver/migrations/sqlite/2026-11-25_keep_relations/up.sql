-- Whether an event has children that are bundled with it: most have none, and cost no query.
ALTER TABLE events ADD COLUMN is_parent BOOLEAN NOT NULL DEFAULT FALSE;

-- Relations of events in a timeline to others (`m.relates_to`). A redacted event has none. What was there before
-- this table is filled in by storage/relations/fill.rs.
CREATE TABLE event_relations (
    event_nid INTEGER PRIMARY KEY NOT NULL,
    room_nid BIGINT NOT NULL REFERENCES rooms (room_nid),
    -- NULL while the parent is not known here; `parent_id` is then its id, and otherwise NULL.
    parent_nid BIGINT,
    parent_id TEXT,
    rel_type TEXT NOT NULL,
    event_type TEXT NOT NULL,
    sender_nid BIGINT NOT NULL REFERENCES users (user_nid),
    position BIGINT NOT NULL,
    origin_server_ts BIGINT NOT NULL,
    -- Of an annotation.
    annotation_key TEXT,
    -- Whether it may be bundled with its parent.
    is_bundled BOOLEAN NOT NULL
);
CREATE INDEX event_relations_parent ON event_relations (parent_nid, rel_type, position);
CREATE INDEX event_relations_unknown ON event_relations (parent_id) WHERE parent_id IS NOT NULL;

-- Events with a thread, and where the newest event of it is.
CREATE TABLE threads (
    root_nid INTEGER PRIMARY KEY NOT NULL,
    room_nid BIGINT NOT NULL REFERENCES rooms (room_nid),
    position BIGINT NOT NULL
);
CREATE INDEX threads_room ON threads (room_nid, position);
