-- Deactivated, and what they sent is shown to those alone who were in the room then.
ALTER TABLE accounts ADD COLUMN erased BOOLEAN NOT NULL DEFAULT FALSE;
