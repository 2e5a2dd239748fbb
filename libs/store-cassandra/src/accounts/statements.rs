//! What is said to the cluster about accounts: reads for every tier, and what only a writer says.
//!
//! Must stay true: plain tables are written with the timestamp of an operation, conditional ones never; an account's row
//! changes only on its version or from being absent.

use crate::cql::statements;

/// What is in `spent_by` while nobody is: an operation id that no operation has.
pub(super) const NOBODY: [u8; 16] = [0; 16];

statements! {
    /// What readers ask.
    AccountReads {
        claim: Read = "SELECT uid, claim_id, state, claimed_at FROM claims WHERE email_key = ?";
        account: Read = "SELECT DISTINCT uid, state, email, email_key, email_verified, credentials, code_nonce,
            created_at, verifier_set_at, keys_changed_at, profile_changed_at, locale, second_factor, recovery_key,
            disabled_at, enabled_again, version FROM accounts WHERE uid = ?";
        account_page: Read = "SELECT DISTINCT token(uid) AS position, uid, state, email, email_verified, created_at,
            disabled_at, enabled_again FROM accounts WHERE token(uid) > ?";
        account_validity: Read = "SELECT DISTINCT uid, state, verifier_set_at, reset_at FROM accounts WHERE uid = ?";
        session: Read = "SELECT id, uid, key, created_at, auth_at, verification, must_verify, generation, user_agent
            FROM sessions WHERE id = ?";
        sessions_of: Read = "SELECT id, uid, key, created_at, auth_at, verification, must_verify, generation, user_agent
            FROM sessions_by_account WHERE uid = ?";
        accesses_of: Read = "SELECT session, accessed_at FROM session_accesses WHERE uid = ?";
        key_fetch: Read = "SELECT id, uid, key, bundle, created_at, verification, session, generation, spent_by
            FROM key_fetches WHERE id = ?";
        code: Read = "SELECT id, uid, client, scope, session, code_challenge, keys_jwe, offline, auth_at, created_at,
            generation, redirect_uri, nonce, spent_by FROM codes WHERE id = ?";
        password_token: Read = "SELECT id, uid, kind, key, created_at, generation, missed_by, spent_by
            FROM password_tokens WHERE id = ?";
        devices_of: Read = "SELECT id, uid, session, name, kind, created_at, last_access_at, push_callback,
            push_public_key, push_auth_key, available_commands FROM devices WHERE uid = ?";
        refresh_token: Read = "SELECT id, uid, client, scope, session, created_at, generation
            FROM refresh_tokens WHERE id = ?";
        replaced_token: Read = "SELECT id, uid, client, salt, made_at, replaced_by FROM replaced_tokens WHERE id = ?";
        refresh_tokens_of: Read = "SELECT id, uid, client, scope, session, created_at, generation
            FROM refresh_tokens_by_account WHERE uid = ?";
    }
}

