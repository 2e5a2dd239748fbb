//! Sessions and refresh tokens: each is two rows, one by its id and one in its account's list, both whole.
//!
//! Which half is right, a repair learns by writing the other one again, as old as the one that is there: a deletion that
//! somebody made meanwhile is younger and stands. Then the token was ended, and the half that is left goes, too.

use std::time::Duration;

use foxhold_core::{OpId, Timestamp, TokenId};
use foxhold_ports::outbox::put_at;
use scylla::{
    DeserializeRow,
    value::{CqlTimestamp, CqlValue, Row},
};
use zeroize::Zeroize as _;

use super::{
    Audit, AuditError, Check, Finding, Verdict,
    rows::{Account, example, micros, timestamp},
    scan::soon,
    statements::AuditStatements,
    sweep::{self, DeviceOf, just_after},
};
use crate::cql::{Plain, Read};

/// A session without a device ends after 28 days by the rules of accounts; one more for clocks that disagree.
const LIFE_WITHOUT_DEVICE: Duration = Duration::from_secs(29 * 24 * 60 * 60);

/// How long a refresh token that was replaced, and is still there, is left to the client that comes with it.
const MARK_YOUNG: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Session,
    RefreshToken,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Session, Self::RefreshToken];

    const fn name(self) -> &'static str {
        match self {
            Self::Session => "sessions",
            Self::RefreshToken => "refresh_tokens",
        }
    }

    const fn list_name(self) -> &'static str {
        match self {
            Self::Session => "sessions_by_account",
            Self::RefreshToken => "refresh_tokens_by_account",
        }
    }

    const fn of_no_account(self) -> Finding {
        match self {
            Self::Session => Finding::SessionOfNoAccount,
            Self::RefreshToken => Finding::RefreshTokenOfNoAccount,
        }
    }

    const fn not_listed(self) -> Finding {
        match self {
            Self::Session => Finding::SessionNotListed,
            Self::RefreshToken => Finding::RefreshTokenNotListed,
        }
    }

    const fn ran_out(self) -> Finding {
        match self {
            Self::Session => Finding::SessionRanOut,
            Self::RefreshToken => Finding::RefreshTokenRanOut,
        }
    }

    const fn listed_only(self) -> Finding {
        match self {
            Self::Session => Finding::SessionListedOnly,
            Self::RefreshToken => Finding::RefreshTokenListedOnly,
        }
    }

    const fn statements(self, all: &AuditStatements) -> Statements<'_> {
        match self {
            Self::Session => Statements {
                all: &all.sessions,
                one: &all.session,
                restore: &all.restore_session,
                remove: &all.remove_session,
                all_listed: &all.listed_sessions,
                one_listed: &all.listed_session,
                list: &all.list_session,
                unlist: &all.unlist_session,
            },
            Self::RefreshToken => Statements {
                all: &all.refresh_tokens,
                one: &all.refresh_token,
                restore: &all.restore_refresh_token,
                remove: &all.remove_refresh_token,
                all_listed: &all.listed_refresh_tokens,
                one_listed: &all.listed_refresh_token,
                list: &all.list_refresh_token,
                unlist: &all.unlist_refresh_token,
            },
        }
    }
}

struct Statements<'a> {
    all: &'a Read,
    one: &'a Read,
    restore: &'a Plain,
    remove: &'a Plain,
    all_listed: &'a Read,
    one_listed: &'a Read,
    list: &'a Plain,
    unlist: &'a Plain,
}

/// One half of a token, whole, with its timestamp last. Wiped when dropped: a session's key is in it.
struct Half(Row);

impl Half {
    fn of(row: Option<Row>) -> Option<Self> {
        row.map(Self)
    }

    fn written(&self) -> Option<i64> {
        self.0.columns.last()?.as_ref()?.as_bigint()
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        for cell in &mut self.0.columns {
            if let Some(CqlValue::Blob(bytes)) = cell {
                bytes.zeroize();
            }
        }
    }
}

