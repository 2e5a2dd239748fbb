//! What the facts about a box mean: pure checks, each with a state, what was found, and what to do about it.

use foxhold_core::Timestamp;

use super::facts::{Facts, FileFacts, NodeFacts, Permissions};
use crate::probes::{
    Complaint,
    web::{self, Fault, Reply},
};

/// A clock may be off by so much before anything notices.
const OFFSET_WARN_SECS: u64 = 10;
/// Beyond this, tokens end too early or too late, and browsers sync badly.
const OFFSET_MAX_SECS: u64 = 300;
/// 2026-01-01: a clock before it was never set.
const FIRST_SECS: u64 = 1_767_225_600;
/// Percent in use from which the disk is worth a look.
const DISK_WARN_PERCENT: u64 = 90;

/// How good something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Ok,
    Warn,
    Fail,
}

impl State {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What one check has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) state: State,
    pub(super) what: String,
    /// Empty where nothing is wrong.
    pub(super) fix: String,
}

pub(super) fn ok(check: &'static str, what: impl Into<String>) -> Finding {
    Finding {
        check,
        state: State::Ok,
        what: what.into(),
        fix: String::new(),
    }
}

pub(super) fn bad(
    check: &'static str,
    state: State,
    what: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    Finding {
        check,
        state,
        what: what.into(),
        fix: fix.into(),
    }
}

/// Everything that can be said of a box, the causes before what follows from them.
pub(super) fn all(facts: &Facts) -> Vec<Finding> {
    let mut found = vec![settings(facts)];
    found.extend(files(facts));
    found.extend([
        key(facts),
        secrets(facts),
        clock(facts),
        disk(facts),
        running(facts),
    ]);
    if facts.is_running && facts.settings.is_ok() {
        found.push(public_url(facts));
        if let Ok(reply) = &facts.configuration {
            found.extend(offset(facts.now, reply));
        }
        found.push(key_set(facts));
        found.extend(nodes(facts));
    }
    found
}

fn settings(facts: &Facts) -> Finding {
    match &facts.settings {
        Ok(settings) => ok("settings", format!("open at {}", settings.public_url)),
        Err(fault) => told(
            "settings",
            fault,
            "correct foxhold.toml, or the FOXHOLD_ variable that is named",
        ),
    }
}

/// A failure whose message may hold its own fix.
fn told(check: &'static str, fault: &str, usual_fix: &str) -> Finding {
    let parts = fault
        .split_once("\nfix: ")
        .or_else(|| fault.split_once(". fix: "));
    let (what, fix) = parts.unwrap_or((fault, usual_fix));
    bad(check, State::Fail, what, fix)
}

fn files(facts: &Facts) -> Vec<Finding> {
    let check = "files";
    let mut found = Vec::new();
    for file in &facts.files {
        let path = file.path.display();
        match file.permissions {
            Permissions::Missing if file.is_needed => found.push(bad(
                check,
                State::Fail,
                format!("{path} is missing"),
                "put it back from a backup",
            )),
            Permissions::Mode(mode) if mode & 0o077 != 0 => {
                let state = if file.is_secret { State::Fail } else { State::Warn };
                let right = if file.is_folder { "700" } else { "600" };
                found.push(bad(
                    check,
                    state,
                    format!("{path} has mode {mode:04o}: others may use it"),
                    format!("chmod {right} {path}"),
                ));
            }
            Permissions::Missing | Permissions::Mode(_) => {}
        }
    }
    if found.is_empty() {
        let is_there = |file: &&FileFacts| file.permissions != Permissions::Missing;
        let there = facts.files.iter().filter(is_there).count();
        found.push(ok(
            check,
            format!("{there} files and folders, for their owner alone"),
        ));
    }
    found
}

fn key(facts: &Facts) -> Finding {
    match &facts.key_id {
        Ok(kid) => ok("key", format!("the provider's key opens: {kid}")),
        Err(fault) => told("key", fault, "put key and passphrase back from the same backup"),
    }
}

