-- What profiles hold besides name and avatar. value: JSON.
CREATE TABLE profile_fields (
    user_nid BIGINT NOT NULL REFERENCES accounts (user_nid),
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (user_nid, name)
);

-- Users whose new name or avatar is yet to be told to their rooms. `changes` counts the changes, so that one
-- that comes meanwhile is not lost.
CREATE TABLE profile_updates (
    user_nid BIGINT PRIMARY KEY NOT NULL REFERENCES accounts (user_nid),
    changes BIGINT NOT NULL
);
