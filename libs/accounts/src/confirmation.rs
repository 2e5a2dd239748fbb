//! Sign-ins that are confirmed by mail, where an operator has switched that on (`accounts.md` (c) Sessions, (i)
//! `verify_login`).
//!
//! Must stay true: a code belongs to one session, and nothing that waits is good before it was shown. The mail neither holds
//! a sign-in up for long nor makes it fail: whoever waits for it asks for another.

use foxhold_core::{
    Deadline,
    record::{Account, Session, Verification},
};
use foxhold_ports::{ReadError, limits::Action, mail::MailError};

use crate::{
    AccountError, Accounts, Caller, SignedIn,
    mail::{AccountNews, ConfirmBy, MailOptions, SignInMail, TemplateError},
    reauth::later_than,
    session::{is_of, verification_of},
};

impl Accounts {
    /// Whether sign-ins are confirmed. Where no mail is sent, nobody could.
    pub(crate) fn confirms_sign_ins(&self) -> bool {
        self.settings.confirm_sign_ins && self.mailer.delivers()
    }

    /// How a session counts as verified that a password opens now. One that waits for the second factor, or for the first
    /// mail, waits for nothing else.
    pub(crate) fn verification_at_sign_in(&self, account: &Account) -> Verification {
        match verification_of(account) {
            Verification::Verified if self.confirms_sign_ins() => Verification::AwaitsConfirmation,
            verification => verification,
        }
    }

    /// How a session counts as verified once the password was given in it again. A second factor that was given in it is not
    /// asked for again; what it waits for is not spared it, also where the second factor is gone by now.
    pub(crate) fn verification_again(&self, session: &Session, account: &Account) -> Verification {
        again(
            session.verification,
            verification_of(account),
            self.confirms_sign_ins(),
        )
    }

    /// Sends a mail for a session that waits for one.
    pub(crate) async fn ask_for_confirmation(
        &self,
        signed_in: &SignedIn,
        wished: Option<&str>,
        options: &MailOptions,
    ) {
        if !signed_in.awaits_confirmation() {
            return;
        }
        let by = ConfirmBy::wished(wished);
        if let Err(error) = self.mail_sign_in(signed_in, by, options).await {
            // 114: as many as `mailSignInTo` allows; 151: not sent.
            tracing::info!(
                code = error.code().number(),
                "a sign-in has no mail: it waits until one is asked for again"
            );
        }
    }

    /// Sends the mail that confirms a sign-in, if not too many were.
    ///
    /// # Errors
    /// [`AccountError`]: 114, 151.
    pub(crate) async fn mail_sign_in(
        &self,
        signed_in: &SignedIn,
        by: ConfirmBy,
        options: &MailOptions,
    ) -> Result<(), AccountError> {
        let to = &signed_in.account.email_key;
        self.count_mail_as(Action::MailSignInTo, to).await?;
        if let Err(error) = self.post_sign_in_mail(signed_in, by, options).await {
            tracing::error!(%error, "no mail confirms a sign-in");
            self.uncount_mail_as(Action::MailSignInTo, to).await;
            return Err(AccountError::MailNotSent { new_address: false });
        }
        Ok(())
    }

    async fn post_sign_in_mail(
        &self,
        signed_in: &SignedIn,
        by: ConfirmBy,
        options: &MailOptions,
    ) -> Result<(), MailError> {
        let SignedIn { session, account } = signed_in;
        let (uid, nonce, now) = (account.uid, &account.code_nonce, self.now());
        let code = match by {
            ConfirmBy::Link => self.code_key.sign_in_link_code(uid, nonce, &session.id, now),
            ConfirmBy::Digits => self.code_key.sign_in_short_code(uid, nonce, &session.id, now),
        };
        let mail = self.templates.sign_in(&SignInMail {
            to: &account.email,
            uid,
            by,
            code: &code,
            at: session.auth_at,
            options,
            locale: account.locale.as_deref(),
        });
        self.mailer.post(mail.map_err(|TemplateError| MailError)?).await
    }

