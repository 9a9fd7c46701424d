-- Uploaded content and ids that wait for theirs. The bytes are in files named by their SHA-256
-- (`service/media/files.rs`); a file without a row here is an orphan.
CREATE TABLE media (
    media_id TEXT PRIMARY KEY NOT NULL,
    user_nid BIGINT NOT NULL REFERENCES users (user_nid),
    created_at BIGINT NOT NULL,
    -- Set while nothing has been uploaded; after it the id is unknown.
    expires_at BIGINT,
    -- These are set by the upload, together.
    sha256 BLOB,
    size BIGINT,
    content_type TEXT,
    filename TEXT
) WITHOUT ROWID;
-- What a user has uploaded and what of theirs is pending (size NULL).
CREATE INDEX media_of_user ON media (user_nid, size);
CREATE INDEX media_pending ON media (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX media_content ON media (sha256) WHERE sha256 IS NOT NULL;