statements! {
    /// Who holds an address, and the account's own row: conditional, at the deployment's serial level.
    AccountDecisions {
        claim: Conditional = "INSERT INTO claims (email_key, uid, claim_id, state, claimed_at)
            VALUES (:email_key, :uid, :claim_id, 'pending', :claimed_at) IF NOT EXISTS";
        take_over: Conditional = "UPDATE claims SET uid = :uid, claim_id = :claim_id, state = 'pending',
            claimed_at = :claimed_at WHERE email_key = :email_key
            IF claim_id = :held_by AND state = :held_as AND claimed_at = :held_since";
        activate: Conditional = "UPDATE claims SET state = 'active' WHERE email_key = :email_key
            IF claim_id = :claim_id AND state = 'pending'";
        release: Conditional = "DELETE FROM claims WHERE email_key = :email_key
            IF claim_id = :claim_id AND state = 'pending'";

        release_of_deleted: Conditional = "DELETE FROM claims WHERE email_key = :email_key IF uid = :uid";

        standing: Read = "SELECT op, state, made_by, email_key, email_verified, verifier_set_at, disabled_at,
            enabled_again, version FROM accounts WHERE uid = ?";
        create: Conditional = "INSERT INTO accounts (uid, state, made_by, email, email_key, email_verified, credentials,
            code_nonce, created_at, verifier_set_at, keys_changed_at, profile_changed_at, locale, version)
            VALUES (:uid, 'active', :made_by, :email, :email_key, :email_verified, :credentials,
            :code_nonce, :created_at, :verifier_set_at, :keys_changed_at, :profile_changed_at, :locale, :version)
            IF NOT EXISTS";
        create_again: Conditional = "UPDATE accounts SET state = 'active', made_by = :made_by, email = :email,
            email_key = :email_key, email_verified = :email_verified, credentials = :credentials,
            code_nonce = :code_nonce, created_at = :created_at, verifier_set_at = :verifier_set_at,
            keys_changed_at = :keys_changed_at, profile_changed_at = :profile_changed_at, locale = :locale,
            version = :version WHERE uid = :uid IF state = 'deleting' AND version = :was";
        note_operation: Member = "INSERT INTO accounts (uid, op, kind) VALUES (:uid, :op, :kind) USING TTL 86400";
        verify: Conditional = "UPDATE accounts SET email_verified = true, version = :version
            WHERE uid = :uid IF state = 'active' AND version = :was";
        condemn: Conditional = "UPDATE accounts SET state = 'deleting', version = :version, email = null,
            email_key = null, email_verified = null, credentials = null, code_nonce = null, created_at = null,
            verifier_set_at = null, keys_changed_at = null, profile_changed_at = null, locale = null, reset_at = null,
            second_factor = null, recovery_key = null, disabled_at = null, enabled_again = null
            WHERE uid = :uid IF state = 'active' AND version = :was AND email_verified = false";
        set_password: Conditional = "UPDATE accounts SET credentials = :credentials, verifier_set_at = :verifier_set_at,
            reset_at = :reset_at, keys_changed_at = :keys_changed_at, email_verified = :email_verified,
            code_nonce = :code_nonce, recovery_key = :recovery_key, version = :version
            WHERE uid = :uid IF state = 'active' AND version = :was AND verifier_set_at = :generation";
        set_second_factor: Conditional = "UPDATE accounts SET second_factor = :cell, version = :version
            WHERE uid = :uid IF state = 'active' AND version = :was";
        set_recovery_key: Conditional = "UPDATE accounts SET recovery_key = :cell, version = :version
            WHERE uid = :uid IF state = 'active' AND version = :was";
        set_disabled: Conditional = "UPDATE accounts SET disabled_at = :disabled_at, enabled_again = :enabled_again,
            version = :version WHERE uid = :uid IF state = 'active' AND version = :was";
        delete: Conditional = "UPDATE accounts SET state = 'deleting', version = :version, email = null,
            email_verified = null, credentials = null, code_nonce = null, created_at = null, verifier_set_at = null,
            keys_changed_at = null, profile_changed_at = null, locale = null, reset_at = null, second_factor = null,
            recovery_key = null, disabled_at = null, enabled_again = null
            WHERE uid = :uid IF state = 'active' AND version = :was";
        bar: Conditional = "INSERT INTO accounts (uid, state, version) VALUES (:uid, 'deleting', 0)
            IF NOT EXISTS USING TTL 86400";
        bar_again: Conditional = "UPDATE accounts SET made_by = null, version = :version
            WHERE uid = :uid IF state = 'deleting' AND version = :was";
        forget: Conditional = "UPDATE accounts USING TTL 86400 SET state = 'deleting', made_by = :made_by,
            version = :version, email_key = null WHERE uid = :uid IF state = 'deleting' AND version = :was";
    }
}

