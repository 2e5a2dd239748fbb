//! What is written down of each decision, and that nothing leaves where that is not possible.

use foxhold_core::Secret;
use foxhold_crypto::audit::AuditKey;
use foxhold_ports::IdTokenSigner as _;
use serde_json::Value;

use super::{certificates::order, id_tokens::id_order, *};
use crate::audit::{self, Report};

fn log(folder: &std::path::Path) -> AuditLog {
    let key = AuditKey::new(&Secret::new([7; 32]));
    AuditLog::open(folder, key, &[], Arc::new(Still), &Still).unwrap()
}

fn lines(folder: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("audit-00000000000000000000.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The hash that stands in the log of a token.
fn signed_part(token: &str) -> String {
    let (signed, _) = token.rsplit_once('.').unwrap();
    foxhold_core::hex::encode(&sha256(&[signed.as_bytes()]))
}

#[tokio::test]
async fn each_decision_is_a_line_and_node_tokens_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench_with(of_master(), Some(log(folder.path())));
    bench.signer.probe().await;
    let token = bench
        .signer
        .sign_access_token(by(), &access_order())
        .await
        .unwrap();
    let id_token = bench.signer.sign_id_token(by(), &id_order()).await.unwrap();
    let certificate = bench.signer.sign_certificate(by(), &order()).await.unwrap();
    let greedy = AccessTokenOrder {
        lifetime_secs: u64::MAX,
        ..access_order()
    };
    assert!(bench.signer.sign_access_token(by(), &greedy).await.is_err());
    bench.signer.mint_node_token(by(), &node_order()).await.unwrap();
    bench.mood.store(1, Ordering::SeqCst);
    assert!(bench.signer.sign_certificate(by(), &order()).await.is_err());
    bench.signer.end().await;

    let lines = lines(folder.path());
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            (text("kind"), text("result"), text("refused"), text("signed"))
        })
        .collect();
    let row = |kind: &str, result: &str, refused: &str, signed: String| {
        (kind.to_owned(), result.to_owned(), refused.to_owned(), signed)
    };
    assert_eq!(
        told,
        [
            row("begin", "", "", String::new()),
            row("access_token", "signed", "", signed_part(token.expose())),
            row("id_token", "signed", "", signed_part(id_token.expose())),
            row("certificate", "signed", "", signed_part(certificate.expose())),
            row("access_token", "refused", "lifetime", String::new()),
            row("certificate", "refused", "fault", String::new()),
        ]
    );
    assert_eq!(lines[2]["exp"], NOW.as_millis() + 300_000);
    assert_eq!(lines[3]["iat"], NOW.as_millis() - 10_000);
    assert_eq!(lines[3]["exp"], NOW.as_millis() + 21_600_000);
    assert!(lines[3]["client_key"].is_string() && lines[1]["client_key"].is_null());
    let Report { findings, .. } = audit::verify(folder.path(), None, &[]).unwrap();
    assert_eq!(findings, []);
}

#[tokio::test]
async fn nothing_leaves_that_is_not_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench_with(of_master(), Some(audit::tests::broken(folder.path())));
    bench.signer.probe().await;
    assert!(bench.signer.is_healthy(), "nothing was tried yet");
    let away = Err(SignError::NotDone(Cause::Unavailable));
    assert_eq!(bench.signer.sign_access_token(by(), &access_order()).await, away);
    assert_eq!(bench.signer.sign_id_token(by(), &id_order()).await, away);
    assert_eq!(bench.signer.sign_certificate(by(), &order()).await, away);
    assert_eq!(bench.signer.fault(), Some("the audit log cannot be written"));
    // From then on the key is not used either: what it would make now is no fault of the log.
    bench.mood.store(1, Ordering::SeqCst);
    assert_eq!(bench.signer.sign_access_token(by(), &access_order()).await, away);
    assert_eq!(bench.signer.sign_certificate(by(), &order()).await, away);
    // Which is not written down, goes on.
    assert!(bench.signer.mint_node_token(by(), &node_order()).await.is_ok());
}
