//! The exchange with BrowserID: what of the bundle and of `X-Client-State` the rules are told, and that it leads to the
//! same user as a token.

use super::*;
use crate::first_assignments::FirstAssignmentSettings;

const BOB: &str = "b1b2c3d4e5f60718293a4b5c6d7e8f90";

/// Takes `email,generation,keys changed at[,device[,last sign-in]]` for a bundle; `down`, `late`, `generation` and
/// `keys` for the ways to fail.
pub(super) struct PlainBundles;

#[async_trait]
impl AssertionVerifier for PlainBundles {
    async fn verify(
        &self,
        _by: Deadline,
        _from: Option<IpAddr>,
        bundle: &str,
        _policy: &ServicePolicy,
    ) -> Result<VerifiedAssertion, AssertionError> {
        match bundle {
            "down" => return Err(AssertionError::Unavailable(Cause::Timeout)),
            "late" => return Err(AssertionError::Time(Reason::BundleAssertionExpired)),
            "generation" => return Err(AssertionError::Generation),
            "keys" => return Err(AssertionError::KeysChangedAt),
            _ => {}
        }
        let parts: Vec<&str> = bundle.split(',').collect();
        let number = |at: usize| parts.get(at).and_then(|part| part.parse::<u64>().ok());
        let [email, ..] = parts[..] else {
            return Err(AssertionError::Invalid(Reason::BundleClaims));
        };
        let domain = email.rsplit('@').next().unwrap_or_default();
        Ok(VerifiedAssertion {
            user: UserKey(email.to_owned()),
            issuer: domain.to_owned(),
            generation: Generation(number(1).ok_or(AssertionError::Invalid(Reason::BundleClaims))?),
            keys_changed_at: number(2).and_then(std::num::NonZeroU64::new),
            device_id: parts.get(3).map(|&id| id.to_owned()),
            last_auth_at: number(4).map(Timestamp::from_secs),
        })
    }
}

impl World {
    async fn present(&self, bundle: &str, client_state: Option<&str>) -> Result<Token, ExchangeError> {
        let authorization = format!("BrowserID {bundle}");
        let request = Request {
            app: "sync",
            version: "1.5",
            authorization: Some(authorization.as_bytes()),
            client_state: client_state.map(str::as_bytes),
            ..Request::default()
        };
        self.ask(request).await
    }
}

fn alice(rest: &str) -> String {
    format!("{ALICE}@accounts.example,{rest}")
}

/// A world that takes both credentials.
async fn both() -> World {
    let mut service = service();
    service.policy.schemes = Schemes {
        oauth: true,
        browserid: true,
    };
    World::with(service, 100).await
}

#[tokio::test]
async fn both_credentials_lead_to_one_user() {
    let world = both().await;
    let by_bundle = world.present(&alice("1234,1234"), Some("aaaa")).await.unwrap();
    let by_token = world.alice(1234, "1234-qqo").await.unwrap();
    assert_eq!(by_bundle.uid, by_token.uid);
    assert_eq!(world.figures().await.current_load, 1);
    let orders = world.orders.orders.lock().unwrap().clone();
    assert_eq!(orders[0].client_state, orders[1].client_state);
    assert_eq!(orders[0].hashed_device_id, orders[1].hashed_device_id);
}

#[tokio::test]
async fn a_certificate_names_the_device() {
    let world = both().await;
    world
        .present(&alice("1234,1234,0123456789abcdef"), Some("aaaa"))
        .await
        .unwrap();
    let named = world.orders.orders.lock().unwrap()[0].hashed_device_id.clone();
    let expected = MetricsIds::derive(&world.settings.metrics_key, ALICE, Some("0123456789abcdef"));
    assert_eq!(named, expected.hashed_device_id);
    assert_ne!(named, "1af774d3de55e6d70e950353f2df662f");
}

#[tokio::test]
async fn the_state_rules_are_told_all_of_it() {
    let world = both().await;
    world.present(&alice("1234,1234"), Some("aaaa")).await.unwrap();
    type Step = (
        &'static str,
        &'static str,
        Option<&'static str>,
        Result<u64, StateRefusal>,
    );
    let steps: [Step; 6] = [
        ("the same", "1234,1234", Some("AAAA"), Ok(1)),
        (
            "no client state",
            "1234,1234",
            None,
            Err(StateRefusal::EmptyClientState),
        ),
        ("older", "1233,1234", Some("aaaa"), Err(StateRefusal::Generation)),
        (
            "older keys",
            "1234,1233",
            Some("aaaa"),
            Err(StateRefusal::KeysChangedAt),
        ),
        ("new key", "1240,1240", Some("bbbb"), Ok(2)),
        (
            "old key",
            "1250,1250",
            Some("aaaa"),
            Err(StateRefusal::StaleClientState),
        ),
    ];
    for (name, rest, client_state, expected) in steps {
        let answer = world.present(&alice(rest), client_state).await;
        let answer = answer.map(|token| token.uid.get());
        assert_eq!(answer, expected.map_err(ExchangeError::State), "{name}");
    }
}

