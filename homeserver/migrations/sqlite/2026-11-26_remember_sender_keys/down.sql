DROP TABLE sender_keys;
