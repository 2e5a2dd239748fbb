//! Invitations: one row each, changed by conditions on its state and the operation that brought it there
//! (`security.md` D.2). An account is made with one in three steps, under one operation id: the invitation is reserved,
//! the account is made, the invitation is used. Whoever dies between leaves a reservation that lapses: the next one looks
//! whether its account was made.
//!
//! Must stay true: nobody makes an account while the invitation is not reserved for the operation.

use async_trait::async_trait;
use foxhold_core::{Deadline, Timestamp, TokenId, Uid, record::Account};
use foxhold_ports::{
    AccountReader as _, Call, InvitationReader, InvitationWriter, ReadError, Refusal, WriteError,
    accounts::SignIn,
    invitations::{Invitation, InvitationTerms, InvitationUse, RESERVED, encoding, may_use_again},
};
use scylla::{DeserializeRow, value::CqlTimestamp};

use super::{
    create, not_done,
    read::sound,
    rows::{read_time, time},
};
use crate::{
    CassandraReader, CassandraStore,
    cql::{
        AfterAStep as _, Doubts, Level, Outcome, Settled, Verdict, decide_or_look, pause, settle, statements,
    },
};

const OPEN: &str = "open";
const RESERVED_STATE: &str = "reserved";
const USED: &str = "used";

statements! {
    /// What readers ask about invitations.
    InvitationReads {
        invitation: Read = "SELECT id, terms, state, op, until, maker, uid, used_at FROM invitations WHERE id = ?";
        first_invitations: Read = "SELECT id, terms, state, op, until, maker, uid, used_at FROM invitations LIMIT ?";
        next_invitations: Read = "SELECT id, terms, state, op, until, maker, uid, used_at FROM invitations
            WHERE TOKEN(id) > TOKEN(?) LIMIT ?";
    }
}

statements! {
    /// What becomes of invitations.
    InvitationDecisions {
        put_invitation: Conditional = "INSERT INTO invitations (id, terms, state, op) VALUES (:id, :terms, 'open', :op)
            IF NOT EXISTS";
        reserve: Conditional = "UPDATE invitations SET state = 'reserved', op = :op, until = :until, maker = :maker
            WHERE id = :id IF state = :was AND op = :was_op";
        use_reserved: Conditional = "UPDATE invitations SET state = 'used', uid = :uid, used_at = :used_at
            WHERE id = :id IF state = 'reserved' AND op = :op";
        free: Conditional = "UPDATE invitations SET state = :was, until = null, maker = null
            WHERE id = :id IF state = 'reserved' AND op = :op";
        delete_invitation: Conditional = "DELETE FROM invitations WHERE id = :id IF state = :was AND op = :was_op";
    }
}

/// An invitation as it stands in its table.
#[derive(Debug, Clone, DeserializeRow)]
struct InvitationRow {
    id: Vec<u8>,
    terms: Option<Vec<u8>>,
    state: Option<String>,
    op: Option<Vec<u8>>,
    until: Option<CqlTimestamp>,
    maker: Option<Vec<u8>>,
    uid: Option<Vec<u8>>,
    used_at: Option<CqlTimestamp>,
}

impl InvitationRow {
    fn read(&self) -> Option<Invitation> {
        let used = match self.state.as_deref()? {
            USED => Some(self.last_use()?),
            // Used before, by whom it may be made again.
            RESERVED_STATE => self.last_use(),
            OPEN => None,
            _ => return None,
        };
        Some(Invitation {
            id: TokenId::from_slice(&self.id)?,
            terms: encoding::decode(self.terms.as_deref()?)?,
            used,
        })
    }

    fn last_use(&self) -> Option<InvitationUse> {
        Some(InvitationUse {
            uid: Uid::from_slice(self.uid.as_deref()?)?,
            at: read_time(self.used_at?)?,
        })
    }

    /// Whose accounts may be there by it: of who has used it, and of who reserved it and may have got as far.
    fn accounts(&self) -> impl Iterator<Item = Uid> {
        let of = [&self.uid, &self.maker].into_iter().flatten();
        of.filter_map(|uid| Uid::from_slice(uid))
    }

    /// The state it goes back to where nothing comes of a reservation.
    const fn before(&self) -> &'static str {
        if self.uid.is_some() { USED } else { OPEN }
    }

    fn is_of(&self, call: &Call) -> bool {
        self.op.as_deref() == Some(call.op.as_bytes())
    }

    /// What an operation may do with it. What is `used`, or was reserved by another that may have made its account all the
    /// same, needs another look.
    fn standing(&self, call: &Call, now: Timestamp) -> Standing {
        let lapsed = self.until.and_then(read_time).is_none_or(|until| until <= now);
        match self.state.as_deref() {
            Some(USED) if self.is_of(call) => Standing::UsedByMe,
            Some(USED) => Standing::Used,
            Some(RESERVED_STATE) if !lapsed && self.is_of(call) => Standing::Mine,
            Some(RESERVED_STATE) if !lapsed => Standing::Taken,
            Some(RESERVED_STATE) if !self.is_of(call) => Standing::Used,
            Some(RESERVED_STATE | OPEN) => Standing::Free,
            _ => Standing::Taken,
        }
    }
}

