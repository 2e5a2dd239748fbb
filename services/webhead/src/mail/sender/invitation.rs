//! Mails that bring an invitation. Operators' processes put them into the outbox as facts, before the invitation itself, so
//! that none is kept which nobody mails (docs/adr/0016); they are worded here.
//!
//! Must stay true: no mail goes out for an invitation that is not there, was taken back or used, or is over.

use foxhold_accounts::invitation_mail::InvitationMail;
use foxhold_core::{Deadline, OpId};
use foxhold_ports::{
    ReadError,
    invitations::Invitation,
    outbox::{LEASE, put_at},
};
use foxhold_runtime::metrics::{label::mail_template, list as metrics};

use super::{
    super::parcel::Parcel,
    ASK_MAX,
    delivery::{Delivery, Unpacked},
};

impl Delivery {
    /// Words a mail, if its invitation invites still.
    pub(super) async fn word(&self, id: OpId, mail: &InvitationMail) -> Unpacked {
        let ports = &self.ports;
        let by = Deadline::after(ASK_MAX);
        let found = ports.invitations.invitation(by, mail.id).await;
        let is_open = |found: &Invitation| found.used.is_none() && found.terms.expires_at > ports.clock.now();
        match found {
            Err(ReadError(cause)) => {
                tracing::warn!(mail.id = %id, %cause, "an invitation was not read, its mail waits");
                Unpacked::NotNow
            }
            Ok(found) if found.as_ref().is_some_and(is_open) => self.worded(id, mail),
            // A process that begins alone takes everything: who promised this may be about to keep the invitation.
            Ok(None) if put_at(id).plus(LEASE) > ports.clock.now() => Unpacked::NotNow,
            Ok(_) => {
                tracing::info!(mail.id = %id, "the invitation is not there any more, its mail is not sent");
                not_sent("withdrawn")
            }
        }
    }

    fn worded(&self, id: OpId, invitation: &InvitationMail) -> Unpacked {
        let Ok(mail) = self.ports.templates.invitation(invitation) else {
            // Whoever mends the template starts the process anew: what waits is worded then.
            tracing::error!(mail.id = %id, "the template of invitations does not render, the mail waits");
            return Unpacked::NotNow;
        };
        if let Some(parcel) = self.relay.parcel(mail) {
            return Unpacked::Parcel(Parcel {
                invitation: Some(invitation.id),
                ..parcel
            });
        }
        tracing::error!(mail.id = %id, invitation.id = %invitation.id, "no mail can be sent to the address of an invitation: it is given up");
        not_sent("unreadable")
    }
}

fn not_sent(result: &'static str) -> Unpacked {
    metrics::MAIL_SENT
        .of([mail_template("invitation"), result])
        .increment(1);
    Unpacked::Over
}
