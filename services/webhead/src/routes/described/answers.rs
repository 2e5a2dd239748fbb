//! What calls of accounts, OAuth and profile answer, as types. Handlers put their answers together member by member; tests of
//! whole calls hold each real answer against these.

#![expect(dead_code, reason = "only their schemas are used")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

use super::bodies::{ClientId, Hex16, Hex32};

/// A refusal. Some have members of their own beside these.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Error {
    /// The HTTP status.
    code: u16,
    /// Which one it is, for programs: see docs/api.md.
    errno: u16,
    /// The status in words.
    error: String,
    /// For developers.
    message: String,
    /// Where to read more.
    info: String,
    /// 101, 102, 103, 120: the address.
    #[schema(required = false)]
    email: Option<String>,
    /// 107: which field.
    #[schema(required = false)]
    validation: Option<Value>,
    /// 108: which field.
    #[schema(required = false)]
    param: Option<String>,
    /// 114, 201, 202: seconds to wait.
    #[schema(required = false)]
    retry_after: Option<u64>,
    /// 114: the same in words.
    #[schema(required = false)]
    retry_after_localized: Option<String>,
    /// 105, of a forgotten password: tries that are left.
    #[schema(required = false)]
    tries: Option<u64>,
    /// 105, of a forgotten password: seconds that are left.
    #[schema(required = false)]
    ttl: Option<u64>,
    /// 111, 115: seconds since 1970.
    #[schema(required = false)]
    server_time: Option<u64>,
    /// 124: the device that the session is bound to.
    #[schema(required = false)]
    device_id: Option<String>,
    /// 162, 1005: the client.
    #[schema(required = false)]
    client_id: Option<String>,
    /// 1005: what the user has to agree to.
    #[schema(required = false)]
    scopes: Option<String>,
    /// 163: scopes that are too much.
    #[schema(required = false)]
    invalid_scopes: Option<String>,
    /// 164: when the password was given, in seconds since 1970.
    #[schema(required = false)]
    auth_at: Option<u64>,
    /// 203: which tier.
    #[schema(required = false)]
    service: Option<String>,
    /// 203: what it was asked for.
    #[schema(required = false)]
    operation: Option<String>,
}

/// A refusal in the standard dialect (RFC 6749 section 5.2).
#[derive(ToSchema)]
pub(super) struct OauthFault {
    /// Which one it is.
    error: String,
    /// For developers.
    error_description: String,
    /// The number, as under the OAuth base.
    errno: u16,
}

/// Done; there is nothing to tell.
#[derive(ToSchema)]
pub(super) struct Done {}

/// A new account, signed in.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Created {
    /// The account.
    uid: Hex16,
    /// The session's token.
    session_token: Hex32,
    /// When the password was given, in seconds since 1970.
    auth_at: u64,
    /// With `?keys=true`.
    key_fetch_token: Option<Hex32>,
    /// With `?keys=true`, of version 2.
    key_fetch_token_version2: Option<Hex32>,
}

/// A session.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct SignedIn {
    /// The account.
    uid: Hex16,
    /// The session's token; not where the session was there before.
    session_token: Option<Hex32>,
    /// With `?keys=true`.
    key_fetch_token: Option<Hex32>,
    /// With `?keys=true`, of version 2.
    key_fetch_token_version2: Option<Hex32>,
    /// Whether address and session are verified.
    verified: bool,
    /// Whether the address is.
    email_verified: bool,
    /// Whether the session is.
    session_verified: bool,
    /// When the password was given, in seconds since 1970.
    auth_at: u64,
    /// No metrics are taken.
    metrics_enabled: bool,
    /// How the session is to be verified.
    verification_method: Option<String>,
    /// `login` or `signup`.
    verification_reason: Option<String>,
}

/// Whether there is such an account.
#[derive(ToSchema)]
pub(super) struct Exists {
    /// Whether it is there.
    exists: bool,
    /// For a session: the account's language.
    locale: Option<String>,
}

/// How a password is stretched.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Credentials {
    /// `v1` or `v2`.
    current_version: String,
    /// The salt of version 2.
    client_salt: Option<String>,
    /// Whether there is only version 1.
    upgrade_needed: bool,
}

/// Who may sign up.
#[derive(ToSchema)]
pub(super) struct Registration {
    /// `open`, `closed` or `invitation`.
    mode: String,
    /// Whose addresses may, where the operator shows it.
    domains: Option<Vec<String>>,
}

/// What an invitation says.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct InvitationStatus {
    /// From when on it invites nobody, in ms.
    expires_at: u64,
    /// The address it is for.
    email: Option<String>,
    /// The domain it is for.
    domain: Option<String>,
}

