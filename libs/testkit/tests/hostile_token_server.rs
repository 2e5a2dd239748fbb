//! Bad input to the Token Server of a running box (`tokenserver.md` 1 to 5 and 8): always JSON with the server's time,
//! and what the contract's table says; nobody gets or loses a node by it.

use foxhold_testkit::{
    hostile::{
        row::run,
        stage::Stage,
        token_server::{Cast, credential_rows, key_id_rows, route_rows, state_rows, still_the_same_node},
    },
    report::report,
    work_folder::WorkFolder,
};

#[tokio::test(flavor = "multi_thread")]
async fn exchanges_that_are_refused() {
    let work = WorkFolder::of("hostile_token_server").unwrap();
    let stage = Stage::set(work.path()).await.unwrap();
    let cast = Cast::call_in(&stage).await.unwrap();
    let tables = [
        route_rows(&cast),
        credential_rows(&stage, &cast).await.unwrap(),
        key_id_rows(&cast),
        state_rows(&cast),
    ];
    let rows = tables.into_iter().flatten().collect();
    let count = run(stage.server().address, rows)
        .await
        .unwrap_or_else(|error| panic!("{error:#}"));
    still_the_same_node(&stage, &cast).await.unwrap();
    let held = stage.strike().await.unwrap();
    report(&format!("hostile: token server: {count} rows; {held}"));
}
