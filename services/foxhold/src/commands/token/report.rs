//! What the commands about secrets print: counts, ages, and what is to be done next. No secret gets here but to be counted.

use std::{fmt::Write as _, path::PathBuf};

use foxhold_core::Timestamp;
use foxhold_crypto::node_secret::DatedSecret;
use serde_json::{Value, json};

use super::file::{Content, Form};
use crate::output::{moment, table};

/// One node, or all that share a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Nothing for all nodes.
    pub(super) node: Option<String>,
    ages_secs: Vec<u64>,
    are_ages_known: bool,
    is_prepared: bool,
}

impl Row {
    /// All that a file holds or that is prepared for it.
    pub(super) fn all(held: &Content, prepared: &Content, now: u64) -> Vec<Self> {
        let row = |node: Option<&str>, secrets: &[DatedSecret], is_prepared| Self {
            node: node.map(str::to_owned),
            ages_secs: secrets
                .iter()
                .map(|dated| now.saturating_sub(dated.added))
                .collect(),
            are_ages_known: node.is_some(),
            is_prepared,
        };
        match (held, prepared) {
            (Content::Nodes(held), Content::Nodes(prepared)) => {
                let is_prepared = |url: &str| prepared.of_node(url).is_some();
                let listed = held
                    .0
                    .iter()
                    .map(|line| row(Some(&line.node_url), &line.secrets, is_prepared(&line.node_url)));
                let new = prepared.0.iter();
                let new = new.filter(|line| held.of_node(&line.node_url).is_none());
                let new = new.map(|line| row(Some(&line.node_url), &[], true));
                listed.chain(new).collect()
            }
            (Content::List(held), Content::List(prepared)) => vec![row(None, held, !prepared.is_empty())],
            // Both are read in one form.
            _ => Vec::new(),
        }
    }

    /// As JSON. Of a list for all nodes only the newest secret's age is known, and that at least.
    pub(super) fn value(&self) -> Value {
        let ages = self.are_ages_known.then_some(&self.ages_secs);
        json!({
            "node": self.node,
            "secrets": self.ages_secs.len(),
            "ages_secs": ages,
            "newest_age_secs": self.ages_secs.last(),
            "prepared": self.is_prepared,
        })
    }

    fn cells(&self) -> [String; 5] {
        let age = |secs: Option<&u64>| secs.map_or("-".to_owned(), |secs| span(*secs));
        let oldest = age(self.ages_secs.first().filter(|_| self.are_ages_known));
        [
            self.node.clone().unwrap_or_else(|| "(all nodes)".to_owned()),
            self.ages_secs.len().to_string(),
            age(self.ages_secs.last()),
            oldest,
            if self.is_prepared { "yes" } else { "-" }.to_owned(),
        ]
    }
}

/// The rows as a table.
pub(super) fn rows_text(rows: &[Row]) -> String {
    let cells: Vec<_> = rows.iter().map(Row::cells).collect();
    table(["NODE", "SECRETS", "NEWEST", "OLDEST", "PREPARED"], &cells)
}

/// In the largest unit that is not a fraction.
fn span(secs: u64) -> String {
    match secs {
        86_400.. => format!("{}d", secs / 86_400),
        3600.. => format!("{}h", secs / 3600),
        60.. => format!("{}m", secs / 60),
        _ => format!("{secs}s"),
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Prepare,
    Rotate,
    RotateToPrepared,
    Finish,
    Revoke,
    RevokeToPrepared,
    Export,
}

/// What has become of a list, or would.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) action: Action,
    pub(super) dry_run: bool,
    pub(super) node: Option<String>,
    pub(super) path: PathBuf,
    pub(super) form: Form,
    pub(super) is_box: bool,
    /// Of a box, its other nodes: they have copies of its secrets.
    pub(super) elsewhere: Vec<String>,
    pub(super) secrets: usize,
    pub(super) dropped: usize,
    pub(super) needed_until: Option<u64>,
}

impl Report {
    fn subject(&self) -> &str {
        match (&self.node, self.is_box) {
            (Some(node), _) => node,
            (None, true) => "the box",
            (None, false) => "all nodes",
        }
    }

