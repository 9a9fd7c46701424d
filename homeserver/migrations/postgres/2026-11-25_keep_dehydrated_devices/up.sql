-- A device of a user that is asleep: what the user needs to wake it, encrypted. It goes with the device.
CREATE TABLE dehydrated_devices (
    user_nid BIGINT PRIMARY KEY NOT NULL,
    device_id TEXT NOT NULL,
    device_data TEXT NOT NULL,
    FOREIGN KEY (user_nid, device_id) REFERENCES devices (user_nid, device_id) ON DELETE CASCADE
);
