//! What a creation does next, from what stands in the claim of its address and in the accounts concerned
//! (`security.md` D.2). Pure; `create` beside it carries the steps out.
//!
//! The protocol: a claim is taken (pending), the sign-in is written, then the account's row, then the claim becomes
//! active. The row is the decision. Must stay true:
//! - A pending claim whose account's row is there is as good as active: anybody may finish it, nobody may take it over.
//! - A pending claim without that row may be taken over when it is old, but first the row is *barred*: one is put
//!   there that says that this account must not come to be. So a creator who was asleep finds that he is too late, and
//!   cannot make an account beside the one that has the address by then.
//! - An active claim is taken over only from an account that was condemned, on the condition that it was not verified.
//! - No claim points to an account whose row is gone: what is left of an account is forgotten after it has lost its claim.

use std::time::Duration;

use foxhold_core::{OpId, Timestamp, Uid, record::EmailKey};
use foxhold_ports::Refusal;

/// A pending claim is left to whoever made it for so long.
pub(super) const PENDING_MAX: Duration = Duration::from_secs(60);

/// Whether a claim gives its address away yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClaimState {
    /// Somebody is making the account.
    Pending,
    /// The account is there.
    Active,
}

/// A claim of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    /// For which account.
    pub(super) uid: Uid,
    /// By which creation.
    pub(super) by: OpId,
    /// Its state.
    pub(super) state: ClaimState,
    /// Since when, by the clock of whoever made it.
    pub(super) since: Timestamp,
}

impl Claim {
    /// Whether it has been pending for so long that it may be taken over.
    pub(super) fn is_old(&self, now: Timestamp) -> bool {
        now.since(self.since) >= PENDING_MAX
    }
}

/// What stands in an account's row, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// The account, or what is left of it.
    pub(super) account: AccountStanding,
    /// The creation it comes from; none for a row that bars the account.
    pub(super) made_by: Option<OpId>,
    /// What changes are made on.
    pub(super) version: i64,
    /// Of an account that its owner has deleted: the address it held, until that is released.
    pub(super) held: Option<EmailKey>,
    /// Operations of the last day.
    pub(super) operations: Vec<OpId>,
}

/// Whether there is an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AccountStanding {
    /// There is.
    Active {
        /// What it claims.
        email_key: EmailKey,
        /// Whether its address was shown to be the owner's.
        verified: bool,
        /// Whether an operator has disabled it.
        disabled: bool,
        /// The generation of its password.
        verifier_set_at: Timestamp,
    },
    /// There is none any more, or must not be.
    Deleting,
}

impl Standing {
    /// Whether this operation has made the account, also if another has replaced it since.
    pub(super) fn was_made_by(&self, op: &OpId) -> bool {
        self.made_by.as_ref() == Some(op) || self.operations.contains(op)
    }

    fn bars(&self) -> bool {
        self.account == AccountStanding::Deleting && self.made_by.is_none()
    }
}

/// What is known of an address and the accounts concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// Who claims the address.
    pub(super) claim: Option<Claim>,
    /// The row of the account it is claimed for.
    pub(super) holder: Option<Standing>,
    /// The row under the new account's uid.
    pub(super) own: Option<Standing>,
}

/// Who creates what.
#[derive(Debug, Clone)]
pub(super) struct Creator {
    /// The operation.
    pub(super) op: OpId,
    /// The new account.
    pub(super) uid: Uid,
    /// Its address.
    pub(super) email_key: EmailKey,
}

/// The next step of a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Claim an address that nobody has.
    Claim,
    /// Write the sign-in, and the account where there is none, or over what is left of one.
    Write {
        /// The version of what is left.
        over: Option<i64>,
    },
    /// Turn a pending claim into an active one: the own, or another's who has not come to it yet.
    Activate {
        /// Whose claim.
        by: OpId,
    },
    /// Condemn the unverified holder.
    Condemn {
        /// Its claim.
        claim: Claim,
        /// The version this was decided on.
        version: i64,
        /// Who made it.
        made_by: Option<OpId>,
    },
    /// Bar the account of a creation that went to sleep.
    Bar {
        /// Its claim.
        claim: Claim,
        /// The version of what lies there already.
        over: Option<i64>,
    },
    /// Remove what hangs on the account of a claim, then take the claim over.
    TakeOver {
        /// The claim.
        claim: Claim,
        /// What is left of its account.
        rest: Rest,
    },
    /// Another is making an account of this address: wait.
    Wait {
        /// Its claim.
        claim: Claim,
    },
    /// It was done.
    Done,
    /// Decided against.
    Refuse(Refusal),
    /// The own account was barred, and can never come to be. Whoever barred it may have the address for good by now.
    TooLate {
        /// If so.
        refusal: Option<Refusal>,
    },
    /// The uid belongs to another account.
    UidTaken,
    /// An address and its account do not fit together.
    Contradiction,
}

