//! The calls, one entry each: route, handler, what it does, its bodies, and the refusals that are its own.

use ErrorCode as E;
use foxhold_core::ErrorCode;
use foxhold_openapi::Call;
use serde_json::{Value, json};

use super::{Told, answers as a, bodies as b};
use crate::routes::{
    account, certificate, device, device_commands, email, guards, health, invitation, oauth, openid,
    password, profile, random_bytes, session, well_known,
};

macro_rules! call {
    ($method:ident $path:literal $handler:path, $tag:literal, $summary:literal) => {{
        let mut call = Call::new(
            stringify!($method),
            $path,
            stringify!($handler),
            &$handler,
            $summary,
        );
        call.tag = $tag;
        call
    }};
}

/// All of them.
pub(super) fn calls() -> Vec<Call> {
    let all = [
        accounts(),
        account_keys(),
        devices(),
        passwords(),
        sessions(),
        addresses(),
        second_factor(),
        recovery_key(),
        oauth_calls(),
        oauth_base(),
        openid_calls(),
        profiles(),
        discovery(),
        health_calls(),
    ];
    all.into_iter().flatten().collect()
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn number() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

/// A password is stretched, and mail may be sent.
const SIGN_IN: [E; 6] = [
    E::UnknownAccount,
    E::WrongPassword,
    E::RequestBlocked,
    E::EmailCase,
    E::StoreConflict,
    E::MailNotSent,
];

const KEYS: &str = "Whether a key-fetch token is wanted.";

fn accounts() -> Vec<Call> {
    vec![
        call!(POST "/v1/account/create" account::create, "account", "Makes an account and its first session; mails a code")
            .takes_body::<b::NewAccount>()
            .answers::<a::Created>()
            .query("keys", flag(), KEYS)
            .or(&[E::AccountExists, E::MailNotSent, E::StoreConflict, E::FeatureOff])
            .or(&[E::RegistrationClosed, E::InvitationNeeded, E::BadInvitation, E::MailDomainNotAllowed])
            .or_unsent(),
        call!(POST "/v1/account/login" account::login, "account", "Opens a session")
            .takes_body::<b::SignIn>()
            .answers::<a::SignedIn>()
            .query("keys", flag(), KEYS)
            .or(&SIGN_IN)
            .or(&[E::UnverifiedAccount, E::FeatureOff]),
        call!(GET "/v1/account/status" account::status_by_uid, "account", "Whether an account exists, by its id or for a session")
            .answers::<a::Exists>()
            .query("uid", json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" }), "The account; not for a session.")
            .or(&[E::MissingParameter]),
        call!(POST "/v1/account/status" account::status_by_email, "account", "Whether an account exists, by its address")
            .takes_body::<b::OfAddress>()
            .answers::<a::Exists>(),
        call!(POST "/v1/account/credentials/status" account::credentials_status, "account", "How an account's password is stretched")
            .takes_body::<b::OfAddress>()
            .answers::<a::Credentials>()
            .or(&[E::UnknownAccount]),
        call!(GET "/v1/account/registration" account::registration, "account", "Who may sign up")
            .answers::<a::Registration>()
            .or(&[E::Busy]),
        call!(POST "/v1/invitation/status" invitation::status, "account", "What an invitation says")
            .takes_body::<b::Invite>()
            .answers::<a::InvitationStatus>()
            .or(&[E::BadInvitation]),
        call!(POST "/v1/account/destroy" account::destroy, "account", "Removes the account")
            .takes_body::<b::Deletion>()
            .answers::<a::Done>()
            .or(&SIGN_IN)
            .or(&[E::UnverifiedSession, E::FeatureOff]),
        call!(POST "/v1/get_random_bytes" random_bytes, "account", "32 random bytes")
            .answers::<a::RandomBytes>()
            .or(&[E::Busy]),
    ]
}

fn account_keys() -> Vec<Call> {
    vec![
        call!(GET "/v1/account/keys" account::keys, "keys", "The key bundle, once")
            .answers::<a::Bundle>()
            .or(&[E::UnverifiedAccount, E::UnverifiedSession, E::StoreConflict]),
        call!(POST "/v1/account/scoped-key-data" account::scoped_key_data, "keys", "What keys of a scope are derived with")
            .takes_body::<b::ScopedKeys>()
            .answers_map::<a::ScopedKey>()
            .or(&[E::UnverifiedSession, E::UnverifiedAccount, E::UnknownClient, E::ScopesNotAllowed]),
        call!(POST "/v1/certificate/sign" certificate::sign, "keys", "A BrowserID certificate, for at most a day")
            .takes_body::<b::Certification>()
        .like(json!({ "publicKey": { "algorithm": "RS", "n": "1234567", "e": "65537" }, "duration": 21_600_000 }))
            .answers::<a::Certified>()
            .query("service", json!({ "type": "string", "maxLength": 16 }), "What it is for.")
            .or(&[E::UnverifiedAccount, E::UnverifiedSession, E::Gone])
            .not_always(&["duration"]),
    ]
}

fn devices() -> Vec<Call> {
    vec![
        call!(POST "/v1/account/device" device::put, "devices", "Registers or changes the session's device")
            .takes_body::<b::DevicePut>()
            .answers::<a::DevicePutDone>()
            .or(&[E::UnknownDevice, E::DeviceConflict, E::StoreConflict, E::MissingParameter, E::UnverifiedSession]),
        call!(GET "/v1/account/devices" device::list, "devices", "The account's devices")
            .answers_list::<a::Device>()
            .query("filterIdleDevicesTimestamp", number(), "Only those heard of since, in ms."),
        call!(POST "/v1/account/device/destroy" device::destroy, "devices", "Removes a device and its session")
            .takes_body::<b::OfDevice>()
            .answers::<a::Done>()
            .or(&[E::UnknownDevice, E::StoreConflict, E::UnverifiedSession]),
        call!(POST "/v1/account/devices/notify" device_commands::notify, "devices", "Accepted; nothing is pushed yet")
            .takes_body::<b::Notice>()
        .like(json!({ "to": "all", "payload": {} }))
            .answers::<a::Done>()
            .not_always(&["excluded"]),
        call!(POST "/v1/account/devices/invoke_command" device_commands::invoke, "devices", "Leaves a command for another device")
            .takes_body::<b::Command>()
            .answers::<a::CommandLeft>()
            .or(&[E::UnknownDevice, E::CommandUnavailable, E::UnverifiedSession, E::UnverifiedAccount, E::StoreConflict, E::FeatureOff]),
        call!(GET "/v1/account/device/commands" device_commands::waiting, "devices", "What waits for the session's device")
            .answers::<a::CommandsWaiting>()
            .query("index", number(), "From which on.")
            .query("limit", json!({ "type": "integer", "minimum": 0, "maximum": 100 }), "At most so many.")
            .or(&[E::UnknownDevice, E::UnverifiedSession, E::UnverifiedAccount]),
        call!(GET "/v1/account/attached_clients" device::attached_clients, "devices", "Sessions, devices and clients of the account")
            .answers_list::<a::AttachedClient>(),
        call!(POST "/v1/account/attached_client/destroy" device::detach, "devices", "Signs one of them out")
            .takes_body::<b::Detached>()
            .answers::<a::Done>()
            .or(&[E::UnknownDevice, E::UnknownClient, E::StoreConflict, E::UnverifiedSession]),
        call!(GET "/v1/account/sessions" device::sessions, "devices", "The sessions alone, for older clients")
            .answers_list::<a::OldSession>(),
    ]
}

fn passwords() -> Vec<Call> {
    vec![
        call!(POST "/v1/account/reset" password::reset, "password", "A new password in place of a forgotten one")
            .takes_body::<b::Reset>()
            .answers::<a::Renewed>()
            .query("keys", flag(), KEYS)
            .or(&[E::StoreConflict, E::UnknownRecoveryKey, E::WrongRecoveryKey]),
        call!(POST "/v1/password/change/start" password::start_change, "password", "Tokens to change the password with")
            .takes_body::<b::OldPassword>()
            .answers::<a::ChangeBegun>()
            .or(&SIGN_IN)
            .or(&[E::UnverifiedSession]),
        call!(POST "/v1/password/change/finish" password::finish_change, "password", "A new password; the keys stay")
            .takes_body::<b::Change>()
            .answers::<a::Renewed>()
            .query("keys", flag(), KEYS)
            .or(&[E::StoreConflict]),
        call!(POST "/v1/password/forgot/send_code" password::send_code, "password", "Mails a link with a code")
            .takes_body::<b::MailTo>()
            .answers::<a::CodeSent>()
            .or(&[E::UnknownAccount, E::RequestBlocked, E::MailNotSent, E::FeatureOff, E::StoreConflict]),
        call!(POST "/v1/password/forgot/resend_code" password::resend_code, "password", "The same mail once more")
            .takes_body::<b::MailTo>()
            .answers::<a::CodeSent>()
            .or(&[E::MailNotSent, E::FeatureOff]),
        call!(POST "/v1/password/forgot/verify_code" password::verify_code, "password", "Changes the token for a reset token")
            .takes_body::<b::OfLink>()
            .answers::<a::CodeVerified>()
            .or(&[E::WrongCode, E::StoreConflict]),
        call!(POST "/v1/password/forgot/send_otp" password::send_otp, "password", "Mails eight digits")
            .takes_body::<b::MailTo>()
            .answers::<a::Done>()
            .or(&[E::UnknownAccount, E::RequestBlocked, E::MailNotSent, E::FeatureOff, E::StoreConflict]),
        call!(POST "/v1/password/forgot/verify_otp" password::verify_otp, "password", "A forgot token and its code, for the digits")
            .takes_body::<b::MailedDigits>()
            .answers::<a::DigitsVerified>()
            .or(&[E::UnknownAccount, E::WrongCode, E::StoreConflict]),
        call!(GET "/v1/password/forgot/status" password::forgot_status, "password", "Tries and time that are left")
            .answers::<a::CodeStatus>(),
    ]
}

fn sessions() -> Vec<Call> {
    vec![
        call!(GET "/v1/session/status" session::status, "session", "Whether the session is verified")
            .answers::<a::SessionStatus>(),
        call!(POST "/v1/session/destroy" session::destroy, "session", "Signs out")
            .takes_body::<b::OtherSession>()
            .answers::<a::Done>()
            .or(&[E::StoreConflict, E::UnverifiedSession]),
        call!(POST "/v1/session/reauth" session::reauth, "session", "The password once more: the session counts as opened now")
            .takes_body::<b::SignIn>()
            .answers::<a::SignedIn>()
            .query("keys", flag(), KEYS)
            .or(&SIGN_IN)
            .or(&[E::UnverifiedAccount, E::FeatureOff]),
        call!(POST "/v1/session/duplicate" session::duplicate, "session", "A second session as good as this one")
            .takes_body::<b::Doubled>()
            .answers::<a::SessionDoubled>()
            .or(&[E::StoreConflict]),
        call!(POST "/v1/session/verify_code" session::verify_code, "session", "Confirms with the mailed six digits")
            .takes_body::<b::Digits>()
            .answers::<a::Done>()
            .or(&[E::WrongCode, E::StoreConflict, E::ExpiredTokenCode]),
        call!(POST "/v1/session/verify/token" session::verify_token, "session", "The same, for older clients")
            .takes_body::<b::DigitsOf>()
            .answers::<a::Done>()
            .or(&[E::WrongTokenCode, E::ExpiredTokenCode, E::StoreConflict]),
        call!(POST "/v1/session/resend_code" session::resend_code, "session", "Mails the digits once more")
            .takes_body::<b::MailOptions>()
            .answers::<a::Done>()
            .or(&[E::MailNotSent, E::FeatureOff, E::StoreConflict]),
    ]
}

fn addresses() -> Vec<Call> {
    vec![
        call!(GET "/v1/recovery_email/status" email::status, "address", "Whether address and session are verified")
            .answers::<a::EmailStatus>(),
        call!(POST "/v1/recovery_email/resend_code" email::resend_code, "address", "Mails the code once more")
            .takes_body::<b::MailOptions>()
            .answers::<a::Done>()
            .or(&[E::MailNotSent, E::FeatureOff, E::StoreConflict]),
        call!(POST "/v1/recovery_email/verify_code" email::verify_code, "address", "Confirms with the mailed link's code")
            .takes_body::<b::VerifiedByLink>()
            .answers::<a::Done>()
            .or(&[E::UnknownAccount, E::WrongCode, E::StoreConflict]),
        call!(GET "/v1/verify_email" email::to_page, "address", "On to the page of that name, with the same query")
            .or_status(302, "The page."),
        call!(GET "/v1/complete_reset_password" email::to_page, "address", "On to the page of that name, with the same query")
            .or_status(302, "The page."),
    ]
}

fn second_factor() -> Vec<Call> {
    const UNVERIFIED: [E; 2] = [E::UnverifiedSession, E::UnverifiedAccount];
    vec![
        call!(POST "/v1/totp/create" guards::create_totp, "second factor", "A new secret for codes, with a picture of it")
            .answers::<a::TotpCreated>()
            .or(&UNVERIFIED)
            .or(&[E::TotpExists, E::StoreConflict, E::FeatureOff]),
        call!(GET "/v1/totp/exists" guards::totp_exists, "second factor", "Whether there is a secret, and whether sign-ins ask for it")
            .answers::<a::TotpExists>()
            .or(&UNVERIFIED),
        call!(POST "/v1/session/verify/totp" guards::verify_totp, "second factor", "A code: the first one turns the second factor on")
            .takes_body::<b::Digits>()
            .answers::<a::TotpVerified>()
            .or(&UNVERIFIED)
            .or(&[E::TotpNotFound, E::StoreConflict]),
        call!(POST "/v1/totp/destroy" guards::destroy_totp, "second factor", "Turns it off")
            .answers::<a::Done>()
            .or(&UNVERIFIED)
            .or(&[E::TotpNotFound, E::StoreConflict]),
        call!(POST "/v1/recoveryCodes" guards::set_backup_codes, "second factor", "Backup codes of the client's own, before the second factor is on")
            .takes_body::<b::BackupCodes>()
        .like(eight_codes())
            .answers::<a::Success>()
            .or(&UNVERIFIED)
            .or(&[E::TotpNotFound, E::TotpExists, E::StoreConflict]),
        call!(PUT "/v1/recoveryCodes" guards::replace_backup_codes, "second factor", "Replaces all backup codes by the client's own")
            .takes_body::<b::BackupCodes>()
        .like(eight_codes())
            .answers::<a::Success>()
            .or(&UNVERIFIED)
            .or(&[E::TotpNotFound, E::StoreConflict]),
        call!(GET "/v1/recoveryCodes" guards::renew_backup_codes, "second factor", "Replaces all backup codes by new ones")
            .answers::<a::BackupCodesMade>()
            .or(&UNVERIFIED)
            .or(&[E::TotpNotFound, E::StoreConflict]),
        call!(GET "/v1/recoveryCodes/exists" guards::backup_codes_exist, "second factor", "How many backup codes are left")
            .answers::<a::BackupCodesLeft>(),
        call!(POST "/v1/session/verify/recoveryCode" guards::verify_backup_code, "second factor", "A backup code in place of a code, once")
            .takes_body::<b::BackupCode>()
            .answers::<a::Remaining>()
            .or(&UNVERIFIED)
            .or(&[E::TotpNotFound, E::UnknownBackupCode, E::StoreConflict]),
    ]
}

fn eight_codes() -> Value {
    let codes = (2..10).map(|number| format!("code{number}xyz"));
    json!({ "recoveryCodes": codes.collect::<Vec<_>>() })
}

fn recovery_key() -> Vec<Call> {
    const UNVERIFIED: [E; 2] = [E::UnverifiedSession, E::UnverifiedAccount];
    vec![
        call!(POST "/v1/recoveryKey" guards::create_recovery_key, "recovery key", "Keeps what a recovery key opens")
            .takes_body::<b::NewRecoveryKey>()
            .answers::<a::Done>()
            .or(&UNVERIFIED)
            .or(&[E::RecoveryKeyExists, E::StaleAuth, E::StoreConflict]),
        call!(POST "/v1/recoveryKey/verify" guards::verify_recovery_key, "recovery key", "Enables a recovery key that was kept and not enabled")
            .takes_body::<b::OfRecoveryKey>()
            .answers::<a::Done>()
            .or(&UNVERIFIED)
            .or(&[E::UnknownRecoveryKey, E::WrongRecoveryKey, E::StoreConflict]),
        call!(POST "/v1/recoveryKey/exists" guards::recovery_key_is_there, "recovery key", "Whether there is an enabled one")
            .takes_body::<b::MaybeOfAddress>()
            .answers::<a::Exists>()
            .by(&["", "session", "passwordForgot"])
            .or(&[E::UnknownAccount])
            .not_always(&["email"]),
        call!(GET "/v1/recoveryKey/{id}" guards::recovery_data, "recovery key", "What the key opens; does not spend the token")
            .answers::<a::RecoveryData>()
            .or(&[E::UnknownRecoveryKey, E::WrongRecoveryKey]),
        call!(DELETE "/v1/recoveryKey" guards::delete_recovery_key, "recovery key", "Removes it")
            .answers::<a::Done>()
            .or(&UNVERIFIED)
            .or(&[E::UnknownRecoveryKey, E::StoreConflict]),
        call!(GET "/v1/recoveryKey/hint" guards::hint, "recovery key", "Where its owner keeps it")
            .answers::<a::HintTold>()
            .or(&UNVERIFIED)
            .or(&[E::UnknownRecoveryKey]),
        call!(POST "/v1/recoveryKey/hint" guards::set_hint, "recovery key", "Notes where its owner keeps it")
            .takes_body::<b::Hint>()
            .answers::<a::Done>()
            .or(&UNVERIFIED)
            .or(&[E::UnknownRecoveryKey, E::StoreConflict]),
    ]
}

/// What an authorization may be refused for.
const AUTHORIZATION: [E; 12] = [
    E::UnverifiedSession,
    E::UnverifiedAccount,
    E::UnknownClient,
    E::ScopesNotAllowed,
    E::BadRedirect,
    E::BadResponseType,
    E::MissingPkce,
    E::AcrTooLow,
    E::StaleAuth,
    E::StoreConflict,
    E::ConsentNeeded,
    E::ClientNotAllowed,
];

/// What a code, a refresh token or a session may be refused for.
const GRANT: [E; 11] = [
    E::UnverifiedSession,
    E::UnverifiedAccount,
    E::UnknownClient,
    E::ScopesNotAllowed,
    E::BadClientSecret,
    E::UnknownAuthorizationCode,
    E::ForeignAuthorizationCode,
    E::ExpiredAuthorizationCode,
    E::PkceMismatch,
    E::StoreConflict,
    E::StaleAuth,
];

fn oauth_calls() -> Vec<Call> {
    vec![
        call!(POST "/v1/oauth/authorization" oauth::authorization, "oauth", "An authorization code")
            .takes_body::<b::Authorization>()
            .answers::<a::Authorized>()
            .or(&AUTHORIZATION)
            .not_always(&["state"]),
        call!(POST "/v1/oauth/token" oauth::token, "oauth", "Access, refresh and key material")
            .takes_body::<b::TokenGrant>()
            .answers::<a::Granted>()
            .or(&GRANT)
            .not_always(&["code", "code_verifier", "refresh_token", "scope"]),
        call!(POST "/v1/oauth/destroy" oauth::destroy, "oauth", "Ends a refresh token")
            .takes_body::<b::TokenEnd>()
            .answers::<a::Done>()
        .refused_only_for(&[E::BodyTooLarge, E::Busy]),
        call!(POST "/v1/oauth/verify" oauth::verify, "oauth", "Whose an access token is")
            .takes_body::<b::OfToken>()
            .answers::<a::Verified>()
            .or(&[E::BadToken]),
        call!(POST "/v1/oauth/introspect" oauth::introspect, "oauth", "Whether a token is active, and what it is")
            .takes_body::<b::Introspection>()
            .answers::<a::Introspected>(),
        call!(POST "/v1/oauth/key-data" account::scoped_key_data, "oauth", "What keys of a scope are derived with")
            .takes_body::<b::ScopedKeys>()
            .answers_map::<a::ScopedKey>()
            .or(&[E::UnverifiedSession, E::UnverifiedAccount, E::UnknownClient, E::ScopesNotAllowed]),
        call!(GET "/v1/oauth/jwks" oauth::jwks, "oauth", "The keys that access tokens are signed with")
            .answers::<a::Jwks>(),
        call!(GET "/v1/oauth/client/{id}" oauth::client, "oauth", "Name and redirect address of a client")
            .answers::<a::ClientShown>()
            .or(&[E::BadParameter, E::UnknownClient, E::BadRedirect]),
    ]
}

fn oauth_base() -> Vec<Call> {
    vec![
        call!(POST "/v1/authorization" oauth::base::authorization, "oauth base", "An authorization code")
            .takes_body::<b::Authorization>()
            .answers::<a::Authorized>()
            .or(&AUTHORIZATION)
            .not_always(&["state"])
            .in_oauth_base(),
        call!(POST "/v1/verify" oauth::base::verify, "oauth base", "Whose an access token is")
            .takes_body::<b::OfToken>()
            .answers::<a::Verified>()
            .in_oauth_base()
            .with_body_token(),
        call!(POST "/v1/key-data" oauth::base::key_data, "oauth base", "What keys of a scope are derived with")
            .takes_body::<b::ScopedKeys>()
            .answers_map::<a::ScopedKey>()
            .or(&[E::UnverifiedSession, E::UnverifiedAccount, E::UnknownClient, E::ScopesNotAllowed])
            .in_oauth_base(),
        call!(GET "/v1/client/{id}" oauth::base::client, "oauth base", "Name and redirect address of a client")
            .answers::<a::ClientShown>()
            .or(&[E::BadParameter, E::UnknownClient, E::BadRedirect])
            .in_oauth_base(),
        call!(GET "/v1/jwks" oauth::jwks, "oauth base", "The keys that access tokens are signed with")
            .answers::<a::Jwks>(),
        call!(GET "/v1/config" oauth::config, "oauth base", "The domain of users here")
            .answers::<a::OauthConfig>()
            .or(&[E::Busy]),
        call!(GET "/config" oauth::config, "oauth base", "The same, where Token Servers look for it")
            .answers::<a::OauthConfig>()
            .or(&[E::Busy]),
    ]
}

fn openid_calls() -> Vec<Call> {
    const PAGE: &str = "The page, or a page that says what is wrong.";
    const WAYS: [&str; 2] = ["", "client"];
    vec![
        call!(POST "/v1/token" openid::token, "openid", "Tokens; the content type decides on the dialect")
            .takes_body::<b::TokenGrant>()
            .answers::<a::Granted>()
            .by(&["", "session", "client"])
            .or(&GRANT)
            .or(&[E::UnsupportedMedia])
            .not_always(&["code", "code_verifier", "refresh_token", "scope"])
            .in_oauth_base()
            .or_in_form::<a::OauthFault>("grant_type code redirect_uri code_verifier refresh_token scope client_id client_secret")
            .noted("As JSON the same as /v1/oauth/token; as a form see docs/openid.md."),
        call!(POST "/v1/destroy" openid::destroy, "openid", "Ends a refresh token; the content type decides on the dialect")
            .takes_body::<b::TokenEnd>()
            .answers::<a::Done>()
            .by(&WAYS)
            .or_in_form::<a::OauthFault>("token token_type_hint client_id client_secret"),
        call!(POST "/v1/introspect" openid::introspect, "openid", "What a token is; the content type decides on the dialect")
            .takes_body::<b::Introspection>()
            .answers::<a::Introspected>()
            .by(&WAYS)
            .or(&[E::UnsupportedMedia])
            .in_oauth_base()
            .or_in_form::<a::OauthFault>("token token_type_hint client_id client_secret"),
        call!(GET "/v1/userinfo" openid::userinfo, "openid", "Who the user is, as far as the token's scopes go")
            .answers::<a::UserInfo>()
            .by(&["accessToken"])
            .told_of_token(),
        call!(POST "/v1/userinfo" openid::userinfo, "openid", "The same; the token may stand in a form")
            .answers::<a::UserInfo>()
            .by(&["accessToken", ""])
            .told_of_token(),
        call!(GET "/authorization" openid::authorization, "openid", "Where a program sends a browser: the sign-in page")
            .page(PAGE)
            .or_status(303, "Back to the program, with what is wrong."),
        call!(POST "/authorization" openid::posted, "openid", "The same by a form")
            .page(PAGE)
            .or_status(303, "To the same by GET."),
        call!(GET "/oauth/logout" openid::logout, "openid", "Where a program sends a browser whose user signs out")
            .page(PAGE)
            .or_status(303, "To the same without a way back, which a token of a key that is gone does not tell."),
    ]
}

/// What only few calls have.
trait Rare: Sized {
    fn with_body_token(self) -> Self;
    fn told_of_token(self) -> Self;
    fn or_unsent(self) -> Self;
    fn like(self, example: Value) -> Self;
    fn refused_only_for(self, codes: &[E]) -> Self;
    fn page(self, what: &'static str) -> Self;
}

impl Rare for Call {
    /// A token of the body has a number of its own under the OAuth base.
    fn with_body_token(mut self) -> Self {
        self.refused(400, 108, "Invalid, unknown or expired token");
        self
    }

    /// Standard answers to a bearer (RFC 6750), with our envelope; other refusals are of the standard dialect.
    fn told_of_token(mut self) -> Self {
        let (ours, fault) = (self.named::<a::Error>(), self.named::<a::OauthFault>());
        // Whoever is refused before the call is looked at is told so in our envelope.
        let either = json!({ "oneOf": [ours, fault] });
        for (status, what, body) in [
            (400, "It cannot be meant.", &fault),
            (413, "It is too long.", &either),
            (500, "A fault.", &fault),
            (503, "A part is away.", &either),
        ] {
            self.answers
                .insert(status, foxhold_openapi::call::json_answer(what, body));
        }
        self.refused(401, 110, "No good token");
        self.refused(403, 110, "A token without the scope `openid`");
        self
    }

    /// To an address that this very call has brought.
    fn or_unsent(mut self) -> Self {
        self.refused(422, E::MailNotSent.number(), "Failed to send mail");
        self
    }

    /// With an example of its body, where the type has none.
    fn like(mut self, example: Value) -> Self {
        self.example = Some(example);
        self
    }

    /// Whatever else is wrong, the answer is the same.
    fn refused_only_for(mut self, codes: &[E]) -> Self {
        self.refusals.clear();
        self.or(codes)
    }

    fn page(mut self, what: &'static str) -> Self {
        let page =
            json!({ "description": what, "content": { "text/html": { "schema": { "type": "string" } } } });
        for status in [200, 400, 415, 503] {
            self.answers.insert(status, page.clone());
        }
        self.by(&[""])
    }
}

fn profiles() -> Vec<Call> {
    vec![
        call!(GET "/v1/account/profile" profile::of_account, "profile", "Address, language, how the account can authenticate, when things changed")
            .answers::<a::AccountProfile>(),
        call!(GET "/v1/profile" profile::whole, "profile", "The profile, as far as the token's scopes go")
            .answers::<a::Profile>()
            .or_status(304, "As it was, for `If-None-Match`."),
        call!(GET "/v1/email" profile::email, "profile", "The address alone").answers::<a::EmailShown>(),
        call!(GET "/v1/uid" profile::uid, "profile", "The account's id alone").answers::<a::UidShown>(),
        call!(GET "/v1/avatar" profile::avatar, "profile", "The picture alone").answers::<a::AvatarShown>(),
    ]
}

fn discovery() -> Vec<Call> {
    vec![
        call!(GET "/.well-known/fxa-client-configuration" well_known::client_configuration, "discovery", "Where everything is; what Firefox reads first")
            .answers::<a::ClientConfiguration>()
            .or(&[E::Busy]),
        call!(GET "/.well-known/openid-configuration" well_known::openid_configuration, "discovery", "The same for OpenID clients")
            .answers::<a::Metadata>()
            .or(&[E::Busy]),
        call!(GET "/.well-known/browserid" certificate::document, "discovery", "The keys that BrowserID certificates verify under")
            .answers::<a::SupportDocument>()
            .or_status(304, "As it was, for `If-None-Match`.")
            .or(&[E::NotFound]),
    ]
}

fn health_calls() -> Vec<Call> {
    let mut beat = call_of_balancers();
    beat.tag = "health";
    vec![
        call!(GET "/__version__" health::version, "health", "What is running")
            .answers::<a::Version>()
            .or(&[E::Busy]),
        call!(GET "/__heartbeat__" health::heartbeat, "health", "How each part is")
            .answers::<a::Health>()
            .unwell(),
        beat,
        call!(GET "/__error__" health::deliberate_error, "health", "A deliberate error, where the operator wants it")
            .or(&[E::Internal, E::NotFound]),
    ]
}

/// Its handler is made for it, and has no name.
fn call_of_balancers() -> Call {
    Call {
        method: "GET",
        path: "/__lbheartbeat__",
        handler: "health::lb_heartbeat".to_owned(),
        summary: "Whether to send traffic",
        ..Call::default()
    }
    .answers::<a::Done>()
    .unwell()
}

trait Unwell {
    fn unwell(self) -> Self;
}

impl Unwell for Call {
    /// The same body, where it does not serve.
    fn unwell(mut self) -> Self {
        let answer = self.answers[&200].clone();
        self.answers.insert(503, answer);
        self
    }
}
