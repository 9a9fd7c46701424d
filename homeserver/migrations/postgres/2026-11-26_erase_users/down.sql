ALTER TABLE accounts DROP COLUMN erased;
