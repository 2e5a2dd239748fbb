-- The outcome of every intent, so that the same operation id again gets the same answer (security.md D.1.6).
-- Written in the transaction of the intent itself; kept for seven days, counted by the time inside the id (UUIDv7).
CREATE TABLE operations (
    op      BLOB    NOT NULL PRIMARY KEY CHECK (length(op) = 16),
    kind    INTEGER NOT NULL,           -- IntentKind::number
    refusal INTEGER NOT NULL,           -- 0 = done
    answer  BLOB                        -- what was answered, where an intent answers anything
) STRICT, WITHOUT ROWID;
