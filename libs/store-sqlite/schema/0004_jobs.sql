-- Whose turn it is at a job that one process of a deployment runs at a time, and until when.
CREATE TABLE job_turns (
    job      INTEGER NOT NULL PRIMARY KEY,      -- Job::number
    runner   BLOB    NOT NULL CHECK (length(runner) = 16),
    until_ms INTEGER NOT NULL
) STRICT;