/// The account, as its programs see it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct AccountProfile {
    /// Its address.
    email: Option<String>,
    /// Its language.
    locale: Option<String>,
    /// How it can authenticate.
    authentication_methods: Option<Vec<String>>,
    /// 2 with a second factor, else 1.
    authenticator_assurance_level: Option<u8>,
    /// In ms.
    profile_changed_at: u64,
    /// In ms.
    keys_changed_at: Option<u64>,
}

/// Wrapped keys.
#[derive(ToSchema)]
pub(super) struct Bundle {
    /// 96 bytes in hex.
    #[schema(pattern = "^[0-9a-f]{192}$")]
    bundle: String,
}

/// What keys of a scope are derived with.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct ScopedKey {
    /// The scope.
    identifier: String,
    /// Always zeros: keys are not rotated.
    key_rotation_secret: Hex32,
    /// In ms.
    key_rotation_timestamp: u64,
}

/// A device that was put.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct DevicePutDone {
    /// Its id.
    id: Hex16,
    /// Its name.
    name: String,
    /// Its kind.
    #[schema(rename = "type")]
    kind: String,
    /// Where pushes go.
    push_callback: Option<String>,
    /// For their encryption.
    push_public_key: Option<String>,
    /// For their encryption.
    push_auth_key: Option<String>,
    /// Whether they went nowhere.
    push_endpoint_expired: bool,
    /// Commands that it takes.
    available_commands: BTreeMap<String, String>,
    /// In ms.
    created_at: u64,
}

/// A device of the account.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Device {
    /// Its id.
    id: Hex16,
    /// Its name.
    name: String,
    /// Its kind.
    #[schema(rename = "type")]
    kind: String,
    /// Where pushes go.
    push_callback: Option<String>,
    /// For their encryption.
    push_public_key: Option<String>,
    /// For their encryption.
    push_auth_key: Option<String>,
    /// Whether they went nowhere.
    push_endpoint_expired: bool,
    /// Commands that it takes.
    available_commands: BTreeMap<String, String>,
    /// Whether it is the one that asks.
    is_current_device: bool,
    /// In ms.
    last_access_time: u64,
    /// Empty: nobody is looked up.
    location: Done,
}

/// A command that waits for its device.
#[derive(ToSchema)]
pub(super) struct CommandLeft {
    /// It waits.
    enqueued: bool,
    /// Nobody is woken yet.
    notified: bool,
}

/// Commands for a device.
#[derive(ToSchema)]
pub(super) struct CommandsWaiting {
    /// Of the last one.
    index: u64,
    /// Whether none follow.
    last: bool,
    /// In order.
    messages: Vec<CommandMessage>,
}

/// A command.
#[derive(ToSchema)]
pub(super) struct CommandMessage {
    /// Where it stands.
    index: u64,
    /// What it says.
    data: CommandSaid,
}

/// What a command says.
#[derive(ToSchema)]
pub(super) struct CommandSaid {
    /// Its name.
    command: String,
    /// As it was sent.
    payload: Value,
    /// The device that sent it.
    sender: Option<Hex16>,
}

/// Who is signed in: a session, a device, a client, or several of them at once.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct AttachedClient {
    /// The OAuth client.
    client_id: Option<ClientId>,
    /// The device.
    device_id: Option<Hex16>,
    /// The session.
    session_token_id: Option<Hex32>,
    /// The refresh token.
    refresh_token_id: Option<Hex32>,
    /// Whether it is the one that asks.
    is_current_session: bool,
    /// The device's kind.
    device_type: Option<String>,
    /// For people.
    name: Option<String>,
    /// In ms.
    created_time: u64,
    /// In ms.
    last_access_time: u64,
    /// What a client was granted.
    scope: Option<Vec<String>>,
    /// Empty: nobody is looked up.
    location: Done,
    /// The browser.
    user_agent: String,
    /// Its system.
    os: Option<String>,
}

/// A session, as older clients see it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct OldSession {
    /// The session.
    id: Hex32,
    /// Whether it is the one that asks.
    is_current_device: bool,
    /// Whether it has a device.
    is_device: bool,
    /// The device.
    device_id: Option<Hex16>,
    /// Its name.
    device_name: Option<String>,
    /// Its kind.
    device_type: Option<String>,
    /// In ms.
    created_time: u64,
    /// In ms.
    last_access_time: u64,
    /// Empty: nobody is looked up.
    location: Done,
    /// The browser.
    user_agent: String,
    /// Its system.
    os: Option<String>,
}

