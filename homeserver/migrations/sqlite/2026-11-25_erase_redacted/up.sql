-- Redacted events whose content is still there, and since when they are redacted here.
CREATE TABLE redacted_events (
    event_nid INTEGER PRIMARY KEY NOT NULL,
    redacted_at BIGINT NOT NULL
);
CREATE INDEX redacted_events_at ON redacted_events (redacted_at);
INSERT INTO redacted_events (event_nid, redacted_at)
SELECT redacted.event_nid, redaction.received_at
FROM events AS redacted JOIN events AS redaction ON redaction.event_nid = redacted.redacted_by_nid;
