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
    session::verification_of,
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
        let session = refreshed(&signed_in.session, &account, request.keys, at);
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
        Ok(LoggedIn {
            session_token: None,
            key_fetch_token,
            verification_method: method_of(&signed_in, request.verification_method),
            signed_in,
        })
    }
}

/// The session after the account's password was given in it. A second factor that was given in it is not asked for again.
fn refreshed(session: &Session, account: &Account, keys: bool, at: Timestamp) -> Session {
    let verification = match session.verification {
        Verification::SecondFactor => Verification::SecondFactor,
        _ => verification_of(account),
    };
    Session {
        auth_at: at,
        verification,
        must_verify: session.must_verify || keys || verification == Verification::AwaitsSecondFactor,
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
    use std::sync::Arc;

    use foxhold_core::{Secret, record::SecondFactor};

    use super::*;
    use crate::fixtures::{MADE, account, session};

    #[test]
    fn only_what_the_password_says_is_new() {
        let at = MADE.plus(Duration::from_secs(60));
        let table = [
            (true, false, false, Verification::Verified, false),
            (true, true, false, Verification::Verified, true),
            (true, false, true, Verification::Verified, true),
            (false, false, true, Verification::WithAccount, true),
        ];
        for (email_verified, must_verify, keys, verification, expected) in table {
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
            assert_eq!(refreshed(&before, &account(email_verified), keys, at), after);
        }
    }

    #[test]
    fn a_second_factor_is_asked_for_once_in_a_session() {
        use Verification::{AwaitsSecondFactor, SecondFactor as Given, Verified};
        let mut guarded = account(true);
        guarded.second_factor = Some(Arc::new(SecondFactor {
            secret: Arc::new(Secret::new([1; 20])),
            enabled: true,
            last_step: None,
            backup_codes: Vec::new(),
        }));
        for (before, account, after) in [
            (Verified, &guarded, AwaitsSecondFactor),
            (AwaitsSecondFactor, &guarded, AwaitsSecondFactor),
            (Given, &guarded, Given),
            (AwaitsSecondFactor, &account(true), Verified),
            (Given, &account(true), Given),
        ] {
            let mut session = session(1, before);
            session.must_verify = false;
            let refreshed = refreshed(&session, account, false, MADE);
            assert_eq!(refreshed.verification, after, "{before:?}");
            assert_eq!(refreshed.must_verify, after == AwaitsSecondFactor, "{before:?}");
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
