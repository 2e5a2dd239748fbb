//! What is told of commands that cannot be meant: by the words of the command line, not by those of the admin API.

use super::bench::Bench;

#[test]
fn what_cannot_be_meant_is_told_in_the_command_s_own_words() {
    let bench = Bench::new();
    let client = ["client", "create", "--name", "app", "--redirect-uri"];
    let public = bench.json(&[&client[..], &["https://app.example.org/", "--public"]].concat());
    let id = public["client"]["id"].as_str().expect("an id");
    let beyond = [&client[..], &["http://nas.lan/"]].concat();
    let unknown = "fix: foxhold service list shows those there are; name one of them";
    let table: [(&[&str], i32, &str); 8] = [
        (
            &["client", "rotate", id],
            2,
            "fix: ID: a public client has no secret",
        ),
        (&beyond[..], 2, "or with --allow-http true;"),
        (&["service", "show-user", "nobody"], 2, "fix: UID@DOMAIN: "),
        (
            &["service", "retire-user", "nobody", "--yes"],
            2,
            "fix: UID@DOMAIN: ",
        ),
        (&["service", "unassign-user", "nobody"], 2, "fix: UID@DOMAIN: "),
        (&["service", "show", "nope"], 5, unknown),
        (&["service", "count-users", "nope"], 5, unknown),
        (&["invite", "delete", "nope"], 5, "fix: foxhold invite list"),
    ];
    for (arguments, code, told) in table {
        let ran = bench.run(arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(told), "{arguments:?}: {}", ran.err);
    }
}
