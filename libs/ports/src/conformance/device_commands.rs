//! Commands that wait for devices.

use std::{sync::Arc, time::Duration};

use foxhold_core::{
    DeviceId, Timestamp,
    record::{Account, Device},
};

use super::{
    Case, Subject, at_once, cases,
    fixtures::{Maker, past, soon},
};
use crate::{
    Call, Cause, Refusal, WriteError,
    accounts::SignIn,
    device_commands::{CommandPage, DeviceCommand, DeviceRef, WAITING_MAX, WaitingCommand},
};

pub(super) fn cases() -> Vec<Case> {
    CASES.to_vec()
}

pub(super) fn log_cases() -> Vec<Case> {
    log::CASES.to_vec()
}

cases![
    a_command_waits_as_it_was_sent,
    commands_are_numbered_upwards_and_read_from_a_number_on,
    a_page_is_as_long_as_it_may_be,
    what_has_expired_waits_no_more,
    of_too_many_the_oldest_go,
    each_device_has_commands_of_its_own,
    a_repeated_operation_sends_one_command,
    a_device_that_is_not_there_takes_none,
    what_waits_goes_with_its_device,
    what_waits_stays_when_its_device_is_written_again,
    what_waits_goes_with_its_session_and_with_the_account,
    commands_sent_at_once_all_arrive,
    after_its_deadline_no_command_is_sent,
];

/// Later than everything that fixtures make.
const NOW: Timestamp = Timestamp::from_secs(1_700_100_000);

impl Maker {
    fn command(&self) -> DeviceCommand {
        let created_at = self.now();
        DeviceCommand {
            name: "https://identity.mozilla.com/cmd/open-uri".into(),
            payload: format!("{{\"encrypted\":\"„{}“\"}}", self.below(1_000_000)),
            sender: Some(DeviceId::random(self.random())),
            created_at,
            expires_at: created_at.plus(Duration::from_secs(10 * 86_400)),
        }
    }
}

impl Subject {
    /// An account that is signed in by a device.
    async fn with_device(&self, make: &Maker, address: &str) -> (Account, SignIn, DeviceRef) {
        let (account, sign_in) = self.signed_up(make, address).await;
        let device = self
            .registered(make, make.device(account.uid, sign_in.session.id))
            .await;
        (account, sign_in, device)
    }

    async fn registered(&self, make: &Maker, device: Device) -> DeviceRef {
        let to = DeviceRef {
            uid: device.uid,
            device: device.id,
        };
        let put = self.account_writer.put_device(&make.call(), device).await;
        assert_eq!(put, Ok(()));
        to
    }

    async fn send(&self, make: &Maker, to: DeviceRef, command: &DeviceCommand) -> u64 {
        let call = make.call();
        let sent = self.command_writer.put_command(&call, to, command.clone());
        sent.await.expect("the command waits")
    }

    async fn page(&self, to: DeviceRef, from: u64, limit: usize, now: Timestamp) -> CommandPage {
        let page = self.command_reader.waiting_commands(soon(), to, from, limit, now);
        page.await.expect("the store reads")
    }

    async fn all_waiting(&self, to: DeviceRef) -> Vec<WaitingCommand> {
        let page = self.page(to, 0, WAITING_MAX, NOW).await;
        assert!(page.is_last);
        page.commands
    }
}

fn numbers(page: &CommandPage) -> Vec<u64> {
    page.commands.iter().map(|waiting| waiting.index).collect()
}

async fn a_command_waits_as_it_was_sent(s: Arc<Subject>) {
    let make = Maker::new(1);
    let (.., to) = s.with_device(&make, "a@example.test").await;
    assert_eq!(s.all_waiting(to).await, vec![]);
    let bare = DeviceCommand {
        sender: None,
        payload: "{}".into(),
        ..make.command()
    };
    for command in [make.command(), bare] {
        let index = s.send(&make, to, &command).await;
        let found = s.page(to, index, 100, NOW).await;
        assert_eq!(found.commands, vec![WaitingCommand { index, command }]);
    }
}

async fn commands_are_numbered_upwards_and_read_from_a_number_on(s: Arc<Subject>) {
    let make = Maker::new(2);
    let (.., to) = s.with_device(&make, "a@example.test").await;
    let mut sent = Vec::new();
    let early = make.command();
    for _ in 0..3 {
        sent.push(s.send(&make, to, &make.command()).await);
        // Whatever the clock of the next one says.
        sent.push(s.send(&make, to, &early).await);
    }
    assert!(sent.is_sorted_by(|a, b| a < b), "{sent:?}");
    for (at, from) in sent.iter().enumerate() {
        assert_eq!(numbers(&s.page(to, *from, 100, NOW).await), sent[at..]);
        assert_eq!(numbers(&s.page(to, *from + 1, 100, NOW).await), sent[at + 1..]);
    }
}

