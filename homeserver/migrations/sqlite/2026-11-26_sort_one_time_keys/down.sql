CREATE TABLE sorted_keys (
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
INSERT INTO sorted_keys (user_nid, device_id, algorithm, key_id, position, hash, json)
    SELECT user_nid, device_id, algorithm, key_id, position, hash, json FROM one_time_keys;
DROP TABLE one_time_keys;
ALTER TABLE sorted_keys RENAME TO one_time_keys;
CREATE INDEX one_time_keys_order ON one_time_keys (user_nid, device_id, algorithm, position);
