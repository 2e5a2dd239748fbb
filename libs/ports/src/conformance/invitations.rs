//! Invitations.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use foxhold_core::{
    Timestamp, TokenId,
    record::{Account, EmailKey},
};

use super::{
    Case, Subject, at_once, cases,
    fixtures::{Maker, past, soon},
};
use crate::{
    Call, Cause, Refusal, WriteError,
    accounts::SignIn,
    invitations::{Invitation, InvitationTerms, InvitationUse, Invited},
};

pub(super) fn cases() -> Vec<Case> {
    CASES.to_vec()
}

pub(super) fn log_cases() -> Vec<Case> {
    log::CASES.to_vec()
}

cases![
    an_invitation_is_kept_as_it_was_made,
    invitations_are_listed_page_by_page,
    an_account_is_made_with_an_invitation_once,
    an_expired_or_unknown_invitation_makes_nothing,
    an_address_that_is_taken_spends_no_invitation,
    the_same_address_comes_again_until_it_is_verified,
    an_invitation_is_free_when_its_account_is_gone,
    a_repeated_creation_is_done_once,
    only_an_open_invitation_is_removed,
    of_many_creations_with_one_invitation_one_is_done,
    after_its_deadline_nothing_is_made,
];

/// Later than everything that fixtures make.
const NOW: Timestamp = Timestamp::from_secs(1_700_100_000);
const PAGE: u32 = 2;

impl Maker {
    fn terms(&self) -> InvitationTerms {
        InvitationTerms {
            invited: Invited::Anybody,
            created_at: self.now(),
            expires_at: NOW.plus(Duration::from_secs(86_400)),
            mailed: false,
            note: None,
            creator: "an operator".into(),
        }
    }
}

impl Subject {
    async fn invite(&self, make: &Maker, terms: InvitationTerms) -> TokenId {
        let id = TokenId::random(make.random());
        let put = self
            .invitation_writer
            .put_invitation(&make.call(), id, terms)
            .await;
        assert_eq!(put, Ok(()));
        id
    }

    async fn invitation(&self, id: TokenId) -> Option<Invitation> {
        self.invitation_reader
            .invitation(soon(), id)
            .await
            .expect("the store reads")
    }

    async fn used_by(&self, id: TokenId) -> Option<InvitationUse> {
        self.invitation(id).await.expect("the invitation is there").used
    }

    async fn made_with(
        &self,
        make: &Maker,
        account: &Account,
        sign_in: &SignIn,
        invitation: TokenId,
    ) -> Result<(), WriteError> {
        let (account, sign_in) = (account.clone(), sign_in.clone());
        self.invitation_writer
            .create_invited_account(&make.call(), account, sign_in, invitation, NOW)
            .await
    }

    async fn account_at(&self, key: &EmailKey) -> Option<Account> {
        let found = self.account_reader.account_by_email(soon(), key).await;
        found.expect("the store reads")
    }
}

fn newcomer(make: &Maker, address: &str) -> (Account, SignIn) {
    let account = make.account(address);
    let sign_in = make.sign_in(account.uid);
    (account, sign_in)
}

const SPENT: Result<(), WriteError> = Err(WriteError::Refused(Refusal::TokenSpent));

async fn an_invitation_is_kept_as_it_was_made(s: Arc<Subject>) {
    let make = Maker::new(1);
    let (ann, _) = newcomer(&make, "Ann@example.test");
    let for_ann = InvitationTerms {
        invited: Invited::Address(ann.email, ann.email_key),
        mailed: true,
        note: Some("„class 5b“".into()),
        ..make.terms()
    };
    let for_a_domain = InvitationTerms {
        invited: Invited::Domain("example.test".into()),
        ..make.terms()
    };
    for terms in [make.terms(), for_ann, for_a_domain] {
        let id = s.invite(&make, terms.clone()).await;
        let used = None;
        assert_eq!(s.invitation(id).await, Some(Invitation { id, terms, used }));
    }
    assert_eq!(s.invitation(TokenId::random(make.random())).await, None);
}

