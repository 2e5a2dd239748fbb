//! `GET|POST /invitations`, `GET|DELETE /invitations/{id}`.

mod mailing;

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use foxhold_accounts::{Address, registration::MailDomain};
use foxhold_core::{Deadline, Secret, Timestamp, TokenId};
use foxhold_crypto::invitation::InvitationCode;
use foxhold_ports::{
    InvitationReader, InvitationWriter, Refusal, WriteError,
    invitations::{self as records, InvitationTerms, Invited},
    repeat::settled,
};

#[cfg(test)]
pub(crate) use self::mailing::FROM_NAME_LEN_MAX;
pub use self::mailing::InvitationMailing;
use self::mailing::{Letter, Promised};
use super::{Reply, page_limit};
use crate::{
    audit::Deed,
    caller::Caller,
    convert::within,
    extract::{Body, By, Params, Segments},
    refused::{Refused, fault},
    router::{App, OpsPorts},
    wire::{
        Code, Cursor, DryRun, FieldFault, INVITATIONS_MAX, Invitation, InvitationDeleted, InvitationState,
        Invitations, InvitationsMade, MadeInvitation, NewInvitations, PageQuery,
    },
};

/// Invitations of a page, if nothing is said.
const LIMIT: u32 = 100;
const LIFETIME_SECS: u64 = 14 * 86_400;
const LIFETIME_SECS_MAX: u64 = 365 * 86_400;
const NOTE_LEN_MAX: usize = 200;

/// What invitations are made with.
#[derive(Clone)]
pub struct InvitationPorts {
    /// Reads them.
    pub reader: Arc<dyn InvitationReader>,
    /// Keeps and removes them.
    pub writer: Arc<dyn InvitationWriter>,
    /// The deployment's code key: the same as the webheads'.
    pub code_key: Arc<Secret<32>>,
    /// Root of the pages, without trailing slash.
    pub root: String,
    /// How those are told that they are for.
    pub mailing: InvitationMailing,
}

/// What is to be made.
struct Wanted {
    terms: InvitationTerms,
    count: u32,
    /// What the mail says, if it is mailed.
    letter: Option<Letter>,
}

pub(crate) async fn list(
    State(app): State<App>,
    By(by): By,
    Params(query): Params<PageQuery>,
) -> Reply<Invitations> {
    let limit = page_limit(query.limit.unwrap_or(LIMIT))?;
    let after = query.after.map(|Cursor(after)| after.parse());
    let after = after.transpose();
    let after = after.map_err(|_| fault("after", "give `next` of an answer, as it stood"))?;
    let now = app.clock.now();
    let page = app.invitations()?.reader.invitations(by, after, limit).await?;
    let is_last = page.len() < usize::try_from(limit).unwrap_or(usize::MAX);
    let next = page.last().filter(|_| !is_last);
    Ok(Json(Invitations {
        next: next.map(|last| Cursor(last.id.to_string())),
        invitations: page.iter().map(|invitation| shown(invitation, now)).collect(),
    }))
}

pub(crate) async fn show(
    State(app): State<App>,
    By(by): By,
    Segments(id): Segments<String>,
) -> Reply<Invitation> {
    let found = app.invitation(by, &id).await?;
    Ok(Json(shown(&found, app.clock.now())))
}

pub(crate) async fn create(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Params(DryRun { dry_run }): Params<DryRun>,
    Body(wanted): Body<NewInvitations>,
) -> Reply<InvitationsMade> {
    let wanted = Wanted {
        letter: Letter::wanted(&wanted)?,
        terms: terms(&wanted, app.clock.now(), caller.name())?,
        count: within("count", wanted.count.unwrap_or(1), 1, INVITATIONS_MAX)?,
    };
    let deed = Deed::new(&caller, "invite.create", dry_run);
    let outcome = app.invite(by, &wanted, dry_run).await;
    app.audited(&deed, outcome).map(Json)
}

pub(crate) async fn delete(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(id): Segments<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
) -> Reply<InvitationDeleted> {
    let found = app.invitation(by, &id).await?;
    let deed = Deed::new(&caller, "invite.delete", dry_run);
    let outcome = app.uninvite(by, &found, dry_run).await;
    app.audited(&deed, outcome).map(Json)
}

impl OpsPorts {
    fn invitations(&self) -> Result<&InvitationPorts, Refused> {
        let refused = || {
            Refused::new(
                Code::NotFound,
                "this process has no `[invitations]` in its configuration",
            )
        };
        self.invitations.as_ref().ok_or_else(refused)
    }

    async fn invitation(&self, by: Deadline, id: &str) -> Result<records::Invitation, Refused> {
        let unknown = || Refused {
            errors: vec![fault("id", "foxhold invite list shows those there are")],
            ..Refused::new(Code::NotFound, "there is no such invitation")
        };
        let ports = self.invitations()?;
        let id: TokenId = id.parse().map_err(|_| unknown())?;
        ports.reader.invitation(by, id).await?.ok_or_else(unknown)
    }

