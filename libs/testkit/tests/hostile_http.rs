//! HTTP that is none, and peers that only hold connections, against a running box (`security.md` E.2): refused or ended,
//! while others are served.

use foxhold_testkit::{
    hostile::{
        http1, paths,
        row::{run, run_at_once},
        slow::{Slow, SlowPeers},
        stage::Stage,
    },
    report::report,
    wait::wait_until,
    work_folder::WorkFolder,
};

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_none() {
    let work = WorkFolder::of("hostile_http").unwrap();
    let stage = Stage::set(work.path()).await.unwrap();
    let (host, address) = (stage.host().to_owned(), stage.server().address);
    let tables = [
        http1::framing_rows(&host),
        http1::grammar_rows(&host),
        http1::size_rows(&host),
        paths::rows(&host),
    ];
    let at_once = http1::unfinished_rows(&host);
    let rows = tables.into_iter().flatten().collect();
    let (refused, ended) = tokio::join!(run(address, rows), run_at_once(address, at_once));
    let refused = refused.unwrap_or_else(|error| panic!("{error:#}"));
    let ended = ended.unwrap_or_else(|error| panic!("{error:#}"));
    let held = stage.strike().await.unwrap();
    report(&format!(
        "hostile: HTTP and paths: {} rows; {held}",
        refused + ended
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_peers_hold_nobody_up() {
    const SLOW: usize = 100;
    const UNREAD: usize = 20;
    const GOOD: usize = 10;
    let work = WorkFolder::of("hostile_slow").unwrap();
    let stage = Stage::set(work.path()).await.unwrap();
    let address = stage.server().address;
    let kinds = [
        Slow::HeadStops,
        Slow::HeadTrickles,
        Slow::BodyStops,
        Slow::BodyTrickles,
    ];
    let mut slow = SlowPeers::connect(address, &kinds, SLOW).await.unwrap();
    let unread = SlowPeers::connect(address, &[Slow::NeverReads], UNREAD)
        .await
        .unwrap();
    wait_until("the box to take the slow peers", || {
        let holds = stage
            .vitals()
            .is_ok_and(|now| now.handles >= stage.before().handles + SLOW);
        async move { holds }
    })
    .await
    .unwrap();
    for _ in 0..GOOD {
        stage.serves().await.unwrap();
    }
    slow.ended().await.unwrap();
    // The connections nobody reads from are gone on the server's side, though this side keeps them.
    stage.has_let_go().await.unwrap();
    drop(unread);
    let held = stage.strike().await.unwrap();
    report(&format!(
        "hostile: {} slow peers ended, {GOOD} others served meanwhile; {held}",
        kinds.len() * SLOW + UNREAD
    ));
}
