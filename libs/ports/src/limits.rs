//! How often who may do what (`security.md` B.1, B.3). A limiter is told an action and the keys it is done under,
//! and nothing else of the request.

use std::{net::IpAddr, time::Duration};

use async_trait::async_trait;
use foxhold_core::Uid;
use thiserror::Error;

/// What is limited. Named as in the rule files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// `accountCreate`
    AccountCreate,
    /// `accountLogin`
    AccountLogin,
    /// `accountDestroy`
    AccountDestroy,
    /// `accountDestroyFailed`
    AccountDestroyFailed,
    /// `passwordCheckFailed`
    PasswordCheckFailed,
    /// `passwordChange`
    PasswordChange,
    /// `passwordChangeStartFailed`
    PasswordChangeStartFailed,
    /// `passwordForgotSendCode`
    PasswordForgotSendCode,
    /// `passwordForgotResendCode`
    PasswordForgotResendCode,
    /// `passwordForgotVerifyCode`
    PasswordForgotVerifyCode,
    /// `passwordForgotSendOtp`
    PasswordForgotSendOtp,
    /// `passwordForgotVerifyOtp`
    PasswordForgotVerifyOtp,
    /// `loadAccountFailed`: a call that mails found no account
    LoadAccountFailed,
    /// `invokeDeviceCommand`
    InvokeDeviceCommand,
    /// `deviceNotify`
    DeviceNotify,
    /// `invitationCheck`: a look at an invitation, and a creation that fails for one
    InvitationCheck,
    /// `sessionDuplicate`
    SessionDuplicate,
    /// `accountStatusCheck`
    AccountStatusCheck,
    /// `accountStatusCheckFailed`: the question found no account
    AccountStatusCheckFailed,
    /// `getCredentialsStatus`
    GetCredentialsStatus,
    /// `mailTo`: a mail that is about to be sent to the address
    MailTo,
    /// `mailSignInTo`: one that confirms a sign-in
    MailSignInTo,
    /// `recoveryEmailVerifyCode`
    RecoveryEmailVerifyCode,
    /// `verifySessionCode`
    VerifySessionCode,
    /// `recoveryEmailResendCode`
    RecoveryEmailResendCode,
    /// `totpCreate`
    TotpCreate,
    /// `verifyTotpCode`
    VerifyTotpCode,
    /// `verifyTotpCodeFailed`
    VerifyTotpCodeFailed,
    /// `verifyRecoveryCode`
    VerifyRecoveryCode,
    /// `getRecoveryKey`
    GetRecoveryKey,
    /// `recoveryKeyExists`
    RecoveryKeyExists,
    /// `certificateSign`
    CertificateSign,
    /// `clientSecretFailed`: the `email` it is done under is the client's id
    ClientSecretFailed,
    /// `refreshTokenReplace`: the `email` it is done under is the client's id and the user's, with a blank between
    RefreshTokenReplace,
    /// `tokenIssue`
    TokenIssue,
}

