-- The identity keys of this server's devices, as uploaded but for `unsigned`, with the signatures by the user's own
-- self-signing key. `digest` is over all but signatures, `identity` over `keys` alone.
CREATE TABLE device_keys (
    user_nid BIGINT NOT NULL,
    device_id TEXT NOT NULL,
    json TEXT NOT NULL,
    digest BLOB NOT NULL,
    identity BLOB NOT NULL,
    PRIMARY KEY (user_nid, device_id),
    FOREIGN KEY (user_nid, device_id) REFERENCES devices (user_nid, device_id) ON DELETE CASCADE
);

-- One-time keys that nobody has claimed. Those of one upload have the same position. `hash` is over id and key.
CREATE TABLE one_time_keys (
    user_nid BIGINT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    hash BLOB NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (user_nid, device_id, algorithm, key_id),
    FOREIGN KEY (user_nid, device_id) REFERENCES devices (user_nid, device_id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX one_time_keys_order ON one_time_keys (user_nid, device_id, algorithm, position);

-- The hashes of those that were claimed, so that none is given out again.
CREATE TABLE claimed_keys (
    user_nid BIGINT NOT NULL,
    device_id TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (user_nid, device_id, hash),
    FOREIGN KEY (user_nid, device_id) REFERENCES devices (user_nid, device_id) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE fallback_keys (
    user_nid BIGINT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    json TEXT NOT NULL,
    used BOOLEAN NOT NULL,
    PRIMARY KEY (user_nid, device_id, algorithm),
    FOREIGN KEY (user_nid, device_id) REFERENCES devices (user_nid, device_id) ON DELETE CASCADE
);

-- `usage` is `master`, `self_signing` or `user_signing`; of users of other servers, what they told.
CREATE TABLE cross_signing_keys (
    user_nid BIGINT NOT NULL REFERENCES users (user_nid),
    usage TEXT NOT NULL,
    public_key TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (user_nid, usage)
);

-- Signatures by a user's user-signing key over others' master keys, which only that user may see.
CREATE TABLE key_signatures (
    signer_nid BIGINT NOT NULL REFERENCES users (user_nid),
    target_nid BIGINT NOT NULL REFERENCES users (user_nid),
    public_key TEXT NOT NULL,
    signing_key_id TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (signer_nid, target_nid)
);

-- When the devices or cross-signing keys of a user, of any server, changed last. `stream_id` is the change of a
-- device that other servers are told of, or were told of, last.
CREATE TABLE device_lists (
    user_nid BIGINT PRIMARY KEY NOT NULL REFERENCES users (user_nid),
    position BIGINT NOT NULL,
    stream_id BIGINT
);
CREATE INDEX device_lists_position ON device_lists (position);

-- What of another's keys changed for one user only: they signed them. Of their own: the user-signing key.
CREATE TABLE signature_changes (
    user_nid BIGINT NOT NULL REFERENCES users (user_nid),
    target_nid BIGINT NOT NULL REFERENCES users (user_nid),
    position BIGINT NOT NULL,
    PRIMARY KEY (user_nid, target_nid)
);

-- Changes that other servers are yet to be told of: of a device, or (NULL) of cross-signing keys.
CREATE TABLE device_list_updates (
    position BIGINT PRIMARY KEY NOT NULL,
    user_nid BIGINT NOT NULL REFERENCES users (user_nid),
    device_id TEXT,
    -- The stream_id before this one.
    previous BIGINT
);

-- Device lists of users of other servers: complete as of `position`, while `stale` is false.
CREATE TABLE remote_device_lists (
    user_nid BIGINT PRIMARY KEY NOT NULL REFERENCES users (user_nid),
    stream_id BIGINT NOT NULL,
    position BIGINT NOT NULL,
    stale BOOLEAN NOT NULL
);
CREATE TABLE remote_devices (
    user_nid BIGINT NOT NULL REFERENCES users (user_nid),
    device_id TEXT NOT NULL,
    display_name TEXT,
    json TEXT NOT NULL,
    PRIMARY KEY (user_nid, device_id)
);
