-- Mail that was promised and is not sent yet (docs/adr/0016). What it says is sealed, its receiver included. A mail is
-- nobody's from due_at_ms on; before, it is in the hands of the operation `lease`, or waits for its next attempt.
CREATE TABLE outbox (
    id        BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),    -- the operation that put it
    lease     BLOB    NOT NULL CHECK (length(lease) = 16),             -- the operation that leased or deferred it last
    due_at_ms INTEGER NOT NULL,
    attempts  INTEGER NOT NULL,
    sealed    BLOB    NOT NULL
) STRICT;
CREATE INDEX outbox_by_due ON outbox (due_at_ms, id);
CREATE INDEX outbox_by_lease ON outbox (lease);
