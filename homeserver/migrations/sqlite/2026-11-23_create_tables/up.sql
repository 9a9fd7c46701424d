-- Times are milliseconds since the Unix epoch. JSON is TEXT. Ids are TEXT at the edge; inside the large
-- tables they are integer surrogates (`*_nid`), handed out by the process (`storage/nid.rs`).

-- One row: the last position of the one stream (storage rule 4), and how many processes have owned the
-- database so far.
CREATE TABLE stream_counter (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 0),
    position BIGINT NOT NULL,
    incarnation BIGINT NOT NULL
);
INSERT INTO stream_counter (id, position, incarnation) VALUES (0, 0, 0);

-- ── People ──────────────────────────────────────────────────────────────────────────────────────────

-- Every user ever seen, local or remote.
CREATE TABLE users (
    user_nid INTEGER PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL UNIQUE
);

-- The users of this server.
CREATE TABLE accounts (
    user_nid INTEGER PRIMARY KEY NOT NULL REFERENCES users (user_nid),
    password_hash TEXT,
    is_admin BOOLEAN NOT NULL,
    is_guest BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    deactivated_at BIGINT,
    displayname TEXT,
    avatar_url TEXT
);

CREATE TABLE devices (
    user_nid BIGINT NOT NULL REFERENCES accounts (user_nid),
    device_id TEXT NOT NULL,
    display_name TEXT,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT,
    last_seen_ip TEXT,
    PRIMARY KEY (user_nid, device_id)
) WITHOUT ROWID;

-- Only a SHA-256 of each token is kept.
CREATE TABLE access_tokens (
    token_hash BLOB PRIMARY KEY NOT NULL,
    user_nid BIGINT NOT NULL,
    device_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    FOREIGN KEY (user_nid, device_id) REFERENCES devices (user_nid, device_id) ON DELETE CASCADE
);
CREATE INDEX access_tokens_device ON access_tokens (user_nid, device_id);

CREATE TABLE registration_tokens (
    token TEXT PRIMARY KEY NOT NULL,
    uses_allowed BIGINT,
    uses_completed BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);

CREATE TABLE filters (
    user_nid BIGINT NOT NULL REFERENCES accounts (user_nid),
    filter_id BIGINT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (user_nid, filter_id)
) WITHOUT ROWID;

-- What a device's request with a transaction id was answered, written in the commit of its effect.
CREATE TABLE client_transactions (
    user_nid BIGINT NOT NULL,
    device_id TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    response TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_nid, device_id, endpoint, transaction_id)
) WITHOUT ROWID;
CREATE INDEX client_transactions_created ON client_transactions (created_at);

-- ── Rooms ───────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE rooms (
    room_nid INTEGER PRIMARY KEY NOT NULL,
    room_id TEXT NOT NULL UNIQUE,
    version TEXT NOT NULL,
    -- Bumped by every commit into the room: what was prepared on an older one is prepared again.
    generation BIGINT NOT NULL,
    -- The current state, resolved over all forward extremities.
    state_nid BIGINT NOT NULL,
    is_public BOOLEAN NOT NULL
);

CREATE TABLE room_aliases (
    alias TEXT PRIMARY KEY NOT NULL,
    room_nid BIGINT NOT NULL REFERENCES rooms (room_nid),
    creator_nid BIGINT NOT NULL REFERENCES users (user_nid)
);
CREATE INDEX room_aliases_room ON room_aliases (room_nid);

-- Each (type, state_key) pair ever seen, once.
CREATE TABLE state_keys (
    state_key_nid INTEGER PRIMARY KEY NOT NULL,
    event_type TEXT NOT NULL,
    state_key TEXT NOT NULL,
    UNIQUE (event_type, state_key)
);

CREATE TABLE events (
    event_nid INTEGER PRIMARY KEY NOT NULL,
    event_id TEXT NOT NULL UNIQUE,
    room_nid BIGINT NOT NULL REFERENCES rooms (room_nid),
    -- Its place in the stream. NULL: not in the timeline (outlier, rejected, soft-failed). Negative: backfilled.
    position BIGINT,
    sender_nid BIGINT NOT NULL REFERENCES users (user_nid),
    event_type TEXT NOT NULL,
    state_key_nid BIGINT REFERENCES state_keys (state_key_nid),
    depth BIGINT NOT NULL,
    origin_server_ts BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    -- Known, but its place in the room's graph is not.
    outlier BOOLEAN NOT NULL,
    rejected BOOLEAN NOT NULL,
    soft_failed BOOLEAN NOT NULL,
    -- The room's state before and after this event. NULL for outliers.
    state_before_nid BIGINT,
    state_after_nid BIGINT,
    -- The state event that this one took the place of, for `unsigned.prev_content`.
    replaces_nid BIGINT,
    redacted_by_nid BIGINT,
    -- The device and transaction id it was sent with, for `unsigned.transaction_id`.
    device_id TEXT,
    transaction_id TEXT,
    -- The event as signed, canonical JSON, without `unsigned`.
    json TEXT NOT NULL
);
CREATE UNIQUE INDEX events_room_position ON events (room_nid, position);
CREATE INDEX events_position ON events (position);

-- Redactions by what they redact, which may arrive after them.
CREATE TABLE redactions (
    redacts TEXT NOT NULL,
    event_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL REFERENCES rooms (room_nid),
    PRIMARY KEY (redacts, event_nid)
) WITHOUT ROWID;

-- prev_events that are known here.
CREATE TABLE event_edges (
    event_nid BIGINT NOT NULL,
    prev_nid BIGINT NOT NULL,
    PRIMARY KEY (event_nid, prev_nid)
) WITHOUT ROWID;
CREATE INDEX event_edges_prev ON event_edges (prev_nid);