/// What is left of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rest {
    /// Its version.
    pub(super) version: i64,
    /// The creation it came from.
    pub(super) made_by: Option<OpId>,
}

/// The next step.
pub(super) fn judge(view: &View, me: &Creator, now: Timestamp) -> Step {
    if let Some(own) = &view.own {
        if own.was_made_by(&me.op) {
            return match &view.claim {
                Some(claim) if claim.by == me.op && claim.state == ClaimState::Pending => {
                    Step::Activate { by: me.op }
                }
                // Active, or replaced since.
                _ => Step::Done,
            };
        }
        if own.bars() {
            let refusal = is_taken(view, me).then_some(Refusal::EmailTaken);
            return Step::TooLate { refusal };
        }
    }
    match &view.claim {
        None => Step::Claim,
        Some(claim) if claim.by == me.op => of_own_claim(claim, view.own.as_ref()),
        Some(claim) => match claim.state {
            ClaimState::Active => of_active(claim, view.holder.as_ref(), me),
            ClaimState::Pending => of_pending(claim, view.holder.as_ref(), me, now),
        },
    }
}

/// Whether another has the address, and has shown that it is theirs.
fn is_taken(view: &View, me: &Creator) -> bool {
    let others = view.claim.as_ref().filter(|claim| claim.by != me.op);
    others.is_some_and(|claim| {
        claim.state == ClaimState::Active
            && of_active(claim, view.holder.as_ref(), me) == Step::Refuse(Refusal::EmailTaken)
    })
}

fn of_own_claim(claim: &Claim, own: Option<&Standing>) -> Step {
    match (claim.state, own) {
        (ClaimState::Active, _) => Step::Contradiction,
        (ClaimState::Pending, None) => Step::Write { over: None },
        (ClaimState::Pending, Some(own)) => match own.account {
            AccountStanding::Deleting => Step::Write {
                over: Some(own.version),
            },
            AccountStanding::Active { .. } => Step::UidTaken,
        },
    }
}

fn of_active(claim: &Claim, holder: Option<&Standing>, me: &Creator) -> Step {
    let Some(holder) = holder else {
        return Step::Contradiction;
    };
    match &holder.account {
        AccountStanding::Active { email_key, .. } if *email_key != me.email_key => Step::Contradiction,
        AccountStanding::Active { verified: true, .. } | AccountStanding::Active { disabled: true, .. } => {
            Step::Refuse(Refusal::EmailTaken)
        }
        AccountStanding::Active { .. } => Step::Condemn {
            claim: claim.clone(),
            version: holder.version,
            made_by: holder.made_by,
        },
        AccountStanding::Deleting => take_over(claim, holder),
    }
}

fn of_pending(claim: &Claim, holder: Option<&Standing>, me: &Creator, now: Timestamp) -> Step {
    match holder {
        Some(Standing {
            account: AccountStanding::Active { email_key, .. },
            made_by,
            ..
        }) => {
            if *email_key == me.email_key && *made_by == Some(claim.by) {
                Step::Activate { by: claim.by }
            } else {
                Step::Contradiction
            }
        }
        Some(holder) if holder.bars() => take_over(claim, holder),
        _ if !claim.is_old(now) => Step::Wait { claim: claim.clone() },
        holder => Step::Bar {
            claim: claim.clone(),
            over: holder.map(|rest| rest.version),
        },
    }
}

fn take_over(claim: &Claim, rest: &Standing) -> Step {
    Step::TakeOver {
        claim: claim.clone(),
        rest: Rest {
            version: rest.version,
            made_by: rest.made_by,
        },
    }
}

#[cfg(test)]
mod tests;
