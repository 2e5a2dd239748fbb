//! Bodies that calls of accounts and OAuth take, as types. Nobody makes a value of them: handlers read field by field, so that
//! a client learns which one is wrong. A test holds each type against what its handler reads.

#![expect(dead_code, reason = "only their schemas are used")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// 32 bytes in hex.
#[derive(ToSchema)]
#[schema(
    pattern = "^[0-9a-fA-F]{64}$",
    example = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
)]
pub(super) struct Hex32(String);

/// 16 bytes in hex: an id of an account or a device.
#[derive(ToSchema)]
#[schema(pattern = "^[0-9a-fA-F]{32}$", example = "00112233445566778899aabbccddeeff")]
pub(super) struct Hex16(String);

/// An OAuth client's id.
#[derive(ToSchema)]
#[schema(pattern = "^[0-9a-fA-F]{16}$", example = "5882386c6d801776")]
pub(super) struct ClientId(String);

/// The code of a mail's link.
#[derive(ToSchema)]
#[schema(pattern = "^[0-9a-fA-F]{32}$", example = "00112233445566778899aabbccddeeff")]
pub(super) struct LinkCode(String);

/// Six digits.
#[derive(ToSchema)]
#[schema(pattern = "^[0-9]{6}$", example = "123456")]
pub(super) struct SixDigits(String);

/// An e-mail address.
#[derive(ToSchema)]
#[schema(max_length = 255, example = "alice@example.org")]
pub(super) struct Email(String);

/// No fields.
#[derive(ToSchema)]
pub(super) struct Nothing {}

/// What a call that may send mail hands on to the link in it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct MailOptions {
    /// The service that is signed in to.
    #[schema(max_length = 16, pattern = "^[A-Za-z0-9-]{0,16}$")]
    service: Option<String>,
    /// Where the page leads in the end: a URL on the server's own host or below it.
    #[schema(max_length = 512)]
    redirect_to: Option<String>,
    /// What the page needs to go on.
    #[schema(max_length = 2048)]
    resume: Option<String>,
}

/// What a new password leaves behind: verifiers, and keys wrapped under it. The three fields of version 2 stand together.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct NewPassword {
    /// The verifier of version 1.
    #[schema(rename = "authPW")]
    auth_pw: Hex32,
    /// The key kB, wrapped under version 1; where it is absent the server draws it.
    wrap_kb: Option<Hex32>,
    /// The verifier of version 2.
    #[schema(rename = "authPWVersion2")]
    auth_pw_version_two: Option<Hex32>,
    /// The same key, wrapped under version 2.
    #[schema(rename = "wrapKbVersion2")]
    wrap_kb_version_two: Option<Hex32>,
    /// The salt of version 2, with its name before it.
    #[schema(example = "identity.mozilla.com/picl/v1/quickStretchV2:00112233445566778899aabbccddeeff")]
    client_salt: Option<String>,
}

/// A new account.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct NewAccount {
    /// The account's address.
    email: Email,
    #[serde(flatten)]
    password: NewPassword,
    #[serde(flatten)]
    mail: MailOptions,
    /// Taken note of where the operator allows it.
    pre_verified: Option<bool>,
    /// The code of an invitation, where one is needed.
    invite: Option<String>,
}

/// Address and password of a sign-in.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct SignIn {
    /// The account's address, as it was typed.
    email: Email,
    /// The verifier.
    #[schema(rename = "authPW")]
    auth_pw: Hex32,
    #[serde(flatten)]
    mail: MailOptions,
    /// What it is for.
    #[schema(max_length = 16)]
    reason: Option<String>,
    /// How the client can have the session verified.
    verification_method: Option<String>,
}

/// An address.
#[derive(ToSchema)]
pub(super) struct OfAddress {
    /// The account's address.
    email: Email,
}

/// An address, where no token says whose account is meant.
#[derive(ToSchema)]
pub(super) struct MaybeOfAddress {
    /// The account's address.
    email: Option<Email>,
}

/// Address and password of an account that goes.
#[derive(ToSchema)]
pub(super) struct Deletion {
    /// The account's address.
    email: Email,
    /// The verifier.
    #[schema(rename = "authPW")]
    auth_pw: Hex32,
}

/// Keys of a scope, for a client.
#[derive(ToSchema)]
pub(super) struct ScopedKeys {
    /// Who asks.
    client_id: ClientId,
    /// Scopes, separated by blanks.
    #[schema(max_length = 256, example = "https://identity.mozilla.com/apps/oldsync")]
    scope: String,
}

