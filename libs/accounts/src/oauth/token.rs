//! POST /oauth/token: three grants (`accounts.md` (e)).

use std::time::Duration;

use foxhold_core::{
    ClientId, Secret, Timestamp, TokenId,
    record::{Account, AuthorizationCode, RefreshToken},
};
use foxhold_crypto::pkce;
use foxhold_ports::Refusal;

use super::{Client, Granted, Scopes};
use crate::{AccountError, Accounts, Caller, SignedIn, token::hashed_id};

const CODE_LIFE: Duration = Duration::from_secs(15 * 60);

/// Grant `authorization_code`.
pub struct CodeGrant {
    /// Who asks.
    pub client: ClientId,
    /// The code.
    pub code: Secret<32>,
    /// Proof that this is who asked for the code.
    pub code_verifier: String,
    /// Lifetime wanted, in seconds.
    pub ttl_secs: Option<u64>,
}

/// Grant `fxa-credentials`.
#[derive(Debug)]
pub struct FxaCredentialsGrant {
    /// Who asks.
    pub client: ClientId,
    /// Wanted scopes.
    pub scope: String,
    /// Lifetime wanted, in seconds.
    pub ttl_secs: Option<u64>,
}

/// Grant `refresh_token`.
#[derive(Debug)]
pub struct RefreshGrant {
    /// Who asks.
    pub client: ClientId,
    /// The refresh token.
    pub refresh_token: Secret<32>,
    /// Fewer scopes than it was granted.
    pub scope: Option<String>,
    /// Lifetime wanted, in seconds.
    pub ttl_secs: Option<u64>,
}

impl Accounts {
    /// Trades a code. The code is spent only once the access token is signed: a signer that is away costs nothing, and
    /// of parallel uses one is answered.
    ///
    /// # Errors
    /// [`AccountError`]: 162, 172, 173, 174, 175, 201.
    pub async fn trade_code(
        &self,
        caller: &Caller,
        grant: CodeGrant,
        signed_in: Option<&SignedIn>,
    ) -> Result<Granted, AccountError> {
        let client = self.settings.clients.find(grant.client)?;
        let id = hashed_id(&grant.code);
        let code = self.reader.authorization_code(caller.deadline, id).await?;
        let code = code.ok_or(AccountError::UnknownCode)?;
        check_code(&code, client.id, &grant.code_verifier, self.now())?;
        let account = self.account_of_code(caller, &code).await?;
        let scopes = Scopes::parse(&code.scope).ok_or(AccountError::Internal)?;
        let mut granted = self
            .sign_access_token(caller, &account, client, &scopes, grant.ttl_secs)
            .await?;
        granted.refresh_token = self.spend_code(caller, id, &code, signed_in).await?;
        granted.auth_at = Some(code.auth_at);
        granted.keys_jwe = code.keys_jwe;
        Ok(granted)
    }

    /// Spends a code for its refresh token, if it is good for one. The token is written first: a code that was spent and gave
    /// nothing would be unknown when its client asks again.
    async fn spend_code(
        &self,
        caller: &Caller,
        id: TokenId,
        code: &AuthorizationCode,
        signed_in: Option<&SignedIn>,
    ) -> Result<Option<Secret<32>>, AccountError> {
        let offline = match code.offline {
            true => Some(self.make_refresh_token(caller, code, signed_in).await?),
            false => None,
        };
        self.spend_for(caller, id, offline).await
    }

    /// Spends a code for a token that was written for it. If that does not work the token goes: nobody has it.
    pub(super) async fn spend_for(
        &self,
        caller: &Caller,
        id: TokenId,
        offline: Option<(Secret<32>, TokenId)>,
    ) -> Result<Option<Secret<32>>, AccountError> {
        let spent = self
            .write(caller, |call| async move {
                self.writer.consume_authorization_code(&call, id).await
            })
            .await;
        let Err(failure) = spent else {
            return Ok(offline.map(|(token, _)| token));
        };
        if let Some((_, kept)) = offline {
            // The caller's time may be over. What the store does not take now ends with the session or the grant.
            let call = self.afterthought();
            self.writer.delete_refresh_token(&call, kept).await.ok();
        }
        Err(failure.telling(Refusal::TokenSpent, || AccountError::UnknownCode))
    }

    /// The account that authorized, if the session it did so in still stands.
    async fn account_of_code(
        &self,
        caller: &Caller,
        code: &AuthorizationCode,
    ) -> Result<Account, AccountError> {
        let signed_in = self.signed_in(caller.deadline, code.session).await?;
        let account = signed_in
            .map(|signed_in| signed_in.account)
            .ok_or(AccountError::UnknownCode)?;
        if code.generation < account.verifier_set_at {
            return Err(AccountError::UnknownCode);
        }
        Ok(account)
    }

    /// The refresh token hangs on the session that trades the code, if it is the same user's; else on the one that
    /// authorized.
    async fn make_refresh_token(
        &self,
        caller: &Caller,
        code: &AuthorizationCode,
        signed_in: Option<&SignedIn>,
    ) -> Result<(Secret<32>, TokenId), AccountError> {
        let trading = signed_in.filter(|signed_in| signed_in.account.uid == code.uid);
        let (token, id) = self.draw_hashed()?;
        let record = RefreshToken {
            id,
            uid: code.uid,
            client: code.client,
            scope: code.scope.clone(),
            session: Some(trading.map_or(code.session, |signed_in| signed_in.session.id)),
            created_at: self.now(),
            generation: code.generation,
        };
        self.store_refresh_token(caller, record).await?;
        Ok((token, id))
    }