fn secrets(facts: &Facts) -> Finding {
    let fix = "put keys/node.secret back from a backup, or make a new one: foxhold token revoke";
    match &facts.secrets {
        Ok(1) => ok("secrets", "1 node secret; a token made with it is taken"),
        Ok(count) => ok(
            "secrets",
            format!("{count} node secrets; a token made with the last is taken"),
        ),
        Err(fault) => told("secrets", fault, fix),
    }
}

fn clock(facts: &Facts) -> Finding {
    if facts.now.as_secs() < FIRST_SECS {
        let fix = "set the clock, and keep it set: timedatectl set-ntp true";
        return bad("clock", State::Fail, "this machine's clock was never set", fix);
    }
    ok("clock", "this machine's clock is set")
}

fn disk(facts: &Facts) -> Finding {
    let max = facts
        .settings
        .as_ref()
        .map_or(95, |settings| settings.disk_used_max_percent);
    let fix = "make room on the disk of the data folder";
    match &facts.disk_used_percent {
        Err(fault) => bad("disk", State::Warn, fault.clone(), "look at it with df"),
        Ok(used) if max < 100 && *used > u64::from(max) => {
            let what =
                format!("{used} % of the disk are in use, and above {max} % the node takes no records");
            bad("disk", State::Fail, what, fix)
        }
        Ok(used) if *used >= DISK_WARN_PERCENT => bad(
            "disk",
            State::Warn,
            format!("{used} % of the disk are in use"),
            fix,
        ),
        Ok(used) => ok("disk", format!("{used} % of the disk are in use")),
    }
}

fn running(facts: &Facts) -> Finding {
    if facts.is_running {
        return ok("running", "the box runs");
    }
    let what = "the box does not run: what browsers see was not looked at";
    bad(
        "running",
        State::Warn,
        what,
        "foxhold up, then foxhold doctor again",
    )
}

/// A box runs, and not where its folder says: flags are written down nowhere.
fn nobody_at_own(check: &'static str, url: &str) -> Finding {
    let what = format!("nobody answers at {url}, the address by foxhold.toml or --public-url");
    let fix = "if the box was started with --listen or --public-url, give its address: foxhold doctor --public-url URL; else see \
               that the name leads here, and that proxy and firewall let it through";
    bad(check, State::Fail, what, fix)
}

/// The same of a node, which may be elsewhere.
pub(super) fn unreachable_node(url: &str, fault: &Fault) -> Finding {
    complained("node", web::unreachable_node(url, fault))
}

/// Says why there is no answer.
pub(super) fn unreachable(check: &'static str, url: &str, fault: &Fault) -> Finding {
    complained(check, web::unreachable(url, fault))
}

fn complained(check: &'static str, complaint: Complaint) -> Finding {
    bad(check, State::Fail, complaint.what, complaint.fix)
}

fn public_url(facts: &Facts) -> Finding {
    let check = "public_url";
    let Ok(settings) = &facts.settings else {
        return running(facts);
    };
    let url = &settings.public_url;
    let reply = match &facts.configuration {
        Ok(reply) => reply,
        Err(Fault::NoAnswer) => return nobody_at_own(check, url),
        Err(fault) => return unreachable(check, url, fault),
    };
    if let Some(complaint) = web::leads_elsewhere(url, url, reply) {
        return complained(check, complaint);
    }
    if url.starts_with("http://") && !settings.is_loopback {
        let what = format!(
            "{url} answers, but without TLS: programs that sign users in here have to be told to allow it"
        );
        let fix = "put a proxy with a certificate in front, and give its https address as public_url";
        return bad(check, State::Warn, what, fix);
    }
    ok(check, format!("{url} answers, and all parts have that address"))
}

/// Only where the answer says the time.
pub(super) fn offset(now: Timestamp, reply: &Reply) -> Option<Finding> {
    let (ours, theirs) = (now.as_secs(), reply.date?.as_secs());
    let off = ours.abs_diff(theirs);
    let which = if ours > theirs { "ahead of" } else { "behind" };
    let what = format!("this machine's clock is {off} s {which} that of who answers at the public URL");
    let fix = "set both clocks by NTP: timedatectl set-ntp true";
    Some(match off {
        0..=OFFSET_WARN_SECS => ok("clock_offset", "the clocks here and at the public URL agree"),
        _ if off <= OFFSET_MAX_SECS => bad("clock_offset", State::Warn, what, fix),
        _ => bad("clock_offset", State::Fail, what, fix),
    })
}

