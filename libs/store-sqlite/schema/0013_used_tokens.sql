-- What is left of codes and refresh tokens that were used, to know the one that comes a second time.

-- When a code was traded. It stays, without its keys, for as long as a code lives, and some time more.
ALTER TABLE authorization_codes ADD COLUMN spent_at_ms INTEGER;

-- Refresh tokens that another has replaced: `salt` makes, of the old one, the new one.
CREATE TABLE replaced_tokens (
    id             BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    uid            BLOB    NOT NULL REFERENCES accounts (uid) ON DELETE CASCADE,
    client         BLOB    NOT NULL CHECK (length(client) = 8),
    salt           BLOB    NOT NULL CHECK (length(salt) = 32),
    made_at_ms     INTEGER NOT NULL,
    replaced_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX replaced_tokens_by_uid ON replaced_tokens (uid);
CREATE INDEX replaced_tokens_by_age ON replaced_tokens (replaced_at_ms);
