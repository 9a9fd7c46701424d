DROP TABLE old_signing_keys;
DROP TABLE server_key_answers;
