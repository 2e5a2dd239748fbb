//! What an import has done, or would do.

use std::fmt::Write as _;

use foxhold_ops::wire::{Code, ImportDone, ImportOutcome};
use serde::Serialize;

use super::plan::Plan;
use crate::record_file::survey::Survey;

/// Refusals that are told; the rest is counted.
const TOLD_MAX: usize = 20;

/// As `--output json` prints it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    dry_run: bool,
    services_created: u64,
    services_changed: u64,
    nodes_created: u64,
    nodes_changed: u64,
    /// Users and records of the file.
    users: u64,
    records: u64,
    /// Of the records, those that name no node, or one which does not exist.
    without_node: u64,
    imported: u64,
    unchanged: u64,
    refused: u64,
    failed: u64,
    /// The first of those that were refused or failed.
    refusals: Vec<Refusal>,
    is_whole: bool,
}

/// A user is named by the line alone.
#[derive(Debug, Serialize)]
struct Refusal {
    line: u64,
    code: Option<Code>,
    detail: Option<String>,
}

impl Report {
    pub(super) fn begin(dry_run: bool, survey: &Survey, plan: &Plan) -> Self {
        let nodeless = survey.parts.values().map(|part| part.nodeless);
        Self {
            dry_run,
            services_created: plan.new_services.len() as u64,
            services_changed: (plan.services.len() - plan.new_services.len()) as u64,
            nodes_created: plan.new_nodes.len() as u64,
            nodes_changed: plan.changed_nodes.len() as u64,
            users: survey.users(),
            records: survey.records(),
            without_node: nodeless.sum(),
            is_whole: true,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, lines: &[u64], done: ImportDone) {
        for (line, result) in lines.iter().zip(done.results) {
            let count = match result.outcome {
                ImportOutcome::Imported => &mut self.imported,
                ImportOutcome::Unchanged => &mut self.unchanged,
                ImportOutcome::Refused => &mut self.refused,
                ImportOutcome::Failed => &mut self.failed,
            };
            *count += 1;
            let is_left = matches!(result.outcome, ImportOutcome::Refused | ImportOutcome::Failed);
            if is_left && self.refusals.len() < TOLD_MAX {
                self.refusals.push(Refusal {
                    line: *line,
                    code: result.code,
                    detail: result.detail,
                });
            }
        }
    }

    pub(super) fn interrupt(&mut self) {
        self.is_whole = false;
    }

    pub(super) const fn was_interrupted(&self) -> bool {
        !self.is_whole
    }

    pub(super) const fn users(&self) -> u64 {
        self.users
    }

    pub(super) const fn done(&self) -> u64 {
        self.imported + self.unchanged + self.refused + self.failed
    }

    /// Refused and failed.
    pub(super) const fn left(&self) -> (u64, u64) {
        (self.refused, self.failed)
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let would = if self.dry_run { "would be " } else { "" };
        // Writing to a String does not fail.
        for (what, created, changed) in [
            ("services", self.services_created, self.services_changed),
            ("nodes", self.nodes_created, self.nodes_changed),
        ] {
            let _ = writeln!(text, "{what}: {created} {would}created, {changed} {would}changed");
        }
        let _ = writeln!(
            text,
            "users:  {} with {} records, {} of them on no node",
            self.users, self.records, self.without_node
        );
        if !self.dry_run {
            let _ = writeln!(
                text,
                "        {} imported, {} were here already, {} refused, {} failed",
                self.imported, self.unchanged, self.refused, self.failed
            );
        }
        for refusal in &self.refusals {
            let detail = refusal.detail.as_deref().unwrap_or("failed");
            let _ = writeln!(text, "line {}: {detail}", refusal.line);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use foxhold_ops::wire::ImportResult;
    use serde_json::json;

    use super::*;

    #[test]
    fn who_was_not_taken_is_named_by_the_line() {
        let result = |outcome, code, detail: Option<&str>| ImportResult {
            outcome,
            code,
            detail: detail.map(str::to_owned),
        };
        let mut report = Report {
            users: 2,
            records: 3,
            without_node: 1,
            is_whole: true,
            ..Report::default()
        };
        let results = vec![
            result(ImportOutcome::Imported, None, None),
            result(ImportOutcome::Refused, Some(Code::NoNode), Some("a node is full")),
        ];
        report.add(
            &[3, 7],
            ImportDone {
                dry_run: false,
                results,
            },
        );
        let expected = "services: 0 created, 0 changed
nodes: 0 created, 0 changed
users:  2 with 3 records, 1 of them on no node
        1 imported, 0 were here already, 1 refused, 0 failed
line 7: a node is full
";
        assert_eq!(report.text(), expected);
        assert_eq!(
            serde_json::to_value(&report).unwrap(),
            json!({"dry_run": false, "services_created": 0, "services_changed": 0, "nodes_created": 0,
                "nodes_changed": 0, "users": 2, "records": 3, "without_node": 1, "imported": 1, "unchanged": 0,
                "refused": 1, "failed": 0, "is_whole": true,
                "refusals": [{"line": 7, "code": "no_node", "detail": "a node is full"}]})
        );
        assert_eq!((report.left(), report.done()), ((1, 0), 2));
    }
}
