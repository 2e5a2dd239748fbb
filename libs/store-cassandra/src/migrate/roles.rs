//! The three roles and what each may do in the keyspace (`security.md` D.1.9): webheads read, dbwriters read and write, the
//! migrator changes the schema. Made by a superuser at first start; later ones log in as the migrator's role, and leave
//! roles alone.
//!
//! Must stay true: a password stands in the statement that sets it and nowhere else; nothing shown holds one.

use std::collections::{BTreeMap, HashMap};

use foxhold_core::SecretText;
use zeroize::Zeroizing;

use super::{
    MigrateError, Plan, Step,
    admin::{Admin, Column},
    deployment::replication_of,
    plan::is_role_name,
};
use crate::ConnectSettings;

/// More copies of roles and passwords than this in one data centre help nobody.
const COPIES_MAX: u32 = 3;

/// All that can be granted on a keyspace.
const PERMISSIONS: [&str; 6] = ["CREATE", "ALTER", "DROP", "SELECT", "MODIFY", "AUTHORIZE"];

/// The roles to make or to bring up to date. Those that are absent are left alone.
#[derive(Debug, Default)]
pub struct Roles {
    /// May SELECT.
    pub webhead: Option<RoleLogin>,
    /// May SELECT and MODIFY.
    pub dbwriter: Option<RoleLogin>,
    /// May CREATE, ALTER and DROP tables, and alter the keyspace, besides.
    pub migrator: Option<RoleLogin>,
}

/// A role that may log in.
#[derive(Debug)]
pub struct RoleLogin {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: SecretText,
}

impl Roles {
    /// Each with what it may do.
    fn all(&self) -> impl Iterator<Item = (&RoleLogin, &'static [&'static str])> {
        let webhead: &[_] = &["SELECT"];
        let dbwriter: &[_] = &["SELECT", "MODIFY"];
        let migrator: &[_] = &["SELECT", "MODIFY", "CREATE", "ALTER", "DROP"];
        [
            (&self.webhead, webhead),
            (&self.dbwriter, dbwriter),
            (&self.migrator, migrator),
        ]
        .into_iter()
        .filter_map(|(role, may)| Some((role.as_ref()?, may)))
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// Whether the names can be names, and are three.
    pub(super) fn check(&self) -> Result<(), MigrateError> {
        let names: Vec<_> = self.all().map(|(role, _)| role.name.as_str()).collect();
        for (index, name) in names.iter().enumerate() {
            let refused = |what: String| {
                let fix = "letters, digits, `_`, `-` and `.`; a role of its own for each tier".to_owned();
                Err(MigrateError::Refused { what, fix })
            };
            if !is_role_name(name) {
                return refused(format!("`{name}` cannot be the name of a role"));
            }
            if names[..index].contains(name) {
                return refused(format!("`{name}` is to be two roles"));
            }
        }
        Ok(())
    }
}

/// One statement, with and without its secret.
struct RoleStep {
    what: String,
    cql: Zeroizing<String>,
    shown: String,
}

impl RoleStep {
    fn open(what: String, cql: String) -> Self {
        Self {
            what,
            shown: cql.clone(),
            cql: Zeroizing::new(cql),
        }
    }

    fn with_password(what: String, before: &str, password: &SecretText, after: &str) -> Self {
        let mut quoted = Zeroizing::new(String::with_capacity(2 * password.expose().len()));
        for letter in password.expose().chars() {
            quoted.push(letter);
            if letter == '\'' {
                quoted.push(letter);
            }
        }
        let room = before.len() + quoted.len() + after.len() + 2;
        let mut cql = Zeroizing::new(String::with_capacity(room));
        for part in [before, "'", &quoted, "'", after] {
            cql.push_str(part);
        }
        Self {
            what,
            cql,
            shown: format!("{before}'********'{after}"),
        }
    }
}

/// What a role is in the cluster.
#[derive(Debug, Clone, Default)]
struct Found {
    exists: bool,
    /// With the password that is configured.
    is_let_in: bool,
    may: Vec<String>,
}

/// What to do for the roles, in order. First their replication: what follows is then written to all copies.
fn steps(plan: &Plan, roles: &[(&RoleLogin, &[&str], Found)], raise: Option<String>) -> Vec<RoleStep> {
    let mut steps = Vec::new();
    if let Some(cql) = raise {
        let what = "copies of roles and passwords in every region; then, on every node: nodetool repair --full system_auth";
        steps.push(RoleStep::open(what.to_owned(), cql));
    }
    for (role, may, found) in roles {
        let name = &role.name;
        let set_password = |what: String, verb: &str| {
            let before = format!("{verb} \"{name}\" WITH PASSWORD = ");
            RoleStep::with_password(what, &before, &role.password, " AND LOGIN = true")
        };
        if !found.exists {
            steps.push(set_password(format!("role {name}"), "CREATE ROLE IF NOT EXISTS"));
        } else if !found.is_let_in {
            steps.push(set_password(format!("role {name}: its password"), "ALTER ROLE"));
        }
        for permission in PERMISSIONS {
            let has = found.may.iter().any(|found| found == permission);
            let (verb, preposition) = match (may.contains(&permission), has) {
                (true, false) => ("GRANT", "TO"),
                (false, true) => ("REVOKE", "FROM"),
                (true, true) | (false, false) => continue,
            };
            steps.push(RoleStep::open(
                format!("role {name}: {permission}"),
                format!(
                    "{verb} {permission} ON KEYSPACE \"{}\" {preposition} \"{name}\"",
                    plan.keyspace
                ),
            ));
        }
    }
    steps
}

