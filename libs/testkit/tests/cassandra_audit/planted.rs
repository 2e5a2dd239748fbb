//! What may be wrong with a store, one thing at a time, as CQL statements. Every plant has ids of its own, from its number.

use foxhold_core::Clock as _;
use foxhold_runtime::SystemClock;
use foxhold_store_cassandra::audit::Finding;

use crate::ids::{Ids, days_ago};

/// One thing that is wrong.
pub(crate) struct Plant {
    pub(crate) name: &'static str,
    pub(crate) statements: Vec<String>,
    pub(crate) found: Finding,
    /// Rows there must be after the repair: what to count from, and how many.
    pub(crate) after: Vec<(String, i64)>,
    /// How a person decides, where the audit does not.
    pub(crate) by_hand: Vec<String>,
}

fn plant(name: &'static str, found: Finding, statements: Vec<String>) -> Plant {
    Plant {
        name,
        statements,
        found,
        after: Vec::new(),
        by_hand: Vec::new(),
    }
}

impl Plant {
    fn leaving(mut self, after: Vec<(String, i64)>) -> Self {
        self.after = after;
        self
    }

    fn decided_by(mut self, by_hand: Vec<String>) -> Self {
        self.by_hand = by_hand;
        self
    }
}

/// All of them.
pub(crate) fn plants() -> Vec<Plant> {
    let mut plants = claims();
    plants.extend(accounts());
    for (number, kind) in [(40, SESSIONS), (60, REFRESH_TOKENS)] {
        plants.extend(tokens(number, kind));
    }
    plants.extend(hanging());
    plants.extend(replaced());
    plants.extend(records());
    plants
}

fn claims() -> Vec<Plant> {
    let [a, b, c, d, e, f, g] = [1, 2, 3, 4, 5, 6, 7].map(Ids::of);
    vec![
        plant(
            "an address of nobody",
            Finding::ClaimWithoutAccount,
            vec![a.claim(a, "active")],
        )
        .leaving(vec![a.claims(0)]),
        plant(
            "a second address",
            Finding::ClaimOfAnotherAddress,
            [b.sound(), vec![c.claim(b, "active")]].concat(),
        )
        .leaving(vec![b.claims(1), c.claims(0)]),
        plant(
            "a sign-up that came as far as the account",
            Finding::ClaimPendingTooLong,
            [vec![d.claim(d, "pending"), d.account(&d.address())], d.session()].concat(),
        )
        .leaving([vec![d.claims(1)], d.rows_of("sessions", 1, 1)].concat()),
        plant(
            "a sign-up that did not",
            Finding::ClaimPendingTooLong,
            vec![e.claim(e, "pending")],
        )
        .leaving(vec![e.claims(0)]),
        plant(
            "an address of a deleted account",
            Finding::ClaimOfDeletedAccount,
            vec![f.claim(f, "active"), f.deleted(true)],
        )
        .leaving(vec![f.claims(0)]),
        plant(
            "a claim without a state",
            Finding::UnreadableRow,
            vec![format!(
                "INSERT INTO claims (email_key, uid) VALUES ('{}', {}) {}",
                g.address(),
                g.uid(),
                g.at()
            )],
        )
        .decided_by(vec![format!(
            "DELETE FROM claims WHERE email_key = '{}'",
            g.address()
        )]),
    ]
}

fn accounts() -> Vec<Plant> {
    let [a, b, c, d, e, f, g] = [20, 21, 22, 23, 24, 25, 26].map(Ids::of);
    vec![
        plant(
            "an account that lost its address",
            Finding::AccountWithoutClaim,
            vec![a.account(&a.address())],
        )
        .leaving(vec![a.claims(1)]),
        plant(
            "two accounts of one address",
            Finding::AccountClaimedByAnother,
            [b.sound(), vec![c.account(&b.address())]].concat(),
        )
        .leaving(vec![b.claims(1)])
        .decided_by(vec![format!("DELETE FROM accounts WHERE uid = {}", c.uid())]),
        plant(
            "a deleted account that was not swept",
            Finding::AccountHalfDeleted,
            [
                vec![d.deleted(true), d.device(), d.command(), d.grant()],
                d.session(),
                d.refresh_token(),
            ]
            .concat(),
        )
        .leaving(
            [
                d.rows_of("sessions", 0, 0),
                d.rows_of("refresh_tokens", 0, 0),
                vec![
                    (format!("devices WHERE uid = {}", d.uid()), 0),
                    (
                        format!("device_commands WHERE uid = {} AND device = {}", d.uid(), d.op()),
                        0,
                    ),
                    d.grants(0),
                ],
            ]
            .concat(),
        ),
        plant(
            "a deleted account of which a grant is left",
            Finding::AccountHalfDeleted,
            vec![g.deleted(true), g.grant()],
        )
        .leaving(vec![g.grants(0)]),
        plant(
            "a deleted account that stays for ever",
            Finding::DeletedAccountKept,
            vec![e.deleted(false)],
        ),
        plant(
            "a deletion that came as far as the address",
            Finding::DeletedAccountKept,
            f.deleted_holding(),
        )
        .leaving(vec![(
            format!(
                "accounts WHERE uid = {} AND email_key = '{}' ALLOW FILTERING",
                f.uid(),
                f.address()
            ),
            0,
        )]),
    ]
}