async fn a_page_is_as_long_as_it_may_be(s: Arc<Subject>) {
    let make = Maker::new(3);
    let (.., to) = s.with_device(&make, "a@example.test").await;
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.push(s.send(&make, to, &make.command()).await);
    }
    for (limit, is_last) in [(1, false), (2, false), (3, true), (4, true)] {
        let page = s.page(to, 0, limit, NOW).await;
        assert_eq!(numbers(&page), sent[..limit.min(3)], "{limit}");
        assert_eq!(page.is_last, is_last, "{limit}");
    }
}

async fn what_has_expired_waits_no_more(s: Arc<Subject>) {
    let make = Maker::new(4);
    let (.., to) = s.with_device(&make, "a@example.test").await;
    let long = make.command();
    let short = DeviceCommand {
        expires_at: long.created_at.plus(Duration::from_secs(3600)),
        ..long.clone()
    };
    let [first, second] = [s.send(&make, to, &short).await, s.send(&make, to, &long).await];
    let millis_before = Timestamp::from_millis(short.expires_at.as_millis() - 1);
    assert_eq!(numbers(&s.page(to, 0, 100, millis_before).await), [first, second]);
    let left = s.page(to, 0, 1, short.expires_at).await;
    assert_eq!((numbers(&left), left.is_last), (vec![second], true));
    assert_eq!(numbers(&s.page(to, 0, 100, long.expires_at).await), []);
}

async fn of_too_many_the_oldest_go(s: Arc<Subject>) {
    let make = Maker::new(5);
    let (.., to) = s.with_device(&make, "a@example.test").await;
    let mut sent = Vec::new();
    for _ in 0..WAITING_MAX + 3 {
        sent.push(s.send(&make, to, &make.command()).await);
    }
    let page = s.page(to, 0, WAITING_MAX * 2, NOW).await;
    assert_eq!(numbers(&page), sent[3..]);
}

async fn each_device_has_commands_of_its_own(s: Arc<Subject>) {
    let make = Maker::new(6);
    let (ann, sign_in, one) = s.with_device(&make, "ann@example.test").await;
    let other = s
        .registered(&make, make.device(ann.uid, sign_in.session.id))
        .await;
    let (bob, bob_in, _) = s.with_device(&make, "bob@example.test").await;
    let mut same_id = make.device(bob.uid, bob_in.session.id);
    same_id.id = one.device;
    let of_bob = s.registered(&make, same_id).await;
    s.send(&make, one, &make.command()).await;
    assert_eq!(s.all_waiting(one).await.len(), 1);
    for to in [other, of_bob] {
        assert_eq!(s.all_waiting(to).await, vec![]);
    }
}

async fn a_repeated_operation_sends_one_command(s: Arc<Subject>) {
    let make = Maker::new(7);
    let (.., to) = s.with_device(&make, "a@example.test").await;
    let (call, command) = (make.call(), make.command());
    let put = || s.command_writer.put_command(&call, to, command.clone());
    let index = put().await;
    let later = s.send(&make, to, &make.command()).await;
    assert_eq!(put().await, index);
    assert_eq!(
        numbers(&s.page(to, 0, 100, NOW).await),
        [index.expect("it waits"), later]
    );
}

async fn a_device_that_is_not_there_takes_none(s: Arc<Subject>) {
    let make = Maker::new(8);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let nobody = DeviceRef {
        uid: account.uid,
        device: DeviceId::random(make.random()),
    };
    let put = s
        .command_writer
        .put_command(&make.call(), nobody, make.command())
        .await;
    assert_eq!(put, Err(Refusal::Conflict.into()));
    assert_eq!(s.all_waiting(nobody).await, vec![]);
}

