DROP TABLE profile_updates;
DROP TABLE profile_fields;