/// Sessions or refresh tokens: they have the same two rows.
struct Tokens {
    table: &'static str,
    make: fn(Ids) -> Vec<String>,
    of_no_account: Finding,
    not_listed: Finding,
    listed_only: Finding,
}

const SESSIONS: Tokens = Tokens {
    table: "sessions",
    make: Ids::session,
    of_no_account: Finding::SessionOfNoAccount,
    not_listed: Finding::SessionNotListed,
    listed_only: Finding::SessionListedOnly,
};

const REFRESH_TOKENS: Tokens = Tokens {
    table: "refresh_tokens",
    make: Ids::refresh_token,
    of_no_account: Finding::RefreshTokenOfNoAccount,
    not_listed: Finding::RefreshTokenNotListed,
    listed_only: Finding::RefreshTokenListedOnly,
};

fn tokens(first: u16, kind: Tokens) -> Vec<Plant> {
    let [a, b, c, d, e] = std::array::from_fn(|number| Ids::of(first + number as u16));
    let table = kind.table;
    let [by_id, listed] = [0, 1].map(|place| move |ids: Ids| vec![(kind.make)(ids)[place].clone()]);
    // A deletion a second after the row.
    let deletion = format!("USING TIMESTAMP {}", (a.then.as_millis() + 60_000) * 1000);
    let ended = |ids: Ids| format!("DELETE FROM {table} {deletion} WHERE id = {}", ids.token());
    let unlisted = |ids: Ids| {
        let (uid, id) = (ids.uid(), ids.token());
        format!("DELETE FROM {table}_by_account {deletion} WHERE uid = {uid} AND id = {id}")
    };
    vec![
        plant("of no account", kind.of_no_account, (kind.make)(a)).leaving(a.rows_of(table, 0, 0)),
        plant(
            "lost in the list",
            kind.not_listed,
            [b.sound(), by_id(b)].concat(),
        )
        .leaving(b.rows_of(table, 1, 1)),
        plant(
            "ended in the list only",
            kind.not_listed,
            [c.sound(), by_id(c), vec![unlisted(c)]].concat(),
        )
        .leaving(c.rows_of(table, 0, 0)),
        plant(
            "lost but for the list",
            kind.listed_only,
            [d.sound(), listed(d)].concat(),
        )
        .leaving(d.rows_of(table, 1, 1)),
        plant(
            "ended but for the list",
            kind.listed_only,
            [e.sound(), listed(e), vec![ended(e)]].concat(),
        )
        .leaving(e.rows_of(table, 0, 0)),
    ]
}

fn hanging() -> Vec<Plant> {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = [80, 81, 82, 83, 84, 90, 91, 92, 93, 94, 97, 98].map(Ids::of);
    let [m, n] = [85, 86].map(Ids::of);
    let unspent = "0x00000000000000000000000000000000";
    let old = days_ago(40);
    vec![
        plant(
            "a grant of no account, beside one of an account",
            Finding::GrantOfNoAccount,
            [n.sound(), vec![m.grant(), n.grant()]].concat(),
        )
        .leaving(vec![m.grants(0), n.grants(1)]),
        plant(
            "an old session without a device",
            Finding::SessionRanOut,
            [a.sound(), a.session_made(old, SystemClock.now().as_millis())].concat(),
        )
        .leaving(a.rows_of("sessions", 0, 0)),
        plant(
            "a session older than the password, beside an old one with a device",
            Finding::SessionRanOut,
            [
                b.sound(),
                b.session_made(b.then.as_millis(), old),
                c.sound(),
                c.session_made(old, SystemClock.now().as_millis()),
                vec![c.device()],
            ]
            .concat(),
        )
        .leaving([b.rows_of("sessions", 0, 0), c.rows_of("sessions", 1, 1)].concat()),
        plant(
            "a session older than the password, in the list only",
            Finding::SessionRanOut,
            [
                k.sound(),
                vec![k.session_made(k.then.as_millis(), old)[1].clone()],
            ]
            .concat(),
        )
        .leaving(k.rows_of("sessions", 0, 0)),
        plant(
            "a session older than the password, missing in the list",
            Finding::SessionRanOut,
            [
                l.sound(),
                vec![l.session_made(l.then.as_millis(), old)[0].clone()],
            ]
            .concat(),
        )
        .leaving(l.rows_of("sessions", 0, 0)),
        plant("a device of nobody", Finding::DeviceOfNoAccount, vec![d.device()])
            .leaving(vec![(format!("devices WHERE uid = {}", d.uid()), 0)]),
        plant(
            "a key-fetch token of nobody, beside one that is spent and one that was long ago",
            Finding::KeyFetchOfNoAccount,
            vec![
                e.key_fetch(unspent),
                Ids::of(85).key_fetch(&e.op()),
                Ids::of(86).key_fetch("null"),
            ],
        )
        .leaving(vec![
            (format!("key_fetches WHERE id = {}", e.token()), 0),
            (format!("key_fetches WHERE id = {}", Ids::of(85).token()), 1),
            (format!("key_fetches WHERE id = {}", Ids::of(86).token()), 1),
        ]),
        plant(
            "a password token of nobody, beside one that is spent and the rest of one that was missed",
            Finding::PasswordTokenOfNoAccount,
            vec![
                f.password_token(unspent),
                Ids::of(95).password_token(&f.op()),
                format!(
                    "UPDATE password_tokens {} SET missed_by = {} WHERE id = {}",
                    f.at(),
                    f.op(),
                    Ids::of(96).token()
                ),
            ],
        )
        .leaving(vec![
            (format!("password_tokens WHERE id = {}", f.token()), 0),
            (format!("password_tokens WHERE id = {}", Ids::of(95).token()), 1),
            (format!("password_tokens WHERE id = {}", Ids::of(96).token()), 1),
        ]),
        plant(
            "a device whose session has ended",
            Finding::DeviceOfEndedSession,
            [g.sound(), vec![g.device()]].concat(),
        )
        .leaving(vec![(format!("devices WHERE uid = {}", g.uid()), 0)]),
        plant(
            "a refresh token of a session, older than the password, beside one of no session",
            Finding::RefreshTokenRanOut,
            [
                h.sound(),
                h.refresh_token_made(&h.token(), old),
                i.sound(),
                i.refresh_token_made("null", old),
            ]
            .concat(),
        )
        .leaving(
            [
                h.rows_of("refresh_tokens", 0, 0),
                i.rows_of("refresh_tokens", 1, 1),
            ]
            .concat(),
        ),
        plant(
            "a refresh token of no session, older than the last reset",
            Finding::RefreshTokenRanOut,
            [j.sound(), vec![j.reset()], j.refresh_token_made("null", old)].concat(),
        )
        .leaving(j.rows_of("refresh_tokens", 0, 0)),
    ]
}

