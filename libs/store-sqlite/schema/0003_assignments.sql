CREATE TABLE services (
    key                 TEXT    NOT NULL PRIMARY KEY,
    pattern             TEXT    NOT NULL,
    scope               TEXT    NOT NULL,
    token_lifetime_secs INTEGER NOT NULL,
    uid_ceiling         INTEGER NOT NULL,
    policy              BLOB    NOT NULL,
    next_uid            INTEGER NOT NULL CHECK (next_uid > 0)   -- grows only: a uid is never used twice
) STRICT, WITHOUT ROWID;

CREATE TABLE nodes (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,    -- never used twice, so no record meets a stranger
    service      TEXT    NOT NULL REFERENCES services (key),
    url          TEXT    NOT NULL,
    node_type    TEXT,
    pool         TEXT,                                      -- absent = the default pool
    capacity     INTEGER NOT NULL CHECK (capacity >= 0),
    available    INTEGER NOT NULL CHECK (available >= 0),
    current_load INTEGER NOT NULL DEFAULT 0 CHECK (current_load >= 0),
    downed       INTEGER NOT NULL DEFAULT 0 CHECK (downed IN (0, 1)),
    backoff      INTEGER NOT NULL DEFAULT 0 CHECK (backoff IN (0, 1)),
    unhealthy    INTEGER NOT NULL DEFAULT 0 CHECK (unhealthy IN (0, 1)),
    UNIQUE (service, url)
) STRICT;

-- One row for each user of a service: the current record and all that a token exchange asks about the earlier ones.
-- `node` may point at a node that is gone.
CREATE TABLE user_records (
    service            TEXT    NOT NULL,
    user_key           TEXT    NOT NULL CHECK (user_key <> ''),
    uid                INTEGER NOT NULL,
    generation         INTEGER NOT NULL,
    keys_changed_at_ms INTEGER CHECK (keys_changed_at_ms > 0),
    client_state       BLOB    NOT NULL,
    created_at_ms      INTEGER NOT NULL,
    replaced_at_ms     INTEGER,
    node               INTEGER,
    old_client_states  BLOB    NOT NULL,
    first_seen_at_ms   INTEGER NOT NULL,
    version            INTEGER NOT NULL,
    PRIMARY KEY (service, user_key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX user_records_by_uid ON user_records (service, uid);

-- Records that are not current any more, until their data on the nodes is purged (tokenserver.md 11). They come with
-- every read of their user, so they lie together, oldest first. `node` may point at a node that is gone.
CREATE TABLE past_records (
    service            TEXT    NOT NULL,
    user_key           TEXT    NOT NULL,
    place              INTEGER NOT NULL,                        -- grows from each to the next
    uid                INTEGER NOT NULL,
    generation         INTEGER NOT NULL,
    keys_changed_at_ms INTEGER CHECK (keys_changed_at_ms > 0),
    client_state       BLOB    NOT NULL,
    created_at_ms      INTEGER NOT NULL,
    replaced_at_ms     INTEGER NOT NULL,
    node               INTEGER,
    holds_slot         INTEGER NOT NULL CHECK (holds_slot IN (0, 1)),
    PRIMARY KEY (service, user_key, place)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX past_records_by_uid ON past_records (service, uid);
