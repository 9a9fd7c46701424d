-- The versions of users' key backups. A deleted one stays without its data: its number is not used again.
CREATE TABLE key_backups (
    user_nid BIGINT NOT NULL REFERENCES accounts (user_nid),
    version BIGINT NOT NULL,
    algorithm TEXT NOT NULL,
    auth_data TEXT NOT NULL,
    -- Grows with every change of the keys.
    etag BIGINT NOT NULL,
    key_count BIGINT NOT NULL,
    deleted BOOLEAN NOT NULL,
    PRIMARY KEY (user_nid, version)
);

-- One key of a session, as the client encrypted it; the three columns before `json` say which of two is kept.
CREATE TABLE backed_up_keys (
    user_nid BIGINT NOT NULL,
    version BIGINT NOT NULL,
    room_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    is_verified BOOLEAN NOT NULL,
    first_message_index BIGINT NOT NULL,
    forwarded_count BIGINT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (user_nid, version, room_id, session_id),
    FOREIGN KEY (user_nid, version) REFERENCES key_backups (user_nid, version)
);