fn replaced() -> Vec<Plant> {
    let [a, b, c] = [87, 88, 89].map(Ids::of);
    vec![
        plant(
            "a refresh token that was replaced, beside one that was not",
            Finding::RefreshTokenReplaced,
            [
                a.sound(),
                a.refresh_token_made("null", a.then.as_millis()),
                vec![a.replaced_token()],
                b.sound(),
                b.refresh_token_made("null", b.then.as_millis()),
            ]
            .concat(),
        )
        .leaving(
            [
                a.rows_of("refresh_tokens", 0, 0),
                b.rows_of("refresh_tokens", 1, 1),
            ]
            .concat(),
        ),
        plant(
            "a refresh token that was taken back, and has left its list already",
            Finding::RefreshTokenReplaced,
            [
                c.sound(),
                vec![
                    c.refresh_token_made("null", c.then.as_millis())[0].clone(),
                    c.replaced_token(),
                ],
            ]
            .concat(),
        )
        .leaving(c.rows_of("refresh_tokens", 0, 0)),
    ]
}

fn records() -> Vec<Plant> {
    let [a, b, c, d, e, f, g, h] = [100, 101, 102, 103, 104, 105, 106, 107].map(Ids::of);
    let of = |ids: Ids, column: &str| {
        let service = ids.service();
        format!("placement WHERE service = '{service}' AND kind = 0 AND {column} ALLOW FILTERING")
    };
    vec![
        plant(
            "a record on a node that is not there",
            Finding::RecordOnUnknownNode,
            [a.served(1), vec![a.record("b", 2, 9)]].concat(),
        ),
        plant(
            "a record of a service that is not there",
            Finding::RecordOnUnknownNode,
            vec![b.record("b", 2, 1)],
        ),
        plant(
            "one uid of two users",
            Finding::UidTwice,
            [c.served(2), vec![c.record("b", 1, 1)]].concat(),
        )
        .decided_by(vec![format!(
            "UPDATE assignments SET uid = 2 WHERE service = '{}' AND user = 'b@example.com'",
            c.service()
        )]),
        plant(
            "a uid that comes again",
            Finding::UidsNotHandedOut,
            [d.served(2), vec![d.record("b", 8_003, 1)]].concat(),
        )
        .leaving(vec![(
            format!(
                "uid_stripes WHERE service = '{}' AND stripe = 0 AND blocks = 3 ALLOW FILTERING",
                d.service()
            ),
            1,
        )]),
        plant("a load that is too low", Finding::LoadBelowRecords, e.served(0))
            .leaving(vec![(of(e, "current_load = 1"), 1)]),
        plant("a load that is too high", Finding::LoadAboveRecords, f.served(3))
            .leaving(vec![(of(f, "current_load = 1"), 1)]),
        plant(
            "a lease of a dead writer",
            Finding::LeaseOfDeadWriter,
            [g.served(0), g.lease(true)].concat(),
        )
        .leaving(vec![(of(g, "current_load = 1"), 1), (of(g, "available = 7"), 1)]),
        plant(
            "a lease of a writer nobody knows",
            Finding::LeaseOfDeadWriter,
            [h.served(0), h.lease(false)].concat(),
        )
        .leaving(vec![(of(h, "current_load = 1"), 1), (of(h, "available = 7"), 1)]),
    ]
}
