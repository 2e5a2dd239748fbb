-- What guards an account beside its password, each in one cell (security.md D.1.3): the second factor with its backup
-- codes, and the recovery key.
ALTER TABLE accounts ADD COLUMN second_factor BLOB;
ALTER TABLE accounts ADD COLUMN recovery_key BLOB;

-- Sessions and key-fetch tokens may wait for a second factor, and a session may have been given one: two more numbers, and
-- the session that a token waits for. SQLite cannot widen a CHECK, so both tables are made anew. Nothing refers to them.
CREATE TABLE new_sessions (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    key           BLOB    NOT NULL CHECK (length(key) = 32),
    uid           BLOB    NOT NULL REFERENCES accounts (uid) ON DELETE CASCADE,
    created_at_ms INTEGER NOT NULL,
    auth_at_ms    INTEGER NOT NULL,
    -- 0 = verified, 1 = with the account, 2 = awaits the second factor, 3 = was given it
    verification  INTEGER NOT NULL CHECK (verification IN (0, 1, 2, 3)),
    must_verify   INTEGER NOT NULL CHECK (must_verify IN (0, 1)),
    generation_ms INTEGER NOT NULL,
    user_agent    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO new_sessions (id, key, uid, created_at_ms, auth_at_ms, verification, must_verify, generation_ms, user_agent)
    SELECT id, key, uid, created_at_ms, auth_at_ms, verification, must_verify, generation_ms, user_agent FROM sessions;
DROP TABLE sessions;
ALTER TABLE new_sessions RENAME TO sessions;
CREATE INDEX sessions_by_uid ON sessions (uid);

CREATE TABLE new_key_fetches (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    key           BLOB    NOT NULL CHECK (length(key) = 32),
    bundle        BLOB    NOT NULL CHECK (length(bundle) = 96),
    uid           BLOB    NOT NULL REFERENCES accounts (uid) ON DELETE CASCADE,
    created_at_ms INTEGER NOT NULL,
    verification  INTEGER NOT NULL CHECK (verification IN (0, 1, 2, 3)),
    session       BLOB    CHECK (length(session) = 32),
    generation_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO new_key_fetches (id, key, bundle, uid, created_at_ms, verification, generation_ms)
    SELECT id, key, bundle, uid, created_at_ms, verification, generation_ms FROM key_fetches;
DROP TABLE key_fetches;
ALTER TABLE new_key_fetches RENAME TO key_fetches;
CREATE INDEX key_fetches_by_uid ON key_fetches (uid);
