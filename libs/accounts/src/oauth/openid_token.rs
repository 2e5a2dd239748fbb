//! The token endpoint for registered clients, and what their access tokens show (`accounts.md` (k), Token endpoint, ID
//! token, Userinfo).

use std::time::Duration;

use foxhold_core::{
    Deadline, Secret, SecretText, Timestamp, TokenId, random,
    record::{Account, AuthorizationCode, RefreshToken, RegisteredClient},
};
use foxhold_crypto::{id_token::at_hash, pkce};
use foxhold_ports::{
    openid::spent::SpentCode,
    signer::{AccessTokenOrder, AuthMethod, IdTokenOrder, IdTokenProfile},
};

use super::{PresentedToken, Scopes};
use crate::{AccountError, Accounts, Caller, SignedIn, language::first_tag, token::hashed_id};

/// How long a code that comes a second time may come from the same hand: parallel uses must leave one winner.
const PARALLEL: Duration = Duration::from_secs(10);
/// How long a registered client may take to trade its code.
const CODE_LIFE: Duration = Duration::from_secs(10 * 60);
/// How long its access tokens live: they cannot be called back.
const ACCESS_TOKEN_SECS: u64 = 3600;
/// How long its ID tokens live: they are read when they are given.
const ID_TOKEN_SECS: u64 = 300;

/// A code to be traded.
pub struct CodeTrade {
    /// The code.
    pub code: Secret<32>,
    /// Where it was sent.
    pub redirect_uri: String,
    /// Proof that this is who asked for it.
    pub code_verifier: Option<String>,
}

/// What a registered client is given.
pub struct OpenIdGranted {
    /// A compact JWT.
    pub access_token: SecretText,
    /// Its scopes.
    pub scope: String,
    /// How long it lives, in seconds.
    pub expires_in_secs: u64,
    /// With `openid`, of a code.
    pub id_token: Option<SecretText>,
    /// With `offline_access`, of a code; of a public client also of a refresh token, which it replaces.
    pub refresh_token: Option<Secret<32>>,
}

/// What userinfo tells. Absent = not granted, or not known.
#[derive(Clone, PartialEq, Eq)]
pub struct UserInfo {
    /// The account.
    pub uid: foxhold_core::Uid,
    /// With `email`: the address, and whether it is verified.
    pub email: Option<(String, bool)>,
    /// With `profile`.
    pub profile: Option<UserProfile>,
}

/// What scope `profile` shows.
#[derive(Clone, PartialEq, Eq)]
pub struct UserProfile {
    /// The local part of the address; another user may have the same.
    pub preferred_username: String,
    /// The language, as a tag.
    pub locale: Option<String>,
    /// When any of it changed last.
    pub updated_at: Timestamp,
}

/// Why userinfo tells nothing.
#[derive(Debug)]
pub enum UserInfoError {
    /// The token is good, and not for this.
    Scope,
    /// The token is not good any more, or could not be looked at.
    Token(AccountError),
}

impl Accounts {
    /// Trades a code. The code is spent only once both tokens are signed; of parallel uses one is answered.
    ///
    /// # Errors
    /// [`AccountError`]: 167, 172, 173, 174, 175, 201.
    pub async fn trade_registered_code(
        &self,
        caller: &Caller,
        client: &RegisteredClient,
        trade: CodeTrade,
    ) -> Result<OpenIdGranted, AccountError> {
        let id = hashed_id(&trade.code);
        let code = self.reader.authorization_code(caller.deadline, id).await?;
        let Some(code) = code else {
            self.note_second_use(caller, client, id, &trade).await?;
            return Err(AccountError::UnknownCode);
        };
        check_code(&code, client, &trade, self.now())?;
        let signed_in = self.signed_in(caller.deadline, code.session).await?;
        let signed_in = signed_in.filter(|s| code.generation >= s.account.verifier_set_at);
        let signed_in = signed_in.ok_or(AccountError::UnknownCode)?;
        let scopes = Scopes::parse(&code.scope).ok_or(AccountError::Internal)?;
        let account = &signed_in.account;
        let stands = self.is_code_granted(caller.deadline, account, client.id, (&id, &code), &scopes);
        if !stands.await? {
            return Err(AccountError::UnknownCode);
        }
        let mut granted = self.sign_for(caller, account, client, &scopes).await?;
        if scopes.contains("openid") {
            let order = id_token(&signed_in, client, &code, &granted.access_token, self);
            let signed = self.openid.signer.sign_id_token(caller.deadline, &order).await;
            granted.id_token = Some(signed?);
        }
        granted.refresh_token = self.spend(caller, id, &code).await?;
        Ok(granted)
    }

    /// Spends a code for its refresh token, if it is good for one. The token is written first: a code that was spent and gave
    /// nothing would look stolen when its client asks again.
    async fn spend(
        &self,
        caller: &Caller,
        id: TokenId,
        code: &AuthorizationCode,
    ) -> Result<Option<Secret<32>>, AccountError> {
        let offline = match code.offline {
            true => Some(self.offline_token(caller, code).await?),
            false => None,
        };
        self.spend_for(caller, id, offline).await
    }

