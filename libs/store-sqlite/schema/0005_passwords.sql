-- Tokens of the password calls: a row that is there is unspent, but of use only under the password it was made for.
CREATE TABLE password_tokens (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    key           BLOB    NOT NULL CHECK (length(key) = 32),
    kind          INTEGER NOT NULL CHECK (kind IN (0, 1, 2)),   -- 0 = change, 1 = forgot, 2 = reset
    uid           BLOB    NOT NULL REFERENCES accounts (uid) ON DELETE CASCADE,
    created_at_ms INTEGER NOT NULL,
    generation_ms INTEGER NOT NULL,
    misses        INTEGER NOT NULL CHECK (misses >= 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX password_tokens_by_uid ON password_tokens (uid);
CREATE INDEX password_tokens_by_age ON password_tokens (created_at_ms);
