-- Events that notify under the server's default rules, with running totals: what is unread for a member is
-- the difference between two rows. Docs: service/push.rs.
CREATE TABLE push_counters (
    room_nid BIGINT NOT NULL,
    position BIGINT NOT NULL,
    thread TEXT NOT NULL,
    notify BIGINT NOT NULL,
    highlight BIGINT NOT NULL,
    -- Totals with this event: of the room, and of what is in no thread.
    room_notify BIGINT NOT NULL,
    room_highlight BIGINT NOT NULL,
    main_notify BIGINT NOT NULL,
    main_highlight BIGINT NOT NULL,
    -- The actions of the rule, JSON.
    actions TEXT NOT NULL,
    PRIMARY KEY (room_nid, position)
);

-- The same for those in a thread: totals of the thread.
CREATE TABLE push_thread_counters (
    room_nid BIGINT NOT NULL,
    thread TEXT NOT NULL,
    position BIGINT NOT NULL,
    notify BIGINT NOT NULL,
    highlight BIGINT NOT NULL,
    PRIMARY KEY (room_nid, thread, position)
);

-- Threads in which something notified somebody, and where that last was.
CREATE TABLE push_threads (
    room_nid BIGINT NOT NULL,
    thread TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (room_nid, thread)
);
CREATE INDEX push_threads_position ON push_threads (room_nid, position);

-- Where an event counts otherwise for a user: the difference, or, while the user's mode in the room is
-- quiet, all of it.
CREATE TABLE push_exceptions (
    user_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL,
    position BIGINT NOT NULL,
    thread TEXT NOT NULL,
    notify BIGINT NOT NULL,
    highlight BIGINT NOT NULL,
    actions TEXT NOT NULL,
    PRIMARY KEY (user_nid, room_nid, position)
);
CREATE INDEX push_exceptions_position ON push_exceptions (user_nid, position);

-- Events that were redacted count for nobody. With what they had counted by default.
CREATE TABLE push_redactions (
    room_nid BIGINT NOT NULL,
    position BIGINT NOT NULL,
    thread TEXT NOT NULL,
    notify BIGINT NOT NULL,
    highlight BIGINT NOT NULL,
    PRIMARY KEY (room_nid, position)
);

-- From a position on, whether the default counts for a user in a room. Without rows it does.
CREATE TABLE push_modes (
    user_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL,
    position BIGINT NOT NULL,
    quiet BOOLEAN NOT NULL,
    PRIMARY KEY (user_nid, room_nid, position)
);
