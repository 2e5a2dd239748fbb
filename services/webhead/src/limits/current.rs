//! The `current` profile (`security.md` B.3): its rows for the actions that exist.

/// Rule lines, as an operator would write them.
pub(super) const LINES: &[&str] = &[
    "* : ip : 900 : 15 min : 15 min : report",
    "passwordCheckFailed, accountStatusCheckFailed : ip : 50 : 24 h : 4 h : ban",
    // Guesses at one password, whichever call is asked and from however many addresses.
    "passwordCheckFailed : email : 50 : 24 h : 24 h : block",
    // In a session it is the account's own: what strangers guess does not count there, nor the other way round.
    "passwordCheckFailed : uid : 50 : 24 h : 24 h : block",
    "accountDestroyFailed, passwordChangeStartFailed, loadAccountFailed : ip : 50 : 24 h : 15 min : ban",
    "accountCreate : ip : 100 : 24 h : 24 h : block",
    "accountStatusCheck, getCredentialsStatus : ip : 100 : 15 min : 15 min : block",
    "accountLogin : ip_email : 5 : 15 min : 15 min : block",
    "accountLogin : ip_uid : 5 : 15 min : 15 min : block",
    "accountLogin : ip : 100 : 24 h : 15 min : ban",
    "accountLogin : email : 50 : 24 h : 24 h : block",
    "passwordChange, accountDestroy : ip_email : 5 : 15 min : 15 min : block",
    "passwordChange, accountDestroy : ip_uid : 5 : 15 min : 15 min : block",
    "passwordChange, accountDestroy : ip : 100 : 24 h : 15 min : ban",
    "passwordForgotSendCode, passwordForgotResendCode, passwordForgotSendOtp \
        : ip_email : 5 : 15 min : 15 min : block",
    "passwordForgotSendCode, passwordForgotResendCode, passwordForgotSendOtp : ip : 100 : 24 h : 15 min : ban",
    // Eight digits, from however many addresses they are tried.
    "passwordForgotVerifyOtp : email : 10 : 10 min : 30 min : block",
    "passwordForgotVerifyOtp : email : 50 : 24 h : 24 h : block",
    "passwordForgotVerifyOtp : ip : 100 : 24 h : 15 min : ban",
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
    "verifyRecoveryCode : ip_uid : 10 : 10 min : 30 min : block",
    "verifyRecoveryCode : ip : 100 : 24 h : 15 min : ban",
    "verifyTotpCode : ip_uid : 10 : 30 s : 15 min : block",
    "verifyTotpCode : ip : 100 : 24 h : 15 min : ban",
    "verifyTotpCodeFailed : ip : 50 : 24 h : 15 min : ban",
    // As with mailed codes: only who knows the password tries them.
    "verifyTotpCode, verifyRecoveryCode : uid : 50 : 24 h : 24 h : block",
    "totpCreate : ip_uid : 10 : 10 min : 15 min : block",
    "getRecoveryKey : uid : 10 : 15 min : 15 min : block",
    "recoveryKeyExists : ip : 100 : 15 min : 15 min : block",
    "certificateSign : uid : 60 : 1 h : 5 min : block",
    "certificateSign : ip : 600 : 1 h : 5 min : block",
    "invokeDeviceCommand, deviceNotify : uid : 100 : 15 min : 15 min : block",
    "invitationCheck : ip : 20 : 15 min : 15 min : block",
    "sessionDuplicate : uid : 100 : 15 min : 15 min : block",
    "clientSecretFailed : ip_email : 20 : 15 min : 15 min : block",
    // By user and program: what each makes is a signature and a decision of the store.
    "refreshTokenReplace : email : 60 : 5 min : 5 min : block",
    "tokenIssue : uid : 60 : 5 min : 5 min : block",
    "tokenIssue : ip : 1200 : 5 min : 5 min : report",
    // Mail to one address, whatever it is sent for. What sends none counts nowhere here.
    "mailTo : email : 10 : 24 h : 24 h : block",
    // Apart from those: who knows the password takes none of the mails for a new one, and who does not, none of these.
    "mailSignInTo : email : 20 : 24 h : 24 h : block",
];
