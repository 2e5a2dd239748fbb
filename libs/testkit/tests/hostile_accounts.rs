//! Bad input to every call of the accounts server of a running box (`security.md` E.2; `accounts.md`): each answered as
//! the contract says, and the box serves as before.

use foxhold_testkit::{
    hostile::{
        accounts::{
            Cast, absent_rows, bodies, certificates, emails, fields, method_rows, oauth, openid, signatures,
            times,
        },
        row::{Row, run},
        signer::Signer,
        stage::Stage,
    },
    report::report,
    work_folder::WorkFolder,
};

async fn attack(name: &str, stage: &Stage, tables: Vec<Vec<Row>>) -> usize {
    let rows = tables.into_iter().flatten().collect();
    run(stage.server().address, rows)
        .await
        .unwrap_or_else(|error| panic!("{name}: {error:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_and_bodies() {
    let work = WorkFolder::of("hostile_accounts_bodies").unwrap();
    let stage = Stage::set(work.path()).await.unwrap();
    let cast = Cast::call_in(&stage).await.unwrap();
    let tables = vec![
        method_rows(&cast.host),
        absent_rows(&cast.host),
        bodies::unauthorized_rows(&cast),
        bodies::unreadable_rows(&cast),
        bodies::oversized_rows(&cast),
        bodies::longest_rows(&cast),
        bodies::encoded_rows(&cast),
        bodies::extra_rows(&cast),
    ];
    let count = attack("routes and bodies", &stage, tables).await;
    let held = stage.strike().await.unwrap();
    report(&format!(
        "hostile: accounts, routes and bodies: {count} rows; {held}"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_and_addresses() {
    let work = WorkFolder::of("hostile_accounts_fields").unwrap();
    let stage = Stage::set(work.path()).await.unwrap();
    let cast = Cast::call_in(&stage).await.unwrap();
    let without_device = stage.person().await.unwrap();
    let without_device = Signer::of_token(&cast.root, &without_device.session).unwrap();
    let tables = vec![
        fields::missing_rows(&cast, &without_device),
        fields::wrong_rows(&cast),
        fields::query_rows(&cast),
        emails::refused_rows(&cast),
        emails::spelling_rows(&stage, &cast).await.unwrap(),
        emails::injection_rows(&cast),
        certificates::key_rows(&cast),
        certificates::duration_rows(&cast),
    ];
    let count = attack("fields and addresses", &stage, tables).await;
    let held = stage.strike().await.unwrap();
    report(&format!(
        "hostile: accounts, fields and addresses: {count} rows; {held}"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_and_tokens() {
    let work = WorkFolder::of("hostile_accounts_signatures").unwrap();
    let stage = Stage::set(work.path()).await.unwrap();
    let cast = Cast::call_in(&stage).await.unwrap();
    let tables = vec![
        signatures::syntax_rows(&cast),
        signatures::id_rows(&cast),
        signatures::mac_rows(&cast),
        signatures::payload_rows(&cast),
        signatures::uncovered_rows(&cast),
        times::time_rows(&cast),
        times::ended_rows(&stage, &cast).await.unwrap(),
        oauth::authorization_rows(&cast),
        oauth::token_rows(&stage, &cast).await.unwrap(),
        oauth::destroy_rows(&cast),
        oauth::client_rows(&cast),
        oauth::inspection_rows(&stage, &cast).await.unwrap(),
        oauth::bearer_rows(&stage, &cast).await.unwrap(),
    ];
    let count = attack("signatures and tokens", &stage, tables).await;
    let held = stage.strike().await.unwrap();
    report(&format!(
        "hostile: accounts, signatures and tokens: {count} rows; {held}"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_and_their_forms() {
    let work = WorkFolder::of("hostile_accounts_openid").unwrap();
    let stage = Stage::set(work.path()).await.unwrap();
    let cast = Cast::call_in(&stage).await.unwrap();
    let program = stage.program(openid::CALLBACK).unwrap();
    let tables = vec![
        openid::login_rows(&cast, &program),
        openid::form_rows(&cast, &program),
        openid::address_rows(&cast, &program),
        openid::userinfo_rows(&stage, &cast, &program).await.unwrap(),
    ];
    let count = attack("programs and their forms", &stage, tables).await;
    let held = stage.strike().await.unwrap();
    report(&format!("hostile: accounts, programs: {count} rows; {held}"));
}
