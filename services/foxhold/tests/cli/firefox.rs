//! What the tool says about pointing a Firefox at a server.

use super::support::{examples, run};

const AUTOCONFIG: &str = "==> defaults/pref/autoconfig.js below Firefox's folder
pref(\"general.config.filename\", \"mozilla.cfg\");
pref(\"general.config.obscure_value\", 0);

==> mozilla.cfg in Firefox's folder
// The first line is not read.
pref(\"identity.fxaccounts.autoconfig.uri\", \"https://accounts.example.org\");
";

#[test]
fn every_kind_of_firefox_is_told_the_address() {
    let folder = tempfile::tempdir().unwrap();
    let settings = |kind: &str, url: &str| {
        run(
            folder.path(),
            &["firefox", "settings", "--for", kind, "--url", url],
        )
    };
    let told = settings("autoconfig", "https://accounts.example.org/");
    assert_eq!(
        (told.code, told.out.as_str()),
        (Some(0), AUTOCONFIG),
        "{}",
        told.err
    );
    let desktop = settings("desktop", "http://localhost:8000").out;
    for line in [
        "user_pref(\"identity.fxaccounts.autoconfig.uri\", \"http://localhost:8000\");",
        "user_pref(\"identity.fxaccounts.allowHttp\", true);",
    ] {
        assert!(desktop.lines().any(|other| other == line), "{line} in {desktop}");
    }
    for kind in ["android", "ios"] {
        let told = settings(kind, "https://accounts.example.org").out;
        assert!(told.contains("\n     https://accounts.example.org\n"), "{told}");
    }
    let path = settings("desktop", "https://example.org/accounts");
    assert_eq!(path.code, Some(2), "{}", path.err);
    assert_eq!(examples(folder.path(), &["firefox", "settings"]).len(), 2);
    let nowhere = run(folder.path(), &["firefox", "settings", "--for", "ios"]);
    assert_eq!(nowhere.code, Some(5), "no box here: {}", nowhere.err);
}