    async fn invite(&self, by: Deadline, wanted: &Wanted, dry_run: bool) -> Result<InvitationsMade, Refused> {
        let ports = self.invitations()?;
        if wanted.letter.is_some() {
            ports.mailing.check()?;
        }
        let mut invitations = Vec::new();
        for _ in 0..wanted.count {
            let code = InvitationCode::random(&*self.random);
            let id = code.id(&ports.code_key);
            if !dry_run {
                self.keep(by, ports, wanted, &code).await?;
            }
            // Whoever shows a code that was mailed is taken for the owner of the address.
            let code = (!dry_run && wanted.letter.is_none()).then(|| code.shown().expose().to_owned());
            let used = None;
            let terms = wanted.terms.clone();
            invitations.push(MadeInvitation {
                invitation: shown(&records::Invitation { id, terms, used }, self.clock.now()),
                link: code.as_ref().map(|code| format!("{}/?invite={code}", ports.root)),
                code,
            });
        }
        Ok(InvitationsMade { invitations, dry_run })
    }

    /// Keeps an invitation. Its mail is promised first, and goes out once the invitation is there.
    async fn keep(
        &self,
        by: Deadline,
        ports: &InvitationPorts,
        wanted: &Wanted,
        code: &InvitationCode,
    ) -> Result<(), Refused> {
        let promised = match &wanted.letter {
            Some(letter) => self.promise(by, ports, letter, &wanted.terms, code).await?,
            None => Promised::Nothing,
        };
        let call = self.call(promised.bound(by));
        let (id, terms) = (code.id(&ports.code_key), &wanted.terms);
        settled(&call, || ports.writer.put_invitation(&call, id, terms.clone())).await?;
        self.release(by, promised).await;
        Ok(())
    }

    async fn uninvite(
        &self,
        by: Deadline,
        found: &records::Invitation,
        dry_run: bool,
    ) -> Result<InvitationDeleted, Refused> {
        let used = || {
            Refused::new(
                Code::Conflict,
                "it was used, or is being used: it stays as history",
            )
        };
        if found.used.is_some() {
            return Err(used());
        }
        let (ports, now) = (self.invitations()?, self.clock.now());
        if !dry_run {
            let call = self.call(by);
            let deleted = settled(&call, || ports.writer.delete_invitation(&call, found.id, now)).await;
            deleted.map_err(|error| match error {
                WriteError::Refused(Refusal::Conflict) => used(),
                error => error.into(),
            })?;
        }
        Ok(InvitationDeleted {
            invitation: shown(found, now),
            dry_run,
        })
    }
}

fn terms(wanted: &NewInvitations, now: Timestamp, creator: String) -> Result<InvitationTerms, FieldFault> {
    let invited = match (&wanted.email, &wanted.domain) {
        (None, None) => Invited::Anybody,
        (Some(email), None) => {
            let address = Address::parse(email).map_err(|_| fault("email", "give a mail address"))?;
            Invited::Address(address.as_typed().to_owned(), address.key().clone())
        }
        (None, Some(domain)) => {
            let is_plain = !domain.starts_with("*.") && MailDomain::parse(domain).is_some();
            if !is_plain {
                return Err(fault(
                    "domain",
                    "give a mail domain in lower case, as in example.org",
                ));
            }
            Invited::Domain(domain.clone())
        }
        (Some(_), Some(_)) => return Err(fault("domain", "give an address or a domain")),
    };
    if wanted.email.is_some() && wanted.count.is_some_and(|count| count > 1) {
        return Err(fault("count", "an address gets one invitation"));
    }
    let lifetime = wanted.lifetime_secs.unwrap_or(LIFETIME_SECS);
    if !(1..=LIFETIME_SECS_MAX).contains(&lifetime) {
        return Err(fault("lifetime_secs", "give 1 second to 365 days"));
    }
    if wanted.note.as_ref().is_some_and(|note| note.len() > NOTE_LEN_MAX) {
        return Err(fault("note", "give at most 200 bytes"));
    }
    Ok(InvitationTerms {
        invited,
        created_at: now,
        expires_at: now.plus(Duration::from_secs(lifetime)),
        mailed: wanted.send,
        note: wanted.note.clone(),
        creator,
    })
}

fn shown(invitation: &records::Invitation, now: Timestamp) -> Invitation {
    let terms = &invitation.terms;
    let (email, domain) = match &terms.invited {
        Invited::Anybody => (None, None),
        Invited::Address(email, _) => (Some(email.clone()), None),
        Invited::Domain(domain) => (None, Some(domain.clone())),
    };
    Invitation {
        id: invitation.id.to_string(),
        state: match invitation.used {
            Some(_) => InvitationState::Used,
            None if terms.expires_at <= now => InvitationState::Expired,
            None => InvitationState::Open,
        },
        email,
        domain,
        created_at_ms: terms.created_at.as_millis(),
        expires_at_ms: terms.expires_at.as_millis(),
        mailed: terms.mailed,
        note: terms.note.clone(),
        creator: terms.creator.clone(),
        used_by: invitation.used.map(|used| used.uid.to_string()),
        used_at_ms: invitation.used.map(|used| used.at.as_millis()),
    }
}
