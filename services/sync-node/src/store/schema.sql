-- One shard: the users whose number falls into it, whole. Times are ticks of 10 ms, sizes bytes.

CREATE TABLE users (
    uid           INTEGER PRIMARY KEY,
    last_modified INTEGER NOT NULL,           -- the T of the last write; never falls
    state         INTEGER NOT NULL DEFAULT 0, -- 0 active, 1 moving, 2 gone
    bytes         INTEGER NOT NULL DEFAULT 0, -- payload bytes of the rows in bso
    wiped_at      INTEGER,                    -- set while nothing was written since a whole-user delete
    moved_to      TEXT
);

CREATE INDEX users_by_time ON users (last_modified);

CREATE TABLE names (
    cid  INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE user_collections (
    uid           INTEGER NOT NULL,
    cid           INTEGER NOT NULL,
    last_modified INTEGER NOT NULL,
    PRIMARY KEY (uid, cid)
) WITHOUT ROWID;

CREATE TABLE bso (
    uid       INTEGER NOT NULL,
    cid       INTEGER NOT NULL,
    id        TEXT NOT NULL,
    modified  INTEGER NOT NULL,
    sortindex INTEGER,
    expiry    INTEGER,
    size      INTEGER NOT NULL,
    pid       INTEGER,                        -- none for an empty payload
    PRIMARY KEY (uid, cid, id)
) WITHOUT ROWID;
CREATE INDEX bso_by_time ON bso (uid, cid, modified, id);
CREATE INDEX bso_by_expiry ON bso (expiry) WHERE expiry IS NOT NULL;

-- Apart from bso, so that lists, counts and preconditions never read payloads, and commits move numbers, not bytes.
CREATE TABLE payload (
    pid  INTEGER PRIMARY KEY,
    data TEXT NOT NULL
);

CREATE TABLE batch (
    uid     INTEGER NOT NULL,
    bid     TEXT NOT NULL,
    cid     INTEGER NOT NULL,
    created INTEGER NOT NULL,
    records INTEGER NOT NULL DEFAULT 0,
    bytes   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (uid, bid)
) WITHOUT ROWID;
CREATE INDEX batch_by_age ON batch (created);

CREATE TABLE batch_item (
    uid       INTEGER NOT NULL,
    bid       TEXT NOT NULL,
    id        TEXT NOT NULL,
    given     INTEGER NOT NULL,               -- bits: 1 payload, 2 sortindex, 4 ttl; given without value means reset
    sortindex INTEGER,
    ttl       INTEGER,
    size      INTEGER NOT NULL,
    pid       INTEGER,
    PRIMARY KEY (uid, bid, id)
) WITHOUT ROWID;

-- Payloads without owner, removed in the background.
CREATE TABLE garbage (
    pid INTEGER PRIMARY KEY
);
