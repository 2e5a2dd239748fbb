//! A user of the file as the store would take the user over: by the rules of the admin API and of the stores themselves.

use foxhold_ops::{
    imported_user,
    wire::{FieldFault, ImportUser},
};
use foxhold_ports::assignments::import::imported;

/// The nodes on which the user's records hold slots, one entry a slot. `Err`: what is wrong with the records.
pub(super) fn slots(user: &ImportUser, is_node: impl Fn(&str) -> bool) -> Result<Vec<String>, String> {
    let (_, user) = imported_user(0, user.clone()).map_err(|fault| told(&fault))?;
    let imported = imported(None, &user, is_node);
    imported
        .map(|imported| imported.takes)
        .map_err(|refused| refused.to_string())
}

/// Where it is in the request is nobody's business: the line says where it is.
fn told(fault: &FieldFault) -> String {
    let field = fault.field.strip_prefix("users[0].").unwrap_or(&fault.field);
    format!("`{field}`: {}", fault.detail)
}

#[cfg(test)]
mod tests {
    use foxhold_ops::wire::{ImportRecord, User};

    use super::*;

    fn one(uid: u64, client_state: &str) -> ImportRecord {
        ImportRecord {
            uid,
            generation: 1,
            keys_changed_at_ms: None,
            client_state: client_state.to_owned(),
            created_at_ms: uid,
            replaced_at_ms: None,
            node: Some("https://n".into()),
            holds_slot: None,
        }
    }

    fn user(records: Vec<ImportRecord>) -> ImportUser {
        ImportUser {
            user: User("u@x".into()),
            records,
            old_client_states: Vec::new(),
            first_seen_at_ms: None,
        }
    }

    #[test]
    fn slots_are_those_that_the_store_would_take() {
        for (name, records, node, expected) in [
            ("one", vec![one(1, "")], "https://n", 1),
            (
                "a change of keys hands it on",
                vec![one(1, "aa"), one(2, "bb")],
                "https://n",
                1,
            ),
            ("dangling", vec![one(1, "")], "https://other", 0),
        ] {
            let found = slots(&user(records), |url| url == node).unwrap();
            assert_eq!(found.len(), expected, "{name}");
        }
    }

    #[test]
    fn what_the_store_would_not_take_is_said() {
        let beyond = |change: fn(&mut ImportRecord)| {
            let mut record = one(1, "");
            change(&mut record);
            vec![record]
        };
        let many = (1..=102).map(|uid| one(uid, "")).collect();
        for (records, named) in [
            (vec![], "`records`"),
            (many, "`records`"),
            (vec![one(0, "")], "`records[0].uid`"),
            (vec![one(1 << 53, "")], "`records[0].uid`"),
            (vec![one(1, "abc")], "`records[0].client_state`"),
            (vec![one(1, "zz")], "`records[0].client_state`"),
            (
                beyond(|record| record.generation = 1 << 63),
                "`records[0].generation`",
            ),
            (
                beyond(|record| record.created_at_ms = 1 << 63),
                "`records[0].created_at_ms`",
            ),
        ] {
            let fault = slots(&user(records), |_| true).unwrap_err();
            assert!(fault.starts_with(named), "{fault}");
        }
        let mut nameless = user(vec![one(1, "")]);
        nameless.user = User("u".into());
        assert!(slots(&nameless, |_| true).unwrap_err().starts_with("`user`"));
    }
}
