-- What other servers answered last about their keys, signed: for servers that ask us as a notary.
CREATE TABLE server_key_answers (
    server_name TEXT PRIMARY KEY NOT NULL,
    json TEXT NOT NULL,
    valid_until BIGINT NOT NULL,
    fetched_at BIGINT NOT NULL
) WITHOUT ROWID;

-- Keys that this server signed with before; `public_key` is unpadded base64.
CREATE TABLE old_signing_keys (
    key_id TEXT PRIMARY KEY NOT NULL,
    public_key TEXT NOT NULL,
    expired_at BIGINT NOT NULL
) WITHOUT ROWID;
