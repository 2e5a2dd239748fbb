//! Accounts that are made with an invitation (`accounts.md` (k), Registration).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use foxhold_accounts::{
    Address,
    registration::{MailDomain, Registration, RegistrationMode},
};
use foxhold_core::{Deadline, OpId, Secret, Timestamp};
use foxhold_crypto::invitation::InvitationCode;
use foxhold_ports::{
    Call, Cause, InvitationWriter, Limits,
    invitations::{InvitationTerms, Invited},
    limits::{Action, LimitKeys, Throttled},
    memory::SeededRandom,
};
use serde_json::{Value, json};

use crate::support::{Answer, Bench, EMAIL, NOW, Options};

const DAY: Duration = Duration::from_secs(86_400);

/// A bench that makes accounts of the invited only.
fn by_invitation() -> Bench {
    let bench = Bench::new();
    bench.registration.replace(only_invited(&[]));
    bench
}

fn only_invited(domains: &[&str]) -> Registration {
    Registration {
        mode: RegistrationMode::Invitation,
        domains: domains
            .iter()
            .map(|domain| MailDomain::parse(domain).expect("a domain"))
            .collect(),
        domains_shown: false,
    }
}

fn terms(invited: Invited) -> InvitationTerms {
    InvitationTerms {
        invited,
        created_at: NOW,
        expires_at: NOW.plus(14 * DAY),
        mailed: false,
        note: None,
        creator: "an operator".into(),
    }
}

fn address(text: &str) -> Invited {
    Invited::Address(
        text.to_owned(),
        Address::parse(text).expect("an address").key().clone(),
    )
}

/// Puts an invitation into the store; its code, as a person has it.
async fn invite(bench: &Bench, number: u64, terms: InvitationTerms) -> String {
    let random = SeededRandom::new(number);
    let code = InvitationCode::random(&random);
    let call = Call {
        op: OpId::new(Timestamp::from_secs(1), &random),
        deadline: Deadline::after(DAY),
    };
    // As the bench has it.
    let id = code.id(&Secret::new([5; 32]));
    bench
        .store
        .put_invitation(&call, id, terms)
        .await
        .expect("it is kept");
    code.shown().expose().to_owned()
}

async fn create(bench: &Bench, email: &str, invite: Option<&str>) -> Answer {
    let mut body = json!({ "email": email, "authPW": "11".repeat(32) });
    if let Some(invite) = invite {
        body["invite"] = invite.into();
    }
    bench.post("/v1/account/create", &body).await
}

async fn status(bench: &Bench, code: &str) -> Answer {
    bench
        .post("/v1/invitation/status", &json!({ "invite": code }))
        .await
}

#[tokio::test]
async fn only_the_invited_make_accounts() {
    let bench = by_invitation();
    let anybody = invite(&bench, 1, terms(Invited::Anybody)).await;
    let for_ann = invite(&bench, 2, terms(address("Ann@example.test"))).await;
    let for_school = invite(&bench, 3, terms(Invited::Domain("school.test".into()))).await;
    let over = InvitationTerms {
        expires_at: NOW,
        ..terms(Invited::Anybody)
    };
    let over = invite(&bench, 4, over).await;
    for (name, email, code, refusal) in [
        ("nobody asked", "a@example.test", None, (403, 1002)),
        ("no code", "a@example.test", Some("x"), (403, 1003)),
        (
            "unknown",
            "a@example.test",
            Some("A1B2-C3D4-E5F6-G7H8"),
            (403, 1003),
        ),
        ("expired", "a@example.test", Some(over.as_str()), (403, 1003)),
        ("another's", "bob@example.test", Some(&for_ann), (403, 1003)),
        (
            "of another domain",
            "a@x.school.test",
            Some(&for_school),
            (403, 1003),
        ),
        ("of the domain", "a@school.test", Some(&for_school), (200, 0)),
        ("the one it is for", "ann@example.test", Some(&for_ann), (200, 0)),
        ("anybody", "b@example.test", Some(&anybody), (200, 0)),
        ("the next", "c@example.test", Some(&anybody), (403, 1003)),
        ("again, unverified", "b@example.test", Some(&anybody), (200, 0)),
    ] {
        assert_eq!(create(&bench, email, code).await.refusal(), refusal, "{name}");
    }
    assert!(
        bench.mailer.last_to("b@example.test").is_some(),
        "its address is asked"
    );
}

#[tokio::test]
async fn one_body_for_every_invitation_that_does_not_help() {
    let bench = by_invitation();
    let for_ann = invite(&bench, 1, terms(address("ann@example.test"))).await;
    let unknown = create(&bench, EMAIL, Some("A1B2-C3D4-E5F6-G7H8")).await;
    let of_another = create(&bench, EMAIL, Some(&for_ann)).await;
    assert_eq!(unknown.text, of_another.text);
}

#[tokio::test]
async fn who_was_mailed_the_code_is_verified_at_once() {
    let bench = by_invitation();
    let mailed = |invited| InvitationTerms {
        mailed: true,
        ..terms(invited)
    };
    let for_ann = invite(&bench, 1, mailed(address("ann@example.test"))).await;
    create(&bench, "ann@example.test", Some(&for_ann)).await.ok();
    assert!(
        bench.mailer.last_to("ann@example.test").is_none(),
        "no second mail"
    );
    let login = json!({ "email": "ann@example.test", "authPW": "11".repeat(32) });
    assert_eq!(
        bench.post("/v1/account/login", &login).await.ok()["verified"],
        true
    );
    // Whoever has it may have it from anybody.
    let anybody = invite(&bench, 2, mailed(Invited::Anybody)).await;
    create(&bench, "bob@example.test", Some(&anybody)).await.ok();
    assert!(bench.mailer.last_to("bob@example.test").is_some());
}