    fn action_name(&self) -> &'static str {
        match self.action {
            Action::Prepare => "prepare",
            Action::Rotate | Action::RotateToPrepared => "rotate",
            Action::Finish => "finish",
            Action::Revoke | Action::RevokeToPrepared => "revoke",
            Action::Export => "export",
        }
    }

    /// As JSON.
    pub(super) fn value(&self) -> Value {
        json!({
            "action": self.action_name(),
            "dry_run": self.dry_run,
            "node": self.node,
            "file": self.path,
            "secrets": self.secrets,
            "dropped": self.dropped,
            "old_needed_until": self.needed_until.map(|secs| moment(Timestamp::from_secs(secs))),
            "next": self.next(),
        })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let would = if self.dry_run { "would: " } else { "" };
        let (subject, file) = (self.subject(), self.path.display());
        let what = match self.action {
            Action::Prepare => "a new secret waits until its node knows it; the signer does not use it yet",
            Action::Rotate | Action::RotateToPrepared => "a new secret signs",
            Action::Finish if self.dropped == 0 => "no old secret is past its last token: nothing is dropped",
            Action::Finish => "the old secrets whose tokens have ended are dropped",
            Action::Revoke | Action::RevokeToPrepared => {
                "a new secret signs, and tokens of the old ones are refused"
            }
            Action::Export => "the list is written",
        };
        let more = match self.action {
            Action::Prepare => ", and the new one beside it".to_owned(),
            // It takes none away.
            Action::Export => String::new(),
            _ => format!(", {} dropped", self.dropped),
        };
        let mut text = format!(
            "{would}{subject}: {what}\n{file}: {} secret{}{more}\n",
            self.secrets,
            if self.secrets == 1 { "" } else { "s" },
        );
        // Writing to a String does not fail.
        if let Some(secs) = self.needed_until {
            let until = moment(Timestamp::from_secs(secs));
            let _ = writeln!(text, "old ones are needed until {until}");
        }
        for (number, next) in (1..).zip(self.next()) {
            let _ = if self.is_box && self.elsewhere.is_empty() {
                writeln!(text, "{next}")
            } else {
                writeln!(text, "next {number}: {next}")
            };
        }
        text
    }

    /// What a revocation means, before it is confirmed.
    pub(super) fn warning(&self) -> String {
        format!(
            "Every token of {} that was signed so far is refused from now on. Clients fetch new ones by themselves; until \
             node and signer both have read their files again, all are refused.",
            self.subject()
        )
    }

    fn next(&self) -> Vec<String> {
        if self.dry_run && self.action == Action::Export {
            // There is nothing to be taken anywhere.
            return Vec::new();
        }
        if self.is_box {
            return self.next_of_box();
        }
        let (node, flag) = (
            self.node.as_deref().unwrap_or_default(),
            match self.form {
                Form::ByNode => "--secrets-file",
                Form::List => "--fixed-file",
                Form::Masters => "--master-file",
            },
        );
        let command = |verb: &str, more: &str| {
            let of_node = if node.is_empty() || (verb == "export" && self.form == Form::List) {
                String::new()
            } else {
                format!(" {node}")
            };
            format!(
                "foxhold token {verb}{of_node} {flag} {}{more}",
                self.path.display()
            )
        };
        let node_word = if self.form == Form::Masters && node.is_empty() {
            "each node: foxhold token export NODE --master-file "
        } else {
            ""
        };
        let export = if node_word.is_empty() {
            command("export", " --out node.secret")
        } else {
            format!("{node_word}{} --out node.secret", self.path.display())
        };
        let take = "take node.secret to the node, in place of the file that its secret_files names; it is read within seconds";
        match self.action {
            Action::Prepare => vec![
                export,
                take.to_owned(),
                format!("then sign with it: {}", command("rotate", "")),
            ],
            Action::Rotate | Action::Revoke => vec![
                export,
                format!("{take}. Until then the node refuses new tokens, so do it now"),
            ],
            Action::RotateToPrepared => Vec::new(),
            Action::RevokeToPrepared => vec![
                export,
                format!("{take}. Until then it takes tokens of the old secrets, too"),
            ],
            Action::Finish => vec![export, take.to_owned()],
            Action::Export => {
                vec!["take it to the node, in place of the file that its secret_files names".to_owned()]
            }
        }
    }

    /// Signer and node of a box read the same file; nodes elsewhere have copies of it.
    fn next_of_box(&self) -> Vec<String> {
        if !self.elsewhere.is_empty() && self.action != Action::Export {
            return self.next_of_box_and_others();
        }
        let next = match self.action {
            Action::Prepare => {
                "a box needs no preparation: its signer and its node read one file; run it without --prepare"
            }
            Action::Export => "a box reads its own file; this one is for a node elsewhere",
            _ => "a running box takes it over within seconds, one that is stopped at its start",
        };
        vec![next.to_owned()]
    }

    fn next_of_box_and_others(&self) -> Vec<String> {
        // `keys/node.secret` of its folder.
        let data = self.path.ancestors().nth(2).unwrap_or(&self.path).display();
        let export = format!("foxhold token export --data {data} --out node.secret");
        let take = format!(
            "take node.secret to {}, in place of the file that secret_files names there; it is read within seconds",
            self.elsewhere.join(", ")
        );
        let here = "the box itself takes it over within seconds, or at its start".to_owned();
        match self.action {
            Action::Prepare => vec![
                export,
                take,
                format!("then sign with it: foxhold token rotate --data {data}"),
            ],
            Action::Rotate => vec![
                export,
                format!(
                    "{take}. Until then new tokens are refused there, so do it now; the next time, begin with --prepare"
                ),
                here,
            ],
            Action::Revoke => vec![
                export,
                format!("{take}. Until then new tokens are refused there, and old ones taken, so do it now"),
                here,
            ],
            Action::RevokeToPrepared => vec![
                export,
                format!("{take}. Until then tokens of the old secrets are taken there"),
                here,
            ],
            Action::Finish => vec![export, take, here],
            Action::RotateToPrepared | Action::Export => vec![here],
        }
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::SecretText;
    use foxhold_crypto::node_secret::NodeLines;

    use super::*;

    #[test]
    fn rows_tell_ages_and_never_contents() {
        let nodes = |text: &str| Content::Nodes(NodeLines::parse(text).unwrap());
        let held = nodes("https://a.test,100:hunter2,1000:hunter3\nhttps://b.test,999999:hunter4");
        let prepared = nodes("https://a.test,5:hunter5\nhttps://c.test,5:hunter6");
        let rows = Row::all(&held, &prepared, 90_100);
        let text = rows_text(&rows);
        assert_eq!(
            text,
            "NODE            SECRETS  NEWEST  OLDEST  PREPARED\n\
             https://a.test  2        1d      1d      yes\n\
             https://b.test  1        0s      0s      -\n\
             https://c.test  0        -       -       yes\n"
        );
        let values: Vec<_> = rows.iter().map(Row::value).collect();
        assert_eq!(values[0]["ages_secs"], json!([90_000, 89_100]));
        assert!(!format!("{text}{values:?}{rows:?}").contains("hunter"));
    }

    #[test]
    fn of_a_list_only_the_newest_has_an_age() {
        let secret = |text: &str| DatedSecret {
            added: 100,
            text: SecretText::new(text.into()),
        };
        let held = Content::List(vec![secret("a"), secret("b")]);
        let rows = Row::all(&held, &Content::List(Vec::new()), 160);
        let value = rows[0].value();
        assert_eq!(
            (
                &value["node"],
                &value["secrets"],
                &value["ages_secs"],
                &value["newest_age_secs"]
            ),
            (&Value::Null, &json!(2), &Value::Null, &json!(60))
        );
        assert!(rows_text(&rows).contains("(all nodes)  2        1m      -       -"));
    }

    #[test]
    fn an_export_drops_nothing_and_one_that_is_tried_writes_nothing() {
        let mut report = Report {
            action: Action::Export,
            dry_run: false,
            node: None,
            path: "node.secret".into(),
            form: Form::List,
            is_box: true,
            elsewhere: Vec::new(),
            secrets: 2,
            dropped: 0,
            needed_until: None,
        };
        assert_eq!(
            report.text(),
            "the box: the list is written\nnode.secret: 2 secrets\n\
             a box reads its own file; this one is for a node elsewhere\n"
        );
        report.dry_run = true;
        assert_eq!(
            report.text(),
            "would: the box: the list is written\nnode.secret: 2 secrets\n"
        );
        assert_eq!(report.value()["next"], json!([]));
    }

    #[test]
    fn what_is_next_depends_on_who_reads_the_file() {
        let mut report = Report {
            action: Action::Prepare,
            dry_run: false,
            node: Some("https://a.test".into()),
            path: "n.secrets".into(),
            form: Form::ByNode,
            is_box: false,
            elsewhere: Vec::new(),
            secrets: 2,
            dropped: 0,
            needed_until: Some(1_700_000_000),
        };
        let text = report.text();
        for part in [
            "next 1: foxhold token export https://a.test --secrets-file n.secrets --out node.secret\n",
            "next 3: then sign with it: foxhold token rotate https://a.test --secrets-file n.secrets\n",
            "2023-11-14T22:13:20Z",
        ] {
            assert!(text.contains(part), "{text}");
        }
        report.node = None;
        report.form = Form::Masters;
        assert!(report.next()[0].contains("export NODE --master-file n.secrets"));
        report.form = Form::List;
        report.is_box = true;
        report.action = Action::Rotate;
        assert!(report.next()[0].contains("running box"), "{:?}", report.next());
        report.elsewhere = vec!["https://b.test".into()];
        report.path = "/srv/box/keys/node.secret".into();
        for (action, steps) in [
            (Action::Prepare, 3),
            (Action::Rotate, 3),
            (Action::RotateToPrepared, 1),
            (Action::Revoke, 3),
            (Action::RevokeToPrepared, 3),
            (Action::Export, 1),
        ] {
            report.action = action;
            let next = report.next();
            assert_eq!(next.len(), steps, "{next:?}");
            if steps == 3 {
                assert_eq!(next[0], "foxhold token export --data /srv/box --out node.secret");
                assert!(next[1].contains("https://b.test"), "{next:?}");
            }
        }
        report.action = Action::Prepare;
        assert_eq!(
            report.next()[2],
            "then sign with it: foxhold token rotate --data /srv/box"
        );
    }
}