fn key_set(facts: &Facts) -> Finding {
    let check = "key_set";
    let kids = match &facts.published_kids {
        Ok(kids) => kids,
        Err(fault) => return unreachable(check, "/v1/jwks", fault),
    };
    match &facts.key_id {
        Ok(kid) if kids.contains(kid) && !facts.next_kids.iter().all(|next| kids.contains(next)) => bad(
            check,
            State::Warn,
            "/v1/jwks does not have the key that signs next: the box has not read it",
            "restart the box before the key's turn (foxhold key list says when that is)",
        ),
        Ok(kid) if kids.contains(kid) => ok(check, format!("/v1/jwks has our key, one of {}", kids.len())),
        Ok(kid) => {
            let what = format!("/v1/jwks does not have our key {kid}");
            let fix = "another box answers at the public URL, or this one runs with older keys: restart it";
            bad(check, State::Fail, what, fix)
        }
        Err(_) => bad(
            check,
            State::Warn,
            "the published keys could not be held against ours",
            "see the check `key`",
        ),
    }
}

fn nodes(facts: &Facts) -> Vec<Finding> {
    let check = "node";
    let nodes = match &facts.nodes {
        Ok(nodes) => nodes,
        Err(fault) => {
            let fix = "see the box's log, and foxhold node list";
            return vec![bad(
                check,
                State::Warn,
                format!("the nodes could not be read: {fault}"),
                fix,
            )];
        }
    };
    let mut found: Vec<_> = nodes.iter().map(node).chain(own_node(facts, nodes)).collect();
    if !nodes.iter().any(|node| node.has_room) {
        found.push(bad(
            "room",
            State::Fail,
            "no node has room for new users",
            "raise a node's capacity, or bring one back: foxhold node update",
        ));
    }
    found
}

/// A box keeps its users' data itself, unless somebody took its node away.
fn own_node(facts: &Facts, nodes: &[NodeFacts]) -> Option<Finding> {
    // Where nobody answers at that address, it may not be the box's at all.
    facts.configuration.as_ref().ok()?;
    let url = &facts.settings.as_ref().ok()?.public_url;
    let what = format!("{url}, this box's own node, is not among its nodes: nobody's data comes here");
    let fix = format!("foxhold node create {url} --capacity USERS, unless that is meant");
    let is_listed = nodes.iter().any(|node| node.url == *url);
    (!is_listed).then(|| bad("own_node", State::Warn, what, fix))
}

/// What an administrator has said, and may take back.
pub(super) fn out_of_service(url: &str) -> Finding {
    let fix = format!("foxhold node enable {url}, when it is back");
    let what = format!("{url} is out of service, as an administrator said, and was not asked");
    bad("node", State::Warn, what, fix)
}

fn node(node: &NodeFacts) -> Finding {
    let (check, url) = ("node", &node.url);
    let Some(answer) = &node.answer else {
        return out_of_service(url);
    };
    match answer {
        Ok(200) => ok(check, format!("{url} takes a token made with our secret")),
        Ok(401) => bad(
            check,
            State::Fail,
            format!("{url} refuses a token made with our secret"),
            "see that a proxy leaves Host and path as they are, that the clocks agree, and that the node has read the same \
             secrets (foxhold_config_reload_failures_total, and its log)",
        ),
        Ok(status) => bad(
            check,
            State::Fail,
            format!("{url} answers {status} to a good token"),
            "see that /1.5 leads to the node, and the node's log",
        ),
        Err(fault) => unreachable_node(url, fault),
    }
}

/// Whether something is wrong that a script should know of.
pub(super) fn failures(found: &[Finding]) -> usize {
    found
        .iter()
        .filter(|finding| finding.state == State::Fail)
        .count()
}

#[cfg(test)]
mod tests;
