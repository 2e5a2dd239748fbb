-- Whether an operator has disabled an account: when it was disabled last, and whether it was enabled again since. Both are
-- written together.
ALTER TABLE accounts ADD COLUMN disabled_at_ms INTEGER;
ALTER TABLE accounts ADD COLUMN enabled_again INTEGER NOT NULL DEFAULT 0 CHECK (enabled_again IN (0, 1));
