//! Invitations over the admin API: made, mailed, and what is left where a process dies in between.

use std::{sync::Arc, time::Duration};

use foxhold_accounts::{
    MailTemplates, VerifyMail,
    invitation_mail::InvitationMail,
    mail::{AccountMail, GuardMail, OtpMail, PasswordMail, RecoveryMail, SignInMail, TemplateError},
};
use foxhold_core::{Deadline, OpId, Secret};
use foxhold_crypto::{invitation::InvitationCode, outbox::OutboxKey};
use foxhold_ops::{
    Access, InvitationMailing,
    wire::{Code, Invitation, InvitationState, Invitations, InvitationsMade},
};
use foxhold_ports::{
    Call, Cause, Outbox as _,
    mail::Mail,
    memory::{MemoryMailer, SeededRandom},
    outbox::{LEASE, LeasedMail},
};
use serde_json::{Value, json};

use crate::scene::{CODE_KEY, NOW, ROOT, Scene, limits};

const INVITATIONS: &str = "/admin/v1/invitations";

fn to_ann() -> Value {
    json!({ "email": "Ann@example.test", "send": true, "from_name": "Class 5b" })
}

async fn listed(scene: &Scene) -> Vec<Invitation> {
    scene.get(INVITATIONS).await.of::<Invitations>().invitations
}

/// What is nobody's after `later`, as a sender finds it.
async fn waiting(scene: &Scene, later: Duration) -> Vec<LeasedMail> {
    let now = NOW.plus(later);
    let call = Call {
        op: OpId::new(now, &SeededRandom::new(99)),
        deadline: Deadline::after(Duration::from_secs(60)),
    };
    scene.store.take_mails(&call, now, 32).await.unwrap()
}

fn opened(mail: &LeasedMail) -> InvitationMail {
    let key = OutboxKey::derive(&Secret::new(CODE_KEY));
    let plain = key.open(mail.at.id, &mail.mail.0).expect("our key");
    InvitationMail::read(&plain).expect("an invitation's mail")
}

#[tokio::test]
async fn a_mailed_invitation_waits_in_the_outbox_and_its_code_is_told_to_nobody_else() {
    let scene = Scene::bare();
    let made: InvitationsMade = scene.post(INVITATIONS, &to_ann()).await.of();
    let [made] = &made.invitations[..] else {
        panic!("{made:?}");
    };
    assert!(made.code.is_none() && made.link.is_none());
    assert!(made.invitation.mailed && made.invitation.state == InvitationState::Open);
    assert_eq!(listed(&scene).await, std::slice::from_ref(&made.invitation));
    // At once: it was let go of.
    let mails = waiting(&scene, Duration::ZERO).await;
    assert_eq!(mails.len(), 1);
    let mail = opened(&mails[0]);
    assert_eq!(
        (mail.to.as_str(), mail.from_name.as_deref()),
        ("Ann@example.test", Some("Class 5b"))
    );
    assert_eq!(mail.expires_at.as_millis(), made.invitation.expires_at_ms);
    let code = InvitationCode::parse(mail.code.expose()).unwrap();
    let id = code.id(&Secret::new(CODE_KEY));
    assert_eq!((id, id.to_string()), (mail.id, made.invitation.id.clone()));
}

#[tokio::test]
async fn one_that_is_not_mailed_is_told_once_and_no_mail_waits() {
    let scene = Scene::bare();
    let wanted = json!({ "email": "ann@example.test" });
    let made: InvitationsMade = scene.post(INVITATIONS, &wanted).await.of();
    let code = made.invitations[0].code.as_ref().unwrap();
    assert_eq!(
        made.invitations[0].link.as_ref(),
        Some(&format!("{ROOT}/?invite={code}"))
    );
    assert!(!made.invitations[0].invitation.mailed);
    assert!(waiting(&scene, LEASE).await.is_empty());
}