statements! {
    /// Single-use tokens: conditional, decided in the region whose mark the id bears.
    TokenDecisions {
        key_fetch_trace: Read = "SELECT uid, generation, made_by, spent_by FROM key_fetches WHERE id = ?";
        put_key_fetch: RegionalConditional = "INSERT INTO key_fetches (id, uid, key, bundle, created_at, verification,
            session, generation, made_by, spent_by) VALUES (:id, :uid, :key, :bundle, :created_at, :verification,
            :session, :generation, :made_by, 0x00000000000000000000000000000000) IF NOT EXISTS";
        spend_key_fetch: RegionalConditional = "UPDATE key_fetches USING TTL 86400
            SET spent_by = :spent_by, key = null, bundle = null WHERE id = :id
            IF spent_by = 0x00000000000000000000000000000000";

        code_trace: Read = "SELECT uid, generation, made_by, spent_by FROM codes WHERE id = ?";
        put_code: RegionalConditional = "INSERT INTO codes (id, uid, client, scope, session, code_challenge, keys_jwe,
            offline, auth_at, created_at, generation, redirect_uri, nonce, made_by, spent_by) VALUES (:id, :uid, :client,
            :scope, :session, :code_challenge, :keys_jwe, :offline, :auth_at, :created_at, :generation, :redirect_uri,
            :nonce, :made_by, 0x00000000000000000000000000000000) IF NOT EXISTS";
        spend_code: RegionalConditional = "UPDATE codes SET spent_by = :spent_by, keys_jwe = null
            WHERE id = :id IF spent_by = 0x00000000000000000000000000000000";

        replaced_token_mark: Read = "SELECT replaced_by FROM replaced_tokens WHERE id = ?";
        mark_replaced_token: RegionalConditional = "INSERT INTO replaced_tokens (id, uid, client, salt, made_at,
            replaced_by) VALUES (:id, :uid, :client, :salt, :made_at, :replaced_by) IF NOT EXISTS";
        bar_replacement: RegionalConditional = "INSERT INTO replaced_tokens (id, uid, replaced_by)
            VALUES (:id, :uid, :replaced_by) IF NOT EXISTS";

        password_token_trace: Read = "SELECT uid, generation, made_by, spent_by FROM password_tokens WHERE id = ?";
        password_token_use: Read = "SELECT uid, kind, generation, missed_by, spent_by FROM password_tokens WHERE id = ?";
        put_password_token: RegionalConditional = "INSERT INTO password_tokens (id, uid, kind, key, created_at,
            generation, missed_by, made_by, spent_by) VALUES (:id, :uid, :kind, :key, :created_at, :generation,
            :missed_by, :made_by, 0x00000000000000000000000000000000) IF NOT EXISTS";
        spend_password_token: RegionalConditional = "UPDATE password_tokens SET spent_by = :spent_by, key = null
            WHERE id = :id IF spent_by = 0x00000000000000000000000000000000";
        hold_password_token: RegionalConditional = "UPDATE password_tokens SET spent_by = :spent_by
            WHERE id = :id IF spent_by = 0x00000000000000000000000000000000";
        give_password_token_back: RegionalConditional = "UPDATE password_tokens
            SET spent_by = 0x00000000000000000000000000000000 WHERE id = :id IF spent_by = :held_by";
        miss_password_token: RegionalConditional = "UPDATE password_tokens SET missed_by = :missed_by
            WHERE id = :id IF spent_by = 0x00000000000000000000000000000000 AND missed_by = :was";
        miss_password_token_for_good: RegionalConditional = "UPDATE password_tokens SET missed_by = :missed_by,
            spent_by = :spent_by, key = null
            WHERE id = :id IF spent_by = 0x00000000000000000000000000000000 AND missed_by = :was";
    }
}

