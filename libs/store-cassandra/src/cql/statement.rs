//! The statements, typed by what may be done with them, and the catalogue they stand in: from it a test sees that each
//! table is written in one way only (`security.md` D.1.1).

use scylla::{
    client::session::Session,
    errors::PrepareError,
    statement::{Statement, prepared::PreparedStatement},
};

/// How a statement goes about its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discipline {
    /// Reads.
    Read,
    /// Writes with a timestamp of its own and no condition.
    Plain,
    /// Writes on a condition, at the deployment's serial level.
    Conditional,
    /// Writes on a condition within one region.
    Regional,
}

/// One statement of the catalogue.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(test), allow(dead_code, reason = "read by the test of the catalogue"))]
pub(crate) struct Entry {
    /// Its name in code.
    pub(crate) name: &'static str,
    /// Its text.
    pub(crate) cql: &'static str,
    /// How it goes about its table.
    pub(crate) discipline: Discipline,
    /// Whether it has no condition of its own and may only stand in a batch that has one.
    pub(crate) member: bool,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = ($discipline:ident, member $member:literal, idempotent $idempotent:literal);)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone)]
            #[allow(dead_code, reason = "the name of a member is not told: batches have one of their own")]
            pub(crate) struct $kind {
                name: &'static str,
                prepared: PreparedStatement,
            }

            impl $kind {
                pub(crate) const DISCIPLINE: Discipline = Discipline::$discipline;
                pub(crate) const MEMBER: bool = $member;

                pub(crate) async fn prepare(
                    session: &Session,
                    defaults: &Defaults,
                    name: &'static str,
                    cql: &str,
                ) -> Result<Self, PrepareError> {
                    let text = qualified(cql, &defaults.keyspace);
                    let mut prepared = session.prepare(Statement::new(text)).await?;
                    defaults.apply(&mut prepared, Self::DISCIPLINE);
                    prepared.set_is_idempotent($idempotent);
                    Ok(Self { name, prepared })
                }

                /// For the connection, and for batches.
                pub(crate) const fn prepared(&self) -> &PreparedStatement {
                    &self.prepared
                }

                /// Its name in code, for traces.
                #[allow(dead_code, reason = "the same")]
                pub(crate) const fn name(&self) -> &'static str {
                    self.name
                }
            }
        )*
    };
}

kinds! {
    /// A SELECT.
    Read = (Read, member false, idempotent true);
    /// An INSERT or DELETE with `USING TIMESTAMP ?`, of a table that nothing conditional touches.
    Plain = (Plain, member false, idempotent true);
    /// A statement with a condition, decided at the deployment's serial level.
    Conditional = (Conditional, member false, idempotent false);
    /// A statement with a condition, decided within one region.
    RegionalConditional = (Regional, member false, idempotent false);
    /// A statement without condition that goes only into a batch that has one, on the same partition.
    Member = (Conditional, member true, idempotent false);
}

/// The statement with its keyspace before the name of its table, unless there is one: the cluster warns of each that has
/// none.
fn qualified(cql: &str, keyspace: &str) -> String {
    let mut words = cql.split_whitespace().peekable();
    let mut text = String::with_capacity(cql.len() + keyspace.len() + 4);
    for word in words.by_ref() {
        text.push_str(word);
        text.push(' ');
        if matches!(word, "FROM" | "INTO" | "UPDATE") {
            break;
        }
    }
    if words.peek().is_some_and(|table| !table.contains('.')) {
        text.push_str(&format!("\"{keyspace}\"."));
    }
    text.extend(words.flat_map(|word| [word, " "]));
    text
}

/// What every statement of a connection is given.
#[derive(Debug, Clone)]
pub(crate) struct Defaults {
    pub(super) keyspace: String,
    pub(super) serial: scylla::statement::SerialConsistency,
    pub(super) repeatable: scylla::client::execution_profile::ExecutionProfileHandle,
    pub(super) once: scylla::client::execution_profile::ExecutionProfileHandle,
}

impl Defaults {
    fn apply(&self, prepared: &mut PreparedStatement, discipline: Discipline) {
        let (serial, profile) = match discipline {
            Discipline::Read | Discipline::Plain => (None, &self.repeatable),
            Discipline::Conditional => (Some(self.serial), &self.once),
            Discipline::Regional => (
                Some(scylla::statement::SerialConsistency::LocalSerial),
                &self.once,
            ),
        };
        if serial.is_some() {
            prepared.set_serial_consistency(serial);
        }
        prepared.set_execution_profile_handle(Some(profile.clone()));
    }
}

/// Declares a set of statements: a struct of them, prepared together, and their entries in the catalogue.
macro_rules! statements {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident : $kind:ident = $cql:expr;)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name {
            $($(#[$doc])* pub(crate) $field: $crate::cql::$kind,)*
        }

        impl $name {
            /// All of them, as the catalogue shows them.
            #[cfg_attr(not(test), allow(dead_code, reason = "read by the test of the catalogue"))]
            pub(crate) const CATALOGUE: &'static [$crate::cql::Entry] = &[$($crate::cql::Entry {
                name: stringify!($field),
                cql: $cql,
                discipline: $crate::cql::$kind::DISCIPLINE,
                member: $crate::cql::$kind::MEMBER,
            },)*];

            /// Prepares all of them, one after another.
            pub(crate) async fn prepare(cql: &$crate::cql::Cql) -> Result<Self, $crate::ConnectError> {
                let (session, defaults) = (cql.session(), cql.defaults());
                Ok(Self {
                    $($field: $crate::cql::$kind::prepare(session, &defaults, stringify!($field), $cql)
                        .await
                        .map_err(|error| $crate::ConnectError::statement(stringify!($field), error))?,)*
                })
            }
        }
    };
}
pub(crate) use statements;

#[cfg(test)]
mod tests {
    use super::qualified;

    #[test]
    fn a_table_is_named_with_its_keyspace() {
        let table = [
            (
                "SELECT a\n FROM t WHERE b = ?",
                "SELECT a FROM \"k\".t WHERE b = ? ",
            ),
            (
                "INSERT INTO t (a) VALUES (?)",
                "INSERT INTO \"k\".t (a) VALUES (?) ",
            ),
            (
                "UPDATE t USING TTL 1 SET a = ?",
                "UPDATE \"k\".t USING TTL 1 SET a = ? ",
            ),
            ("SELECT a FROM system.local", "SELECT a FROM system.local "),
            ("DELETE FROM t WHERE b = ?", "DELETE FROM \"k\".t WHERE b = ? "),
        ];
        for (plain, expected) in table {
            assert_eq!(qualified(plain, "k"), expected);
        }
    }
}
