//! An operator's own mail templates, through the command that checks them.

use std::fs;

use super::support::run;

#[test]
fn templates_are_checked_before_they_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("mail");
    fs::create_dir(&own).unwrap();
    let check = ["template", "check", "--templates", "mail"];
    let ran = run(folder.path(), &check);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.lines().all(|line| !line.contains("own")), "{}", ran.out);

    fs::write(own.join("verify.txt"), "{{ short_code }} or {{ link }}").unwrap();
    let ran = run(folder.path(), &[&check[..], &["--output", "json"]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let own_parts: Vec<_> = told["parts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|part| part["from"] == "own")
        .map(|part| part["part"].as_str().unwrap())
        .collect();
    assert_eq!(own_parts, ["verify.txt"]);
    let all = told["parts"].as_array().unwrap();
    assert!(
        all.iter()
            .any(|part| part["part"] == "password_forgot_otp.html" && part["from"] != "own")
    );

    fs::write(own.join("recovery.subject"), "For {{ emial }}").unwrap();
    fs::write(own.join("welcome.html"), "").unwrap();
    let ran = run(folder.path(), &check);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    for named in [
        "recovery.subject: asks for emial",
        "welcome.html: is no part",
        "fix: ",
    ] {
        assert!(ran.err.contains(named), "{named} in {}", ran.err);
    }
    let ran = run(folder.path(), &[&check[..], &["--json"]].concat());
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(told["faults"].as_array().unwrap().len(), 2, "{told}");
    for which in ["--data", "--templates"] {
        let nowhere = run(folder.path(), &["template", "check", which, "nowhere"]);
        assert_eq!(nowhere.code, Some(5), "{}", nowhere.err);
    }
}