    /// A code that comes again after it was traded, with all that goes with it, was seen by somebody else: the grant it was
    /// made under ends, and with it what was given for it.
    async fn note_second_use(
        &self,
        caller: &Caller,
        client: &RegisteredClient,
        id: TokenId,
        trade: &CodeTrade,
    ) -> Result<(), AccountError> {
        let spent = self.openid.grant_reader.spent_code(caller.deadline, id).await?;
        let Some(SpentCode { code, spent_at }) = spent else {
            return Ok(());
        };
        let is_parallel = self.now().since(spent_at) <= PARALLEL;
        if is_parallel || check_trade(&code, client, trade).is_err() {
            return Ok(());
        }
        self.revoke(caller, code.uid, client.id, code.created_at).await
    }

    /// Hangs on no session: offline means after signing out, too. It ends with its grant.
    async fn offline_token(
        &self,
        caller: &Caller,
        code: &AuthorizationCode,
    ) -> Result<(Secret<32>, TokenId), AccountError> {
        let (token, id) = self.draw_hashed()?;
        let record = RefreshToken {
            id,
            uid: code.uid,
            client: code.client,
            scope: code.scope.clone(),
            session: None,
            created_at: self.now().max(code.created_at),
            generation: code.generation,
        };
        self.store_refresh_token(caller, record).await?;
        Ok((token, id))
    }

    /// Signs an access token.
    pub(super) async fn sign_for(
        &self,
        caller: &Caller,
        account: &Account,
        client: &RegisteredClient,
        scopes: &Scopes,
    ) -> Result<OpenIdGranted, AccountError> {
        let order = AccessTokenOrder {
            uid: account.uid,
            client: client.id,
            audience: client.id.to_string(),
            scope: scopes.to_string(),
            lifetime_secs: ACCESS_TOKEN_SECS,
            jti: random::bytes(&*self.random),
            generation: account.signed_since(),
            profile_changed_at: account.profile_changed_at,
        };
        Ok(OpenIdGranted {
            access_token: self.signer.sign_access_token(caller.deadline, &order).await?,
            scope: order.scope,
            expires_in_secs: ACCESS_TOKEN_SECS,
            id_token: None,
            refresh_token: None,
        })
    }

