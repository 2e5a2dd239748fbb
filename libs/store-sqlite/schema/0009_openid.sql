-- What the OpenID provider keeps: clients that were registered, and what users have agreed to.

-- A client is one cell; without it, it was deleted, and its id is never used again.
CREATE TABLE oauth_clients (
    id      BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 8),
    client  BLOB,
    version INTEGER NOT NULL CHECK (version > 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE oauth_grants (
    uid      BLOB NOT NULL REFERENCES accounts (uid) ON DELETE CASCADE,
    client   BLOB NOT NULL CHECK (length(client) = 8),
    granted  BLOB NOT NULL,
    PRIMARY KEY (uid, client)
) STRICT, WITHOUT ROWID;

-- Of codes for registered clients.
ALTER TABLE authorization_codes ADD COLUMN redirect_uri TEXT;
ALTER TABLE authorization_codes ADD COLUMN nonce TEXT;
