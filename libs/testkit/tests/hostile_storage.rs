//! Bad input to the storage node of a running box (`storage.md` 3 to 5, 13 and 19): one bare number as body, the right
//! headers, and nothing stored.

use foxhold_testkit::{
    hostile::{
        row::run,
        stage::Stage,
        storage::{Cast, nothing_was_stored, records, requests, tokens},
    },
    report::report,
    work_folder::WorkFolder,
};

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_refused() {
    let work = WorkFolder::of("hostile_storage").unwrap();
    let stage = Stage::set(work.path()).await.unwrap();
    let cast = Cast::call_in(&stage).await.unwrap();
    let tables = [
        tokens::token_rows(&cast).unwrap(),
        tokens::signature_rows(&cast).unwrap(),
        tokens::expired_rows(&stage).await.unwrap(),
        requests::route_rows(&cast),
        requests::query_rows(&cast),
        requests::header_rows(&cast),
        records::put_rows(&cast),
        records::post_rows(&cast),
        records::oversized_rows(&cast),
        records::element_rows(&cast),
    ];
    let rows = tables.into_iter().flatten().collect();
    let count = run(stage.server().address, rows)
        .await
        .unwrap_or_else(|error| panic!("{error:#}"));
    nothing_was_stored(&stage, &cast).await.unwrap();
    let held = stage.strike().await.unwrap();
    report(&format!("hostile: storage: {count} rows; {held}"));
}
