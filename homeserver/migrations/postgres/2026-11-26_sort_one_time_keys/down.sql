ALTER TABLE one_time_keys DROP CONSTRAINT one_time_keys_pkey;
ALTER TABLE one_time_keys ADD PRIMARY KEY (user_nid, device_id, algorithm, key_id);
CREATE INDEX one_time_keys_order ON one_time_keys (user_nid, device_id, algorithm, position);
