//! All that an audit asks and repairs. Repairs of plain tables write with the timestamp that was read: a deletion one later
//! than the row it is about, so that a row written meanwhile stays; a copy at the time of the original, so that a deletion
//! that somebody made meanwhile stays. Repairs of conditional tables name what was read as their condition.

use crate::cql::statements;

macro_rules! session_columns {
    () => {
        "uid, id, key, created_at, auth_at, verification, must_verify, generation, user_agent"
    };
}

macro_rules! refresh_columns {
    () => {
        "uid, id, client, scope, session, created_at, generation"
    };
}

macro_rules! account_columns {
    () => {
        "uid, state, made_by, email_key, verifier_set_at, reset_at, version, WRITETIME(state) AS written, \
         TTL(state) AS expires_after"
    };
}

statements! {
    /// What an audit puts. Prepared when one begins.
    AuditStatements {
        claims: Read = "SELECT email_key, uid, claim_id, state, claimed_at FROM claims";
        claim: Read = "SELECT email_key, uid, claim_id, state, claimed_at FROM claims WHERE email_key = ?";
        activate_claim: Conditional = "UPDATE claims SET state = 'active' WHERE email_key = ? \
            IF claim_id = ? AND state = 'pending'";
        release_claim: Conditional = "DELETE FROM claims WHERE email_key = ? \
            IF uid = ? AND claim_id = ? AND state = ? AND claimed_at = ?";
        restore_claim: Conditional = "INSERT INTO claims (email_key, uid, claim_id, state, claimed_at) \
            VALUES (?, ?, ?, 'active', ?) IF NOT EXISTS";

        accounts: Read = concat!("SELECT DISTINCT ", account_columns!(), " FROM accounts");
        account: Read = concat!("SELECT DISTINCT ", account_columns!(), " FROM accounts WHERE uid = ?");
        bar_account: Conditional = "INSERT INTO accounts (uid, state, version) VALUES (?, 'deleting', 0) \
            IF NOT EXISTS USING TTL 86400";
        bar_account_again: Conditional = "UPDATE accounts SET made_by = null, version = ? \
            WHERE uid = ? IF state = 'deleting' AND version = ?";
        forget_account: Conditional = "UPDATE accounts USING TTL 86400 SET state = 'deleting', made_by = ?, \
            version = ?, email_key = null WHERE uid = ? IF state = 'deleting' AND version = ?";

        sessions: Read =
            "SELECT id, uid, id AS session, created_at, generation, WRITETIME(created_at) AS written FROM sessions";
        session_generation: Read = "SELECT generation FROM sessions WHERE id = ?";
        session: Read = concat!("SELECT ", session_columns!(), ", WRITETIME(created_at) FROM sessions WHERE id = ?");
        restore_session: Plain = concat!("INSERT INTO sessions (", session_columns!(), ") \
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?");
        remove_session: Plain = "DELETE FROM sessions USING TIMESTAMP ? WHERE id = ?";

        listed_sessions: Read = "SELECT uid, id, id AS session, generation, \
            WRITETIME(created_at) AS written FROM sessions_by_account";
        listed_session: Read = concat!("SELECT ", session_columns!(), ", WRITETIME(created_at) \
            FROM sessions_by_account WHERE uid = ? AND id = ?");
        list_session: Plain = concat!("INSERT INTO sessions_by_account (", session_columns!(), ") \
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?");
        unlist_session: Plain =
            "DELETE FROM sessions_by_account USING TIMESTAMP ? WHERE uid = ? AND id = ?";
        sessions_of: Read = "SELECT id, key_fetches, WRITETIME(created_at) AS written \
            FROM sessions_by_account WHERE uid = ?";

        refresh_tokens: Read = "SELECT id, uid, session, created_at, generation, \
            WRITETIME(created_at) AS written FROM refresh_tokens";
        refresh_token: Read = concat!("SELECT ", refresh_columns!(), ", WRITETIME(created_at) \
            FROM refresh_tokens WHERE id = ?");
        restore_refresh_token: Plain = concat!("INSERT INTO refresh_tokens (", refresh_columns!(), ") \
            VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?");
        remove_refresh_token: Plain = "DELETE FROM refresh_tokens USING TIMESTAMP ? WHERE id = ?";

        listed_refresh_tokens: Read = "SELECT uid, id, session, generation, \
            WRITETIME(created_at) AS written FROM refresh_tokens_by_account";
        listed_refresh_token: Read = concat!("SELECT ", refresh_columns!(), ", WRITETIME(created_at) \
            FROM refresh_tokens_by_account WHERE uid = ? AND id = ?");
        list_refresh_token: Plain = concat!("INSERT INTO refresh_tokens_by_account (", refresh_columns!(), ") \
            VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?");
        unlist_refresh_token: Plain =
            "DELETE FROM refresh_tokens_by_account USING TIMESTAMP ? WHERE uid = ? AND id = ?";
        refresh_tokens_of: Read =
            "SELECT id, WRITETIME(created_at) AS written FROM refresh_tokens_by_account WHERE uid = ?";
        replaced_token: Read = "SELECT replaced_by FROM replaced_tokens WHERE id = ?";

        devices: Read = "SELECT uid, id, session, WRITETIME(created_at) AS written FROM devices";
        devices_of: Read = "SELECT id, session, WRITETIME(created_at) AS written FROM devices WHERE uid = ?";
        remove_device: Plain = "DELETE FROM devices USING TIMESTAMP ? WHERE uid = ? AND id = ?";

        grants: Read = "SELECT uid, client, WRITETIME(granted) AS written FROM oauth_grants";
        grants_of: Read = "SELECT client, WRITETIME(granted) AS written FROM oauth_grants WHERE uid = ?";
        remove_grant: Plain = "DELETE FROM oauth_grants USING TIMESTAMP ? WHERE uid = ? AND client = ?";

        key_fetches: Read =
            "SELECT id, uid, spent_by, WRITETIME(spent_by) AS written FROM key_fetches";
        key_fetch: Read =
            "SELECT id, uid, spent_by, WRITETIME(spent_by) AS written FROM key_fetches WHERE id = ?";
        remove_key_fetch: RegionalConditional = "DELETE FROM key_fetches WHERE id = ? \
            IF uid = ? AND spent_by = 0x00000000000000000000000000000000";

        password_tokens: Read =
            "SELECT id, uid, spent_by, WRITETIME(made_by) AS written FROM password_tokens";
        password_token: Read =
            "SELECT id, uid, spent_by, WRITETIME(made_by) AS written FROM password_tokens WHERE id = ?";
        remove_password_token: RegionalConditional = "DELETE FROM password_tokens WHERE id = ? \
            IF uid = ? AND spent_by = 0x00000000000000000000000000000000";

        services: Read = "SELECT DISTINCT service FROM placement";
        records: Read = "SELECT DISTINCT service, user, uid, node, slot, past, version FROM assignments";
        record: Read = "SELECT DISTINCT service, user, uid, node, slot, past, version FROM assignments \
            WHERE service = ? AND user = ?";
        take_from_node: Conditional = "UPDATE assignments SET node = null, slot = null, version = ? \
            WHERE service = ? AND user = ? IF version = ?";

        stripe: Read = "SELECT blocks FROM uid_stripes WHERE service = ? AND stripe = ?";
        raise_stripe: RegionalConditional =
            "UPDATE uid_stripes SET blocks = ?, op = ? WHERE service = ? AND stripe = ? IF blocks = ?";
    }
}
