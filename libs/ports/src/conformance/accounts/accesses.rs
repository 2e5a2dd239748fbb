//! When sessions were in use.

use std::{sync::Arc, time::Duration};

use foxhold_core::Uid;

use crate::{
    accounts::SessionAccess,
    conformance::{
        Subject, cases,
        fixtures::{Maker, soon},
    },
};

cases![
    the_latest_use_of_a_session_stays,
    noting_a_use_changes_nothing_else,
    a_note_brings_no_session_and_no_account_back,
    nobody_notes_the_session_of_another,
];

impl Subject {
    async fn note(&self, make: &Maker, uid: Uid, access: SessionAccess) {
        let noted = self.account_writer.note_access(&make.call(), uid, access).await;
        assert_eq!(noted, Ok(()));
    }

    /// What was noted of the sessions that are there.
    async fn accesses(&self, uid: Uid) -> Vec<SessionAccess> {
        let found = self.account_reader.accesses(soon(), uid).await;
        let sessions = self.sessions(uid).await;
        let mut found = found.expect("the store reads");
        found.retain(|access| sessions.iter().any(|session| session.id == access.session));
        found.sort();
        found
    }
}

async fn the_latest_use_of_a_session_stays(s: Arc<Subject>) {
    let make = Maker::new(1);
    let (account, first) = s.signed_up(&make, "a@example.test").await;
    let (uid, second) = (account.uid, make.plain_sign_in(account.uid));
    let opened = s.account_writer.open_session(&make.call(), second.clone()).await;
    assert_eq!(opened, Ok(()));
    assert_eq!(s.accesses(uid).await, vec![]);

    let early = make.access(first.session.id);
    let other = make.access(second.session.id);
    let late = SessionAccess {
        at: early.at.plus(Duration::from_secs(3600)),
        ..early
    };
    for (noted, stays) in [(early, early), (late, late), (early, late), (late, late)] {
        s.note(&make, uid, noted).await;
        assert_eq!(s.accesses(uid).await, vec![stays]);
    }
    s.note(&make, uid, other).await;
    let mut both = vec![late, other];
    both.sort();
    assert_eq!(s.accesses(uid).await, both);
}

async fn noting_a_use_changes_nothing_else(s: Arc<Subject>) {
    let make = Maker::new(2);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (uid, session) = (account.uid, sign_in.session);
    let device = make.device(uid, session.id);
    let put = s.account_writer.put_device(&make.call(), device.clone()).await;
    assert_eq!(put, Ok(()));
    s.note(&make, uid, make.access(session.id)).await;
    assert_eq!(s.devices(uid).await, vec![device]);
    assert_eq!(s.sessions(uid).await, vec![session.clone()]);
    assert_eq!(s.session(session.id).await, Some(session));
    assert!(s.account(uid).await == Some(account));
}

async fn a_note_brings_no_session_and_no_account_back(s: Arc<Subject>) {
    let make = Maker::new(3);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (uid, opening) = (account.uid, make.plain_sign_in(account.uid));
    let ended = opening.session.id;
    let opened = s.account_writer.open_session(&make.call(), opening).await;
    assert_eq!(opened, Ok(()));
    s.note(&make, uid, make.access(ended)).await;
    let closed = s.account_writer.close_session(&make.call(), uid, ended).await;
    assert_eq!(closed, Ok(()));
    s.note(&make, uid, make.access(ended)).await;
    assert_eq!(s.session(ended).await, None);
    assert_eq!(s.sessions(uid).await, vec![sign_in.session.clone()]);
    assert_eq!(s.accesses(uid).await, vec![]);

    let deleted = s
        .account_writer
        .delete_account(&make.call(), uid, account.version)
        .await;
    assert_eq!(deleted, Ok(()));
    s.note(&make, uid, make.access(sign_in.session.id)).await;
    assert!(s.account(uid).await.is_none());
    assert_eq!(s.session(sign_in.session.id).await, None);
    assert_eq!(s.sessions(uid).await, vec![]);
}

async fn nobody_notes_the_session_of_another(s: Arc<Subject>) {
    let make = Maker::new(4);
    let (ann, of_ann) = s.signed_up(&make, "ann@example.test").await;
    let (bob, _) = s.signed_up(&make, "bob@example.test").await;
    s.note(&make, bob.uid, make.access(of_ann.session.id)).await;
    assert_eq!(s.accesses(ann.uid).await, vec![]);
    assert_eq!(s.accesses(bob.uid).await, vec![]);
    assert_eq!(s.session(of_ann.session.id).await, Some(of_ann.session));
}