/// See [`InvitationRow::standing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Free,
    /// Reserved for this operation.
    Mine,
    /// Reserved for another one.
    Taken,
    Used,
    UsedByMe,
}

#[async_trait]
impl InvitationReader for CassandraReader {
    async fn invitation(&self, by: Deadline, id: TokenId) -> Result<Option<Invitation>, ReadError> {
        let (statement, values) = (&self.invitations.invitation, (id.as_bytes(),));
        let mut row: Option<InvitationRow> = self.cql.row(by, statement, values).await?;
        if row.is_none() && self.may_lag() {
            // One that was made in another region may not have come here yet.
            row = self
                .cql
                .serial_row(Level::Deployment, by, statement, values)
                .await?;
        }
        row.map(|row| sound(row.read())).transpose()
    }

    async fn invitations(
        &self,
        by: Deadline,
        after: Option<TokenId>,
        limit: u32,
    ) -> Result<Vec<Invitation>, ReadError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let reads = &self.invitations;
        let rows: Vec<InvitationRow> = match after {
            Some(after) => {
                let values = (after.as_bytes(), limit);
                self.cql.rows(by, &reads.next_invitations, values).await?
            }
            None => self.cql.rows(by, &reads.first_invitations, (limit,)).await?,
        };
        rows.iter().map(|row| sound(row.read())).collect()
    }
}

#[async_trait]
impl InvitationReader for CassandraStore {
    async fn invitation(&self, by: Deadline, id: TokenId) -> Result<Option<Invitation>, ReadError> {
        self.reader.invitation(by, id).await
    }

    async fn invitations(
        &self,
        by: Deadline,
        after: Option<TokenId>,
        limit: u32,
    ) -> Result<Vec<Invitation>, ReadError> {
        self.reader.invitations(by, after, limit).await
    }
}

#[async_trait]
impl InvitationWriter for CassandraStore {
    async fn put_invitation(
        &self,
        call: &Call,
        id: TokenId,
        terms: InvitationTerms,
    ) -> Result<(), WriteError> {
        let statement = &self.accounts.invitations.put_invitation;
        let terms = encoding::encode(&terms);
        let values = (id.as_bytes(), &terms[..], &call.op.as_bytes()[..]);
        settle(
            call.deadline,
            &*self.random,
            || self.cql.decide(call.deadline, statement, values),
            || self.invitation_row(call, id),
            |row| {
                Ok(match row {
                    Some(_) => Verdict::Done,
                    None => Verdict::Again,
                })
            },
        )
        .await
    }

    async fn delete_invitation(&self, call: &Call, id: TokenId, now: Timestamp) -> Result<(), WriteError> {
        let mut row = self.invitation_row(call, id).await.map_err(not_done)?;
        let mut doubts = Doubts::default();
        while let Some(found) = row {
            let is_free = match found.standing(call, now) {
                Standing::Free => true,
                Standing::Used if found.state.as_deref() == Some(RESERVED_STATE) => {
                    self.has_made_none(call, &found).await?
                }
                Standing::Mine | Standing::Taken | Standing::Used | Standing::UsedByMe => false,
            };
            if !is_free {
                return doubts.weigh(Err(Refusal::Conflict.into()));
            }
            let statement = &self.accounts.invitations.delete_invitation;
            let values = (id.as_bytes(), found.state.as_deref(), found.op.as_deref());
            let decided = self.cql.decide(call.deadline, statement, values);
            let look = || self.invitation_row(call, id);
            match doubts.weigh(decide_or_look(call.deadline, decided, look).await)? {
                Settled::Applied => return Ok(()),
                Settled::Look { view, doubt } => {
                    doubts.note(doubt);
                    row = view;
                }
            }
            pause(call.deadline, &*self.random).await;
        }
        Ok(())
    }

    async fn create_invited_account(
        &self,
        call: &Call,
        account: Account,
        sign_in: SignIn,
        invitation: TokenId,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        let before = self.reserve_invitation(call, &account, invitation, now).await?;
        match create::create(self, call, &account, &sign_in).await {
            Ok(()) => {
                let noted = self.note_used(call, invitation, account.uid, now).await;
                noted.after_a_step()
            }
            Err(refused @ WriteError::Refused(_)) => {
                // It is told as it is: what is not given back lapses.
                let _ = self.give_back(call, invitation, before).await;
                Err(refused)
            }
            Err(error) => Err(error),
        }
    }
}

impl CassandraStore {
    async fn invitation_row(&self, call: &Call, id: TokenId) -> Result<Option<InvitationRow>, ReadError> {
        let statement = &self.reader.invitations.invitation;
        let values = (id.as_bytes(),);
        self.cql
            .serial_row(Level::Deployment, call.deadline, statement, values)
            .await
    }