/// A token, as its own table has it.
#[derive(Debug, DeserializeRow)]
pub(super) struct TokenRow {
    id: Vec<u8>,
    uid: Option<Vec<u8>>,
    /// What it hangs on; a session on itself.
    session: Option<Vec<u8>>,
    created_at: Option<CqlTimestamp>,
    generation: Option<CqlTimestamp>,
    written: Option<i64>,
}

/// A token in a list.
#[derive(Debug, DeserializeRow)]
pub(super) struct ListedRow {
    uid: Vec<u8>,
    id: Vec<u8>,
    session: Option<Vec<u8>>,
    generation: Option<CqlTimestamp>,
    written: Option<i64>,
}

/// Which password a token is of.
#[derive(Debug, Clone, Copy)]
struct Age {
    hangs_on_a_session: bool,
    generation: Timestamp,
}

impl Age {
    fn read(session: Option<&Vec<u8>>, generation: Option<CqlTimestamp>) -> Self {
        Self {
            hangs_on_a_session: session.is_some(),
            generation: generation.map_or_else(Timestamp::default, timestamp),
        }
    }

    /// Whether a newer password has ended it. Whoever set that may have died before he came to remove it, or between its
    /// two rows; no rule accepts it any more, so it makes no difference which of them are left. What hangs on no session
    /// lasts until a reset.
    fn is_over(self, account: &Account) -> bool {
        let since = if self.hangs_on_a_session {
            account.verifier_set_at
        } else {
            account.reset_at
        };
        self.generation < since
    }
}

/// A token that looks wrong.
pub(super) struct Suspect {
    id: Vec<u8>,
    uid: Vec<u8>,
    age: Age,
    created_at: Timestamp,
    is_listed: bool,
    is_replaced: bool,
}

impl Suspect {
    /// Only what hangs on no session is replaced, and only that has a mark when it is taken back.
    const fn may_be_replaced(&self) -> bool {
        !self.age.hangs_on_a_session
    }

    /// Whether another has replaced it, or it was taken back, a day ago.
    async fn was_replaced(&self, audit: &Audit<'_>) -> Result<bool, AuditError> {
        if !self.may_be_replaced() {
            return Ok(false);
        }
        let mark = audit.anywhere(&audit.statements.replaced_token, (&self.id,));
        let mark: Option<Mark> = mark.await?;
        Ok(mark.is_some_and(|mark| mark.is_old(audit)))
    }
}

/// That a refresh token was replaced or taken back, and by which operation.
#[derive(DeserializeRow)]
struct Mark {
    replaced_by: Option<Vec<u8>>,
}

impl Mark {
    /// Until then the token may show that whoever replaced it was never told so, and its client is still to be.
    fn is_old(&self, audit: &Audit<'_>) -> bool {
        let op = self.replaced_by.as_deref().and_then(OpId::from_slice);
        let marked_at = op.map_or_else(Timestamp::default, put_at);
        !audit.is_within(audit.clock.now(), MARK_YOUNG, marked_at)
    }
}

/// The table by id.
pub(super) struct Tokens(pub(super) Kind);

impl Check for Tokens {
    type Row = TokenRow;
    type Suspicion = Suspect;

