//! The `current` profile (`security.md` B.3): its rows for the actions that exist.

/// Rule lines, as an operator would write them.
pub(super) const LINES: &[&str] = &[
    "* : ip : 900 : 15 min : 15 min : report",
    "passwordCheckFailed, accountStatusCheckFailed : ip : 50 : 24 h : 4 h : ban",
    // Guesses at one password, whichever call is asked and from however many addresses.
    "passwordCheckFailed : email : 50 : 24 h : 24 h : block",
    "accountDestroyFailed, passwordChangeStartFailed, loadAccountFailed : ip : 50 : 24 h : 15 min : ban",
    "accountCreate : ip : 100 : 24 h : 24 h : block",
    "accountStatusCheck, getCredentialsStatus : ip : 100 : 15 min : 15 min : block",
    "accountLogin : ip_email : 5 : 15 min : 15 min : block",
    "accountLogin : ip : 100 : 24 h : 15 min : ban",
    "accountLogin : email : 50 : 24 h : 24 h : block",
    "passwordChange, accountDestroy : ip_email : 5 : 15 min : 15 min : block",
    "passwordChange, accountDestroy : ip_uid : 5 : 15 min : 15 min : block",
    "passwordChange, accountDestroy : ip : 100 : 24 h : 15 min : ban",
    "passwordForgotSendCode, passwordForgotResendCode : ip_email : 5 : 15 min : 15 min : block",
    "passwordForgotSendCode, passwordForgotResendCode : ip : 100 : 24 h : 15 min : ban",
    "recoveryEmailResendCode : ip_email : 5 : 15 min : 15 min : block",
    "recoveryEmailResendCode : ip_uid : 5 : 15 min : 15 min : block",
    "recoveryEmailResendCode : ip : 100 : 24 h : 15 min : ban",
    "recoveryEmailVerifyCode, passwordForgotVerifyCode : ip_email : 10 : 10 min : 30 min : block",
    "recoveryEmailVerifyCode, passwordForgotVerifyCode : ip_uid : 10 : 10 min : 30 min : block",
    "recoveryEmailVerifyCode, passwordForgotVerifyCode : ip : 100 : 24 h : 15 min : ban",
    "verifySessionCode : ip_uid : 10 : 15 min : 15 min : block",
    "verifySessionCode : ip : 100 : 24 h : 15 min : ban",
    // Six digits fall to whoever has addresses enough, as everybody with an IPv6 network does. Only sessions of the
    // account try them, so nobody else can spend its tries.
    "verifySessionCode : uid : 50 : 24 h : 24 h : block",
    "certificateSign : uid : 60 : 1 h : 5 min : block",
    "certificateSign : ip : 600 : 1 h : 5 min : block",
    "invokeDeviceCommand, deviceNotify : uid : 100 : 15 min : 15 min : block",
    "invitationCheck : ip : 20 : 15 min : 15 min : block",
    "sessionDuplicate : uid : 100 : 15 min : 15 min : block",
    "tokenIssue : uid : 60 : 5 min : 5 min : block",
    "tokenIssue : ip : 1200 : 5 min : 5 min : report",
    // Mail to one address, whatever it is sent for.
    "accountCreate + recoveryEmailResendCode + passwordForgotSendCode + passwordForgotResendCode \
        : email : 10 : 24 h : 24 h : block",
];
