-- Invitations to make an account, by the MAC of their code, and the account that was made with each last. A used one
-- stays: its row tells by whom.
CREATE TABLE invitations (
    id         BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    terms      BLOB NOT NULL,           -- all it says, in one cell
    used_by    BLOB CHECK (length(used_by) = 16),
    used_at_ms INTEGER CHECK ((used_at_ms IS NULL) = (used_by IS NULL))
) STRICT, WITHOUT ROWID;
