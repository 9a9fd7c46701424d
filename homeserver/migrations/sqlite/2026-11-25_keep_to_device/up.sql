-- Messages that wait for a device: each once, until a sync says that it has come. They go with the device.
CREATE TABLE to_device (
    user_nid BIGINT NOT NULL,
    device_id TEXT NOT NULL,
    -- A request and an EDU have at most one message for a device, and a position of their own.
    position BIGINT NOT NULL,
    -- As the client is shown it.
    json TEXT NOT NULL,
    PRIMARY KEY (user_nid, device_id, position),
    FOREIGN KEY (user_nid, device_id) REFERENCES devices (user_nid, device_id) ON DELETE CASCADE
);