    /// Keeps the invitation for this operation for a while; one that it has used already is as good. Answers the state that
    /// it goes back to where no account comes of it.
    async fn reserve_invitation(
        &self,
        call: &Call,
        account: &Account,
        id: TokenId,
        now: Timestamp,
    ) -> Result<&'static str, WriteError> {
        let mut row = self.invitation_row(call, id).await.map_err(not_done)?;
        let mut doubts = Doubts::default();
        loop {
            let Some(found) = row else {
                return Err(Refusal::TokenSpent.into());
            };
            let before = found.before();
            match found.standing(call, now) {
                Standing::Mine | Standing::UsedByMe => return Ok(before),
                Standing::Taken => return Err(Refusal::TokenSpent.into()),
                Standing::Free => {}
                Standing::Used => {
                    if !self.may_be_used_again(call, &found, account).await? {
                        return Err(Refusal::TokenSpent.into());
                    }
                }
            }
            let invitation = found
                .read()
                .ok_or_else(|| not_done(ReadError(foxhold_ports::Cause::Fault)))?;
            if invitation.terms.expires_at <= now {
                return Err(Refusal::TokenSpent.into());
            }
            let decided = self.put_reservation(call, &found, account, id, now);
            let look = || self.invitation_row(call, id);
            match doubts.weigh(decide_or_look(call.deadline, decided, look).await)? {
                Settled::Applied => return Ok(before),
                Settled::Look { view, doubt } => {
                    doubts.note(doubt);
                    row = view;
                }
            }
            pause(call.deadline, &*self.random).await;
        }
    }

    async fn put_reservation(
        &self,
        call: &Call,
        found: &InvitationRow,
        account: &Account,
        id: TokenId,
        now: Timestamp,
    ) -> Result<Outcome, WriteError> {
        let statement = &self.accounts.invitations.reserve;
        let values = (
            &call.op.as_bytes()[..],
            time(now.plus(RESERVED)),
            &account.uid.as_bytes()[..],
            id.as_bytes(),
            found.state.as_deref(),
            found.op.as_deref(),
        );
        self.cql.decide(call.deadline, statement, values).await
    }

    /// See [`may_use_again`].
    async fn may_be_used_again(
        &self,
        call: &Call,
        found: &InvitationRow,
        account: &Account,
    ) -> Result<bool, WriteError> {
        for uid in found.accounts() {
            let made = self.reader.account(call.deadline, uid).await.map_err(not_done)?;
            if !may_use_again(made.as_ref(), &account.email_key) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether none of the accounts that may be there by it is.
    async fn has_made_none(&self, call: &Call, found: &InvitationRow) -> Result<bool, WriteError> {
        for uid in found.accounts() {
            let made = self.reader.account(call.deadline, uid).await.map_err(not_done)?;
            if made.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The account is made: from now on the invitation tells so.
    async fn note_used(&self, call: &Call, id: TokenId, uid: Uid, now: Timestamp) -> Result<(), WriteError> {
        let statement = &self.accounts.invitations.use_reserved;
        let values = (
            &uid.as_bytes()[..],
            time(now),
            id.as_bytes(),
            &call.op.as_bytes()[..],
        );
        settle(
            call.deadline,
            &*self.random,
            || self.cql.decide(call.deadline, statement, values),
            || self.invitation_row(call, id),
            |row| {
                let is_reserved = row.is_some_and(|row| row.standing(call, now) == Standing::Mine);
                Ok(if is_reserved {
                    Verdict::Again
                } else {
                    Verdict::Done
                })
            },
        )
        .await
    }

    async fn give_back(&self, call: &Call, id: TokenId, before: &'static str) -> Result<(), WriteError> {
        let statement = &self.accounts.invitations.free;
        let values = (before, id.as_bytes(), &call.op.as_bytes()[..]);
        self.cql.decide(call.deadline, statement, values).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::OpId;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1000);

    #[test]
    fn what_an_operation_may_do_with_an_invitation() {
        let call = Call {
            op: OpId::from_bytes([1; 16]),
            deadline: Deadline::after(RESERVED),
        };
        let row = |state: &str, op: u8, until: u64| InvitationRow {
            id: vec![0; 32],
            terms: None,
            state: Some(state.into()),
            op: Some(vec![op; 16]),
            until: Some(CqlTimestamp(i64::try_from(until).unwrap())),
            maker: None,
            uid: None,
            used_at: None,
        };
        let (before, after) = (NOW.as_millis(), NOW.as_millis() + 1);
        for (name, row, expected) in [
            ("open", row(OPEN, 2, before), Standing::Free),
            (
                "reserved by another",
                row(RESERVED_STATE, 2, after),
                Standing::Taken,
            ),
            ("and lapsed", row(RESERVED_STATE, 2, before), Standing::Used),
            (
                "reserved by itself",
                row(RESERVED_STATE, 1, after),
                Standing::Mine,
            ),
            ("and lapsed", row(RESERVED_STATE, 1, before), Standing::Free),
            ("used", row(USED, 2, before), Standing::Used),
            ("by itself", row(USED, 1, before), Standing::UsedByMe),
            ("damaged", row("x", 2, before), Standing::Taken),
        ] {
            assert_eq!(row.standing(&call, NOW), expected, "{name}");
        }
    }
}