/// A store may be shared by cases: those of this one must be among what it lists.
async fn invitations_are_listed_page_by_page(s: Arc<Subject>) {
    let make = Maker::new(2);
    let mut made = BTreeSet::new();
    for _ in 0..5 {
        made.insert(s.invite(&make, make.terms()).await);
    }
    let (mut listed, mut count, mut after) = (BTreeSet::new(), 0, None);
    loop {
        let page = s.invitation_reader.invitations(soon(), after, PAGE).await;
        let page = page.expect("the store reads");
        assert!(page.len() <= PAGE as usize);
        count += page.len();
        listed.extend(page.iter().map(|invitation| invitation.id));
        after = page.last().map(|invitation| invitation.id);
        if page.len() < PAGE as usize {
            break;
        }
    }
    assert!(listed.is_superset(&made));
    assert_eq!(listed.len(), count, "none is listed twice");
}

async fn an_account_is_made_with_an_invitation_once(s: Arc<Subject>) {
    let make = Maker::new(3);
    let id = s.invite(&make, make.terms()).await;
    let (ann, ann_in) = newcomer(&make, "ann@example.test");
    assert_eq!(s.made_with(&make, &ann, &ann_in, id).await, Ok(()));
    assert_eq!(s.account_at(&ann.email_key).await, Some(ann.clone()));
    assert_eq!(
        s.account_reader.session(soon(), ann_in.session.id).await,
        Ok(Some(ann_in.session.clone()))
    );
    let used = InvitationUse {
        uid: ann.uid,
        at: NOW,
    };
    assert_eq!(s.used_by(id).await, Some(used));
    let (bob, bob_in) = newcomer(&make, "bob@example.test");
    assert_eq!(s.made_with(&make, &bob, &bob_in, id).await, SPENT);
    assert_eq!(s.account_at(&bob.email_key).await, None);
    assert_eq!(s.used_by(id).await, Some(used));
}

async fn an_expired_or_unknown_invitation_makes_nothing(s: Arc<Subject>) {
    let make = Maker::new(4);
    let over = InvitationTerms {
        expires_at: NOW,
        ..make.terms()
    };
    let over = s.invite(&make, over).await;
    let (ann, ann_in) = newcomer(&make, "ann@example.test");
    for id in [over, TokenId::random(make.random())] {
        assert_eq!(s.made_with(&make, &ann, &ann_in, id).await, SPENT);
    }
    assert_eq!(s.account_at(&ann.email_key).await, None);
}

async fn an_address_that_is_taken_spends_no_invitation(s: Arc<Subject>) {
    let make = Maker::new(5);
    let id = s.invite(&make, make.terms()).await;
    let holder = make.verified_account("ann@example.test");
    let holder_in = make.sign_in(holder.uid);
    s.create(&make, &holder, &holder_in).await;
    let (ann, ann_in) = newcomer(&make, "ann@example.test");
    assert_eq!(
        s.made_with(&make, &ann, &ann_in, id).await,
        Err(Refusal::EmailTaken.into())
    );
    let (bob, bob_in) = newcomer(&make, "bob@example.test");
    assert_eq!(s.made_with(&make, &bob, &bob_in, id).await, Ok(()));
}

async fn the_same_address_comes_again_until_it_is_verified(s: Arc<Subject>) {
    let make = Maker::new(6);
    let id = s.invite(&make, make.terms()).await;
    let mut last = None;
    for _ in 0..2 {
        let (ann, ann_in) = newcomer(&make, "ann@example.test");
        assert_eq!(s.made_with(&make, &ann, &ann_in, id).await, Ok(()));
        assert_eq!(s.used_by(id).await.map(|used| used.uid), Some(ann.uid));
        last = Some(ann);
    }
    let ann = last.expect("she was there");
    assert_eq!(s.account_at(&ann.email_key).await, Some(ann.clone()));
    assert_eq!(s.account_writer.verify_email(&make.call(), ann.uid).await, Ok(()));
    let (again, again_in) = newcomer(&make, "ann@example.test");
    assert_eq!(s.made_with(&make, &again, &again_in, id).await, SPENT);
}

async fn an_invitation_is_free_when_its_account_is_gone(s: Arc<Subject>) {
    let make = Maker::new(7);
    let id = s.invite(&make, make.terms()).await;
    let (ann, ann_in) = newcomer(&make, "ann@example.test");
    assert_eq!(s.made_with(&make, &ann, &ann_in, id).await, Ok(()));
    let deleted = s
        .account_writer
        .delete_account(&make.call(), ann.uid, ann.version)
        .await;
    assert_eq!(deleted, Ok(()));
    let (bob, bob_in) = newcomer(&make, "bob@example.test");
    assert_eq!(s.made_with(&make, &bob, &bob_in, id).await, Ok(()));
    assert_eq!(s.used_by(id).await.map(|used| used.uid), Some(bob.uid));
}