impl Action {
    /// Every action, with its name in rule files.
    pub const ALL: [(Self, &'static str); 35] = [
        (Self::AccountCreate, "accountCreate"),
        (Self::AccountLogin, "accountLogin"),
        (Self::AccountDestroy, "accountDestroy"),
        (Self::AccountDestroyFailed, "accountDestroyFailed"),
        (Self::PasswordCheckFailed, "passwordCheckFailed"),
        (Self::PasswordChange, "passwordChange"),
        (Self::PasswordChangeStartFailed, "passwordChangeStartFailed"),
        (Self::PasswordForgotSendCode, "passwordForgotSendCode"),
        (Self::PasswordForgotResendCode, "passwordForgotResendCode"),
        (Self::PasswordForgotVerifyCode, "passwordForgotVerifyCode"),
        (Self::PasswordForgotSendOtp, "passwordForgotSendOtp"),
        (Self::PasswordForgotVerifyOtp, "passwordForgotVerifyOtp"),
        (Self::LoadAccountFailed, "loadAccountFailed"),
        (Self::InvokeDeviceCommand, "invokeDeviceCommand"),
        (Self::DeviceNotify, "deviceNotify"),
        (Self::InvitationCheck, "invitationCheck"),
        (Self::SessionDuplicate, "sessionDuplicate"),
        (Self::AccountStatusCheck, "accountStatusCheck"),
        (Self::AccountStatusCheckFailed, "accountStatusCheckFailed"),
        (Self::GetCredentialsStatus, "getCredentialsStatus"),
        (Self::MailTo, "mailTo"),
        (Self::MailSignInTo, "mailSignInTo"),
        (Self::RecoveryEmailVerifyCode, "recoveryEmailVerifyCode"),
        (Self::VerifySessionCode, "verifySessionCode"),
        (Self::RecoveryEmailResendCode, "recoveryEmailResendCode"),
        (Self::TotpCreate, "totpCreate"),
        (Self::VerifyTotpCode, "verifyTotpCode"),
        (Self::VerifyTotpCodeFailed, "verifyTotpCodeFailed"),
        (Self::VerifyRecoveryCode, "verifyRecoveryCode"),
        (Self::GetRecoveryKey, "getRecoveryKey"),
        (Self::RecoveryKeyExists, "recoveryKeyExists"),
        (Self::CertificateSign, "certificateSign"),
        (Self::ClientSecretFailed, "clientSecretFailed"),
        (Self::RefreshTokenReplace, "refreshTokenReplace"),
        (Self::TokenIssue, "tokenIssue"),
    ];

    /// Its name in rule files.
    #[must_use]
    pub fn name(self) -> &'static str {
        let named = Self::ALL.iter().find(|(action, _)| *action == self);
        named.map_or("", |(_, name)| name)
    }
}

/// Under which keys an action is done; rules pick from them.
#[derive(Debug, Clone, Copy, Default)]
pub struct LimitKeys<'a> {
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// The normalized address concerned.
    pub email: Option<&'a str>,
    /// The account concerned.
    pub uid: Option<Uid>,
}

/// Too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("too many requests")]
pub struct Throttled {
    /// When the longest block that applies ends.
    pub retry_after: Duration,
}

/// A limiter.
#[async_trait]
pub trait Limits: Send + Sync {
    /// Counts the action under its keys, atomically per key, and refuses it if that is too many. To be called before
    /// the expensive part of a request.
    async fn count(&self, action: Action, keys: LimitKeys<'_>) -> Result<(), Throttled>;

    /// Counts the action as long as it is not known how it ends, which [`Self::keep`] or [`Self::refund`] then tells. What
    /// is only reserved refuses others for a moment but blocks nobody: it may yet turn out well.
    async fn reserve(&self, action: Action, keys: LimitKeys<'_>) -> Result<(), Throttled> {
        self.count(action, keys).await
    }

    /// What was reserved turned out badly: from now on it counts as any other.
    async fn keep(&self, _action: Action, _keys: LimitKeys<'_>) {}

    /// Takes one count back: what was counted or reserved turned out well.
    async fn refund(&self, action: Action, keys: LimitKeys<'_>);

    /// Forgets what was counted of the action for this address or account, and lifts the blocks that came of it: whoever it
    /// belongs to has shown that it is theirs. What is counted by the client's address alone stays. Nothing to do without
    /// a memory.
    async fn clear(&self, _action: Action, _keys: LimitKeys<'_>) {}
}

/// Remembers signed requests, so that an exact repeat is refused (`accounts.md` (b), Replay).
#[async_trait]
pub trait ReplayGuard: Send + Sync {
    /// Whether this request (a 16-byte hash of id, ts, nonce and mac) is new; it is remembered for `window`.
    async fn is_new(&self, request: [u8; 16], window: Duration) -> bool;
}
