//! What account rules work with: the ports, the secrets and settings of the deployment, and who is calling.

use std::{net::IpAddr, sync::Arc, time::Duration};

use foxhold_core::{Clock, Deadline, OpId, Random, RegionMark, Timestamp, Uid, record::Account};
use foxhold_ports::{
    AccessTokenSigner, AccountGuards, AccountReader, AccountWriter, Call, CertificateSigner, CommandReader,
    CommandWriter, FollowUps, InvitationReader, InvitationWriter, Limits, Mailer, Stretcher,
    limits::{Action, LimitKeys},
};

use crate::{
    AccountError, AccountEvents, Address, CodeKey, MailTemplates,
    mail::MailSwitches,
    oauth::{Clients, OpenIdPorts},
    registration::CurrentRegistration,
};

/// How long an account is waited for that tells what became of a write: a client may have left by then.
pub(crate) const LOOK_SPAN: Duration = Duration::from_secs(10);

/// The accounts service: every call of `accounts.md` is a method, beside its rules in the module of its name.
#[derive(Clone)]
pub struct Accounts {
    /// Reads.
    pub reader: Arc<dyn AccountReader>,
    /// Writes.
    pub writer: Arc<dyn AccountWriter>,
    /// Writes what guards accounts.
    pub guards: Arc<dyn AccountGuards>,
    /// Reads what waits for devices.
    pub command_reader: Arc<dyn CommandReader>,
    /// Lets commands wait for devices.
    pub command_writer: Arc<dyn CommandWriter>,
    /// Reads invitations.
    pub invitation_reader: Arc<dyn InvitationReader>,
    /// Makes accounts with an invitation.
    pub invitation_writer: Arc<dyn InvitationWriter>,
    /// Signs access tokens.
    pub signer: Arc<dyn AccessTokenSigner>,
    /// What registered clients need.
    pub openid: OpenIdPorts,
    /// Signs certificates.
    pub certificates: Arc<dyn CertificateSigner>,
    /// Stretches passwords.
    pub stretcher: Arc<dyn Stretcher>,
    /// Takes mail.
    pub mailer: Arc<dyn Mailer>,
    /// Words mail.
    pub templates: Arc<dyn MailTemplates>,
    /// Is told of new passwords and deletions.
    pub events: Arc<dyn AccountEvents>,
    /// Looks after what a call could not end.
    pub follow_ups: Arc<dyn FollowUps>,
    /// Counts and refuses.
    pub limits: Arc<dyn Limits>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Draws tokens and ids.
    pub random: Arc<dyn Random>,
    /// Derives mailed codes.
    pub code_key: CodeKey,
    /// Who may make an account at present.
    pub registration: Arc<CurrentRegistration>,
    /// What an operator has set.
    pub settings: Arc<Settings>,
}

/// What an operator has set, as far as account rules ask.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Host name below which `redirectTo` has to lie.
    pub domain: String,
    /// The Token Server's public address: audience of tokens for key-bearing scopes.
    pub token_server_url: String,
    /// OAuth clients.
    pub clients: Clients,
    /// Whether `preVerified` of POST /account/create is honoured. For test servers.
    pub pre_verified_allowed: bool,
    /// What the ids of all tokens issued here bear; absent where there is one region.
    pub region: Option<RegionMark>,
    /// Mails that are sent only where they are wanted.
    pub mail_switches: MailSwitches,
    /// Whether a sign-in to a verified account waits for a mailed code.
    pub confirm_sign_ins: bool,
}

/// Who is calling, and how long they wait.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Their address.
    pub ip: Option<IpAddr>,
    /// Their User-Agent header, cut to 255 characters by the edge.
    pub user_agent: String,
    /// Their Accept-Language header.
    pub locale: Option<String>,
    /// When the call has to be through.
    pub deadline: Deadline,
}

impl Accounts {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The account as the store has it after a write whose outcome is unknown. `None` if the store cannot be asked.
    pub(crate) async fn look_again(&self, uid: Uid) -> Option<Option<Account>> {
        self.reader.account(Deadline::after(LOOK_SPAN), uid).await.ok()
    }

    /// A new intent, decided at that time.
    pub(crate) fn intent(&self, caller: &Caller, at: Timestamp) -> Call {
        Call {
            op: OpId::new(at, &*self.random),
            deadline: caller.deadline,
        }
    }

    /// An intent of what is put right after a call that failed, perhaps because its time was over.
    pub(crate) fn afterthought(&self) -> Call {
        Call {
            op: OpId::new(self.now(), &*self.random),
            deadline: Deadline::after(LOOK_SPAN),
        }
    }
}

impl Accounts {
    /// Counts an attempt under all of these actions, or under none if one of them refuses it. How it ends is told by
    /// [`Self::keep`] or [`Self::give_back`].
    pub(crate) async fn reserve(&self, actions: &[Action], keys: LimitKeys<'_>) -> Result<(), AccountError> {
        for (counted, action) in actions.iter().enumerate() {
            if let Err(throttled) = self.limits.reserve(*action, keys).await {
                self.give_back(&actions[..counted], keys).await;
                return Err(throttled.into());
            }
        }
        Ok(())
    }

    /// Counts what was reserved: it turned out badly.
    pub(crate) async fn keep(&self, actions: &[Action], keys: LimitKeys<'_>) {
        for action in actions {
            self.limits.keep(*action, keys).await;
        }
    }

    /// Takes back what was reserved: it turned out well, or could not be judged.
    pub(crate) async fn give_back(&self, actions: &[Action], keys: LimitKeys<'_>) {
        for action in actions {
            self.limits.refund(*action, keys).await;
        }
    }
}

impl Caller {
    /// Limit keys of a call about an address, before it is known whether there is such an account.
    pub(crate) fn limit_keys<'a>(&self, address: &'a Address) -> LimitKeys<'a> {
        LimitKeys {
            ip: self.ip,
            email: Some(address.key().as_str()),
            uid: None,
        }
    }
}