/// The statement that gives `system_auth` copies in every data centre of the plan; `None` if it has them. Never fewer than
/// there are; another strategy's copies stay in the data centres that the plan does not name.
fn raise(plan: &Plan, nodes: &BTreeMap<String, usize>, found: &HashMap<String, String>) -> Option<String> {
    let number = |copies: &String| copies.parse::<u32>().ok();
    let by_data_centre = found
        .get("class")
        .is_some_and(|class| class.ends_with("NetworkTopologyStrategy"));
    let mut copies: BTreeMap<&str, u32> = BTreeMap::new();
    for (name, nodes) in nodes {
        let all = u32::try_from(*nodes).unwrap_or(u32::MAX);
        let has = if by_data_centre {
            found.get(name).and_then(number)
        } else {
            found
                .get("replication_factor")
                .and_then(number)
                .map(|copies| copies.min(all))
        };
        if let Some(has) = has {
            copies.insert(name, has);
        }
    }
    let mut is_short = !by_data_centre;
    for region in &plan.regions {
        let wanted = region.replication.min(COPIES_MAX);
        let has = copies.entry(&region.data_centre).or_insert(0);
        is_short |= *has < wanted;
        *has = wanted.max(*has);
    }
    is_short.then(|| {
        format!(
            "ALTER KEYSPACE system_auth WITH replication = {}",
            replication_of(copies)
        )
    })
}

/// Whether this login can see and make roles. To one that cannot, Cassandra shows only its own, as if there were no others.
pub(super) async fn check_login(admin: &Admin, roles: &Roles) -> Result<(), MigrateError> {
    if !roles.is_empty() {
        let text = "SELECT role FROM system_auth.roles LIMIT 1";
        admin
            .listed("looking at roles, as [roles] are configured", text, Column::First)
            .await?;
    }
    Ok(())
}

/// What is missing, found out without changing anything.
async fn prepare(
    admin: &Admin,
    settings: &ConnectSettings,
    plan: &Plan,
    roles: &Roles,
) -> Result<Vec<RoleStep>, MigrateError> {
    if roles.is_empty() {
        return Ok(Vec::new());
    }
    let names = admin
        .listed("listing the roles", "LIST ROLES", Column::First)
        .await?;
    let has_keyspace = admin.replication(&plan.keyspace).await?.is_some();
    let mut all = Vec::new();
    for (role, may) in roles.all() {
        let mut found = Found {
            exists: names.contains(&role.name),
            ..Found::default()
        };
        if found.exists {
            found.is_let_in = admin.lets_in(settings, &role.name, &role.password).await?;
        }
        if found.exists && has_keyspace {
            let text = format!(
                "LIST ALL PERMISSIONS ON KEYSPACE \"{}\" OF \"{}\" NORECURSIVE",
                plan.keyspace, role.name
            );
            let what = "listing what a role may do";
            found.may = admin.listed(what, &text, Column::Last).await?;
        }
        all.push((role, may, found));
    }
    let copies = admin.replication("system_auth").await?.unwrap_or_default();
    let raise = raise(plan, &admin.nodes_by_data_centre(), &copies);
    Ok(steps(plan, &all, raise))
}

/// The statements, without passwords.
pub(super) async fn shown(
    admin: &Admin,
    settings: &ConnectSettings,
    plan: &Plan,
    roles: &Roles,
) -> Result<Vec<Step>, MigrateError> {
    let steps = prepare(admin, settings, plan, roles).await?.into_iter();
    Ok(steps
        .map(|step| Step {
            what: step.what,
            cql: step.shown,
        })
        .collect())
}

/// Carries them out. What was done, in words.
pub(super) async fn apply(
    admin: &Admin,
    settings: &ConnectSettings,
    plan: &Plan,
    roles: &Roles,
) -> Result<Vec<String>, MigrateError> {
    let mut done = Vec::new();
    for step in prepare(admin, settings, plan, roles).await? {
        // A fault in the statement would be told with a piece of it, and that may be of the password.
        admin.change(&step.what, &step.cql).await.map_err(without_text)?;
        done.push(step.what);
    }
    Ok(done)
}

