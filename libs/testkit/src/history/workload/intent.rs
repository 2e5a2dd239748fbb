//! One write of a client: how the history calls it, and how a store is asked for it.

use foxhold_core::{
    Timestamp, hex,
    record::{Account, UserRecord},
};
use foxhold_ports::{
    Call, WriteError,
    accounts::SignIn,
    assignments::{RecordRef, Target, UserValues},
};

use super::{material::Token, site::Site};
use crate::history::{Input, Seen};

/// A write. It can be sent as often as one likes.
pub(super) enum Intent {
    Create(Box<Account>, SignIn),
    Put(Token),
    Consume(Token),
    Change(Change, RecordRef, UserValues, Timestamp),
    Assign(RecordRef, UserValues, Timestamp),
}

/// How a record is changed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    First,
    Raise,
    Rekey,
}

impl Intent {
    pub(super) fn input(&self) -> Input {
        match self {
            Self::Create(account, _) => Input::Create {
                account: account.uid.to_string(),
            },
            Self::Put(_) => Input::Put,
            Self::Consume(_) => Input::Consume,
            Self::Change(_, at, values, _) => Input::Change {
                at: at.version,
                value: described(values),
            },
            Self::Assign(..) => Input::Assign,
        }
    }

    pub(super) async fn send(&self, site: &Site, call: &Call) -> Result<Seen, WriteError> {
        let (accounts, assignments) = (&site.account_writer, &site.assignment_writer);
        let nothing = |()| Seen::Nothing {};
        match self {
            Self::Create(account, sign_in) => {
                let (account, sign_in) = ((**account).clone(), sign_in.clone());
                let done = accounts.create_account(call, account, sign_in).await;
                done.map(nothing)
            }
            Self::Put(Token::KeyFetch(sign_in)) => {
                accounts.open_session(call, sign_in.clone()).await.map(nothing)
            }
            Self::Put(Token::Code(code)) => {
                let done = accounts.put_authorization_code(call, code.clone()).await;
                done.map(nothing)
            }
            Self::Consume(Token::KeyFetch(sign_in)) => {
                let id = sign_in.key_fetches[0].id;
                accounts.consume_key_fetch(call, id).await.map(nothing)
            }
            Self::Consume(Token::Code(code)) => {
                let done = accounts.consume_authorization_code(call, code.id).await;
                done.map(nothing)
            }
            Self::Change(change, at, values, now) => {
                let done = match change {
                    Change::First => assignments.assign(call, at, values, &Target::DEFAULT, *now).await,
                    Change::Raise => assignments.raise(call, at, values).await,
                    Change::Rekey => assignments.rekey(call, at, values, *now).await,
                };
                done.map(|record| seen_record(&record))
            }
            Self::Assign(at, values, now) => {
                let done = assignments.assign(call, at, values, &Target::DEFAULT, *now).await;
                done.map(|record| seen_place(&record))
            }
        }
    }
}

/// The record, as the model of changes has it.
pub(super) fn seen_record(record: &UserRecord) -> Seen {
    let current = &record.current;
    Seen::Record {
        version: record.version,
        value: described(&UserValues {
            generation: current.generation,
            keys_changed_at: current.keys_changed_at,
            client_state: current.client_state.clone(),
        }),
    }
}

/// The record, as the model of first assignments has it.
pub(super) fn seen_place(record: &UserRecord) -> Seen {
    Seen::Place {
        uid: record.current.uid.get(),
        node: record.current.node.clone().unwrap_or_default(),
    }
}

fn described(values: &UserValues) -> String {
    format!(
        "generation {} keys {} state {}",
        values.generation.0,
        values.keys_changed_at.map_or(0, std::num::NonZeroU64::get),
        hex::encode(values.client_state.as_bytes())
    )
}
