-- Push rules of users who changed them: JSON, only what differs from the server's default.
CREATE TABLE push_rules (
    user_nid INTEGER PRIMARY KEY NOT NULL REFERENCES accounts (user_nid),
    rules TEXT NOT NULL,
    position BIGINT NOT NULL
);