#[tokio::test]
async fn what_is_only_looked_at_mails_nobody() {
    let scene = Scene::bare();
    let made: InvitationsMade = scene
        .post(&format!("{INVITATIONS}?dry_run=true"), &to_ann())
        .await
        .of();
    assert!(made.dry_run && made.invitations[0].invitation.mailed);
    assert!(waiting(&scene, LEASE).await.is_empty() && listed(&scene).await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_mailed_is_named() {
    let scene = Scene::bare();
    let of_ann = |from_name: &str| json!({ "email": "a@example.test", "send": true, "from_name": from_name });
    for (wanted, field) in [
        (json!({ "send": true }), "send"),
        (json!({ "domain": "example.test", "send": true }), "send"),
        (
            json!({ "email": "a@example.test", "from_name": "5b" }),
            "from_name",
        ),
        (of_ann(" "), "from_name"),
        (of_ann("5b\r\nBcc: b@example.test"), "from_name"),
        (of_ann(&"5".repeat(101)), "from_name"),
        (of_ann("5b\u{202e}"), "from_name"),
        (of_ann("5b at HTTPS://evil.example"), "from_name"),
        (of_ann("5b, www.evil.example"), "from_name"),
    ] {
        let problem = scene.post(INVITATIONS, &wanted).await.problem();
        assert_eq!(problem.code, Code::InvalidRequest, "{wanted}");
        assert_eq!(problem.errors[0].field, field, "{wanted}");
    }
    assert!(waiting(&scene, LEASE).await.is_empty() && listed(&scene).await.is_empty());
}

/// The mail is promised before the invitation is kept. Without the invitation no sender mails it; a second try is a new one.
#[tokio::test]
async fn a_process_that_dies_in_between_leaves_a_mail_in_hand_and_no_invitation() {
    let scene = Scene::bare();
    scene.store.go_away_after_intent(Cause::Unavailable);
    let refused = scene.post(INVITATIONS, &to_ann()).await;
    assert_eq!(refused.status, 503);
    scene.store.set_outage(None);
    assert!(listed(&scene).await.is_empty());
    assert!(waiting(&scene, Duration::ZERO).await.is_empty(), "in hand");
    let left = waiting(&scene, LEASE).await;
    assert_eq!(left.len(), 1, "for a sender, which looks for the invitation");
    let again: InvitationsMade = scene.post(INVITATIONS, &to_ann()).await.of();
    assert_ne!(
        opened(&left[0]).id.to_string(),
        again.invitations[0].invitation.id
    );
    assert_eq!(listed(&scene).await.len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_lost_changes_nothing() {
    let scene = Scene::bare();
    scene.store.lose_answers(1);
    let made: InvitationsMade = scene.post(INVITATIONS, &to_ann()).await.of();
    assert!(made.invitations[0].invitation.mailed);
    assert_eq!(listed(&scene).await.len(), 1);
    assert_eq!(waiting(&scene, Duration::ZERO).await.len(), 1);
}

/// Words an invitation alone.
struct Words;

impl MailTemplates for Words {
    fn verify(&self, _: &VerifyMail<'_>) -> Result<Mail, TemplateError> {
        Err(TemplateError)
    }

    fn sign_in(&self, _: &SignInMail<'_>) -> Result<Mail, TemplateError> {
        Err(TemplateError)
    }

    fn recovery(&self, _: &RecoveryMail<'_>) -> Result<Mail, TemplateError> {
        Err(TemplateError)
    }

    fn forgot_otp(&self, _: &OtpMail<'_>) -> Result<Mail, TemplateError> {
        Err(TemplateError)
    }

    fn password_news(&self, _: &PasswordMail<'_>) -> Result<Mail, TemplateError> {
        Err(TemplateError)
    }

    fn guard_news(&self, _: &GuardMail<'_>) -> Result<Mail, TemplateError> {
        Err(TemplateError)
    }

    fn account_news(&self, _: &AccountMail<'_>) -> Result<Mail, TemplateError> {
        Err(TemplateError)
    }

    fn invitation(&self, mail: &InvitationMail) -> Result<Mail, TemplateError> {
        Ok(Mail {
            to: mail.to.clone(),
            subject: "invited".to_owned(),
            text: mail.code.expose().to_owned(),
            html: String::new(),
            headers: Vec::new(),
        })
    }
}

#[tokio::test]
async fn where_mail_is_shown_by_the_same_process_it_is_handed_over_at_once() {
    let mailer = Arc::new(MemoryMailer::new());
    let here = InvitationMailing::Here {
        templates: Arc::new(Words),
        mailer: Arc::clone(&mailer) as _,
    };
    let scene = Scene::mailing(Access::Local, limits(), |_| here);
    mailer.set_full(true);
    assert_eq!(scene.post(INVITATIONS, &to_ann()).await.code(), Code::Unavailable);
    assert!(listed(&scene).await.is_empty());
    mailer.set_full(false);
    let made: InvitationsMade = scene.post(INVITATIONS, &to_ann()).await.of();
    assert!(made.invitations[0].invitation.mailed && made.invitations[0].code.is_none());
    let mails = mailer.mails();
    let code = InvitationCode::parse(&mails[0].text).unwrap();
    let id = code.id(&Secret::new(CODE_KEY)).to_string();
    assert_eq!((mails.len(), &id), (1, &made.invitations[0].invitation.id));
    assert!(waiting(&scene, LEASE).await.is_empty());
}

#[tokio::test]
async fn where_no_mail_goes_out_nobody_is_invited_by_mail() {
    let scene = Scene::mailing(Access::Local, limits(), |_| InvitationMailing::Off("mend it"));
    for path in [INVITATIONS.to_owned(), format!("{INVITATIONS}?dry_run=true")] {
        let problem = scene.post(&path, &to_ann()).await.problem();
        assert_eq!(
            (problem.code, problem.errors[0].detail.as_str()),
            (Code::NotMailed, "mend it")
        );
    }
    assert!(listed(&scene).await.is_empty());
    let wanted = json!({ "email": "ann@example.test" });
    assert_eq!(scene.post(INVITATIONS, &wanted).await.status, 200);
}
