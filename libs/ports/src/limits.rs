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
    /// `recoveryEmailVerifyCode`
    RecoveryEmailVerifyCode,
    /// `verifySessionCode`
    VerifySessionCode,
    /// `recoveryEmailResendCode`
    RecoveryEmailResendCode,
    /// `certificateSign`
    CertificateSign,
    /// `tokenIssue`
    TokenIssue,
}

impl Action {
    /// Every action, with its name in rule files.
    pub const ALL: [(Self, &'static str); 23] = [
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
        (Self::LoadAccountFailed, "loadAccountFailed"),
        (Self::InvokeDeviceCommand, "invokeDeviceCommand"),
        (Self::DeviceNotify, "deviceNotify"),
        (Self::InvitationCheck, "invitationCheck"),
        (Self::SessionDuplicate, "sessionDuplicate"),
        (Self::AccountStatusCheck, "accountStatusCheck"),
        (Self::AccountStatusCheckFailed, "accountStatusCheckFailed"),
        (Self::GetCredentialsStatus, "getCredentialsStatus"),
        (Self::RecoveryEmailVerifyCode, "recoveryEmailVerifyCode"),
        (Self::VerifySessionCode, "verifySessionCode"),
        (Self::RecoveryEmailResendCode, "recoveryEmailResendCode"),
        (Self::CertificateSign, "certificateSign"),
        (Self::TokenIssue, "tokenIssue"),
    ];
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

    /// Takes one count back: what was reserved turned out well.
    async fn refund(&self, action: Action, keys: LimitKeys<'_>);
}

/// Remembers signed requests, so that an exact repeat is refused (`accounts.md` (b), Replay).
#[async_trait]
pub trait ReplayGuard: Send + Sync {
    /// Whether this request (a 16-byte hash of id, ts, nonce and mac) is new; it is remembered for `window`.
    async fn is_new(&self, request: [u8; 16], window: Duration) -> bool;
}
