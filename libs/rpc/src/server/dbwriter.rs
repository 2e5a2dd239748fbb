//! The dbwriter's services: take the message apart, call the port, put the answer together.

use foxhold_core::{TokenId, Uid};

use crate::convert::{FieldError, field};

/// Bytes of an id, or the field's name.
fn token(name: &'static str, wire: &[u8]) -> Result<TokenId, FieldError> {
    field(name, TokenId::from_slice(wire))
}

fn uid(wire: &[u8]) -> Result<Uid, FieldError> {
    field("uid", Uid::from_slice(wire))
}

/// One rpc: names the message, reads its fields into variables, calls the port with them, makes the answer of what the
/// port says. The operation id and the deadline make the `Call`.
macro_rules! intent {
    ($self:ident, $request:ident, |$wire:ident| { $($var:ident = $read:expr;)* }, $method:ident ( $($arg:expr),* ),
     |$done:pat_param| $answer:expr) => {{
        let by = deadline(&$request);
        let id = trace::take($request.metadata());
        let $wire = $request.into_inner();
        let read = || -> Result<_, FieldError> {
            let op = convert::op_id(&$wire.op_id)?;
            $(let $var = $read?;)*
            Ok((Call { op, deadline: by }, $($var,)*))
        };
        let (call, $($var,)*) = read().map_err(|error| of_field_error(&error))?;
        match traced(id, $self.0.$method(&call, $($arg),*)).await {
            Ok($done) => Ok(Response::new($answer)),
            Err(error) => Err(of_write_error(error)),
        }
    }};
}

mod account_admin;
mod accounts;
mod administration;
mod assignments;
mod device_commands;
mod guards;
mod invitations;
mod openid;
mod operator;
mod outbox;
mod turns;

pub(super) use account_admin::AccountAdministration;
pub(super) use accounts::Accounts;
pub(super) use administration::Administration;
pub(super) use assignments::Assignments;
pub(super) use device_commands::Commands;
pub(super) use guards::Guards;
pub(super) use invitations::Invitations;
pub(super) use openid::{Clients, Grants};
pub(super) use operator::Operators;
pub(super) use outbox::Mails;
pub(super) use turns::Turns;