/// The code of an invitation.
#[derive(ToSchema)]
pub(super) struct Invite {
    /// As it was mailed or handed over.
    invite: String,
}

/// What changes of a device; the first time all of it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct DevicePut {
    /// Its id; absent for a new one.
    id: Option<Hex16>,
    /// Its name, for people.
    #[schema(max_length = 255)]
    name: Option<String>,
    /// `desktop`, `mobile`, …
    #[schema(rename = "type", max_length = 16)]
    kind: Option<String>,
    /// Where pushes go: https.
    #[schema(max_length = 255)]
    push_callback: Option<String>,
    /// For their encryption: base64url.
    #[schema(max_length = 88)]
    push_public_key: Option<String>,
    /// For their encryption: base64url.
    #[schema(max_length = 24)]
    push_auth_key: Option<String>,
    /// Commands that it takes: name to a value of its own, at most 32.
    available_commands: Option<BTreeMap<String, String>>,
}

/// A device.
#[derive(ToSchema)]
pub(super) struct OfDevice {
    /// Its id.
    id: Hex16,
}

/// A command for another device.
#[derive(ToSchema)]
pub(super) struct Command {
    /// The device.
    target: Hex16,
    /// A name that the device takes.
    #[schema(max_length = 100)]
    command: String,
    /// An object.
    payload: Value,
    /// For how many seconds it may wait.
    #[schema(maximum = 9007199254740991u64)]
    ttl: Option<u64>,
}

/// A message for other devices.
#[derive(ToSchema)]
pub(super) struct Notice {
    /// `"all"`, or a list of devices' ids.
    to: Value,
    /// With `"all"`: ids of those that are left out.
    excluded: Option<Value>,
    /// An object.
    payload: Value,
    /// For how many seconds it is good.
    #[schema(rename = "TTL", maximum = 9007199254740991u64)]
    ttl: Option<u64>,
}

/// Who is signed out: the ids that it is listed with.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Detached {
    /// An OAuth client.
    client_id: Option<ClientId>,
    /// A session.
    session_token_id: Option<Hex32>,
    /// A refresh token.
    refresh_token_id: Option<Hex32>,
    /// A device.
    device_id: Option<Hex16>,
}

/// A new password in place of a forgotten one.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Reset {
    #[serde(flatten)]
    password: NewPassword,
    /// The recovery key that keeps the keys.
    #[schema(pattern = "^[0-9a-f]{1,32}$")]
    recovery_key_id: Option<String>,
    /// Whether a new session is wanted.
    session_token: Option<bool>,
}

/// The password as it is now.
#[derive(ToSchema)]
pub(super) struct OldPassword {
    /// The account's address.
    email: Email,
    /// The verifier.
    #[schema(rename = "oldAuthPW")]
    old_auth_pw: Hex32,
}

/// A new password in place of one that is known.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Change {
    #[serde(flatten)]
    password: NewPassword,
    /// The id of the session that stays.
    session_token: Option<Hex32>,
}

/// An address that mail goes to.
#[derive(ToSchema)]
pub(super) struct MailTo {
    /// The account's address.
    email: Email,
    #[serde(flatten)]
    mail: MailOptions,
}

/// A code of a mail's link.
#[derive(ToSchema)]
pub(super) struct OfLink {
    /// As mailed.
    code: LinkCode,
}

/// A code of a mail's link, and whose it is.
#[derive(ToSchema)]
pub(super) struct VerifiedByLink {
    /// The account.
    uid: Hex16,
    /// As mailed.
    code: LinkCode,
}

/// Digits that were mailed, and to whom.
#[derive(ToSchema)]
pub(super) struct MailedDigits {
    /// The account's address.
    email: Email,
    /// Eight digits.
    #[schema(example = "12345678")]
    code: String,
}

/// A session that ends in place of the one that asks.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct OtherSession {
    /// Its id.
    custom_session_token: Option<Hex32>,
}

/// Why a second session is made.
#[derive(ToSchema)]
pub(super) struct Doubled {
    /// What it is for.
    #[schema(max_length = 16)]
    reason: Option<String>,
}

/// Six digits.
#[derive(ToSchema)]
pub(super) struct Digits {
    /// As mailed, or as an authenticator shows them.
    code: SixDigits,
}

/// Six digits as they were mailed, and to whom.
#[derive(ToSchema)]
pub(super) struct DigitsOf {
    /// As mailed.
    code: SixDigits,
    /// The account.
    uid: Option<Hex16>,
}

