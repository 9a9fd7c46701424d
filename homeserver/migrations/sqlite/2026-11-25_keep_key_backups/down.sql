DROP TABLE backed_up_keys;
DROP TABLE key_backups;
