-- Messages to devices that came from other servers, so that a repeated one is known.
CREATE TABLE received_messages (
    origin TEXT NOT NULL,
    message_id TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (origin, message_id)
);
CREATE INDEX received_messages_received_at ON received_messages (received_at);
