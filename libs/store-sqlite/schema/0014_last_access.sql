-- When a session was in use, as that is noted now and then; NULL until it is.
ALTER TABLE sessions ADD COLUMN last_access_at_ms INTEGER;