/// One of the backup codes.
#[derive(ToSchema)]
pub(super) struct BackupCode {
    /// As it was typed, at most 20 characters.
    #[schema(max_length = 20)]
    code: String,
}

/// Backup codes of the client's own.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct BackupCodes {
    /// Eight texts.
    recovery_codes: Value,
}

/// What a recovery key opens.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct NewRecoveryKey {
    /// The key's id.
    #[schema(pattern = "^[0-9a-f]{1,32}$", example = "00112233445566778899aabbccddeeff")]
    recovery_key_id: String,
    /// Keys that it opens: a JWE.
    recovery_data: String,
    /// Whether it is good at once; so it is unless it says no.
    enabled: Option<bool>,
    /// Whether it may take the place of another one.
    replace_key: Option<bool>,
}

/// A recovery key.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct OfRecoveryKey {
    /// The key's id.
    #[schema(pattern = "^[0-9a-f]{1,32}$", example = "00112233445566778899aabbccddeeff")]
    recovery_key_id: String,
}

/// Where a recovery key is kept.
#[derive(ToSchema)]
pub(super) struct Hint {
    /// In the owner's words.
    #[schema(max_length = 254)]
    hint: String,
}

/// What a client asks for.
#[derive(ToSchema)]
pub(super) struct Authorization {
    /// Who asks.
    client_id: ClientId,
    /// Comes back as it is; registered clients may leave it out.
    #[schema(max_length = 512)]
    state: Option<String>,
    /// Scopes, separated by blanks.
    #[schema(max_length = 256, example = "https://identity.mozilla.com/apps/oldsync")]
    scope: String,
    /// `code`.
    response_type: Option<String>,
    /// `offline` or `online`.
    access_type: Option<String>,
    /// PKCE: base64url of a SHA-256.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    code_challenge: Option<String>,
    /// `S256`.
    code_challenge_method: Option<String>,
    /// Keys for the client, encrypted to it.
    #[schema(max_length = 1024)]
    keys_jwe: Option<String>,
    /// Where the client wants its answer.
    redirect_uri: Option<String>,
    /// `AAL2`, if a second factor is needed.
    acr_values: Option<String>,
    /// Registered clients only: comes back in the ID token.
    #[schema(max_length = 512)]
    nonce: Option<String>,
    /// Registered clients only: how long ago, in seconds, the user may have signed in.
    #[schema(maximum = 9007199254740991u64)]
    max_age: Option<u64>,
    /// Registered clients only: `none`, `login`, `consent`, `select_account`.
    prompt: Option<String>,
    /// Whether the user has agreed now.
    consent: Option<bool>,
    /// When the page was opened, in ms.
    #[schema(maximum = 9007199254740991u64)]
    requested_at: Option<u64>,
}

/// What tokens are asked for: a code, a refresh token, or the session that asks.
#[derive(ToSchema)]
pub(super) struct TokenGrant {
    /// `authorization_code`, `refresh_token` or `fxa-credentials`; absent, a code decides.
    grant_type: Option<String>,
    /// Who asks.
    client_id: ClientId,
    /// Of `authorization_code`.
    code: Option<Hex32>,
    /// Of `authorization_code`: what the challenge was made of.
    code_verifier: Option<String>,
    /// Of `refresh_token`.
    refresh_token: Option<Hex32>,
    /// Of the other two.
    #[schema(max_length = 256)]
    scope: Option<String>,
    /// How long the token shall live, in seconds.
    #[schema(maximum = 9007199254740991u64)]
    ttl: Option<u64>,
}

/// A refresh token that ends. Whatever is sent, the answer is the same.
#[derive(ToSchema)]
pub(super) struct TokenEnd {
    /// The token.
    token: Option<Hex32>,
    /// Whose it is.
    client_id: Option<ClientId>,
}

/// An access token.
#[derive(ToSchema)]
pub(super) struct OfToken {
    /// The token.
    token: String,
}

/// An access or a refresh token.
#[derive(ToSchema)]
pub(super) struct Introspection {
    /// The token.
    token: String,
    /// Read, and not needed: tokens have different forms.
    token_type_hint: Option<String>,
}

/// A key to be certified.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Certification {
    /// The key: `algorithm` RS (`n`, `e` in decimal) or DS (`y`, `p`, `q`, `g` in hex).
    public_key: Value,
    /// For how many milliseconds: a day at most.
    #[schema(maximum = 86400000)]
    duration: u64,
}