async fn what_waits_goes_with_its_device(s: Arc<Subject>) {
    let make = Maker::new(9);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let device = make.device(account.uid, sign_in.session.id);
    let to = s.registered(&make, device.clone()).await;
    let stays = s
        .registered(&make, make.device(account.uid, sign_in.session.id))
        .await;
    let first = s.send(&make, to, &make.command()).await;
    s.send(&make, to, &make.command()).await;
    s.send(&make, stays, &make.command()).await;
    let removed = s
        .account_writer
        .delete_device(&make.call(), to.uid, to.device)
        .await;
    assert_eq!(removed, Ok(()));
    assert_eq!(s.all_waiting(to).await, vec![]);
    assert_eq!(s.all_waiting(stays).await.len(), 1);
    // The device comes back: nothing of before does, and the numbers go on.
    let again = s.registered(&make, device).await;
    assert_eq!(s.all_waiting(again).await, vec![]);
    assert!(s.send(&make, again, &make.command()).await > first);
}

async fn what_waits_stays_when_its_device_is_written_again(s: Arc<Subject>) {
    let make = Maker::new(10);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let mut device = make.device(account.uid, sign_in.session.id);
    let to = s.registered(&make, device.clone()).await;
    let first = s.send(&make, to, &make.command()).await;
    device.name = "another".into();
    s.registered(&make, device).await;
    let second = s.send(&make, to, &make.command()).await;
    assert_eq!(numbers(&s.page(to, 0, 100, NOW).await), [first, second]);
}

async fn what_waits_goes_with_its_session_and_with_the_account(s: Arc<Subject>) {
    let make = Maker::new(11);
    let (account, sign_in, to) = s.with_device(&make, "a@example.test").await;
    s.send(&make, to, &make.command()).await;
    let closed = s
        .account_writer
        .close_session(&make.call(), account.uid, sign_in.session.id)
        .await;
    assert_eq!(closed, Ok(()));
    assert_eq!(s.all_waiting(to).await, vec![], "the session ended");
    let (account, _, to) = s.with_device(&make, "b@example.test").await;
    s.send(&make, to, &make.command()).await;
    let deleted = s
        .account_writer
        .delete_account(&make.call(), account.uid, account.version)
        .await;
    assert_eq!(deleted, Ok(()));
    assert_eq!(s.all_waiting(to).await, vec![], "the account ended");
}

async fn commands_sent_at_once_all_arrive(s: Arc<Subject>) {
    let make = Maker::new(12);
    let (.., to) = s.with_device(&make, "a@example.test").await;
    let sendings: Vec<_> = (0..8).map(|_| (make.call(), make.command())).collect();
    let answers = at_once(sendings.len(), |number| {
        let (writer, (call, command)) = (Arc::clone(&s.command_writer), sendings[number].clone());
        async move { writer.put_command(&call, to, command).await }
    });
    let mut told: Vec<u64> = answers
        .await
        .into_iter()
        .map(|answer| answer.expect("it waits"))
        .collect();
    told.sort_unstable();
    let page = s.page(to, 0, 100, NOW).await;
    assert_eq!(numbers(&page), told, "each has the number it was told");
    told.dedup();
    assert_eq!(told.len(), sendings.len());
}

async fn after_its_deadline_no_command_is_sent(s: Arc<Subject>) {
    let make = Maker::new(13);
    let (.., to) = s.with_device(&make, "a@example.test").await;
    let late = Call {
        op: make.call().op,
        deadline: past(),
    };
    let put = s.command_writer.put_command(&late, to, make.command()).await;
    assert_eq!(put, Err(WriteError::NotDone(Cause::Timeout)));
    assert_eq!(s.all_waiting(to).await, vec![]);
}

mod log {
    //! What only a store with a log of operations promises.

    use super::*;

    cases![
        a_number_told_is_told_for_good,
        an_operation_id_serves_one_kind_of_intent,
    ];

    async fn a_number_told_is_told_for_good(s: Arc<Subject>) {
        let make = Maker::new(14);
        let (.., to) = s.with_device(&make, "a@example.test").await;
        let (call, command) = (make.call(), make.command());
        let put = || s.command_writer.put_command(&call, to, command.clone());
        let index = put().await;
        let removed = s
            .account_writer
            .delete_device(&make.call(), to.uid, to.device)
            .await;
        assert_eq!(removed, Ok(()));
        assert_eq!(put().await, index, "though the device is gone");
        assert_eq!(s.all_waiting(to).await, vec![]);
    }

    async fn an_operation_id_serves_one_kind_of_intent(s: Arc<Subject>) {
        let make = Maker::new(15);
        let (.., to) = s.with_device(&make, "a@example.test").await;
        let call = make.call();
        let put = s.command_writer.put_command(&call, to, make.command()).await;
        assert!(put.is_ok());
        let reused = s.account_writer.delete_device(&call, to.uid, to.device).await;
        assert_eq!(reused, Err(Refusal::OperationReused.into()));
    }
}
