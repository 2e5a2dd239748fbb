//! The engine: windows, blocks, bans, refunds, races and bounds; and the rules as an operator writes them.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use foxhold_core::{Timestamp, Uid};
use foxhold_ports::{
    Limits,
    limits::{Action, LimitKeys, Throttled},
    memory::{ManualClock, SeededRandom},
};
use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

struct Bench {
    clock: Arc<ManualClock>,
    limits: Arc<LocalLimits>,
}

impl Bench {
    fn new(settings: &LimitSettings) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)));
        let limits = LocalLimits::new(settings, clock.clone(), &SeededRandom::new(1)).unwrap();
        Self {
            clock,
            limits: Arc::new(limits),
        }
    }

    fn with_rules(rules: &[&str]) -> Self {
        Self::new(&LimitSettings {
            rules: owned(rules),
            profile: Profile::Off,
            ..LimitSettings::default()
        })
    }

    /// Minutes of refusal, or that it passed.
    async fn count(&self, action: Action, keys: LimitKeys<'_>) -> Result<(), u64> {
        self.limits
            .count(action, keys)
            .await
            .map_err(|Throttled { retry_after }| retry_after.as_secs() / 60)
    }

    async fn passes(&self, times: usize, action: Action, keys: LimitKeys<'_>) {
        for round in 0..times {
            assert_eq!(self.count(action, keys).await, Ok(()), "round {round}");
        }
    }
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn ip(text: &str) -> LimitKeys<'static> {
    LimitKeys {
        ip: Some(text.parse::<IpAddr>().unwrap()),
        ..LimitKeys::default()
    }
}

fn login<'a>(address: &str, email: &'a str) -> LimitKeys<'a> {
    LimitKeys {
        email: Some(email),
        ..ip(address)
    }
}

#[tokio::test]
async fn one_more_than_max_inside_the_window_blocks_and_the_block_ends() {
    let bench = Bench::with_rules(&["accountLogin : ip : 3 : 10 min : 30 min : block"]);
    let keys = ip("192.0.2.1");
    bench.passes(3, Action::AccountLogin, keys).await;
    assert_eq!(bench.count(Action::AccountLogin, keys).await, Err(30));
    bench.clock.advance(29 * MINUTE);
    assert_eq!(bench.count(Action::AccountLogin, keys).await, Err(1));
    bench.passes(3, Action::AccountLogin, ip("192.0.2.2")).await;
    bench.passes(5, Action::AccountCreate, keys).await;
    bench.clock.advance(MINUTE);
    bench.passes(3, Action::AccountLogin, keys).await;
}

