-- An address is claimed apart from the account that holds it: whether both say the same is checked at every read by
-- address (security.md D.2, sanity check).
CREATE TABLE email_claims (
    email_key TEXT    NOT NULL PRIMARY KEY,
    uid       BLOB    NOT NULL CHECK (length(uid) = 16),
    state     INTEGER NOT NULL CHECK (state IN (0, 1))  -- 0 = pending, 1 = active
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    uid                   BLOB    NOT NULL PRIMARY KEY CHECK (length(uid) = 16),
    email                 TEXT    NOT NULL,
    email_key             TEXT    NOT NULL,
    email_verified        INTEGER NOT NULL CHECK (email_verified IN (0, 1)),
    credentials           BLOB    NOT NULL,     -- all secrets in one cell (security.md D.1.3)
    code_nonce            BLOB    NOT NULL CHECK (length(code_nonce) = 16),
    created_at_ms         INTEGER NOT NULL,
    verifier_set_at_ms    INTEGER NOT NULL,
    keys_changed_at_ms    INTEGER NOT NULL,
    profile_changed_at_ms INTEGER NOT NULL,
    locale                TEXT,
    version               INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What follows belongs to an account and goes with it.
CREATE TABLE sessions (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    key           BLOB    NOT NULL CHECK (length(key) = 32),
    uid           BLOB    NOT NULL REFERENCES accounts (uid) ON DELETE CASCADE,
    created_at_ms INTEGER NOT NULL,
    auth_at_ms    INTEGER NOT NULL,
    verification  INTEGER NOT NULL CHECK (verification IN (0, 1)),  -- 0 = verified, 1 = with the account
    must_verify   INTEGER NOT NULL CHECK (must_verify IN (0, 1)),
    generation_ms INTEGER NOT NULL,
    user_agent    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_uid ON sessions (uid);

CREATE TABLE key_fetches (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    key           BLOB    NOT NULL CHECK (length(key) = 32),
    bundle        BLOB    NOT NULL CHECK (length(bundle) = 96),
    uid           BLOB    NOT NULL REFERENCES accounts (uid) ON DELETE CASCADE,
    created_at_ms INTEGER NOT NULL,
    verification  INTEGER NOT NULL CHECK (verification IN (0, 1)),
    generation_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX key_fetches_by_uid ON key_fetches (uid);

CREATE TABLE devices (
    uid               BLOB    NOT NULL REFERENCES accounts (uid) ON DELETE CASCADE,
    id                BLOB    NOT NULL CHECK (length(id) = 16),
    session           BLOB    NOT NULL CHECK (length(session) = 32),
    name              TEXT    NOT NULL,
    kind              TEXT    NOT NULL,
    created_at_ms     INTEGER NOT NULL,
    last_access_at_ms INTEGER NOT NULL,
    push              BLOB,             -- address and keys belong together: one cell
    commands          BLOB    NOT NULL,
    PRIMARY KEY (uid, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE authorization_codes (
    id             BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    uid            BLOB    NOT NULL REFERENCES accounts (uid) ON DELETE CASCADE,
    client         BLOB    NOT NULL CHECK (length(client) = 8),
    scope          TEXT    NOT NULL,
    session        BLOB    NOT NULL CHECK (length(session) = 32),
    code_challenge TEXT    NOT NULL,
    keys_jwe       TEXT,
    offline        INTEGER NOT NULL CHECK (offline IN (0, 1)),
    auth_at_ms     INTEGER NOT NULL,
    created_at_ms  INTEGER NOT NULL,
    generation_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX authorization_codes_by_uid ON authorization_codes (uid);
CREATE INDEX authorization_codes_by_age ON authorization_codes (created_at_ms);

CREATE TABLE refresh_tokens (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    uid           BLOB    NOT NULL REFERENCES accounts (uid) ON DELETE CASCADE,
    client        BLOB    NOT NULL CHECK (length(client) = 8),
    scope         TEXT    NOT NULL,
    session       BLOB    CHECK (length(session) = 32),
    created_at_ms INTEGER NOT NULL,
    generation_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_uid ON refresh_tokens (uid);
