ALTER TABLE claimed_keys DROP COLUMN position;
