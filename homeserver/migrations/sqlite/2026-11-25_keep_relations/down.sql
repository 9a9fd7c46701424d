DROP TABLE threads;
DROP TABLE event_relations;
ALTER TABLE events DROP COLUMN is_parent;