statements! {
    /// Sessions, devices and refresh tokens: plain, by the time in the operation's id.
    AccountWrites {
        put_session: Plain = "INSERT INTO sessions (id, uid, key, created_at, auth_at, verification, must_verify,
            generation, user_agent) VALUES (:id, :uid, :key, :created_at, :auth_at, :verification, :must_verify,
            :generation, :user_agent) USING TIMESTAMP :written_at";
        list_session: Plain = "INSERT INTO sessions_by_account (uid, id, key, created_at, auth_at, verification,
            must_verify, generation, user_agent, key_fetches) VALUES (:uid, :id, :key, :created_at, :auth_at,
            :verification, :must_verify, :generation, :user_agent, :key_fetches) USING TIMESTAMP :written_at";
        end_session: Plain = "DELETE FROM sessions USING TIMESTAMP :written_at WHERE id = :id";
        unlist_session: Plain = "DELETE FROM sessions_by_account USING TIMESTAMP :written_at
            WHERE uid = :uid AND id = :id";
        session_written: Read = "SELECT uid, WRITETIME(uid) AS written_at FROM sessions WHERE id = ?";
        listed_session_written: Read = "SELECT uid, WRITETIME(key) AS written_at FROM sessions_by_account
            WHERE uid = ? AND id = ?";
        sessions_written: Read = "SELECT id, key_fetches, generation, WRITETIME(key) AS written_at
            FROM sessions_by_account WHERE uid = ?";
        session_to_refresh: Read = "SELECT uid, key, created_at, auth_at, generation, user_agent, refreshed_by,
            WRITETIME(key) AS written_at FROM sessions WHERE id = ?";
        listed_session_to_refresh: Read = "SELECT key_fetches, refreshed_by, WRITETIME(key) AS written_at
            FROM sessions_by_account WHERE uid = ? AND id = ?";
        refresh_session: Plain = "INSERT INTO sessions (id, uid, key, created_at, auth_at, verification, must_verify,
            generation, user_agent, refreshed_by) VALUES (:id, :uid, :key, :created_at, :auth_at, :verification,
            :must_verify, :generation, :user_agent, :refreshed_by) USING TIMESTAMP :written_at";
        refresh_listed_session: Plain = "INSERT INTO sessions_by_account (uid, id, key, created_at, auth_at,
            verification, must_verify, generation, user_agent, key_fetches, refreshed_by) VALUES (:uid, :id, :key,
            :created_at, :auth_at, :verification, :must_verify, :generation, :user_agent, :key_fetches, :refreshed_by)
            USING TIMESTAMP :written_at";

        note_access: Plain = "INSERT INTO session_accesses (uid, session, accessed_at)
            VALUES (:uid, :session, :accessed_at) USING TIMESTAMP :written_at";
        forget_accesses: Plain = "DELETE FROM session_accesses USING TIMESTAMP :written_at WHERE uid = :uid";

        put_device: Plain = "INSERT INTO devices (uid, id, session, name, kind, created_at, last_access_at,
            push_callback, push_public_key, push_auth_key, available_commands) VALUES (:uid, :id, :session, :name, :kind,
            :created_at, :last_access_at, :push_callback, :push_public_key, :push_auth_key, :available_commands)
            USING TIMESTAMP :written_at";
        delete_device: Plain = "DELETE FROM devices USING TIMESTAMP :written_at WHERE uid = :uid AND id = :id";
        devices_written: Read = "SELECT id, session, WRITETIME(session) AS written_at FROM devices WHERE uid = ?";

        put_refresh_token: Plain = "INSERT INTO refresh_tokens (id, uid, client, scope, session, created_at,
            generation) VALUES (:id, :uid, :client, :scope, :session, :created_at, :generation)
            USING TIMESTAMP :written_at";
        list_refresh_token: Plain = "INSERT INTO refresh_tokens_by_account (id, uid, client, scope, session, created_at,
            generation) VALUES (:id, :uid, :client, :scope, :session, :created_at, :generation)
            USING TIMESTAMP :written_at";
        end_refresh_token: Plain = "DELETE FROM refresh_tokens USING TIMESTAMP :written_at WHERE id = :id";
        unlist_refresh_token: Plain = "DELETE FROM refresh_tokens_by_account USING TIMESTAMP :written_at
            WHERE uid = :uid AND id = :id";
        refresh_token_written: Read = "SELECT uid, session, WRITETIME(uid) AS written_at FROM refresh_tokens
            WHERE id = ?";
        refresh_tokens_written: Read = "SELECT id, session, generation, WRITETIME(client) AS written_at
            FROM refresh_tokens_by_account WHERE uid = ?";
    }
}
