//! POST /session/reauth: the password once more in a session that is there, which counts as authenticated now.

use std::time::Duration;

use foxhold_core::{
    Timestamp,
    record::{Account, Session, Verification},
};
use foxhold_ports::limits::Action;

use crate::{
    AccountError, Accounts, Address, Caller, SignedIn,
    credentials::Opened,
    login::{LoggedIn, LoginRequest, method_of},
    password_check::Guess,
};

impl Accounts {
    /// Checks the password of the session's account, and refreshes the session.
    ///
    /// # Errors
    /// [`AccountError`]: 102 also for the address of another account, 103, 107, 110, 114, 120, 201.
    pub async fn reauthenticate(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        request: LoginRequest,
    ) -> Result<LoggedIn, AccountError> {
        let address = Address::parse(&request.email)?;
        request.check(&self.settings.domain)?;
        let guess = Guess {
            address: &address,
            auth_pw: request.auth_pw,
            signed_in: Some(signed_in),
            counted: &[Action::AccountLogin],
        };
        let (account, opened) = self.check_password(caller, guess).await?;
        let Opened { wrap_kb, version } = opened;
        let at = later_than(&signed_in.session, self.now());
        let verification = self.verification_again(&signed_in.session, &account);
        let session = refreshed(&signed_in.session, verification, &account, (request.keys, at));
        let (key_fetch_token, key_fetches) = if request.keys {
            let (token, key_fetch) = self.draw_key_fetch(&account, Some(&session), &wrap_kb, at)?;
            (Some((version, token)), vec![key_fetch])
        } else {
            (None, Vec::new())
        };
        self.write_at(caller, at, |call| {
            let (session, key_fetches) = (session.clone(), key_fetches.clone());
            async move { self.writer.refresh_session(&call, session, key_fetches).await }
        })
        .await?;
        let signed_in = SignedIn { session, account };
        self.ask_for_confirmation(&signed_in, request.verification_method.as_deref(), &request.mail)
            .await;
        Ok(LoggedIn {
            session_token: None,
            key_fetch_token,
            verification_method: method_of(&signed_in, request.verification_method),
            signed_in,
        })
    }
}

/// The session after the account's password was given in it.
fn refreshed(
    session: &Session,
    verification: Verification,
    account: &Account,
    (keys, at): (bool, Timestamp),
) -> Session {
    Session {
        auth_at: at,
        verification,
        must_verify: session.must_verify || keys || verification.waits(),
        generation: account.verifier_set_at,
        ..session.clone()
    }
}

/// Later than whatever was written of the session, also where the clocks of two webheads disagree.
pub(crate) fn later_than(session: &Session, now: Timestamp) -> Timestamp {
    let written = session.created_at.max(session.auth_at);
    now.max(written.plus(Duration::from_millis(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{MADE, account, session};

    #[test]
    fn only_what_the_password_says_is_new() {
        let at = MADE.plus(Duration::from_secs(60));
        let table = [
            (false, false, Verification::Verified, false),
            (true, false, Verification::Verified, true),
            (false, true, Verification::Verified, true),
            (false, false, Verification::AwaitsSecondFactor, true),
            (false, false, Verification::AwaitsConfirmation, true),
        ];
        for (must_verify, keys, verification, expected) in table {
            let before = Session {
                must_verify,
                ..session(1, Verification::WithAccount)
            };
            let after = Session {
                auth_at: at,
                verification,
                must_verify: expected,
                ..before.clone()
            };
            let refreshed = refreshed(&before, verification, &account(true), (keys, at));
            assert_eq!(refreshed, after);
        }
    }

    #[test]
    fn a_session_is_written_later_than_it_was() {
        let millis = Duration::from_millis;
        let mut session = session(1, Verification::Verified);
        session.auth_at = MADE.plus(millis(10));
        let table = [
            ("as usual", MADE.plus(millis(15)), MADE.plus(millis(15))),
            ("at once", MADE.plus(millis(10)), MADE.plus(millis(11))),
            ("clock behind", MADE, MADE.plus(millis(11))),
        ];
        for (name, now, expected) in table {
            assert_eq!(later_than(&session, now), expected, "{name}");
        }
    }
}
