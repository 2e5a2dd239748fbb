-- Sessions and key-fetch tokens may wait for a code that is mailed for the sign-in: one more number. SQLite cannot widen a
-- CHECK, so both tables are made anew. Nothing refers to them.
CREATE TABLE new_sessions (
    id                BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    key               BLOB    NOT NULL CHECK (length(key) = 32),
    uid               BLOB    NOT NULL REFERENCES accounts (uid) ON DELETE CASCADE,
    created_at_ms     INTEGER NOT NULL,
    auth_at_ms        INTEGER NOT NULL,
    -- 0 = verified, 1 = with the account, 2 = awaits the second factor, 3 = was given it, 4 = awaits a mailed code
    verification      INTEGER NOT NULL CHECK (verification IN (0, 1, 2, 3, 4)),
    must_verify       INTEGER NOT NULL CHECK (must_verify IN (0, 1)),
    generation_ms     INTEGER NOT NULL,
    user_agent        TEXT    NOT NULL,
    -- When it was in use, as that is noted now and then; NULL until it is.
    last_access_at_ms INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO new_sessions (id, key, uid, created_at_ms, auth_at_ms, verification, must_verify, generation_ms, user_agent,
                          last_access_at_ms)
    SELECT id, key, uid, created_at_ms, auth_at_ms, verification, must_verify, generation_ms, user_agent, last_access_at_ms
    FROM sessions;
DROP TABLE sessions;
ALTER TABLE new_sessions RENAME TO sessions;
CREATE INDEX sessions_by_uid ON sessions (uid);
CREATE INDEX sessions_by_age ON sessions (created_at_ms);

CREATE TABLE new_key_fetches (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    key           BLOB    NOT NULL CHECK (length(key) = 32),
    bundle        BLOB    NOT NULL CHECK (length(bundle) = 96),
    uid           BLOB    NOT NULL REFERENCES accounts (uid) ON DELETE CASCADE,
    created_at_ms INTEGER NOT NULL,
    verification  INTEGER NOT NULL CHECK (verification IN (0, 1, 2, 3, 4)),
    session       BLOB    CHECK (length(session) = 32),
    generation_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO new_key_fetches (id, key, bundle, uid, created_at_ms, verification, session, generation_ms)
    SELECT id, key, bundle, uid, created_at_ms, verification, session, generation_ms FROM key_fetches;
DROP TABLE key_fetches;
ALTER TABLE new_key_fetches RENAME TO key_fetches;
CREATE INDEX key_fetches_by_uid ON key_fetches (uid);
CREATE INDEX key_fetches_by_age ON key_fetches (created_at_ms);