-- prev_events that are not: where backfill goes on.
CREATE TABLE backward_extremities (
    room_nid BIGINT NOT NULL REFERENCES rooms (room_nid),
    event_nid BIGINT NOT NULL,
    prev_event_id TEXT NOT NULL,
    PRIMARY KEY (room_nid, event_nid, prev_event_id)
) WITHOUT ROWID;
CREATE INDEX backward_extremities_prev ON backward_extremities (prev_event_id);

CREATE TABLE forward_extremities (
    room_nid BIGINT NOT NULL REFERENCES rooms (room_nid),
    event_nid BIGINT NOT NULL,
    PRIMARY KEY (room_nid, event_nid)
) WITHOUT ROWID;

-- ── State ───────────────────────────────────────────────────────────────────────────────────────────

-- The state of a room at some point. A snapshot (base_nid NULL) holds all entries; any other row holds
-- what differs from its base, which is a snapshot: no chain is longer than two rows.
-- entries: pairs of big-endian i64 (state_key_nid, event_nid), sorted; event_nid 0 = removed.
CREATE TABLE states (
    state_nid INTEGER PRIMARY KEY NOT NULL,
    room_nid BIGINT NOT NULL REFERENCES rooms (room_nid),
    base_nid BIGINT,
    entries BLOB NOT NULL
);

-- Changes of the current state, for sync. event_nid NULL: the entry is gone (by state resolution).
CREATE TABLE state_changes (
    room_nid BIGINT NOT NULL REFERENCES rooms (room_nid),
    position BIGINT NOT NULL,
    state_key_nid BIGINT NOT NULL,
    event_nid BIGINT,
    PRIMARY KEY (room_nid, position, state_key_nid)
) WITHOUT ROWID;

-- Current membership, one row per user who ever had one. `position` is that of the last change.
CREATE TABLE memberships (
    room_nid BIGINT NOT NULL REFERENCES rooms (room_nid),
    user_nid BIGINT NOT NULL REFERENCES users (user_nid),
    membership TEXT NOT NULL,
    event_nid BIGINT NOT NULL,
    position BIGINT NOT NULL,
    forgotten BOOLEAN NOT NULL,
    -- Stripped state of an invite or knock that came from another server: a JSON list.
    stripped_state TEXT,
    PRIMARY KEY (room_nid, user_nid)
) WITHOUT ROWID;
CREATE INDEX memberships_user ON memberships (user_nid, position);

-- Who was a member when: each change of each membership, for history visibility.
CREATE TABLE membership_changes (
    room_nid BIGINT NOT NULL REFERENCES rooms (room_nid),
    user_nid BIGINT NOT NULL REFERENCES users (user_nid),
    position BIGINT NOT NULL,
    membership TEXT NOT NULL,
    PRIMARY KEY (room_nid, user_nid, position)
) WITHOUT ROWID;

-- Auth chains by a chain cover: every state event has a place on a chain; an event reaches all earlier
-- ones of its chain, and what the links of those reach.
CREATE TABLE event_chains (
    event_nid INTEGER PRIMARY KEY NOT NULL,
    room_nid BIGINT NOT NULL REFERENCES rooms (room_nid),
    chain_nid BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    UNIQUE (chain_nid, sequence)
);
CREATE INDEX event_chains_room ON event_chains (room_nid);
CREATE TABLE chain_links (
    room_nid BIGINT NOT NULL REFERENCES rooms (room_nid),
    from_chain BIGINT NOT NULL,
    from_sequence BIGINT NOT NULL,
    to_chain BIGINT NOT NULL,
    to_sequence BIGINT NOT NULL,
    PRIMARY KEY (from_chain, from_sequence, to_chain)
) WITHOUT ROWID;
CREATE INDEX chain_links_room ON chain_links (room_nid);
-- What reaches an event.
CREATE INDEX chain_links_to ON chain_links (to_chain, to_sequence);

-- auth_events of every state event.
CREATE TABLE event_auth (
    event_nid BIGINT NOT NULL,
    auth_nid BIGINT NOT NULL,
    PRIMARY KEY (event_nid, auth_nid)
) WITHOUT ROWID;

-- ── Federation ──────────────────────────────────────────────────────────────────────────────────────

-- Transactions received, with the answer given: a repeat gets the same.
CREATE TABLE federation_transactions (
    origin TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    response TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (origin, transaction_id)
) WITHOUT ROWID;
CREATE INDEX federation_transactions_received ON federation_transactions (received_at);

-- What waits to be sent, in order: an event (event_nid) or an EDU (edu).
CREATE TABLE outbox (
    destination TEXT NOT NULL,
    position BIGINT NOT NULL,
    event_nid BIGINT,
    edu TEXT,
    PRIMARY KEY (destination, position)
) WITHOUT ROWID;

-- Every new row wakes the sender of its destination.
CREATE INDEX outbox_position ON outbox (position);

-- Servers we send to. Numbers of transactions never repeat, not even after a restart; until a transaction
-- is answered it stays the same: all that waited up to `in_flight_until`.
CREATE TABLE destinations (
    destination TEXT PRIMARY KEY NOT NULL,
    last_transaction BIGINT NOT NULL,
    in_flight_until BIGINT,
    failing_since BIGINT,
    failures BIGINT NOT NULL
);

CREATE TABLE server_keys (
    server_name TEXT NOT NULL,
    key_id TEXT NOT NULL,
    public_key TEXT NOT NULL,
    valid_until BIGINT NOT NULL,
    expired_at BIGINT,
    fetched_at BIGINT NOT NULL,
    PRIMARY KEY (server_name, key_id)
) WITHOUT ROWID;
