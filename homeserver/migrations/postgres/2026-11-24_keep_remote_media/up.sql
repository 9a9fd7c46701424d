-- Content of other servers that is kept for a time. The bytes are in files named by their SHA-256, as those of `media`.
CREATE TABLE remote_media (
    server_name TEXT NOT NULL,
    media_id TEXT NOT NULL,
    fetched_at BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    size BIGINT NOT NULL,
    content_type TEXT,
    filename TEXT,
    PRIMARY KEY (server_name, media_id)
);
CREATE INDEX remote_media_fetched ON remote_media (fetched_at);
CREATE INDEX remote_media_content ON remote_media (sha256);