    /// The sign-in whose link bears this code, where sign-ins are confirmed.
    pub(crate) async fn sign_in_of_link(
        &self,
        by: Deadline,
        account: Account,
        code: &str,
    ) -> Result<Option<SignedIn>, ReadError> {
        if !self.confirms_sign_ins() {
            return Ok(None);
        }
        let (uid, nonce, now) = (account.uid, &account.code_nonce, self.now());
        let is_meant = |session: &Session| {
            is_of(session, &account)
                && self
                    .code_key
                    .is_sign_in_link_code(uid, nonce, &session.id, now, code)
        };
        let sessions = self.reader.sessions(by, uid).await?;
        let session = sessions.into_iter().find(is_meant);
        Ok(session.map(|session| SignedIn { session, account }))
    }

    /// Marks a sign-in as confirmed: it counts from now on. Done, too, if it was before.
    pub(crate) async fn confirm_sign_in(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
    ) -> Result<(), AccountError> {
        if !signed_in.awaits_confirmation() {
            return Ok(());
        }
        let confirmed = Session {
            verification: confirmed(verification_of(&signed_in.account)),
            ..signed_in.session.clone()
        };
        let at = later_than(&signed_in.session, self.now());
        self.write_at(caller, at, |call| {
            let confirmed = confirmed.clone();
            async move { self.writer.refresh_session(&call, confirmed, Vec::new()).await }
        })
        .await?;
        if !confirmed.verification.waits() {
            self.send_notice(&signed_in.account, AccountNews::NewDeviceLogin)
                .await;
        }
        Ok(())
    }
}

/// What a session is after a password, given what it was and what one is that a password opens now.
const fn again(before: Verification, opened: Verification, confirms: bool) -> Verification {
    match (before, opened) {
        (Verification::SecondFactor, _) => Verification::SecondFactor,
        (before, Verification::Verified) if confirms && before.waits() => Verification::AwaitsConfirmation,
        (_, opened) => opened,
    }
}

/// What a session is after its mail, given what one is that a password opens now: a second factor that was enabled meanwhile
/// is still to be given.
const fn confirmed(opened: Verification) -> Verification {
    match opened {
        Verification::AwaitsSecondFactor => Verification::AwaitsSecondFactor,
        _ => Verification::WithAccount,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verification::{AwaitsConfirmation, AwaitsSecondFactor, SecondFactor, Verified, WithAccount};

    #[test]
    fn a_password_given_again_spares_a_session_nothing() {
        for (before, opened, confirms, expected) in [
            (Verified, Verified, false, Verified),
            (Verified, Verified, true, Verified),
            (WithAccount, Verified, true, Verified),
            (WithAccount, WithAccount, true, WithAccount),
            (Verified, AwaitsSecondFactor, false, AwaitsSecondFactor),
            (AwaitsSecondFactor, AwaitsSecondFactor, true, AwaitsSecondFactor),
            (AwaitsSecondFactor, Verified, false, Verified),
            (AwaitsSecondFactor, Verified, true, AwaitsConfirmation),
            (AwaitsConfirmation, Verified, true, AwaitsConfirmation),
            (AwaitsConfirmation, Verified, false, Verified),
            (AwaitsConfirmation, AwaitsSecondFactor, true, AwaitsSecondFactor),
            (SecondFactor, Verified, true, SecondFactor),
            (SecondFactor, AwaitsSecondFactor, true, SecondFactor),
        ] {
            assert_eq!(
                again(before, opened, confirms),
                expected,
                "{before:?} {opened:?} {confirms}"
            );
        }
    }

    #[test]
    fn a_mail_is_no_second_factor() {
        for (opened, expected) in [
            (Verified, WithAccount),
            (WithAccount, WithAccount),
            (AwaitsSecondFactor, AwaitsSecondFactor),
        ] {
            assert_eq!(confirmed(opened), expected, "{opened:?}");
        }
    }
}