/// The new session, if one was asked for; else nothing.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Renewed {
    /// The account.
    uid: Option<Hex16>,
    /// The session's token.
    session_token: Option<Hex32>,
    /// When the password was given, in seconds since 1970.
    auth_at: Option<u64>,
    /// Whether address and session are verified.
    verified: Option<bool>,
    /// Whether the address is.
    email_verified: Option<bool>,
    /// How the session is to be verified.
    verification_method: Option<String>,
    /// With `?keys=true`.
    key_fetch_token: Option<Hex32>,
    /// With `?keys=true`, of version 2.
    key_fetch_token2: Option<Hex32>,
}

/// Tokens to change a password with.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct ChangeBegun {
    /// For `/password/change/finish`.
    password_change_token: Hex32,
    /// For `/account/keys`, of version 1.
    key_fetch_token: Option<Hex32>,
    /// For `/account/keys`, of version 2.
    key_fetch_token2: Option<Hex32>,
    /// Whether the address is verified.
    verified: bool,
}

/// A code is on its way.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct CodeSent {
    /// For the calls with the code.
    password_forgot_token: Hex32,
    /// Characters of the code.
    code_length: u64,
    /// Tries that are left.
    tries: u64,
    /// Seconds that are left.
    ttl: u64,
}

/// Tries and time that are left.
#[derive(ToSchema)]
pub(super) struct CodeStatus {
    /// Tries that are left.
    tries: u64,
    /// Seconds that are left.
    ttl: u64,
}

/// The code was right.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct CodeVerified {
    /// For `/account/reset`.
    account_reset_token: Hex32,
    /// The account: a recovery key is derived with it.
    uid: Hex16,
}

/// The digits were right.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct DigitsVerified {
    /// For `/password/forgot/verify_code`.
    token: Hex32,
    /// What to say there.
    code: String,
    /// The account.
    uid: Hex16,
    /// What the new password is stretched with.
    email_to_hash_with: String,
}

/// Whether a session is verified.
#[derive(ToSchema)]
pub(super) struct SessionStatus {
    /// `verified` or `unverified`.
    state: String,
    /// The account.
    uid: Hex16,
}

/// A second session.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct SessionDoubled {
    /// The account.
    uid: Hex16,
    /// The new session's token.
    session_token: Hex32,
    /// When the password was given, in seconds since 1970.
    auth_at: u64,
    /// Whether address and session are verified.
    verified: bool,
}

/// Whether address and session are verified.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct EmailStatus {
    /// The address.
    email: String,
    /// Both.
    verified: bool,
    /// The session.
    session_verified: bool,
    /// The address.
    email_verified: bool,
}

/// Random bytes.
#[derive(ToSchema)]
pub(super) struct RandomBytes {
    /// 32 of them.
    data: Hex32,
}

/// A secret for an authenticator.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct TotpCreated {
    /// A picture, as a data URL.
    qr_code_url: String,
    /// Base32.
    secret: String,
}

/// Whether there is a second factor.
#[derive(ToSchema)]
pub(super) struct TotpExists {
    /// There is a secret.
    exists: bool,
    /// Sign-ins ask for it.
    verified: bool,
}

/// Whether digits were right.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct TotpVerified {
    /// They were.
    success: bool,
    /// Backup codes, where these were the first ones.
    recovery_codes: Option<Vec<String>>,
}

/// Taken.
#[derive(ToSchema)]
pub(super) struct Success {
    /// Always true.
    success: bool,
}

/// New backup codes.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct BackupCodesMade {
    /// All of them.
    recovery_codes: Vec<String>,
}

/// How many backup codes are left.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct BackupCodesLeft {
    /// Whether any are.
    has_backup_codes: bool,
    /// How many.
    count: u64,
}

/// How many backup codes are left.
#[derive(ToSchema)]
pub(super) struct Remaining {
    /// How many.
    remaining: u64,
}

/// What a recovery key opens.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct RecoveryData {
    /// A JWE.
    recovery_data: String,
}

/// Where a recovery key is kept.
#[derive(ToSchema)]
pub(super) struct HintTold {
    /// In the owner's words.
    hint: Option<String>,
}

/// A certificate.
#[derive(ToSchema)]
pub(super) struct Certified {
    /// Of BrowserID.
    cert: String,
}

/// What a client was authorized to.
#[derive(ToSchema)]
pub(super) struct Authorized {
    /// Good once, for a short time.
    code: Hex32,
    /// As it was sent.
    state: String,
    /// Where it goes.
    redirect: String,
    /// What was granted.
    scope: String,
}

/// Tokens.
#[derive(ToSchema)]
pub(super) struct Granted {
    /// A JWT.
    access_token: String,
    /// `bearer`.
    token_type: String,
    /// What was granted.
    scope: String,
    /// Seconds.
    expires_in: u64,
    /// When the password was given, in seconds since 1970.
    auth_at: Option<u64>,
    /// With offline access.
    refresh_token: Option<Hex32>,
    /// Keys for the client, as the page left them.
    keys_jwe: Option<String>,
    /// In the standard dialect.
    id_token: Option<String>,
}

