//! What whoever gives a mail back may ask for: it is put off for a while, and not for good.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use foxhold_core::Timestamp;
use foxhold_ports::{
    Outbox as _,
    conformance::fixtures::Maker,
    memory::{ManualClock, MemoryStore},
    outbox::{Bounded, DEFERRED_MAX, KEPT, MailRef, SealedMail},
};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const MOMENT: Duration = Duration::from_millis(1);

#[tokio::test]
async fn a_mail_is_put_off_no_longer_than_senders_do() {
    let table = [
        ("as senders do", NOW.plus(MOMENT), NOW.plus(MOMENT)),
        ("the most", NOW.plus(DEFERRED_MAX), NOW.plus(DEFERRED_MAX)),
        ("a day", NOW.plus(KEPT), NOW.plus(DEFERRED_MAX)),
        (
            "for good",
            Timestamp::from_millis(u64::MAX),
            NOW.plus(DEFERRED_MAX),
        ),
    ];
    for (name, asked, expected) in table {
        let (store, make) = (Arc::new(MemoryStore::new()), Maker::new(1));
        let outbox = Bounded::new(Arc::clone(&store) as _, Arc::new(ManualClock::new(NOW)));
        let put = make.call();
        let mail = SealedMail(vec![7; 9]);
        outbox.put_mail(&put, mail, NOW).await.unwrap();
        let at = MailRef::just_put(put.op);
        outbox.defer_mail(&make.call(), at, asked).await.unwrap();
        let early = Timestamp::from_millis(expected.as_millis() - 1);
        for (when, mails) in [(early, 0), (expected, 1)] {
            let taken = outbox.take_mails(&make.call(), when, 32).await.unwrap();
            assert_eq!(taken.len(), mails, "{name} at {when:?}");
        }
    }
}