#[tokio::test]
async fn hits_are_counted_by_action_also_those_that_are_only_reported() {
    let bench = Bench::with_rules(&[
        "totpCreate : ip : 1 : 10 min : 30 min : report",
        "deviceNotify : ip : 1 : 10 min : 30 min : block",
    ]);
    let hits = |limit: &str| {
        let text = foxhold_runtime::metrics::text();
        let name = format!("foxhold_limit_hits_total{{limit=\"{limit}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.map_or(0, |number| number.parse::<u64>().unwrap())
    };
    let keys = ip("192.0.2.1");
    let before = (hits("totpCreate"), hits("deviceNotify"));
    bench.passes(3, Action::TotpCreate, keys).await;
    bench.passes(1, Action::DeviceNotify, keys).await;
    assert!(bench.count(Action::DeviceNotify, keys).await.is_err());
    let after = (hits("totpCreate"), hits("deviceNotify"));
    assert_eq!((after.0 - before.0, after.1 - before.1), (2, 1));
}

#[tokio::test]
async fn the_window_slides_event_by_event() {
    let bench = Bench::with_rules(&["accountLogin : ip : 2 : 10 min : 1 s : block"]);
    let keys = ip("192.0.2.1");
    bench.passes(1, Action::AccountLogin, keys).await;
    bench.clock.advance(9 * MINUTE);
    bench.passes(1, Action::AccountLogin, keys).await;
    assert!(bench.count(Action::AccountLogin, keys).await.is_err());
    // The first event is over, the second is not: one more is let through, not two.
    bench.clock.advance(MINUTE);
    bench.passes(1, Action::AccountLogin, keys).await;
    assert!(bench.count(Action::AccountLogin, keys).await.is_err());
}

#[tokio::test]
async fn all_rules_are_asked_and_the_longest_wait_wins() {
    let bench = Bench::with_rules(&[
        "accountLogin : ip : 2 : 10 min : 5 min : block",
        "accountLogin : email : 2 : 10 min : 60 min : block",
        "accountLogin : ip_email : 2 : 10 min : 15 min : block",
    ]);
    let keys = login("192.0.2.1", "a@example.com");
    bench.passes(2, Action::AccountLogin, keys).await;
    assert_eq!(bench.count(Action::AccountLogin, keys).await, Err(60));
    // Each rule holds by its own key.
    assert_eq!(
        bench
            .count(Action::AccountLogin, login("192.0.2.1", "b@example.com"))
            .await,
        Err(5)
    );
    assert_eq!(
        bench
            .count(Action::AccountLogin, login("192.0.2.9", "a@example.com"))
            .await,
        Err(60)
    );
    bench
        .passes(1, Action::AccountLogin, login("192.0.2.9", "b@example.com"))
        .await;
}

#[tokio::test]
async fn who_is_refused_counts_nowhere_else() {
    let bench = Bench::with_rules(&[
        "accountLogin : ip : 1 : 10 min : 60 min : block",
        "accountLogin : email : 3 : 10 min : 60 min : block",
    ]);
    let attacker = login("192.0.2.66", "victim@example.com");
    bench.passes(1, Action::AccountLogin, attacker).await;
    for _ in 0..20 {
        assert_eq!(bench.count(Action::AccountLogin, attacker).await, Err(60));
    }
    assert_eq!(
        bench
            .count(Action::AccountLogin, login("192.0.2.1", "victim@example.com"))
            .await,
        Ok(())
    );
}

#[tokio::test]
async fn a_ban_holds_for_every_action_of_its_key() {
    let bench = Bench::with_rules(&["passwordCheckFailed : ip : 1 : 24 h : 4 h : ban"]);
    let keys = ip("192.0.2.1");
    bench.passes(1, Action::PasswordCheckFailed, keys).await;
    assert_eq!(bench.count(Action::PasswordCheckFailed, keys).await, Err(240));
    assert_eq!(bench.count(Action::TokenIssue, keys).await, Err(240));
    assert_eq!(bench.count(Action::TokenIssue, ip("192.0.2.2")).await, Ok(()));
    bench.clock.advance(240 * MINUTE);
    assert_eq!(bench.count(Action::TokenIssue, keys).await, Ok(()));
}

#[tokio::test]
async fn reports_never_refuse() {
    let bench = Bench::with_rules(&["* : ip : 2 : 10 min : 10 min : report"]);
    bench.passes(10, Action::TokenIssue, ip("192.0.2.1")).await;
}

#[tokio::test]
async fn the_fallback_is_for_actions_without_a_rule() {
    let bench = Bench::with_rules(&[
        "* : ip : 1 : 10 min : 10 min : block",
        "accountLogin : email : 5 : 10 min : 10 min : block",
    ]);
    let keys = login("192.0.2.1", "a@example.com");
    bench.passes(5, Action::AccountLogin, keys).await;
    bench.passes(1, Action::AccountCreate, keys).await;
    assert_eq!(bench.count(Action::AccountCreate, keys).await, Err(10));
}

#[tokio::test]
async fn joined_actions_share_a_counter() {
    let bench =
        Bench::with_rules(&["accountCreate + recoveryEmailResendCode : email : 2 : 24 h : 24 h : block"]);
    let keys = login("192.0.2.1", "a@example.com");
    bench.passes(1, Action::AccountCreate, keys).await;
    bench.passes(1, Action::RecoveryEmailResendCode, keys).await;
    assert_eq!(bench.count(Action::AccountCreate, keys).await, Err(24 * 60));
}

#[tokio::test]
async fn a_refund_takes_one_count_back() {
    let bench = Bench::with_rules(&["passwordCheckFailed : ip : 2 : 24 h : 4 h : ban"]);
    let keys = ip("192.0.2.1");
    for _ in 0..50 {
        bench.passes(1, Action::PasswordCheckFailed, keys).await;
        bench.limits.refund(Action::PasswordCheckFailed, keys).await;
    }
    bench.limits.refund(Action::PasswordCheckFailed, keys).await;
    bench.passes(2, Action::PasswordCheckFailed, keys).await;
    assert!(bench.count(Action::PasswordCheckFailed, keys).await.is_err());
}

/// Many people behind one address sign in at once, all with the right password.
#[tokio::test]
async fn what_is_under_way_refuses_for_a_moment_and_blocks_nobody() {
    let bench = Bench::with_rules(&["passwordCheckFailed : ip : 2 : 24 h : 4 h : ban"]);
    let (keys, action) = (ip("192.0.2.1"), Action::PasswordCheckFailed);
    let reserve = async || bench.limits.reserve(action, keys).await.map_err(secs);
    for _ in 0..3 {
        assert_eq!((reserve().await, reserve().await), (Ok(()), Ok(())));
        assert_eq!(reserve().await, Err(5));
        assert_eq!(bench.count(Action::TokenIssue, keys).await, Ok(()), "no ban");
        for _ in 0..2 {
            bench.limits.refund(action, keys).await;
        }
    }
    // Wrong ones count once they are known to be wrong.
    assert_eq!((reserve().await, reserve().await), (Ok(()), Ok(())));
    bench.limits.keep(action, keys).await;
    assert_eq!(reserve().await, Err(5), "one may yet turn out right");
    bench.limits.keep(action, keys).await;
    assert_eq!(reserve().await, Err(4 * 3600));
    assert!(bench.count(Action::TokenIssue, keys).await.is_err(), "banned");
}

fn secs(Throttled { retry_after }: Throttled) -> u64 {
    retry_after.as_secs()
}

/// Whoever leaves before the answer has made an attempt all the same.
#[tokio::test]
async fn what_nobody_comes_back_for_counts() {
    let bench = Bench::with_rules(&["accountLogin : ip : 1 : 24 h : 15 min : block"]);
    let (keys, action) = (ip("192.0.2.1"), Action::AccountLogin);
    bench.limits.reserve(action, keys).await.unwrap();
    assert_eq!(bench.limits.reserve(action, keys).await.map_err(secs), Err(5));
    bench.clock.advance(MINUTE);
    assert_eq!(bench.limits.reserve(action, keys).await.map_err(secs), Err(900));
    // And is over with the window.
    bench.clock.advance(24 * 60 * MINUTE);
    bench.limits.reserve(action, keys).await.unwrap();
    bench.limits.refund(action, keys).await;
    assert_eq!(bench.limits.figures().events, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_parallel_guesses_exactly_max_are_looked_at() {
    let bench = Bench::with_rules(&["accountLogin : ip_email : 5 : 15 min : 15 min : block"]);
    let keys = || login("192.0.2.1", "a@example.com");
    let attempts: Vec<_> = (0..200)
        .map(|_| {
            let limits = bench.limits.clone();
            tokio::spawn(async move {
                let passed = limits.reserve(Action::AccountLogin, keys()).await.is_ok();
                tokio::task::yield_now().await;
                if passed {
                    limits.keep(Action::AccountLogin, keys()).await;
                }
                passed
            })
        })
        .collect();
    let mut looked_at = 0;
    for attempt in attempts {
        looked_at += usize::from(attempt.await.unwrap());
    }
    assert_eq!(looked_at, 5);
}

#[tokio::test]
async fn clearing_lifts_what_belongs_to_address_and_account_only() {
    let bench = Bench::with_rules(&[
        "accountLogin : email : 1 : 24 h : 24 h : block",
        "accountLogin : ip_email : 1 : 24 h : 24 h : ban",
        "passwordCheckFailed : ip : 1 : 24 h : 24 h : block",
        "passwordCheckFailed : email : 1 : 24 h : 24 h : block",
        "accountDestroy : email : 1 : 24 h : 24 h : block",
    ]);
    let (alice, bob) = (
        login("192.0.2.1", "a@example.com"),
        login("192.0.2.2", "b@example.com"),
    );
    let all = [
        Action::AccountLogin,
        Action::PasswordCheckFailed,
        Action::AccountDestroy,
    ];
    for keys in [alice, bob] {
        // The ban holds for every action: it comes last.
        for action in all.into_iter().rev() {
            bench.passes(1, action, keys).await;
            assert!(bench.count(action, keys).await.is_err());
        }
    }
    for action in [Action::AccountLogin, Action::PasswordCheckFailed] {
        bench.limits.clear(action, alice).await;
    }
    bench.passes(1, Action::AccountLogin, alice).await;
    let elsewhere = login("192.0.2.9", "a@example.com");
    bench.passes(1, Action::PasswordCheckFailed, elsewhere).await;
    for (name, action, keys) in [
        ("by the client's address", Action::PasswordCheckFailed, alice),
        ("not cleared", Action::AccountDestroy, alice),
        ("somebody else", Action::AccountLogin, bob),
    ] {
        assert!(bench.count(action, keys).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn addresses_count_by_customer() {
    let bench = Bench::with_rules(&["accountLogin : ip : 1 : 10 min : 10 min : block"]);
    let table = [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
        ("2001:db8:1:3::1", "2001:db8:1:4::1", false),
        ("::ffff:192.0.2.7", "192.0.2.7", true),
        ("192.0.2.8", "192.0.2.9", false),
    ];
    for (first, second, same) in table {
        bench.passes(1, Action::AccountLogin, ip(first)).await;
        assert_eq!(
            bench.count(Action::AccountLogin, ip(second)).await.is_err(),
            same,
            "{first} {second}"
        );
    }
}

#[tokio::test]
async fn rules_whose_key_is_unknown_do_not_match() {
    let bench = Bench::with_rules(&["verifySessionCode : ip_uid : 1 : 10 min : 10 min : block"]);
    bench.passes(9, Action::VerifySessionCode, ip("192.0.2.1")).await;
    let keys = LimitKeys {
        uid: Some(Uid::from_bytes([7; 16])),
        ..ip("192.0.2.1")
    };
    bench.passes(1, Action::VerifySessionCode, keys).await;
    assert!(bench.count(Action::VerifySessionCode, keys).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_parallel_attempts_exactly_max_pass() {
    let bench = Bench::with_rules(&["accountLogin : ip_email : 5 : 15 min : 15 min : block"]);
    let passed = Arc::new(AtomicUsize::new(0));
    let attempts: Vec<_> = (0..200)
        .map(|_| {
            let (limits, passed) = (bench.limits.clone(), passed.clone());
            tokio::spawn(async move {
                let keys = login("192.0.2.1", "a@example.com");
                if limits.count(Action::AccountLogin, keys).await.is_ok() {
                    passed.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for attempt in attempts {
        attempt.await.unwrap();
    }
    assert_eq!(passed.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn memory_is_bounded_and_blocks_outlive_idle_keys() {
    let settings = LimitSettings {
        profile: Profile::Off,
        rules: owned(&["accountLogin : ip : 1 : 24 h : 24 h : block"]),
        keys_max: 100,
        events_max: 100,
    };
    let bench = Bench::new(&settings);
    let blocked = ip("203.0.113.1");
    bench.passes(1, Action::AccountLogin, blocked).await;
    assert!(bench.count(Action::AccountLogin, blocked).await.is_err());
    for n in 0..10_000_u32 {
        let address = IpAddr::from((0x0a00_0000 + n).to_be_bytes());
        bench
            .passes(
                1,
                Action::AccountLogin,
                LimitKeys {
                    ip: Some(address),
                    ..LimitKeys::default()
                },
            )
            .await;
        let figures = bench.limits.figures();
        assert!(figures.keys <= 100 && figures.events <= 100, "{figures:?}");
    }
    assert!(bench.limits.figures().forgotten > 9_000);
    assert!(bench.count(Action::AccountLogin, blocked).await.is_err());
    // The last one is remembered, one long idle is not.
    assert!(bench.count(Action::AccountLogin, ip("10.0.39.15")).await.is_err());
    bench.passes(1, Action::AccountLogin, ip("10.0.0.0")).await;
}

#[tokio::test]
async fn a_table_full_of_blocks_lets_pass_and_keeps_them() {
    let settings = LimitSettings {
        profile: Profile::Off,
        rules: owned(&["accountLogin : ip : 0 : 1 h : 1 h : block"]),
        keys_max: 4,
        events_max: 100,
    };
    let bench = Bench::new(&settings);
    for n in 0..40_u8 {
        let _ = bench
            .count(Action::AccountLogin, ip(&format!("192.0.2.{n}")))
            .await;
    }
    assert_eq!(bench.limits.figures().keys, 4);
    // When the blocks are over their room is free again.
    bench.clock.advance(61 * MINUTE);
    assert!(
        bench
            .count(Action::AccountLogin, ip("198.51.100.1"))
            .await
            .is_err()
    );
    assert!(bench.limits.figures().keys < 4);
}

#[tokio::test]
async fn a_clock_that_steps_back_neither_panics_nor_ends_a_block() {
    let bench = Bench::with_rules(&["accountLogin : ip : 1 : 10 min : 10 min : block"]);
    let keys = ip("192.0.2.1");
    bench.passes(1, Action::AccountLogin, keys).await;
    assert!(bench.count(Action::AccountLogin, keys).await.is_err());
    bench.clock.set(Timestamp::from_secs(1_699_996_400));
    assert!(bench.count(Action::AccountLogin, keys).await.is_err());
    bench.clock.set(Timestamp::from_millis(0));
    assert!(bench.count(Action::AccountLogin, keys).await.is_err());
}

#[tokio::test]
async fn the_current_profile() {
    let bench = Bench::new(&LimitSettings::default());
    let keys = login("192.0.2.1", "a@example.com");
    bench.passes(5, Action::AccountLogin, keys).await;
    assert_eq!(bench.count(Action::AccountLogin, keys).await, Err(15));
    let uid = LimitKeys {
        uid: Some(Uid::from_bytes([1; 16])),
        ..ip("192.0.2.2")
    };
    bench.passes(60, Action::TokenIssue, uid).await;
    assert_eq!(bench.count(Action::TokenIssue, uid).await, Err(5));
    let holder = LimitKeys {
        email: Some("0909090909090909 01010101010101010101010101010101"),
        ..uid
    };
    bench.passes(60, Action::RefreshTokenReplace, holder).await;
    let refused = bench.count(Action::RefreshTokenReplace, holder).await;
    assert_eq!(refused, Err(5));
    let other = LimitKeys {
        email: Some("0808080808080808 01010101010101010101010101010101"),
        ..uid
    };
    bench.passes(1, Action::RefreshTokenReplace, other).await;
    bench
        .passes(50, Action::PasswordCheckFailed, ip("192.0.2.3"))
        .await;
    assert_eq!(
        bench.count(Action::PasswordCheckFailed, ip("192.0.2.3")).await,
        Err(240)
    );
    for (action, name) in Action::ALL {
        assert!(
            LimitSettings::default()
                .rules()
                .unwrap()
                .iter()
                .any(|rule| rule.names(action)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn six_digits_cannot_be_guessed_from_many_addresses() {
    let bench = Bench::new(&LimitSettings::default());
    for guess in 0..60_u8 {
        let keys = LimitKeys {
            uid: Some(Uid::from_bytes([1; 16])),
            ..ip(&format!("2001:db8:0:{guess:x}::1"))
        };
        let expected = if guess < 50 { Ok(()) } else { Err(24 * 60) };
        let counted = bench.count(Action::VerifySessionCode, keys).await;
        assert_eq!(counted, expected, "guess {guess}");
    }
}

/// NIST 800-63B: however many addresses they come from, and whichever call takes the password.
#[tokio::test]
async fn a_password_cannot_be_guessed_from_many_addresses() {
    let bench = Bench::new(&LimitSettings::default());
    let calls = [
        Action::AccountLogin,
        Action::PasswordChange,
        Action::AccountDestroy,
    ];
    let mut judged = 0;
    for (guess, call) in (0..200_u8).zip(calls.into_iter().cycle()) {
        let address = format!("2001:db8:0:{guess:x}::1");
        let keys = login(&address, "a@example.com");
        let passed = bench.count(call, keys).await.is_ok();
        judged += usize::from(passed && bench.count(Action::PasswordCheckFailed, keys).await.is_ok());
    }
    assert_eq!(judged, 50);
}

#[tokio::test]
async fn profiles_can_be_switched_off_or_changed_per_action() {
    let off = Bench::new(&LimitSettings {
        profile: Profile::Off,
        ..LimitSettings::default()
    });
    let keys = login("192.0.2.1", "a@example.com");
    off.passes(300, Action::AccountLogin, keys).await;

    let rules = owned(&["accountLogin : ip : 7 : 15 min : 15 min : block"]);
    let changed = Bench::new(&LimitSettings {
        rules,
        ..LimitSettings::default()
    });
    changed.passes(7, Action::AccountLogin, keys).await;
    assert_eq!(changed.count(Action::AccountLogin, keys).await, Err(15));
    // Other actions keep the profile's rules.
    changed
        .passes(50, Action::PasswordCheckFailed, ip("192.0.2.2"))
        .await;
    assert!(
        changed
            .count(Action::PasswordCheckFailed, ip("192.0.2.2"))
            .await
            .is_err()
    );
}

#[test]
fn bad_rules_are_named() {
    let table = [
        (
            "accountLogin : ip : 5 : 15 min : 15 min",
            "expected action : key : max : window : block : effect",
        ),
        ("nothing : ip : 5 : 15 min : 15 min : block", "unknown action"),
        (
            "accountLogin + nothing : ip : 5 : 15 min : 15 min : block",
            "unknown action",
        ),
        (
            "accountLogin : address : 5 : 15 min : 15 min : block",
            "unknown key",
        ),
        (
            "accountLogin : ip : many : 15 min : 15 min : block",
            "max is not a whole number",
        ),
        (
            "accountLogin : ip : 5 : 15 : 15 min : block",
            "a span has a whole number and a unit: s, min or h",
        ),
        (
            "accountLogin : ip : 5 : 15 min : 0 s : block",
            "a span of nothing",
        ),
        (
            "accountLogin : ip : 5 : 15 min : 15 min : shame",
            "unknown effect",
        ),
    ];
    for (line, fault) in table {
        assert_eq!(
            rules::parse(&[line]),
            Err(rules::RuleError {
                line: line.into(),
                fault
            }),
            "{line}"
        );
    }
}

proptest! {
    #[test]
    fn no_rule_line_panics(line in ".{0,60}", rest in "[a-z_ 0-9:+,*]{0,60}") {
        let _ = rules::parse(&[line, rest]);
    }

    /// Whatever the arrival times: no window ever holds more than max passed events.
    #[test]
    fn never_more_than_max_pass_in_any_window(pauses in prop::collection::vec(0..400u64, 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bench = Bench::with_rules(&["accountLogin : ip : 3 : 10 min : 30 s : block"]);
        let (mut now, mut passed) = (0, Vec::new());
        for pause in pauses {
            now += pause;
            bench.clock.advance(Duration::from_secs(pause));
            let answer = runtime.block_on(bench.limits.count(Action::AccountLogin, ip("192.0.2.1")));
            if answer.is_ok() {
                passed.push(now);
            }
            let inside = passed.iter().filter(|at| now - **at < 600).count();
            prop_assert!(inside <= 3, "{passed:?}");
        }
    }
}
