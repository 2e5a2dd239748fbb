//! The single box is killed without warning, fifty times, under sign-ups, logins, exchanges, and invitations that are made and
//! used. What it acknowledged must
//! be there when it is back, and what it did not acknowledge must be whole or not there at all.

use std::{sync::Arc, time::Duration};

use foxhold_testkit::{
    invited::Invited, ledger::Ledger, report::report, single_box::SingleBox, wait::wait_until,
    work_folder::WorkFolder,
};

const KILLS: usize = 50;
const USERS_AT_ONCE: usize = 4;
/// After so many kills the box lives until everything that users do has been acknowledged once more.
const WHOLE_EVERY: usize = 25;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_box_is_killed() {
    let work = WorkFolder::of("kills_box").unwrap();
    let mut running = SingleBox::start(work.path(), &[]).await.unwrap();
    let ledger = Ledger::with_operator(running.operator()).await.unwrap();
    let ledger = Arc::new(ledger);
    let invited = Arc::new(Invited::default());
    let mut unsure = 0;
    for round in 0..KILLS {
        let before = ledger.acknowledged();
        let load: Vec<_> = (0..USERS_AT_ONCE)
            .map(|_| {
                let (ledger, server, mailbox) =
                    (Arc::clone(&ledger), running.server.clone(), running.private);
                tokio::spawn(async move { ledger.work_until_silence(&server, mailbox).await })
            })
            .collect();
        let inviting = {
            let (invited, server, socket) = (
                Arc::clone(&invited),
                running.server.clone(),
                running.admin_socket(),
            );
            tokio::spawn(async move { invited.work_until_silence(&server, &socket).await })
        };
        // Killed at another point of the users' way in each round.
        let enough = before + 1 + round % 47;
        let is_whole = (round + 1) % WHOLE_EVERY == 0;
        let of_each = if is_whole { (round + 1) / WHOLE_EVERY } else { 0 };
        wait_until("some acknowledged work", || {
            let rarest = ledger.rarest().0.min(invited.accounts());
            let reached = ledger.acknowledged() >= enough && rarest >= of_each;
            async move { reached }
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}; {}", ledger.summary()));
        running.process.kill().unwrap();
        for user in load {
            user.await.unwrap().unwrap();
        }
        inviting.await.unwrap().unwrap();
        unsure += ledger.unsure();
        running.restart().await.unwrap();
        ledger
            .settle(&running.server)
            .await
            .unwrap_or_else(|error| panic!("after kill {round}: {error:#}"));
        invited
            .settle(&running.server)
            .await
            .unwrap_or_else(|error| panic!("after kill {round}: {error:#}"));
    }
    let acknowledged = ledger.acknowledged();
    assert!(
        acknowledged > KILLS * 5,
        "too little load to show anything: {acknowledged}"
    );
    let (least, kind) = ledger.rarest();
    assert!(least >= KILLS / WHOLE_EVERY, "{least} × {kind}");
    let (made, accounts) = (invited.made(), invited.accounts());
    assert!(
        made >= accounts && accounts >= KILLS / WHOLE_EVERY,
        "too few invitations to show anything: {made}, {accounts} used"
    );
    report(&format!(
        "{KILLS} kills, {}; {unsure} sign-ups cut off; {made} invitations, {accounts} accounts made with one; nothing lost",
        ledger.summary()
    ));
    tokio::time::timeout(Duration::from_secs(60), running.process.terminate())
        .await
        .unwrap()
        .unwrap();
}
