//! POST /certificate/sign: a BrowserID certificate for a key that a browser has made (`accounts.md` (d)). What stands in
//! it beside the key is what the account and the session are; issuer and times are the keysigner's.

use foxhold_core::{SecretText, record::Verification};
use foxhold_ports::{
    limits::{Action, LimitKeys},
    signer::{AuthMethod, CertificateOrder, SubjectNumbers},
};

use crate::{AccountError, Accounts, Caller, SignedIn, error::of_certificate};

/// What a browser asks for.
#[derive(Debug)]
pub struct CertificateRequest {
    /// The key to be certified.
    pub subject: SubjectNumbers,
    /// How long, in milliseconds.
    pub duration_millis: u64,
}

impl SignedIn {
    /// Refuses a session that gets no certificate: before anything else of the call is looked at.
    ///
    /// # Errors
    /// [`AccountError`]: 104, 138.
    pub const fn require_certifiable(&self) -> Result<(), AccountError> {
        if !self.account.email_verified {
            return Err(AccountError::UnverifiedAccount);
        }
        if self.session.must_verify && !self.session_verified() {
            return Err(AccountError::UnverifiedSession);
        }
        Ok(())
    }

    /// How the owner of the session showed who they are. A session that was opened on a verified account was confirmed by mail
    /// only where sign-ins are; it counts together with the address then.
    #[must_use]
    pub fn auth_methods(&self) -> Vec<AuthMethod> {
        let by_mail = self.session.verification == Verification::WithAccount && self.account.email_verified;
        let by_mail = by_mail.then_some(AuthMethod::Email);
        let by_code = self.has_second_factor().then_some(AuthMethod::OneTimePassword);
        let methods = [AuthMethod::Password].into_iter();
        methods.chain(by_mail).chain(by_code).collect()
    }

    /// Authenticator assurance level: a password, and a mailed code beside it, are one factor each time.
    #[must_use]
    pub fn assurance_level(&self) -> u8 {
        if self.has_second_factor() { 2 } else { 1 }
    }
}

impl Accounts {
    /// A certificate for a session that [may have one](SignedIn::require_certifiable).
    ///
    /// # Errors
    /// [`AccountError`]: 104, 107, 114, 138, 201.
    pub async fn sign_certificate(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        request: CertificateRequest,
    ) -> Result<SecretText, AccountError> {
        signed_in.require_certifiable()?;
        let SignedIn { session, account } = signed_in;
        let keys = LimitKeys {
            ip: caller.ip,
            email: None,
            uid: Some(account.uid),
        };
        self.reserve(&[Action::CertificateSign], keys).await?;
        let devices = self.reader.devices(caller.deadline, account.uid).await?;
        let device = devices.into_iter().find(|device| device.session == session.id);
        let order = CertificateOrder {
            uid: account.uid,
            subject: request.subject,
            duration_millis: request.duration_millis,
            generation: account.signed_since(),
            last_auth_at: session.auth_at,
            verified_email: account.email.clone(),
            device: device.map(|device| device.id),
            token_verified: signed_in.session_verified(),
            amr: signed_in.auth_methods(),
            aal: signed_in.assurance_level(),
            profile_changed_at: account.profile_changed_at,
            keys_changed_at: account.keys_changed_at,
        };
        let signed = self.certificates.sign_certificate(caller.deadline, &order).await;
        signed.map_err(of_certificate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::signed_in;

    #[test]
    fn which_sessions_get_one_and_what_it_says_of_them() {
        use Verification::{AwaitsSecondFactor, SecondFactor, Verified, WithAccount};
        type Row = (bool, Verification, bool, Result<&'static [AuthMethod], u16>);
        let table: [Row; 8] = [
            (false, WithAccount, true, Err(104)),
            (false, WithAccount, false, Err(104)),
            (false, Verified, true, Err(104)),
            (
                true,
                WithAccount,
                true,
                Ok(&[AuthMethod::Password, AuthMethod::Email]),
            ),
            (true, Verified, true, Ok(&[AuthMethod::Password])),
            (true, Verified, false, Ok(&[AuthMethod::Password])),
            (true, AwaitsSecondFactor, true, Err(138)),
            (
                true,
                SecondFactor,
                true,
                Ok(&[AuthMethod::Password, AuthMethod::OneTimePassword]),
            ),
        ];
        for (email_verified, verification, must_verify, expected) in table {
            let mut signed_in = signed_in(email_verified, verification);
            signed_in.session.must_verify = must_verify;
            let row = (email_verified, verification, must_verify);
            let refused = signed_in.require_certifiable().err();
            let refused = refused.map(|error| error.code().number());
            assert_eq!(refused, expected.err(), "{row:?}");
            if let Ok(expected) = expected {
                assert_eq!(signed_in.auth_methods(), expected, "{row:?}");
                let level = if verification == SecondFactor { 2 } else { 1 };
                assert_eq!(signed_in.assurance_level(), level, "{row:?}");
            }
        }
    }
}