async fn a_repeated_creation_is_done_once(s: Arc<Subject>) {
    let make = Maker::new(8);
    let id = s.invite(&make, make.terms()).await;
    let (ann, ann_in) = newcomer(&make, "ann@example.test");
    let call = make.call();
    let create = || {
        let (ann, ann_in) = (ann.clone(), ann_in.clone());
        s.invitation_writer
            .create_invited_account(&call, ann, ann_in, id, NOW)
    };
    assert_eq!(create().await, Ok(()));
    assert_eq!(s.account_writer.verify_email(&make.call(), ann.uid).await, Ok(()));
    assert_eq!(create().await, Ok(()), "it is done for good");
    let found = s.account_at(&ann.email_key).await.expect("it is there");
    assert!(found.email_verified && found.uid == ann.uid);
}

async fn only_an_open_invitation_is_removed(s: Arc<Subject>) {
    let make = Maker::new(9);
    let open = s.invite(&make, make.terms()).await;
    let used = s.invite(&make, make.terms()).await;
    let (ann, ann_in) = newcomer(&make, "ann@example.test");
    assert_eq!(s.made_with(&make, &ann, &ann_in, used).await, Ok(()));
    let writer = &s.invitation_writer;
    for _ in 0..2 {
        let removed = writer.delete_invitation(&make.call(), open, NOW).await;
        assert_eq!(removed, Ok(()), "removing one that is gone is done, too");
    }
    assert_eq!(s.invitation(open).await, None);
    let (bob, bob_in) = newcomer(&make, "bob@example.test");
    assert_eq!(s.made_with(&make, &bob, &bob_in, open).await, SPENT);
    let kept = writer.delete_invitation(&make.call(), used, NOW).await;
    assert_eq!(kept, Err(Refusal::Conflict.into()));
    assert!(s.invitation(used).await.is_some());
}

async fn of_many_creations_with_one_invitation_one_is_done(s: Arc<Subject>) {
    let make = Maker::new(10);
    let id = s.invite(&make, make.terms()).await;
    let wishes: Vec<_> = (0..16)
        .map(|number| (make.call(), newcomer(&make, &format!("a{number}@example.test"))))
        .collect();
    let answers = at_once(wishes.len(), |number| {
        let (writer, (call, (account, sign_in))) = (Arc::clone(&s.invitation_writer), wishes[number].clone());
        async move {
            writer
                .create_invited_account(&call, account, sign_in, id, NOW)
                .await
        }
    });
    let answers = answers.await;
    let done = answers.iter().filter(|answer| answer.is_ok()).count();
    let refused = answers.iter().filter(|answer| **answer == SPENT).count();
    assert_eq!((done, refused), (1, 15), "{answers:?}");
    let mut there = 0;
    for (_, (account, _)) in &wishes {
        there += usize::from(s.account_at(&account.email_key).await.is_some());
    }
    assert_eq!(there, 1);
}

async fn after_its_deadline_nothing_is_made(s: Arc<Subject>) {
    let make = Maker::new(11);
    let id = s.invite(&make, make.terms()).await;
    let (ann, ann_in) = newcomer(&make, "ann@example.test");
    let late = Call {
        op: make.call().op,
        deadline: past(),
    };
    let made = s
        .invitation_writer
        .create_invited_account(&late, ann.clone(), ann_in, id, NOW)
        .await;
    assert_eq!(made, Err(WriteError::NotDone(Cause::Timeout)));
    assert_eq!(s.account_at(&ann.email_key).await, None);
    assert_eq!(s.used_by(id).await, None);
}

mod log {
    //! What only a store with a log of operations promises.

    use super::*;

    cases![an_operation_id_serves_one_kind_of_intent,];

    async fn an_operation_id_serves_one_kind_of_intent(s: Arc<Subject>) {
        let make = Maker::new(12);
        let (id, call) = (TokenId::random(make.random()), make.call());
        let writer = &s.invitation_writer;
        assert_eq!(writer.put_invitation(&call, id, make.terms()).await, Ok(()));
        let reused = writer.delete_invitation(&call, id, NOW).await;
        assert_eq!(reused, Err(Refusal::OperationReused.into()));
    }
}
