//! How accounts are shown on a terminal.

use foxhold_core::Timestamp;
use foxhold_ops::wire::{Account, AccountState, ListedAccount};

use crate::output::{moment, table};

/// One, a line for each fact.
pub(super) fn one(account: &Account) -> String {
    let listed = &account.account;
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let at = |millis: u64| moment(Timestamp::from_millis(millis));
    let rows = [
        ["address".to_owned(), listed.email.clone()],
        ["uid".to_owned(), listed.uid.clone()],
        ["state".to_owned(), state_and_since(listed)],
        ["address verified".to_owned(), yes(listed.verified)],
        ["created".to_owned(), at(listed.created_at_ms)],
        ["password set".to_owned(), at(account.password_set_at_ms)],
        ["keys changed".to_owned(), at(account.keys_changed_at_ms)],
        ["second factor".to_owned(), yes(account.second_factor)],
        ["recovery key".to_owned(), yes(account.recovery_key)],
        ["sessions".to_owned(), account.sessions.to_string()],
        ["devices".to_owned(), account.devices.to_string()],
        [
            "attached clients".to_owned(),
            account.attached_clients.to_string(),
        ],
    ];
    table(["WHAT", "IS"], &rows)
}

/// Some, a line for each.
pub(super) fn listed(accounts: &[ListedAccount]) -> String {
    let row = |account: &ListedAccount| {
        [
            account.uid.clone(),
            state(account),
            if account.verified { "yes" } else { "no" }.to_owned(),
            moment(Timestamp::from_millis(account.created_at_ms)),
            account.email.clone(),
        ]
    };
    let rows: Vec<_> = accounts.iter().map(row).collect();
    table(["UID", "STATE", "VERIFIED", "CREATED", "ADDRESS"], &rows)
}

/// With the moment from which on nobody could use it.
fn state_and_since(account: &ListedAccount) -> String {
    match account.disabled_at_ms {
        Some(at) => format!("{}, since {}", state(account), moment(Timestamp::from_millis(at))),
        None => state(account),
    }
}

fn state(account: &ListedAccount) -> String {
    match account.state {
        AccountState::Active => "active".to_owned(),
        AccountState::Disabled => "disabled".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_shown_line_by_line() {
        let account = ListedAccount {
            uid: "7d3c".into(),
            email: "ann@example.org".into(),
            verified: true,
            created_at_ms: 86_400_000,
            state: AccountState::Disabled,
            disabled_at_ms: Some(172_800_000),
        };
        assert_eq!(
            listed(std::slice::from_ref(&account)),
            "UID   STATE     VERIFIED  CREATED               ADDRESS\n\
             7d3c  disabled  yes       1970-01-02T00:00:00Z  ann@example.org\n"
        );
        let account = Account {
            account,
            password_set_at_ms: 0,
            keys_changed_at_ms: 0,
            second_factor: false,
            recovery_key: true,
            sessions: 2,
            devices: 1,
            attached_clients: 0,
        };
        let shown = one(&account);
        let state = "state             disabled, since 1970-01-03T00:00:00Z\n";
        assert!(shown.contains(state), "{shown}");
        assert!(shown.contains("recovery key      yes\n"), "{shown}");
    }
}
