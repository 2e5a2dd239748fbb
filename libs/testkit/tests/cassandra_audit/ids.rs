//! Ids of one plant, and the rows made of them, as CQL: what the store itself would have written an hour ago.

use std::time::Duration;

use foxhold_core::{Clock as _, Timestamp, hex, record::ServicePolicy};
use foxhold_ports::assignments::encoding::policy;
use foxhold_runtime::SystemClock;

/// Ids of a plant, by its number, and when it was written.
#[derive(Clone, Copy)]
pub(crate) struct Ids {
    number: u16,
    pub(crate) then: Timestamp,
}

pub(crate) fn days_ago(days: u64) -> u64 {
    SystemClock
        .now()
        .minus(Duration::from_secs(days * 86_400))
        .as_millis()
}

impl Ids {
    /// Written an hour ago: nothing of it is under way any more.
    pub(crate) fn of(number: u16) -> Self {
        let then = SystemClock.now().minus(Duration::from_secs(3600));
        Self { number, then }
    }

    /// Written now.
    pub(crate) fn young(number: u16) -> Self {
        let then = SystemClock.now();
        Self { number, then }
    }

    pub(crate) fn at(self) -> String {
        format!("USING TIMESTAMP {}", self.then.as_millis() * 1000)
    }

    fn hex(self, kind: u8, bytes: usize) -> String {
        let unit = format!("{:04x}", self.number);
        format!("0x{kind:02x}{}", unit.repeat(bytes))
            .chars()
            .take(2 + 2 * bytes)
            .collect()
    }

    pub(crate) fn uid(self) -> String {
        self.hex(0x0a, 16)
    }

    pub(crate) fn op(self) -> String {
        self.hex(0x0b, 16)
    }

    pub(crate) fn token(self) -> String {
        self.hex(0x0c, 32)
    }

    pub(crate) fn address(self) -> String {
        format!("user{}@example.com", self.number)
    }

    pub(crate) fn service(self) -> String {
        format!("service-{}", self.number)
    }

    pub(crate) fn claim(self, of: Self, state: &str) -> String {
        format!(
            "INSERT INTO claims (email_key, uid, claim_id, state, claimed_at) VALUES ('{}', {}, {}, '{state}', {}) {}",
            self.address(),
            of.uid(),
            of.op(),
            self.then.as_millis(),
            self.at()
        )
    }

