//! One user of a service, and how many there are.

use foxhold_core::Timestamp;
use foxhold_ops::wire::{Count, Place, Record, Retired, UserChange, UserOutcome, UserRecords};
use serde_json::json;

use super::{ChangeUserArgs, CountArgs, PlaceArgs, RetireArgs, UserArgs};
use crate::{
    admin_client::{self, AdminError, Path},
    commands::NotThere,
    confirm,
    output::{moment, table},
    progress::Progress,
};

pub(super) fn show(arguments: &UserArgs) -> anyhow::Result<()> {
    let path = Path::service(&arguments.service.service, ["users", &arguments.user]);
    let user: UserRecords = admin_client::with(&arguments.admin, async |admin| {
        Ok(admin.get(&path).await.map_err(AdminError::of_flags)?)
    })?;
    let value = serde_json::to_value(&user)?;
    Ok(arguments.output.print(&text(&user), &value)?)
}

pub(super) fn place(arguments: &PlaceArgs) -> anyhow::Result<()> {
    let body = Place {
        node: arguments.node.clone(),
        pool: arguments.pool.clone(),
    };
    let changed = change(&arguments.of, "place", &body)?;
    print(&arguments.of, &changed)
}

pub(super) fn unassign(arguments: &ChangeUserArgs) -> anyhow::Result<()> {
    let changed = change(arguments, "unassign", &json!({}))?;
    print(arguments, &changed)
}

fn change(of: &ChangeUserArgs, verb: &str, body: &impl serde::Serialize) -> anyhow::Result<UserChange> {
    let path = Path::service(&of.service.service, ["users", &of.user, verb]).dry(of.change.dry());
    admin_client::with(&of.change.admin, async |admin| {
        Ok(admin.post(&path, body).await.map_err(AdminError::of_flags)?)
    })
}

fn print(of: &ChangeUserArgs, changed: &UserChange) -> anyhow::Result<()> {
    let word = match (changed.outcome, changed.dry_run) {
        (UserOutcome::Created, false) => "created",
        (UserOutcome::Created, true) => "would be created",
        (UserOutcome::Changed, false) => "changed",
        (UserOutcome::Changed, true) => "would be changed",
        (UserOutcome::Unchanged, _) => "unchanged",
    };
    let records = changed.records.as_ref().map(text).unwrap_or_default();
    let text = format!("{word}\n{records}");
    Ok(of.change.output.print(&text, &serde_json::to_value(changed)?)?)
}

pub(super) fn retire(arguments: &RetireArgs) -> anyhow::Result<()> {
    let change = &arguments.change;
    let is_confirmed = arguments.yes || change.dry_run;
    confirm::by_name(is_confirmed, WARNING, "user's key", &arguments.user)?;
    let path = Path::of(["users", &arguments.user, "retire"]).dry(change.dry());
    let retired: Retired = admin_client::with(&change.admin, async |admin| {
        let retired = admin.post(&path, &json!({})).await;
        Ok(retired.map_err(AdminError::of_flags)?)
    })?;
    if retired.known == 0 {
        return Err(NotThere {
            what: "no service has a record of this user",
            fix: "a user's key is uid@domain; foxhold service export lists them",
        }
        .into());
    }
    let word = if retired.dry_run {
        "would be retired"
    } else {
        "retired"
    };
    let text = format!("{word} in {} of {} services\n", retired.changed, retired.known);
    Ok(change.output.print(&text, &serde_json::to_value(retired)?)?)
}

const WARNING: &str =
    "The user is ended for good in all services: there are no more tokens, and the data is purged later.";

pub(super) fn count(arguments: &CountArgs) -> anyhow::Result<()> {
    let of = &arguments.of;
    let (users, before) = admin_client::with(&of.admin, async |admin| {
        let mut progress = Progress::new("users looked at", None, of.admin.quiet);
        let mut before = arguments.before.map(Timestamp::as_millis);
        let (mut after, mut users, mut looked_at) = (None, 0, 0);
        loop {
            let mut path = Path::service(&of.key, ["count"]).after(after.as_ref());
            if let Some(before) = before {
                path = path.with("before_ms", &before.to_string());
            }
            let page: Count = admin.get(&path).await?;
            users += page.users;
            looked_at += page.looked_at;
            progress.at(looked_at);
            before = Some(page.before_ms);
            after = page.next;
            if after.is_none() {
                return Ok((users, Timestamp::from_millis(page.before_ms)));
            }
        }
    })?;
    let text = table(["USERS", "BEFORE"], &[[users.to_string(), moment(before)]]);
    let value = json!({
        "op": "sync_count_users",
        "service": of.key,
        "time": moment(before),
        "total_users": users,
    });
    Ok(of.output.print(&text, &value)?)
}

/// The current record first, then the past from the latest on.
fn text(user: &UserRecords) -> String {
    let time = |at: Option<u64>| at.map_or_else(|| "-".to_owned(), |at| moment(Timestamp::from_millis(at)));
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let current = &user.current;
    let mut rows = vec![[
        current.uid.to_string(),
        state(current).to_owned(),
        word(&current.node),
        time(Some(current.created_at_ms)),
        time(current.replaced_at_ms),
    ]];
    rows.extend(user.past.iter().rev().map(|past| {
        [
            past.uid.to_string(),
            "past".to_owned(),
            word(&past.node),
            time(Some(past.created_at_ms)),
            time(Some(past.replaced_at_ms)),
        ]
    }));
    table(["UID", "STATE", "NODE", "CREATED", "REPLACED"], &rows)
}

const fn state(current: &Record) -> &'static str {
    match (
        current.is_retired(),
        current.replaced_at_ms.is_some(),
        current.node.is_some(),
    ) {
        (true, ..) => "retired",
        (false, true, _) => "replaced",
        (false, false, false) => "without node",
        (false, false, true) => "active",
    }
}

#[cfg(test)]
mod tests {
    use foxhold_ops::wire::{PastRecord, User};

    use super::*;

    #[test]
    fn a_user_is_shown_from_the_current_record_on() {
        let past = |uid| PastRecord {
            uid,
            generation: 1,
            keys_changed_at_ms: None,
            client_state: String::new(),
            created_at_ms: 0,
            replaced_at_ms: 86_400_000,
            node: None,
            holds_slot: false,
        };
        let mut user = UserRecords {
            user: User("u@x".into()),
            first_seen_at_ms: 0,
            version: 1,
            current: Record {
                uid: 3,
                generation: 1,
                keys_changed_at_ms: None,
                client_state: String::new(),
                created_at_ms: 86_400_000,
                replaced_at_ms: None,
                node: Some("https://n".into()),
                node_type: None,
            },
            past: vec![past(1), past(2)],
            old_client_states: Vec::new(),
        };
        let expected = "UID  STATE   NODE       CREATED               REPLACED
3    active  https://n  1970-01-02T00:00:00Z  -
2    past    -          1970-01-01T00:00:00Z  1970-01-02T00:00:00Z
1    past    -          1970-01-01T00:00:00Z  1970-01-02T00:00:00Z
";
        assert_eq!(text(&user), expected);
        user.current.node = None;
        assert_eq!(state(&user.current), "without node");
        user.current.replaced_at_ms = Some(1);
        assert_eq!(state(&user.current), "replaced");
        user.current.generation = Record::RETIRED;
        assert_eq!(state(&user.current), "retired");
    }
}
