DROP TABLE redacted_events;