fn without_text(error: MigrateError) -> MigrateError {
    match error {
        MigrateError::Statement { what, .. } if !error.is_unavailable() => MigrateError::Answer {
            answer: "it is refused; the cluster's log says why".to_owned(),
            what,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SerialLevel, migrate::RegionPlan};

    fn plan() -> Plan {
        let region = |name: &str, data_centre: &str, replication| RegionPlan {
            name: name.to_owned(),
            data_centre: data_centre.to_owned(),
            replication,
        };
        Plan {
            keyspace: "foxhold".to_owned(),
            regions: vec![region("eu", "dc1", 5), region("us", "dc2", 1)],
            serial: SerialLevel::Serial,
            stripes: 4,
        }
    }

    fn login(name: &str) -> Option<RoleLogin> {
        Some(RoleLogin {
            name: name.to_owned(),
            password: SecretText::new("it's; \"secret".to_owned()),
        })
    }

    #[test]
    fn each_role_may_do_what_its_tier_needs_and_no_password_is_shown() {
        let roles = Roles {
            webhead: login("web"),
            dbwriter: login("writer"),
            migrator: login("ddl"),
        };
        let of = |found: &Found| -> Vec<_> {
            let all = roles.all().map(|(role, may)| (role, may, found.clone()));
            let all: Vec<_> = all.collect();
            steps(&plan(), &all, None)
        };
        let first = of(&Found::default());
        assert!(first.iter().all(|step| !step.shown.contains("secret")));
        let passwords = first.iter().filter(|step| step.cql.contains("'it''s; \"secret'"));
        assert_eq!(passwords.count(), 3);
        let with = |steps: &[RoleStep], verb: &str, role: &str| -> Vec<String> {
            let suffix = format!(" \"{role}\"");
            let those = steps.iter().filter_map(|step| {
                let grant = step.shown.strip_prefix(verb)?;
                let words = grant.strip_suffix(suffix.as_str())?;
                words.split_whitespace().next().map(str::to_owned)
            });
            those.collect()
        };
        assert_eq!(with(&first, "GRANT ", "web"), ["SELECT"]);
        assert_eq!(with(&first, "GRANT ", "writer"), ["SELECT", "MODIFY"]);
        assert_eq!(
            with(&first, "GRANT ", "ddl"),
            ["CREATE", "ALTER", "DROP", "SELECT", "MODIFY"]
        );

        let later = of(&Found {
            exists: true,
            is_let_in: true,
            may: vec!["SELECT".to_owned(), "MODIFY".to_owned()],
        });
        assert!(later.iter().all(|step| !step.cql.contains("PASSWORD")));
        assert_eq!(with(&later, "REVOKE ", "web"), ["MODIFY"]);
        assert_eq!(with(&later, "GRANT ", "writer"), [""; 0]);
        assert_eq!(with(&later, "GRANT ", "ddl"), ["CREATE", "ALTER", "DROP"]);
    }

    #[test]
    fn names_of_roles_are_checked() {
        let roles = |webhead: &str, dbwriter: &str| Roles {
            webhead: login(webhead),
            dbwriter: login(dbwriter),
            migrator: None,
        };
        assert!(roles("web", "writer").check().is_ok());
        assert!(roles("web", "web").check().is_err());
        assert!(roles("we\"b", "writer").check().is_err());
        assert!(Roles::default().is_empty());
    }

    #[test]
    fn copies_of_roles_are_raised_and_never_lowered() {
        let of = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
            let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            pairs.iter().map(own).collect()
        };
        let nodes: BTreeMap<String, usize> = [("dc1", 6), ("dc2", 2), ("dc3", 1)]
            .map(|(name, nodes)| (name.to_owned(), nodes))
            .into();
        let network = ("class", "org.apache.cassandra.locator.NetworkTopologyStrategy");
        let simple = ("class", "org.apache.cassandra.locator.SimpleStrategy");
        let table = [
            (of(&[network, ("dc1", "3"), ("dc2", "1")]), None),
            (
                of(&[network, ("dc1", "5"), ("dc3", "1")]),
                Some("'dc1': 5, 'dc2': 1, 'dc3': 1"),
            ),
            (
                of(&[network, ("dc1", "2"), ("dc2", "2")]),
                Some("'dc1': 3, 'dc2': 2"),
            ),
            (
                of(&[simple, ("replication_factor", "1")]),
                Some("'dc1': 3, 'dc2': 1, 'dc3': 1"),
            ),
        ];
        for (found, expected) in table {
            let expected = expected.map(|copies| {
                format!("ALTER KEYSPACE system_auth WITH replication = {{'class': 'NetworkTopologyStrategy', {copies}}}")
            });
            assert_eq!(raise(&plan(), &nodes, &found), expected, "{found:?}");
        }
    }
}