/// Whose an access token is.
#[derive(ToSchema)]
pub(super) struct Verified {
    /// The account.
    user: Hex16,
    /// The client.
    client_id: ClientId,
    /// What was granted.
    scope: Vec<String>,
    /// Second half of the user's name.
    issuer: String,
    /// In ms.
    generation: u64,
    /// In ms.
    profile_changed_at: u64,
}

/// What a token is. Of one that is not active nothing else is told.
#[derive(ToSchema)]
pub(super) struct Introspected {
    /// Whether it is good.
    active: bool,
    /// What was granted.
    scope: Option<String>,
    /// The client.
    client_id: Option<ClientId>,
    /// `access_token` or `refresh_token`.
    token_type: Option<String>,
    /// The account.
    sub: Option<Hex16>,
    /// In ms; in the standard dialect in seconds.
    iat: Option<u64>,
    /// Its id.
    jti: Option<String>,
    /// In ms; in the standard dialect in seconds.
    exp: Option<u64>,
    /// In the standard dialect.
    iss: Option<String>,
}

/// A client, as the page shows it.
#[derive(ToSchema)]
pub(super) struct ClientShown {
    /// Its id.
    id: ClientId,
    /// For people.
    name: String,
    /// Whether nobody is asked for consent.
    trusted: bool,
    /// Its picture.
    image_uri: Option<String>,
    /// Where codes go.
    redirect_uri: String,
}

/// For Token Servers of others.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct OauthConfig {
    /// Whose users.
    browserid: OauthConfigIssuer,
    /// Where the pages are.
    content_url: String,
}

/// The domain of users.
#[derive(ToSchema)]
pub(super) struct OauthConfigIssuer {
    /// Second half of their names.
    issuer: String,
}

/// Public keys (RFC 7517).
#[derive(ToSchema)]
pub(super) struct Jwks {
    /// RSA keys.
    keys: Vec<Value>,
}

/// The profile, as far as a token's scopes go.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Profile {
    /// The account.
    uid: Option<Hex16>,
    /// The same, for OpenID.
    sub: Option<Hex16>,
    /// Its address.
    email: Option<String>,
    /// Its language.
    locale: Option<String>,
    /// A picture.
    avatar: Option<String>,
    /// Whether it is everybody's.
    avatar_default: Option<bool>,
    /// How the account can authenticate.
    amr_values: Option<Vec<String>>,
    /// Whether there is a second factor.
    two_factor_authentication: Option<bool>,
}

/// The address alone.
#[derive(ToSchema)]
pub(super) struct EmailShown {
    /// It.
    email: String,
}

/// The account's id alone.
#[derive(ToSchema)]
pub(super) struct UidShown {
    /// It.
    uid: Hex16,
}

/// The picture alone.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct AvatarShown {
    /// Where it is.
    url: String,
    /// Whether it is everybody's.
    avatar_default: bool,
}

/// Who a user is (OpenID Connect).
#[derive(ToSchema)]
pub(super) struct UserInfo {
    /// The account.
    sub: Hex16,
    /// With `email`.
    email: Option<String>,
    /// With `email`.
    email_verified: Option<bool>,
    /// With `profile`.
    preferred_username: Option<String>,
    /// With `profile`.
    picture: Option<String>,
    /// With `profile`: seconds since 1970.
    updated_at: Option<u64>,
    /// With `profile`.
    locale: Option<String>,
}

/// Where everything is.
#[derive(ToSchema)]
pub(super) struct ClientConfiguration {
    /// Root of accounts.
    auth_server_base_url: String,
    /// Root of OAuth.
    oauth_server_base_url: String,
    /// Root of the profile.
    profile_server_base_url: String,
    /// Of the Token Server.
    sync_tokenserver_base_url: String,
}

/// What OpenID clients need to know (OpenID Connect Discovery).
#[derive(ToSchema)]
pub(super) struct Metadata(BTreeMap<String, Value>);

/// The keys that certificates verify under.
#[derive(ToSchema)]
pub(super) struct SupportDocument(BTreeMap<String, Value>);

/// What is running.
#[derive(ToSchema)]
pub(super) struct Version {
    /// Of Foxhold.
    version: String,
    /// What it was made of.
    commit: String,
    /// Which program.
    source: String,
    /// Which build.
    build: String,
}

/// How each part is.
#[derive(ToSchema)]
pub(super) struct Health(BTreeMap<String, Value>);