    fn table(&self) -> &'static str {
        self.0.name()
    }

    fn rows<'a>(&self, audit: &'a Audit<'_>) -> &'a Read {
        self.0.statements(&audit.statements).all
    }

    async fn first_look(&self, audit: &Audit<'_>, row: TokenRow) -> Result<Option<Suspect>, AuditError> {
        if audit.is_young(micros(row.written)) {
            return Ok(None);
        }
        let mut suspect = Suspect {
            id: row.id,
            uid: row.uid.unwrap_or_default(),
            age: Age::read(row.session.as_ref(), row.generation),
            created_at: row.created_at.map_or_else(Timestamp::default, timestamp),
            is_listed: true,
            is_replaced: false,
        };
        let account = audit.account_here(&suspect.uid).await?;
        let one_listed = self.0.statements(&audit.statements).one_listed;
        let listed = audit.cql.row(soon(), one_listed, (&suspect.uid, &suspect.id));
        suspect.is_listed = Half::of(listed.await?).is_some();
        suspect.is_replaced = suspect.may_be_replaced() && {
            let statement = &audit.statements.replaced_token;
            let mark: Option<Mark> = audit.cql.row(soon(), statement, (&suspect.id,)).await?;
            mark.is_some_and(|mark| mark.is_old(audit))
        };
        let is_fine = match account {
            Some(account) if account.is_active => {
                let is_whole = suspect.is_listed && !suspect.is_replaced;
                is_whole && !self.ran_out(audit, &suspect, &account).await?
            }
            // Found among the accounts.
            Some(_) => suspect.is_listed,
            None => false,
        };
        Ok((!is_fine).then_some(suspect))
    }

    /// Its owner may be ending it.
    fn may_be_under_way(&self, suspect: &Suspect) -> bool {
        !suspect.is_listed
    }

    async fn second_look(&self, audit: &Audit<'_>, suspect: &Suspect) -> Result<Verdict, AuditError> {
        let statements = self.0.statements(&audit.statements);
        let token = audit.anywhere(statements.one, (&suspect.id,)).await?;
        let Some(token) = Half::of(token) else {
            return Ok(Verdict::Fine);
        };
        if TokenId::from_slice(&suspect.id).is_none() || suspect.uid.is_empty() {
            return Ok(Verdict::Found(Finding::UnreadableRow, self.0.name().into()));
        }
        let listed = audit.anywhere(statements.one_listed, (&suspect.uid, &suspect.id));
        let listed = Half::of(listed.await?);
        let account = audit.account(&suspect.uid).await?;
        let finding = self.finding(audit, suspect, listed.is_some(), account.as_ref());
        let Some(finding) = finding.await? else {
            return Ok(Verdict::Fine);
        };
        if !audit.options.repair {
            return Ok(Verdict::Found(finding, example(&suspect.uid)));
        }
        if finding == self.0.not_listed() {
            list_again(audit, &statements, suspect, &token).await?;
        } else {
            if account.is_none() && !sweep::end_of_none(audit, &suspect.uid).await? {
                return Ok(Verdict::Changed);
            }
            remove_both(audit, &statements, suspect, Some(&token), listed.as_ref()).await?;
        }
        Ok(Verdict::Repaired(finding, example(&suspect.uid)))
    }
}

impl Tokens {
    /// What is wrong with it. One that was replaced is not listed again.
    async fn finding(
        &self,
        audit: &Audit<'_>,
        suspect: &Suspect,
        is_listed: bool,
        account: Option<&Account>,
    ) -> Result<Option<Finding>, AuditError> {
        Ok(match account {
            None => Some(self.0.of_no_account()),
            Some(account) if !account.is_active => (!is_listed).then_some(self.0.of_no_account()),
            Some(account) if suspect.age.is_over(account) => Some(self.0.ran_out()),
            Some(_) if suspect.was_replaced(audit).await? => Some(Finding::RefreshTokenReplaced),
            Some(_) if !is_listed => Some(self.0.not_listed()),
            Some(account) if self.ran_out(audit, suspect, account).await? => Some(self.0.ran_out()),
            Some(_) => None,
        })
    }

    /// Whether no rule accepts it any more. Refresh tokens last until a new password ends them.
    async fn ran_out(
        &self,
        audit: &Audit<'_>,
        suspect: &Suspect,
        account: &Account,
    ) -> Result<bool, AuditError> {
        if suspect.age.is_over(account) {
            return Ok(true);
        }
        if self.0 == Kind::RefreshToken || audit.clock.now().since(suspect.created_at) <= LIFE_WITHOUT_DEVICE
        {
            return Ok(false);
        }
        let devices = audit
            .cql
            .rows(soon(), &audit.statements.devices_of, (&suspect.uid,));
        let devices: Vec<DeviceOf> = devices.await?;
        Ok(!devices
            .iter()
            .any(|device| device.session.as_ref() == Some(&suspect.id)))
    }
}

/// The table by account.
pub(super) struct Listed(pub(super) Kind);

