//! Mails that bring an invitation, as an operator's process leaves them in the outbox.

use foxhold_accounts::{Address, invitation_mail::InvitationMail};
use foxhold_core::{SecretText, TokenId};
use foxhold_ports::{
    InvitationReader, InvitationWriter as _, ReadError,
    invitations::{Invitation, InvitationTerms, Invited},
};

use super::{log::Lines, *};

const TO: &str = "ann@example.com";
const ID: TokenId = TokenId::from_bytes([7; 32]);
const DAY: Duration = Duration::from_secs(86_400);

impl Bench {
    fn call(&self, seed: u64) -> Call {
        Call {
            op: OpId::new(self.clock.now(), &SeededRandom::new(seed)),
            deadline: Deadline::after(Duration::from_secs(60)),
        }
    }

    /// The mail of an invitation that may be there or not.
    async fn promised(&self, seed: u64) -> MailRef {
        let (call, now) = (self.call(seed), self.clock.now());
        let mail = InvitationMail {
            to: TO.to_owned(),
            id: ID,
            code: SecretText::new("A1B2-C3D4-E5F6-G7H8".to_owned()),
            from_name: Some("Class 5b".to_owned()),
            expires_at: now.plus(DAY),
        };
        let sealed = mail.seal(&self.key, call.op, [3; 12]);
        self.store.put_mail(&call, sealed, now).await.unwrap();
        MailRef::just_put(call.op)
    }

    async fn invited(&self, seed: u64, lifetime: Duration) {
        let now = self.clock.now();
        let terms = InvitationTerms {
            invited: Invited::Address(TO.to_owned(), Address::parse(TO).unwrap().key().clone()),
            created_at: now,
            expires_at: now.plus(lifetime),
            mailed: true,
            note: None,
            creator: "an operator".to_owned(),
        };
        self.store
            .put_invitation(&self.call(seed), ID, terms)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_invitation_that_is_kept_is_mailed_in_the_sender_s_words() {
    let (bench, mut server) = (Bench::new(), Server::start(&[]).await);
    let at = bench.promised(1).await;
    bench.invited(2, DAY).await;
    bench
        .store
        .defer_mail(&bench.call(3), at, bench.clock.now())
        .await
        .unwrap();
    let (_mailer, _sender) = bench.sender(server.address, bench.ports(4));
    let text = server.next().await;
    for part in [
        "To: ann@example.com\n",
        "Subject: You are invited to accounts.example.test\n",
        "X-Template-Name: invitation\n",
        "X-Link: https://accounts.example.test/?invite=A1B2-C3D4-E5F6-G7H8\n",
        "Class 5b invites you",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    bench.empty().await;
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
}

/// Who promised it died before the invitation was kept; or it was taken back, used, or is over.
#[tokio::test]
async fn no_mail_goes_out_for_an_invitation_that_does_not_invite() {
    let lifetimes = [None, Some(Duration::from_secs(60))];
    for (number, lifetime) in (0..).zip(lifetimes) {
        let (bench, server) = (Bench::new(), Server::start(&[]).await);
        bench.promised(10 * number + 1).await;
        if let Some(lifetime) = lifetime {
            bench.invited(10 * number + 2, lifetime).await;
        }
        bench.clock.advance(LEASE);
        let (_mailer, _sender) = bench.sender(server.address, bench.ports(10 * number + 3));
        bench.empty().await;
        assert_eq!(server.asked.load(Ordering::SeqCst), 0, "{lifetime:?}");
    }
}

/// Gives one answer, and tells that it was asked.
struct Asked {
    answer: Result<Option<Invitation>, ReadError>,
    asked: Notify,
}

#[async_trait]
impl InvitationReader for Asked {
    async fn invitation(&self, _: Deadline, _: TokenId) -> Result<Option<Invitation>, ReadError> {
        self.asked.notify_one();
        self.answer.clone()
    }

    async fn invitations(
        &self,
        _: Deadline,
        _: Option<TokenId>,
        _: u32,
    ) -> Result<Vec<Invitation>, ReadError> {
        Ok(Vec::new())
    }
}

/// A store that does not answer says nothing of an invitation, nor does one where it may be still to come.
#[tokio::test]
async fn what_is_not_known_is_not_taken_for_absent() {
    for answer in [Err(ReadError(Cause::Unavailable)), Ok(None)] {
        let (bench, mut server) = (Bench::new(), Server::start(&[]).await);
        bench.promised(1).await;
        let reader = Arc::new(Asked {
            answer,
            asked: Notify::new(),
        });
        let ports = SenderPorts {
            invitations: Arc::clone(&reader) as _,
            is_alone: true,
            ..bench.ports(3)
        };
        let (_mailer, sender) = bench.sender(server.address, ports);
        reader.asked.notified().await;
        sender.end().await;
        assert_eq!(bench.waiting().await.mails, 1, "it waits");
        assert_eq!(server.asked.load(Ordering::SeqCst), 0);
        bench.invited(2, DAY).await;
        bench.clock.advance(LEASE * 2);
        let (_mailer, _sender) = bench.sender(server.address, bench.ports(5));
        assert!(server.next().await.contains("A1B2-C3D4-E5F6-G7H8"));
        bench.empty().await;
    }
}

/// Nobody else knows that the invitation has not arrived: it is open, and was mailed.
#[tokio::test]
async fn what_is_given_up_names_its_invitation_and_nobody() {
    let (bench, server) = (Bench::new(), Server::start(&["550 no such user"]).await);
    let at = bench.promised(1).await;
    bench.invited(2, DAY).await;
    bench
        .store
        .defer_mail(&bench.call(3), at, bench.clock.now())
        .await
        .unwrap();
    let (lines, _guard) = Lines::begun();
    let (_mailer, _sender) = bench.sender(server.address, bench.ports(4));
    bench.empty().await;
    let told = lines.with("a mail was given up");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(&format!(" invitation.id={ID} ")), "{told:?}");
    for secret in [TO, "A1B2"] {
        assert!(lines.with(secret).is_empty(), "{secret}");
    }
}