    /// Signs an access token for a session.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 138, 162, 163, 201.
    pub async fn trade_session(
        &self,
        caller: &Caller,
        grant: FxaCredentialsGrant,
        signed_in: &SignedIn,
    ) -> Result<Granted, AccountError> {
        let client = self.settings.clients.find(grant.client)?;
        let scopes = Scopes::parse(&grant.scope).ok_or(AccountError::BadParameter("scope"))?;
        check_session_grant(client, &scopes, signed_in)?;
        let mut granted = self
            .sign_access_token(caller, &signed_in.account, client, &scopes, grant.ttl_secs)
            .await?;
        granted.auth_at = Some(signed_in.session.auth_at);
        Ok(granted)
    }

    /// Signs an access token for a refresh token.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 110, 162, 163, 201.
    pub async fn refresh(&self, caller: &Caller, grant: RefreshGrant) -> Result<Granted, AccountError> {
        let client = self.settings.clients.find(grant.client)?;
        let wanted = match &grant.scope {
            Some(scope) => Some(Scopes::parse(scope).ok_or(AccountError::BadParameter("scope"))?),
            None => None,
        };
        let id = hashed_id(&grant.refresh_token);
        let standing = self.standing_refresh_token(caller.deadline, id).await?;
        let (token, account) = standing
            .filter(|(token, _)| token.client == client.id)
            .ok_or(AccountError::BadToken)?;
        let scopes = refreshed_scopes(&token, wanted)?;
        self.sign_access_token(caller, &account, client, &scopes, grant.ttl_secs)
            .await
    }
}

fn check_code(
    code: &AuthorizationCode,
    client: ClientId,
    verifier: &str,
    now: Timestamp,
) -> Result<(), AccountError> {
    if code.client != client {
        Err(AccountError::ForeignCode)
    } else if now.since(code.created_at) >= CODE_LIFE {
        Err(AccountError::ExpiredCode)
    } else if !pkce::verify(verifier, &code.code_challenge) {
        Err(AccountError::PkceMismatch)
    } else {
        Ok(())
    }
}

fn check_session_grant(client: &Client, scopes: &Scopes, signed_in: &SignedIn) -> Result<(), AccountError> {
    if !client.may_use_fxa_credentials {
        return Err(AccountError::BadParameter("grant_type"));
    }
    client.check_scopes(scopes)?;
    if scopes.has_key_bearing() {
        signed_in.require_verified()
    } else {
        Ok(())
    }
}

/// What was granted, less what needs the person, less what the client leaves out.
fn refreshed_scopes(token: &RefreshToken, wanted: Option<Scopes>) -> Result<Scopes, AccountError> {
    let granted = Scopes::parse(&token.scope).ok_or(AccountError::Internal)?;
    let missing = wanted
        .as_ref()
        .map(|wanted| granted.missing(wanted))
        .unwrap_or_default();
    if !missing.is_empty() {
        return Err(AccountError::ScopesNotAllowed {
            scopes: missing.join(" "),
        });
    }
    let scopes = wanted.unwrap_or(granted).refreshable();
    if scopes.is_empty() {
        Err(AccountError::BadParameter("scope"))
    } else {
        Ok(scopes)
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::Uid;

    use super::*;

    const CLIENT: ClientId = ClientId::from_bytes([1; 8]);
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const MADE: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn code() -> AuthorizationCode {
        AuthorizationCode {
            id: TokenId::from_bytes([1; 32]),
            uid: Uid::from_bytes([1; 16]),
            client: CLIENT,
            scope: "profile".into(),
            session: TokenId::from_bytes([2; 32]),
            code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into(),
            redirect_uri: None,
            nonce: None,
            keys_jwe: None,
            offline: false,
            auth_at: MADE,
            created_at: MADE,
            generation: MADE,
        }
    }

    #[test]
    fn which_codes_are_taken() {
        let in_time = MADE.plus(CODE_LIFE).minus(Duration::from_millis(1));
        let table = [
            ("right", CLIENT, VERIFIER, in_time, None),
            ("clock went back", CLIENT, VERIFIER, Timestamp::from_secs(1), None),
            (
                "other client",
                ClientId::from_bytes([2; 8]),
                VERIFIER,
                in_time,
                Some(173),
            ),
            ("too late", CLIENT, VERIFIER, MADE.plus(CODE_LIFE), Some(174)),
            (
                "other verifier",
                CLIENT,
                &VERIFIER.replace('d', "e"),
                in_time,
                Some(175),
            ),
            ("no verifier", CLIENT, "", in_time, Some(175)),
        ];
        for (name, client, verifier, now, expected) in table {
            let refused = check_code(&code(), client, verifier, now)
                .err()
                .map(|error| error.code().number());
            assert_eq!(refused, expected, "{name}");
        }
    }

    #[test]
    fn a_refresh_grants_no_more_than_was_granted() {
        let token = |scope: &str| RefreshToken {
            id: TokenId::from_bytes([1; 32]),
            uid: Uid::from_bytes([1; 16]),
            client: CLIENT,
            scope: scope.into(),
            session: None,
            created_at: MADE,
            generation: MADE,
        };
        let table = [
            ("openid profile", None, Some("profile")),
            ("profile", Some("profile:uid"), Some("profile:uid")),
            ("profile:uid", Some("profile"), None),
            ("openid", None, None),
        ];
        for (granted, wanted, expected) in table {
            let wanted = wanted.map(|wanted| Scopes::parse(wanted).unwrap());
            let scopes = refreshed_scopes(&token(granted), wanted)
                .ok()
                .map(|scopes| scopes.to_string());
            assert_eq!(scopes.as_deref(), expected, "{granted}");
        }
    }
}