    pub(crate) fn account(self, address: &str) -> String {
        let ms = self.then.as_millis();
        format!(
            "INSERT INTO accounts (uid, state, made_by, email, email_key, email_verified, credentials, code_nonce,
            created_at, verifier_set_at, keys_changed_at, profile_changed_at, version) VALUES ({}, 'active', {},
            '{address}', '{address}', true, 0x00, 0x00, {ms}, {ms}, {ms}, {ms}, 1) {}",
            self.uid(),
            self.op(),
            self.at()
        )
    }

    /// An account that is as it should be.
    pub(crate) fn sound(self) -> Vec<String> {
        vec![self.claim(self, "active"), self.account(&self.address())]
    }

    pub(crate) fn deleted(self, expires: bool) -> String {
        let ttl = if expires { "AND TTL 86400" } else { "" };
        format!(
            "INSERT INTO accounts (uid, state, made_by, version) VALUES ({}, 'deleting', {}, 2) {} {ttl}",
            self.uid(),
            self.op(),
            self.at()
        )
    }

    pub(crate) fn session_made(self, created: u64, generation: u64) -> Vec<String> {
        let (id, uid, at) = (self.token(), self.uid(), self.at());
        let columns = "id, uid, key, created_at, auth_at, verification, must_verify, generation, user_agent";
        let values = format!("{id}, {uid}, {id}, {created}, {created}, 0, false, {generation}, 'Firefox'");
        vec![
            format!("INSERT INTO sessions ({columns}) VALUES ({values}) {at}"),
            format!("INSERT INTO sessions_by_account ({columns}, key_fetches) VALUES ({values}, []) {at}"),
        ]
    }

    pub(crate) fn session(self) -> Vec<String> {
        self.session_made(self.then.as_millis(), SystemClock.now().as_millis())
    }

    pub(crate) fn refresh_token(self) -> Vec<String> {
        self.refresh_token_made("null", self.then.as_millis())
    }

    pub(crate) fn refresh_token_made(self, session: &str, generation: u64) -> Vec<String> {
        let (id, uid, at, ms) = (self.token(), self.uid(), self.at(), self.then.as_millis());
        let table = |name: &str| {
            format!(
                "INSERT INTO {name} (id, uid, client, scope, session, created_at, generation)
                VALUES ({id}, {uid}, 0x5882386c6d801776, 'profile', {session}, {ms}, {generation}) {at}"
            )
        };
        vec![table("refresh_tokens"), table("refresh_tokens_by_account")]
    }

    /// Its refresh token was taken back.
    pub(crate) fn replaced_token(self) -> String {
        format!(
            "INSERT INTO replaced_tokens (id, uid, replaced_by) VALUES ({}, {}, {}) {}",
            self.token(),
            self.uid(),
            self.op(),
            self.at()
        )
    }

    /// The password of this account was reset when it was made.
    pub(crate) fn reset(self) -> String {
        format!(
            "UPDATE accounts {} SET reset_at = {} WHERE uid = {}",
            self.at(),
            self.then.as_millis(),
            self.uid()
        )
    }

    /// A deleted account that names its address still.
    pub(crate) fn deleted_holding(self) -> Vec<String> {
        let address = format!(
            "UPDATE accounts {} SET email_key = '{}' WHERE uid = {}",
            self.at(),
            self.address(),
            self.uid()
        );
        vec![self.deleted(false), address]
    }

    pub(crate) fn password_token(self, spent_by: &str) -> String {
        format!(
            "INSERT INTO password_tokens (id, uid, kind, key, created_at, generation, missed_by, made_by, spent_by)
            VALUES ({}, {}, 1, 0x00, {ms}, {ms}, 0x, {}, {spent_by}) {}",
            self.token(),
            self.uid(),
            self.op(),
            self.at(),
            ms = self.then.as_millis()
        )
    }

    pub(crate) fn device(self) -> String {
        let (uid, id, session, ms) = (self.uid(), self.op(), self.token(), self.then.as_millis());
        format!(
            "INSERT INTO devices (uid, id, session, name, kind, created_at, last_access_at, available_commands)
            VALUES ({uid}, {id}, {session}, 'Mine', 'desktop', {ms}, {ms}, {{}}) {}",
            self.at()
        )
    }

    /// A command that waits for [`Self::device`].
    pub(crate) fn command(self) -> String {
        let (uid, device, ms) = (self.uid(), self.op(), self.then.as_millis());
        format!(
            "INSERT INTO device_commands (uid, device, place, op, name, payload, created_at, expires_at)
            VALUES ({uid}, {device}, 1, {device}, 'open', 'sealed', {ms}, {ms}) {}",
            self.at()
        )
    }

    pub(crate) fn grant(self) -> String {
        format!(
            "INSERT INTO oauth_grants (uid, client, granted) VALUES ({}, 0x5882386c6d801776, 0x00) {}",
            self.uid(),
            self.at()
        )
    }

    /// All that its owner has agreed to.
    pub(crate) fn grants(self, count: i64) -> (String, i64) {
        (format!("oauth_grants WHERE uid = {}", self.uid()), count)
    }

    pub(crate) fn key_fetch(self, spent_by: &str) -> String {
        format!(
            "INSERT INTO key_fetches (id, uid, key, bundle, created_at, verification, generation, made_by, spent_by)
            VALUES ({}, {}, 0x00, 0x00, {ms}, 0, {ms}, {}, {spent_by}) {}",
            self.token(),
            self.uid(),
            self.op(),
            self.at(),
            ms = self.then.as_millis()
        )
    }

    /// A service with a node and one user on it, all as it should be.
    pub(crate) fn served(self, load: u64) -> Vec<String> {
        let (service, at) = (self.service(), self.at());
        vec![
            format!(
                "INSERT INTO placement (service, pattern, scope, token_lifetime_secs, uid_ceiling, version)
                VALUES ('{service}', '{{node}}/{{uid}}', 'scope', 3600, 2147483647, 1) {at}"
            ),
            format!(
                "INSERT INTO placement (service, kind, id, policy) VALUES ('{service}', -1, 0x00000000, 0x{}) {at}",
                hex::encode(&policy::encode(&ServicePolicy::default()))
            ),
            format!(
                "INSERT INTO placement (service, kind, id, url, capacity, available, current_load, downed, backoff)
                VALUES ('{service}', 0, 0x0000000000000001, 'https://{service}.example', 10, 5, {load}, false, false) {at}"
            ),
            format!(
                "INSERT INTO uid_stripes (service, stripe, blocks, op) VALUES ('{service}', 0, 1, {}) {at}",
                self.op()
            ),
            self.record("a", 1, 1),
        ]
    }

    pub(crate) fn record(self, user: &str, uid: u64, node: u64) -> String {
        format!(
            "INSERT INTO assignments (service, user, uid, generation, keys_changed_at, client_state, created_at, node,
            old_client_states, first_seen_at, version) VALUES ('{}', '{user}@example.com', {uid}, 1, 1, 0x61, {ms},
            {node}, [], {ms}, 1) {}",
            self.service(),
            self.at(),
            ms = self.then.as_millis()
        )
    }

    /// A lease of this plant's service, with one slot that was spent on the user and one that never was.
    pub(crate) fn lease(self, with_writer: bool) -> Vec<String> {
        let (service, writer, at) = (self.service(), self.op(), self.at());
        let lease = self.hex(0x0d, 16);
        let note = |number: u64, user: &str| {
            format!(
                "INSERT INTO lease_slots (lease, number, op, user)
                VALUES ({lease}, {number}, {writer}, '{user}@example.com') {at}"
            )
        };
        let mut statements = vec![
            format!(
                "INSERT INTO placement (service, kind, id, lease, writer, node, size, spent)
                VALUES ('{service}', 1, 0x00000000, {lease}, {writer}, 1, 3, 0) {at}"
            ),
            note(0, "a"),
            note(1, "nobody"),
            format!(
                "INSERT INTO assignments (service, user, slot) VALUES ('{service}', 'a@example.com', {lease}{:016x}) {at}",
                0
            ),
        ];
        if with_writer {
            statements.push(format!(
                "INSERT INTO placement (service, kind, id, writer, region, renewed_at)
                VALUES ('{service}', 2, 0x00000000, {writer}, 'one', {}) {at}",
                self.then.as_millis()
            ));
        }
        statements
    }

    /// The rows of a token, in both tables.
    pub(crate) fn rows_of(self, table: &str, by_id: i64, listed: i64) -> Vec<(String, i64)> {
        vec![
            (format!("{table} WHERE id = {}", self.token()), by_id),
            (
                format!(
                    "{table}_by_account WHERE uid = {} AND id = {}",
                    self.uid(),
                    self.token()
                ),
                listed,
            ),
        ]
    }

    pub(crate) fn claims(self, count: i64) -> (String, i64) {
        (format!("claims WHERE email_key = '{}'", self.address()), count)
    }
}
