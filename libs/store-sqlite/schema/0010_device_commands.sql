-- Commands that wait for a device, by their number among those of the device. They go with it.
CREATE TABLE device_commands (
    uid           BLOB    NOT NULL,
    device        BLOB    NOT NULL,
    place         INTEGER NOT NULL,     -- the number; grows from each to the next
    name          TEXT    NOT NULL,
    payload       TEXT    NOT NULL,
    sender        BLOB    CHECK (length(sender) = 16),
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    PRIMARY KEY (uid, device, place),
    FOREIGN KEY (uid, device) REFERENCES devices (uid, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX device_commands_by_expiry ON device_commands (expires_at_ms);

-- The last number given among a device's commands: it stays when they have gone.
CREATE TABLE device_command_places (
    uid    BLOB    NOT NULL,
    device BLOB    NOT NULL,
    last   INTEGER NOT NULL,
    PRIMARY KEY (uid, device),
    FOREIGN KEY (uid, device) REFERENCES devices (uid, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
