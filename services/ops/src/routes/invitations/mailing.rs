//! How invitations are mailed. This process has no mail server: it leaves what the mail is about in the outbox, and a process
//! that sends mail words and sends it (docs/adr/0016).
//!
//! Must stay true: the mail is promised before the invitation is kept, and lies in our hands until it is. Whatever ends in
//! between: no invitation is kept whose mail nobody promised, and senders mail none that is not kept.

use std::{sync::Arc, time::Duration};

use foxhold_accounts::{MailTemplates, invitation_mail::InvitationMail, mail::TemplateError};
use foxhold_core::{Deadline, SecretText, random};
use foxhold_crypto::{invitation::InvitationCode, outbox::OutboxKey};
use foxhold_ports::{
    Mailer, Outbox,
    invitations::{InvitationTerms, Invited},
    mail::MailError,
    outbox::{LEASE, MailRef},
    repeat::settled,
};

use super::InvitationPorts;
use crate::{
    refused::{Refused, fault},
    router::OpsPorts,
    wire::{Code, FieldFault, NewInvitations},
};

/// The longest name of who invites, in bytes.
pub(crate) const FROM_NAME_LEN_MAX: usize = 100;

/// How long promising a mail may take, and then again keeping its invitation: both together end well within the lease, so
/// that no sender looks for an invitation that is still to come.
const STEP_MAX: Duration = Duration::from_secs(30);

/// How invitations reach those they are for.
#[derive(Clone)]
pub enum InvitationMailing {
    /// By the outbox, for those who send what waits in it.
    Outbox(Arc<dyn Outbox>),
    /// By this process, where mail is only shown or captured and none waits.
    Here {
        /// Words them.
        templates: Arc<dyn MailTemplates>,
        /// Takes them.
        mailer: Arc<dyn Mailer>,
    },
    /// Not at all; what would mend that.
    Off(&'static str),
}

impl InvitationMailing {
    /// Refuses where nobody can be mailed.
    pub(super) fn check(&self) -> Result<(), Refused> {
        match self {
            Self::Outbox(_) | Self::Here { .. } => Ok(()),
            Self::Off(fix) => Err(Refused {
                errors: vec![fault("send", *fix)],
                ..Refused::new(Code::NotMailed, "invitations are not mailed here")
            }),
        }
    }
}

/// What the mail says beside the invitation's terms.
pub(super) struct Letter {
    from_name: Option<String>,
}

impl Letter {
    /// As it is wanted, if it is.
    pub(super) fn wanted(wanted: &NewInvitations) -> Result<Option<Self>, FieldFault> {
        let from_name = wanted.from_name.as_deref().map(str::trim);
        if !wanted.send {
            return match from_name {
                Some(_) => Err(fault("from_name", "it stands in the mail: give `send`, too")),
                None => Ok(None),
            };
        }
        if wanted.email.is_none() {
            return Err(fault(
                "send",
                "only what is for an address is mailed: give `email`",
            ));
        }
        let is_name = |name: &str| {
            !name.is_empty() && name.len() <= FROM_NAME_LEN_MAX && is_one_line(name) && !is_link(name)
        };
        if !from_name.is_none_or(is_name) {
            return Err(fault(
                "from_name",
                "give at most 100 bytes in one line, without a link",
            ));
        }
        let from_name = from_name.map(str::to_owned);
        Ok(Some(Self { from_name }))
    }
}

/// Nothing in it breaks the line or turns its direction.
fn is_one_line(name: &str) -> bool {
    !name.contains(|letter: char| {
        letter.is_control()
            || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

/// Mail programs would make one of it, beside the one that the mail is about.
fn is_link(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["://", "www."].iter().any(|sign| name.contains(sign))
}

/// A mail that will go out.
pub(super) enum Promised {
    /// There is none.
    Nothing,
    /// It has gone.
    Gone,
    /// It waits in the outbox, in our hands.
    Waits(Arc<dyn Outbox>, MailRef),
}

impl Promised {
    /// Until when the invitation has to be kept.
    pub(super) fn bound(&self, by: Deadline) -> Deadline {
        match self {
            Self::Nothing => by,
            Self::Gone | Self::Waits(..) => by.at_most(STEP_MAX),
        }
    }
}

impl OpsPorts {
    /// Promises the mail of an invitation that is about to be kept.
    pub(super) async fn promise(
        &self,
        by: Deadline,
        ports: &InvitationPorts,
        letter: &Letter,
        terms: &InvitationTerms,
        code: &InvitationCode,
    ) -> Result<Promised, Refused> {
        let Invited::Address(to, _) = &terms.invited else {
            return Ok(Promised::Nothing);
        };
        let mail = InvitationMail {
            to: to.clone(),
            id: code.id(&ports.code_key),
            code: SecretText::new(code.shown().expose().to_owned()),
            from_name: letter.from_name.clone(),
            expires_at: terms.expires_at,
        };
        match &ports.mailing {
            InvitationMailing::Outbox(outbox) => {
                let (call, now) = (self.call(by.at_most(STEP_MAX)), self.clock.now());
                let key = OutboxKey::derive(&ports.code_key);
                let sealed = mail.seal(&key, call.op, random::bytes(&*self.random));
                settled(&call, || outbox.put_mail(&call, sealed.clone(), now)).await?;
                let at = MailRef::just_put(call.op);
                Ok(Promised::Waits(Arc::clone(outbox), at))
            }
            InvitationMailing::Here { templates, mailer } => {
                let worded = templates.invitation(&mail).map_err(not_worded)?;
                mailer.post(worded).await.map_err(not_taken)?;
                Ok(Promised::Gone)
            }
            InvitationMailing::Off(_) => ports.mailing.check().map(|()| Promised::Nothing),
        }
    }

    /// Gives the mail of an invitation that was kept to whoever sends.
    pub(super) async fn release(&self, by: Deadline, promised: Promised) {
        let Promised::Waits(outbox, at) = promised else {
            return;
        };
        let (call, now) = (self.call(by), self.clock.now());
        if let Err(error) = settled(&call, || outbox.defer_mail(&call, at, now)).await {
            // Nothing is lost by that.
            tracing::warn!(mail.id = %at.id, %error, "an invitation's mail waits for the end of its lease");
        }
    }
}

fn not_worded(error: TemplateError) -> Refused {
    Refused::new(Code::Internal, error.to_string())
}

fn not_taken(error: MailError) -> Refused {
    Refused::new(Code::Unavailable, format!("nothing was done: {error}"))
}

const _: () = assert!(
    STEP_MAX.as_secs() * 2 < LEASE.as_secs(),
    "an invitation is there before its mail is anybody else's"
);
