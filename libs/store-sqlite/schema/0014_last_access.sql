-- When a session was in use, as that is noted now and then; NULL until it is.
ALTER TABLE sessions ADD COLUMN last_access_at_ms INTEGER;

-- What has run out is removed, the oldest first.
CREATE INDEX sessions_by_age ON sessions (created_at_ms);
CREATE INDEX key_fetches_by_age ON key_fetches (created_at_ms);