    /// Whether the client that a token was made for is there and not disabled, and the grant it was made under still stands:
    /// asked of tokens of registered clients only.
    ///
    /// # Errors
    /// [`AccountError`]: 201.
    pub(super) async fn is_token_granted(
        &self,
        by: Deadline,
        account: &Account,
        token: &PresentedToken,
    ) -> Result<bool, AccountError> {
        if self.is_built_in(token.client) {
            return Ok(true);
        }
        let client = match self.client(by, token.client).await {
            Ok(client) => client,
            Err(AccountError::UnknownClient { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        // Tokens tell whole seconds; one of the second in which a grant began counts as made under it.
        let made_at = token.issued.plus(Duration::from_millis(999));
        self.is_granted(by, account, client.id, made_at, &token.bearer.scopes)
            .await
    }

    /// What an access token shows of its user.
    ///
    /// # Errors
    /// [`UserInfoError`]
    pub async fn user_info(&self, by: Deadline, token: &PresentedToken) -> Result<UserInfo, UserInfoError> {
        let account = self.account_of_token(by, token).await?;
        let account = account.ok_or(AccountError::BadToken)?;
        if !token.bearer.scopes.contains("openid") {
            return Err(UserInfoError::Scope);
        }
        Ok(shown(&account, &token.bearer.scopes))
    }
}

impl From<AccountError> for UserInfoError {
    fn from(error: AccountError) -> Self {
        Self::Token(error)
    }
}

fn shown(account: &Account, scopes: &Scopes) -> UserInfo {
    let local_part = account.email.rsplit_once('@').map_or("", |(local, _)| local);
    UserInfo {
        uid: account.uid,
        email: scopes
            .contains("email")
            .then(|| (account.email.clone(), account.email_verified)),
        profile: scopes.contains("profile").then(|| UserProfile {
            preferred_username: local_part.to_owned(),
            locale: account.locale.as_deref().and_then(first_tag).map(str::to_owned),
            updated_at: account.profile_changed_at,
        }),
    }
}

fn id_token(
    signed_in: &SignedIn,
    client: &RegisteredClient,
    code: &AuthorizationCode,
    access_token: &SecretText,
    accounts: &Accounts,
) -> IdTokenOrder {
    let amr = signed_in.auth_methods();
    let scopes = Scopes::parse(&code.scope).unwrap_or_default();
    let wants_profile = client.switches.id_token_profile;
    IdTokenOrder {
        uid: code.uid,
        client: client.id,
        auth_time: code.auth_at,
        nonce: code.nonce.clone(),
        at_hash: at_hash(access_token.expose()),
        aal: if amr.contains(&AuthMethod::OneTimePassword) {
            2
        } else {
            1
        },
        amr,
        lifetime_secs: ID_TOKEN_SECS,
        profile: wants_profile.then(|| {
            let info = shown(&signed_in.account, &scopes);
            let picture = || format!("{}/page/avatar.svg", accounts.openid.issuer);
            IdTokenProfile {
                email: info.email,
                picture: info.profile.as_ref().map(|_| picture()),
                locale: info.profile.as_ref().and_then(|profile| profile.locale.clone()),
                updated_at: info.profile.as_ref().map(|profile| profile.updated_at),
                preferred_username: info.profile.map(|profile| profile.preferred_username),
            }
        }),
    }
}

fn check_code(
    code: &AuthorizationCode,
    client: &RegisteredClient,
    trade: &CodeTrade,
    now: Timestamp,
) -> Result<(), AccountError> {
    if code.client == client.id && now.since(code.created_at) >= CODE_LIFE {
        return Err(AccountError::ExpiredCode);
    }
    check_trade(code, client, trade)
}

/// The same, however old the code is.
fn check_trade(
    code: &AuthorizationCode,
    client: &RegisteredClient,
    trade: &CodeTrade,
) -> Result<(), AccountError> {
    if code.client != client.id {
        return Err(AccountError::ForeignCode);
    }
    if code.redirect_uri.as_deref() != Some(trade.redirect_uri.as_str()) {
        return Err(AccountError::BadRedirect);
    }
    let is_proven = match (code.code_challenge.as_str(), trade.code_verifier.as_deref()) {
        ("", None) => true,
        // A verifier for which there was no challenge belongs to another request.
        ("", Some(_)) | (_, None) => false,
        (challenge, Some(verifier)) => pkce::verify(verifier, challenge),
    };
    if is_proven {
        Ok(())
    } else {
        Err(AccountError::PkceMismatch)
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::{ClientId, record::ClientKind};

    use super::{super::registered::tests::registered, *};
    use crate::fixtures::{MADE, UID, account};

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    const CB: &str = "https://notes.example.test/cb";

    fn code(challenge: &str) -> AuthorizationCode {
        AuthorizationCode {
            id: TokenId::from_bytes([1; 32]),
            uid: UID,
            client: ClientId::from_bytes([9; 8]),
            scope: "openid".into(),
            session: TokenId::from_bytes([2; 32]),
            code_challenge: challenge.into(),
            redirect_uri: Some(CB.into()),
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
        let late = MADE.plus(CODE_LIFE);
        let in_time = late.minus(Duration::from_millis(1));
        let wrong = VERIFIER.replace('d', "e");
        let table = [
            ("right", CHALLENGE, CB, Some(VERIFIER), in_time, None),
            ("late", CHALLENGE, CB, Some(VERIFIER), late, Some(174)),
            (
                "another redirect",
                CHALLENGE,
                "https://notes.example.test/",
                Some(VERIFIER),
                MADE,
                Some(167),
            ),
            ("wrong proof", CHALLENGE, CB, Some(&*wrong), MADE, Some(175)),
            ("no proof", CHALLENGE, CB, None, MADE, Some(175)),
            ("none needed", "", CB, None, MADE, None),
            ("one too many", "", CB, Some(VERIFIER), MADE, Some(175)),
        ];
        for (name, challenge, redirect_uri, verifier, now, expected) in table {
            let trade = CodeTrade {
                code: Secret::new([0; 32]),
                redirect_uri: redirect_uri.into(),
                code_verifier: verifier.map(str::to_owned),
            };
            let client = registered(ClientKind::Confidential);
            let number = |checked: Result<(), AccountError>| checked.err().map(|error| error.code().number());
            assert_eq!(
                number(check_code(&code(challenge), &client, &trade, now)),
                expected,
                "{name}"
            );
            let other = RegisteredClient {
                id: ClientId::from_bytes([8; 8]),
                ..client
            };
            assert_eq!(
                number(check_code(&code(challenge), &other, &trade, now)),
                Some(173),
                "{name}"
            );
        }
        let mut of_browser = code(CHALLENGE);
        of_browser.redirect_uri = None;
        let trade = CodeTrade {
            code: Secret::new([0; 32]),
            redirect_uri: CB.into(),
            code_verifier: Some(VERIFIER.into()),
        };
        let checked = check_code(&of_browser, &registered(ClientKind::Public), &trade, MADE);
        assert_eq!(checked.unwrap_err().code().number(), 167);
    }

    #[test]
    fn what_scopes_show() {
        let table = [
            ("openid", false, false),
            ("openid email", true, false),
            ("openid profile", false, true),
            ("openid profile:uid", false, false),
        ];
        for (scope, email, profile) in table {
            let info = shown(&account(true), &Scopes::parse(scope).unwrap());
            assert_eq!(
                (info.email.is_some(), info.profile.is_some()),
                (email, profile),
                "{scope}"
            );
        }
        let info = shown(&account(false), &Scopes::of(&["email", "profile"]));
        assert_eq!(info.email, Some(("alice@example.test".into(), false)));
        assert_eq!(info.profile.unwrap().preferred_username, "alice");
    }
}
