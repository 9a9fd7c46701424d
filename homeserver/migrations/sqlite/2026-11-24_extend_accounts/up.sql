ALTER TABLE accounts ADD COLUMN locked_at BIGINT;
ALTER TABLE accounts ADD COLUMN suspended_at BIGINT;
-- Deactivated, and still to leave their rooms.
ALTER TABLE accounts ADD COLUMN departing BOOLEAN NOT NULL DEFAULT FALSE;

-- The refresh token that a token came from; NULL once it has been used: then its forebears are gone.
ALTER TABLE access_tokens ADD COLUMN refreshed_from BLOB;

-- Only a SHA-256 of each token is kept.
CREATE TABLE refresh_tokens (
    token_hash BLOB PRIMARY KEY NOT NULL,
    user_nid BIGINT NOT NULL,
    device_id TEXT NOT NULL,
    -- The access token that was given out with it.
    access_token_hash BLOB NOT NULL,
    refreshed_from BLOB,
    FOREIGN KEY (user_nid, device_id) REFERENCES devices (user_nid, device_id) ON DELETE CASCADE
);
CREATE INDEX refresh_tokens_device ON refresh_tokens (user_nid, device_id);

-- Tokens for one purpose (`login`, `openid`); of each only a SHA-256 is kept.
CREATE TABLE account_tokens (
    token_hash BLOB PRIMARY KEY NOT NULL,
    purpose TEXT NOT NULL,
    user_nid BIGINT NOT NULL REFERENCES accounts (user_nid),
    expires_at BIGINT NOT NULL
);
CREATE INDEX account_tokens_expires ON account_tokens (expires_at);

-- What users have reported to the administrators: an event, a room or a user.
CREATE TABLE reports (
    report_nid INTEGER PRIMARY KEY NOT NULL,
    reporter_nid BIGINT NOT NULL REFERENCES accounts (user_nid),
    room_id TEXT,
    event_id TEXT,
    user_id TEXT,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