impl Check for Listed {
    type Row = ListedRow;
    type Suspicion = ListedRow;

    fn table(&self) -> &'static str {
        self.0.list_name()
    }

    fn rows<'a>(&self, audit: &'a Audit<'_>) -> &'a Read {
        self.0.statements(&audit.statements).all_listed
    }

    async fn first_look(&self, audit: &Audit<'_>, row: ListedRow) -> Result<Option<ListedRow>, AuditError> {
        if audit.is_young(micros(row.written)) {
            return Ok(None);
        }
        let one = self.0.statements(&audit.statements).one;
        let token: Option<Half> = Half::of(audit.cql.row(soon(), one, (&row.id,)).await?);
        Ok(token.is_none().then_some(row))
    }

    /// Its owner may be ending it.
    fn may_be_under_way(&self, _: &ListedRow) -> bool {
        true
    }

    async fn second_look(&self, audit: &Audit<'_>, row: &ListedRow) -> Result<Verdict, AuditError> {
        let statements = self.0.statements(&audit.statements);
        let listed = audit.anywhere(statements.one_listed, (&row.uid, &row.id));
        let Some(listed) = Half::of(listed.await?) else {
            return Ok(Verdict::Fine);
        };
        let token: Option<Row> = audit.anywhere(statements.one, (&row.id,)).await?;
        if Half::of(token).is_some() {
            return Ok(Verdict::Fine);
        }
        let account = audit.account(&row.uid).await?;
        if account.as_ref().is_some_and(|account| !account.is_active) {
            // Found among the accounts.
            return Ok(Verdict::Fine);
        }
        let age = Age::read(row.session.as_ref(), row.generation);
        let is_over = account.as_ref().is_some_and(|account| age.is_over(account));
        let finding = if is_over {
            self.0.ran_out()
        } else {
            self.0.listed_only()
        };
        if audit.options.repair {
            if account.is_none() && !sweep::end_of_none(audit, &row.uid).await? {
                return Ok(Verdict::Changed);
            }
            let is_back = account.is_some() && !is_over && restore(audit, &statements, row, &listed).await?;
            if !is_back {
                let values = (just_after(listed.written()), &row.uid, &row.id);
                audit.cql.write(soon(), statements.unlist, values).await?;
            }
            return Ok(Verdict::Repaired(finding, example(&row.uid)));
        }
        Ok(Verdict::Found(finding, example(&row.uid)))
    }
}

/// Lists a token again; ends it if that does not hold.
async fn list_again(
    audit: &Audit<'_>,
    statements: &Statements<'_>,
    suspect: &Suspect,
    token: &Half,
) -> Result<(), AuditError> {
    audit.cql.write(soon(), statements.list, &token.0.columns).await?;
    let listed = audit.anywhere(statements.one_listed, (&suspect.uid, &suspect.id));
    if Half::of(listed.await?).is_none() {
        remove_both(audit, statements, suspect, Some(token), None).await?;
    }
    Ok(())
}

/// Restores a token from its list; `false` if that does not hold.
async fn restore(
    audit: &Audit<'_>,
    statements: &Statements<'_>,
    row: &ListedRow,
    listed: &Half,
) -> Result<bool, AuditError> {
    audit
        .cql
        .write(soon(), statements.restore, &listed.0.columns)
        .await?;
    let token = audit.anywhere(statements.one, (&row.id,));
    Ok(Half::of(token.await?).is_some())
}

async fn remove_both(
    audit: &Audit<'_>,
    statements: &Statements<'_>,
    suspect: &Suspect,
    token: Option<&Half>,
    listed: Option<&Half>,
) -> Result<(), AuditError> {
    if let Some(listed) = listed {
        let values = (just_after(listed.written()), &suspect.uid, &suspect.id);
        audit.cql.write(soon(), statements.unlist, values).await?;
    }
    if let Some(token) = token {
        let values = (just_after(token.written()), &suspect.id);
        audit.cql.write(soon(), statements.remove, values).await?;
    }
    Ok(())
}