#[tokio::test]
async fn an_invitation_goes_with_the_other_rules() {
    let bench = Bench::new();
    let [first, second, third] = [
        invite(&bench, 1, terms(Invited::Anybody)).await,
        invite(&bench, 2, terms(address("ann@elsewhere.test"))).await,
        invite(&bench, 3, terms(Invited::Anybody)).await,
    ];
    bench.registration.replace(only_invited(&["example.test"]));
    for (name, email, code, refusal) in [
        ("not of a listed domain", "a@elsewhere.test", &first, (403, 1004)),
        ("named", "ann@elsewhere.test", &second, (200, 0)),
        ("of one", "a@example.test", &first, (200, 0)),
    ] {
        assert_eq!(
            create(&bench, email, Some(code)).await.refusal(),
            refusal,
            "{name}"
        );
    }
    bench.registration.replace(Registration {
        mode: RegistrationMode::Closed,
        ..Registration::default()
    });
    let closed = create(&bench, "b@example.test", Some(&third)).await;
    assert_eq!(closed.refusal(), (403, 1001));
    bench.registration.replace(Registration::default());
    let bad = create(&bench, "b@example.test", Some(&first)).await;
    assert_eq!(bad.refusal(), (403, 1003), "one that is brought must be good");
    create(&bench, "b@example.test", None).await.ok();
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_before_anything_is_spent() {
    let bench = Bench::new();
    bench.sign_up_verified(EMAIL).await;
    bench.registration.replace(only_invited(&[]));
    let code = invite(&bench, 1, terms(Invited::Anybody)).await;
    assert_eq!(create(&bench, EMAIL, Some(&code)).await.refusal(), (400, 101));
    create(&bench, "bob@example.test", Some(&code)).await.ok();
}

#[tokio::test]
async fn of_many_at_once_one_makes_an_account() {
    let bench = by_invitation();
    let code = invite(&bench, 1, terms(Invited::Anybody)).await;
    let emails: Vec<_> = (0..64).map(|number| format!("a{number}@example.test")).collect();
    let tries = emails.iter().map(|email| create(&bench, email, Some(&code)));
    let answers = futures_util::future::join_all(tries).await;
    let made = answers
        .iter()
        .filter(|answer| answer.refusal() == (200, 0))
        .count();
    let refused = answers
        .iter()
        .filter(|answer| answer.refusal() == (403, 1003))
        .count();
    assert_eq!((made, refused), (1, 63));
}

#[tokio::test]
async fn who_has_a_code_learns_what_it_says() {
    let bench = by_invitation();
    let expires_at = NOW.plus(14 * DAY).as_millis();
    let for_ann = invite(&bench, 1, terms(address("Ann@example.test"))).await;
    let for_school = invite(&bench, 2, terms(Invited::Domain("school.test".into()))).await;
    let anybody = invite(&bench, 3, terms(Invited::Anybody)).await;
    for (code, said) in [
        (
            &for_ann,
            json!({ "email": "Ann@example.test", "expiresAt": expires_at }),
        ),
        (
            &for_school,
            json!({ "domain": "school.test", "expiresAt": expires_at }),
        ),
        (&anybody, json!({ "expiresAt": expires_at })),
    ] {
        assert_eq!(status(&bench, code).await.ok(), said);
    }
    create(&bench, EMAIL, Some(&anybody)).await.ok();
    assert_eq!(status(&bench, &anybody).await.refusal(), (403, 1003));
    bench.clock.advance(14 * DAY);
    assert_eq!(status(&bench, &for_ann).await.refusal(), (403, 1003));
    assert_eq!(status(&bench, "nothing").await.refusal(), (403, 1003));
    let nothing = bench.post("/v1/invitation/status", &json!({})).await;
    assert_eq!(nothing.refusal(), (400, 108));
    let told = bench.get("/v1/account/registration").await.ok();
    assert_eq!(told, json!({ "mode": "invitation" }));
}

#[tokio::test]
async fn a_store_that_is_away_is_no_bad_invitation() {
    let bench = by_invitation();
    let code = invite(&bench, 1, terms(Invited::Anybody)).await;
    bench.store.set_outage(Some(Cause::Unavailable));
    assert_eq!(status(&bench, &code).await.refusal(), (503, 201));
    assert_eq!(create(&bench, EMAIL, Some(&code)).await.refusal(), (503, 201));
}

/// Refuses guesses.
struct NoGuesses;

#[async_trait]
impl Limits for NoGuesses {
    async fn count(&self, action: Action, keys: LimitKeys<'_>) -> Result<(), Throttled> {
        match action {
            Action::InvitationCheck if keys.email.is_none() => Err(Throttled {
                retry_after: Duration::from_secs(9),
            }),
            _ => Ok(()),
        }
    }

    async fn refund(&self, _: Action, _: LimitKeys<'_>) {}
}

#[tokio::test]
async fn guessing_is_limited() {
    let bench = Bench::with(Options {
        limits: Arc::new(NoGuesses),
        ..Options::default()
    });
    bench.registration.replace(only_invited(&[]));
    let code = invite(&bench, 1, terms(Invited::Anybody)).await;
    assert_eq!(status(&bench, &code).await.refusal(), (429, 114));
    let guessed: Value = create(&bench, EMAIL, Some("A1B2-C3D4-E5F6-G7H8")).await.body;
    assert_eq!(guessed["errno"], 114);
    create(&bench, EMAIL, Some(&code)).await.ok();
}