#[tokio::test]
async fn refusals_take_nothing() {
    let world = both().await;
    let table: [(&str, Option<&str>, ExchangeError); 10] = [
        ("down", None, ExchangeError::NoKeys(Cause::Timeout)),
        // The header is judged before the bundle.
        ("down", Some("abc"), ExchangeError::ClientStateForm),
        (
            "late",
            None,
            ExchangeError::InvalidTimestamp(Reason::BundleAssertionExpired),
        ),
        ("generation", None, ExchangeError::GenerationForm),
        ("keys", None, ExchangeError::KeysChangedAtForm),
        (
            "a@b.example",
            None,
            ExchangeError::InvalidCredentials(Reason::BundleClaims),
        ),
        ("a@b.example,1", Some("a b"), ExchangeError::ClientStateForm),
        ("a@b.example,1", Some("abc"), ExchangeError::ClientStateForm),
        (
            "@b.example,1",
            None,
            ExchangeError::InvalidCredentials(Reason::Subject),
        ),
        (
            "a@b@c.example,1",
            None,
            ExchangeError::InvalidCredentials(Reason::Subject),
        ),
    ];
    for (bundle, client_state, expected) in table {
        let answer = world.present(bundle, client_state).await.map(|token| token.uid);
        assert_eq!(answer, Err(expected), "{bundle} {client_state:?}");
    }
    assert_eq!(world.store_calls(), (0, 0));
}

/// A listed uid is one of the own domain; another issuer may certify any.
#[tokio::test]
async fn another_domain_cannot_lend_a_listed_uid() {
    let mut world = both().await;
    let listed = [ALICE.to_owned(), "bob@other.example".to_owned()];
    world.admit(Admission::Listed(listed.into())).await;
    for (bundle, admitted) in [
        (format!("{ALICE}@other.example,1,1"), false),
        ("bob@accounts.example,1,1".to_owned(), false),
        (alice("1,1"), true),
        ("bob@other.example,1,1".to_owned(), true),
    ] {
        let answer = world.present(&bundle, Some("aaaa")).await.map(|_| ());
        let expected = if admitted {
            Ok(())
        } else {
            Err(ExchangeError::NewUsersDisabled)
        };
        assert_eq!(answer, expected, "{bundle}");
    }
}

/// Where those with access tokens have their accounts elsewhere, the accounts served here are nobody's strangers: known by
/// their uid alone, and not counted against any issuer.
#[tokio::test]
async fn users_of_either_own_domain_are_own() {
    let mut world = both().await;
    world.settings.other_own_domain = Some("here.example".to_owned());
    let listed = [ALICE.to_owned(), BOB.to_owned()];
    world.admit(Admission::Listed(listed.into())).await;
    world.ports.first_assignments = Arc::new(FirstAssignments::new(&FirstAssignmentSettings {
        issuer_burst: 1,
        issuer_per_minute: 0,
        ..FirstAssignmentSettings::default()
    }));
    for (uid, domain, expected) in [
        (ALICE, "accounts.example", Ok(())),
        (ALICE, "here.example", Ok(())),
        (BOB, "here.example", Ok(())),
        (ALICE, "other.example", Err(ExchangeError::NewUsersDisabled)),
    ] {
        let bundle = format!("{uid}@{domain},1,1");
        let answer = world.present(&bundle, Some("aaaa")).await.map(|_| ());
        assert_eq!(answer, expected, "{uid} {domain}");
    }
}

#[tokio::test]
async fn a_scheme_that_the_service_does_not_take_is_unknown() {
    let mut service = service();
    service.policy.schemes.browserid = false;
    let world = World::with(service, 100).await;
    let answer = world
        .present(&alice("1,1"), Some("aaaa"))
        .await
        .map(|token| token.uid);
    assert_eq!(answer, Err(ExchangeError::UnknownScheme));
}

#[tokio::test]
async fn a_service_may_want_a_recent_sign_in() {
    let mut service = service();
    service.policy.schemes.browserid = true;
    service.policy.auth_max_age_secs = Some(100);
    let world = World::with(service, 100).await;
    let now = world.ports.clock.now().as_secs();
    let too_old = ExchangeError::InvalidCredentials(Reason::SignedInTooLongAgo);
    for (bundle, expected) in [
        (alice("1,1,d"), Err(too_old.clone())),
        (alice(&format!("1,1,d,{}", now - 101)), Err(too_old)),
        (alice(&format!("1,1,d,{}", now - 100)), Ok(1)),
    ] {
        let answer = world
            .present(&bundle, Some("aaaa"))
            .await
            .map(|token| token.uid.get());
        assert_eq!(answer, expected, "{bundle}");
    }
    // A token does not tell.
    assert_eq!(world.alice(1, "1-qqo").await.unwrap().uid.get(), 1);
}
