-- Distributions of sender keys that were deposited for a device and not acknowledged. They go with the device, and
-- after a time.
CREATE TABLE sender_keys (
    user_nid BIGINT NOT NULL,
    device_id TEXT NOT NULL,
    -- A request and an EDU have at most one for a device, and a position of their own.
    position BIGINT NOT NULL,
    room_nid BIGINT NOT NULL,
    deposit_id TEXT NOT NULL,
    deposited_at BIGINT NOT NULL,
    -- As the client is shown it.
    json TEXT NOT NULL,
    PRIMARY KEY (user_nid, device_id, position),
    FOREIGN KEY (user_nid, device_id) REFERENCES devices (user_nid, device_id) ON DELETE CASCADE
);
CREATE INDEX sender_keys_deposited ON sender_keys (deposited_at);
