-- What users keep about themselves: JSON by type, for all (room_id '') or for one room.
CREATE TABLE account_data (
    user_nid BIGINT NOT NULL REFERENCES accounts (user_nid),
    room_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    content TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (user_nid, room_id, event_type)
);
CREATE INDEX account_data_position ON account_data (user_nid, position);

-- Whom users ignore, as their `m.ignored_user_list` says.
CREATE TABLE ignored_users (
    user_nid BIGINT NOT NULL REFERENCES accounts (user_nid),
    ignored TEXT NOT NULL,
    PRIMARY KEY (user_nid, ignored)
);
CREATE INDEX ignored_users_ignored ON ignored_users (ignored);
