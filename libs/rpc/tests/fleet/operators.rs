//! What an operator does with accounts in a fleet: over the wire nobody is signed in either, and a token is a forgot token that
//! does not last longer than one that is made now.

use foxhold_core::{Clock as _, Timestamp, record::PasswordTokenKind};
use foxhold_ports::{
    AccountReader as _, AccountWriter as _, OperatorWriter, WriteError,
    conformance::fixtures::{Maker, soon},
    operator::ForgotToken,
};
use foxhold_rpc::client::{RemoteAccountWriter, RemoteOperatorWriter};
use foxhold_runtime::{SystemClock, tls::Role};
use foxhold_store_sqlite::SqliteReader;

use crate::{conformance::sqlite_ports, support::Deployment};

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_makes_accounts_and_links_and_signs_nobody_in() {
    let deployment = Deployment::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foxhold.db");
    let server = deployment.dbwriter(sqlite_ports(&path)).await;
    let reader = SqliteReader::open(&path, 1).unwrap();
    let transport = deployment.transport(Role::Ops, Role::Dbwriter, &[server.address]);
    let operator = RemoteOperatorWriter::new(transport.clone());
    let make = Maker::new(1);

    let account = make.verified_account("a@example.org");
    let call = make.call();
    let made = operator.make_account(&call, account.clone());
    assert_eq!(made.await, Ok(()));
    assert!(reader.account(soon(), account.uid).await.unwrap().as_ref() == Some(&account));
    assert_eq!(reader.sessions(soon(), account.uid).await, Ok(Vec::new()));

    let drawn = make.password_token(&account, PasswordTokenKind::Change);
    let token = ForgotToken {
        id: drawn.id,
        key: drawn.key.clone(),
        uid: drawn.uid,
        created_at: Timestamp::from_secs(4_000_000_000),
        generation: drawn.generation,
    };
    assert_eq!(operator.put_forgot_token(&make.call(), token).await, Ok(()));
    let kept = reader.password_token(soon(), drawn.id).await.unwrap().unwrap();
    assert_eq!((kept.kind, kept.misses), (PasswordTokenKind::Forgot, 0));
    assert!(kept.created_at <= SystemClock.now(), "{:?}", kept.created_at);

    // As webheads do it.
    let writer = RemoteAccountWriter::new(transport);
    let put = writer.put_password_token(&make.call(), drawn, None).await;
    assert!(matches!(put, Err(WriteError::NotDone(_))), "{put:?}");

    let call = make.call();
    let removed = operator.remove_account(&call, account.uid, account.version);
    assert_eq!(removed.await, Ok(()));
    assert_eq!(reader.account(soon(), account.uid).await, Ok(None));
    server.stop().await;
}
