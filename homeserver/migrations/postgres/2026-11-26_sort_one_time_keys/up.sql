-- In the order in which they are claimed, so that a claim needs no second index. That an id is there once is seen to by
-- the upload, which looks at all keys of the device.
DROP INDEX one_time_keys_order;
ALTER TABLE one_time_keys DROP CONSTRAINT one_time_keys_pkey;
ALTER TABLE one_time_keys ADD PRIMARY KEY (user_nid, device_id, algorithm, position, key_id);
