//! Account rules over in-memory adapters, and what a client knows of an account.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use foxhold_accounts::{
    AccountError, AccountEvent, AccountEvents, Accounts, Caller, CodeKey, MailTemplates, Settings, SignedIn,
    VerifyMail,
    credentials::{NewPassword, NewVersionTwo, Version},
    invitation_mail::InvitationMail,
    login::LoginRequest,
    mail::{
        AccountMail, GuardMail, MailOptions, MailSwitches, OtpMail, PasswordMail, RecoveryMail, SignInMail,
        TemplateError,
    },
    oauth::{Clients, OpenIdPorts},
    password::PasswordAccess,
    registration::CurrentRegistration,
    signup::CreateRequest,
};
use foxhold_core::{
    Deadline, OpId, Random, RegionMark, Secret, SecretText, Timestamp, Uid,
    record::{Account, PasswordTokenKind},
};
use foxhold_crypto::{
    mac::sha256,
    token::{KeyBundle, TokenKeys, TokenKind},
};
use foxhold_ports::{
    AccessTokenSigner, AccountReader, AccountWriter, Call, CertificateSigner, FollowUps, IdTokenSigner,
    Limits, Stretcher,
    follow_ups::Attempt,
    limits::{Action, LimitKeys, Throttled},
    mail::Mail,
    memory::{ManualClock, MemoryMailer, MemoryStore, SeededRandom},
    signer::{AccessTokenOrder, CertificateOrder, IdTokenOrder, SignError},
    stretcher::StretchError,
};

pub(crate) const EMAIL: &str = "alice@example.test";
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const CLIENT_SALT: &str = "identity.mozilla.com/picl/v1/quickStretchV2:";

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A hash in place of scrypt, unless it is to be real. Can be full, and something can happen while it works.
#[derive(Default)]
pub(crate) struct QuickStretcher {
    pub(crate) full: AtomicBool,
    pub(crate) real: AtomicBool,
    meanwhile: Mutex<VecDeque<Work>>,
}

impl QuickStretcher {
    /// Happens during the next stretching: after all that a call reads, before all that it writes.
    pub(crate) fn meanwhile(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.meanwhile.lock().unwrap().push_back(Box::pin(work));
    }
}

#[async_trait]
impl Stretcher for QuickStretcher {
    async fn stretch(
        &self,
        _by: Deadline,
        auth_pw: Secret<32>,
        salt: [u8; 32],
    ) -> Result<Secret<32>, StretchError> {
        if self.full.load(Ordering::SeqCst) {
            let retry_after = Duration::from_secs(7);
            return Err(StretchError::Busy { retry_after });
        }
        let work = self.meanwhile.lock().unwrap().pop_front();
        if let Some(work) = work {
            work.await;
        }
        if self.real.load(Ordering::SeqCst) {
            return Ok(foxhold_crypto::scrypt::stretch(&auth_pw, &salt));
        }
        Ok(Secret::new(sha256(&[auth_pw.expose(), &salt])))
    }
}

/// Mails with what they are about in their headers.
struct PlainTemplates;

fn mail(to: &str, name: &str, more: Vec<(&'static str, String)>) -> Mail {
    let mut headers = vec![("X-Template-Name", name.to_owned())];
    headers.extend(more);
    Mail {
        to: to.to_owned(),
        subject: name.to_owned(),
        text: String::new(),
        html: String::new(),
        headers,
    }
}

impl MailTemplates for PlainTemplates {
    fn verify(&self, facts: &VerifyMail<'_>) -> Result<Mail, TemplateError> {
        let codes = vec![
            ("X-Verify-Code", facts.link_code.to_owned()),
            ("X-Verify-Short-Code", facts.short_code.to_owned()),
        ];
        Ok(mail(facts.to, "verify", codes))
    }

    fn sign_in(&self, facts: &SignInMail<'_>) -> Result<Mail, TemplateError> {
        let name = format!("sign-in by {:?}", facts.by);
        Ok(mail(facts.to, &name, vec![("X-Code", facts.code.to_owned())]))
    }

    fn recovery(&self, facts: &RecoveryMail<'_>) -> Result<Mail, TemplateError> {
        let token = foxhold_core::hex::encode(facts.token.expose());
        let link = vec![("X-Recovery-Code", facts.code.to_owned()), ("X-Token", token)];
        Ok(mail(facts.to, "recovery", link))
    }

    fn forgot_otp(&self, facts: &OtpMail<'_>) -> Result<Mail, TemplateError> {
        Ok(mail(facts.to, "otp", vec![("X-Otp", facts.otp.to_owned())]))
    }

    fn password_news(&self, facts: &PasswordMail<'_>) -> Result<Mail, TemplateError> {
        Ok(mail(facts.to, &format!("{:?}", facts.news), Vec::new()))
    }

    fn guard_news(&self, facts: &GuardMail<'_>) -> Result<Mail, TemplateError> {
        Ok(mail(facts.to, &format!("{:?}", facts.news), Vec::new()))
    }

    fn account_news(&self, facts: &AccountMail<'_>) -> Result<Mail, TemplateError> {
        Ok(mail(facts.to, &format!("{:?}", facts.news), Vec::new()))
    }

    fn invitation(&self, facts: &InvitationMail) -> Result<Mail, TemplateError> {
        let code = vec![("X-Invitation-Code", facts.code.expose().to_owned())];
        Ok(mail(&facts.to, "invitation", code))
    }
}

/// No rule here has anything signed.
struct NoSigner;

#[async_trait]
impl CertificateSigner for NoSigner {
    async fn sign_certificate(&self, _: Deadline, _: &CertificateOrder) -> Result<SecretText, SignError> {
        panic!("no password call signs a certificate");
    }
}

#[async_trait]
impl IdTokenSigner for NoSigner {
    async fn sign_id_token(&self, _: Deadline, _: &IdTokenOrder) -> Result<SecretText, SignError> {
        panic!("no password call signs an ID token");
    }
}

#[async_trait]
impl AccessTokenSigner for NoSigner {
    async fn sign_access_token(&self, _: Deadline, _: &AccessTokenOrder) -> Result<SecretText, SignError> {
        Err(SignError::Refused)
    }
}

/// Notes what is counted, what is taken back and what is cleared, and refuses what it is told to. Mails are noted apart.
#[derive(Default)]
pub(crate) struct NotingLimits {
    pub(crate) counted: Mutex<Vec<Action>>,
    pub(crate) refused: Mutex<Option<Action>>,
    pub(crate) cleared: Mutex<Vec<Action>>,
    /// Whether the last count was by the address, too.
    pub(crate) by_email: AtomicBool,
    reserved: Mutex<Vec<Action>>,
}

impl NotingLimits {
    /// What still counts beside mails, in order; forgets it. Nothing may be left undecided.
    #[track_caller]
    pub(crate) fn take(&self) -> Vec<Action> {
        assert_eq!(*self.reserved.lock().unwrap(), []);
        let mut counted = std::mem::take(&mut *self.counted.lock().unwrap());
        counted.retain(|action| *action != Action::MailTo);
        counted
    }

    /// How many mails count, since anything was taken.
    pub(crate) fn mails(&self) -> usize {
        let counted = self.counted.lock().unwrap();
        counted.iter().filter(|action| **action == Action::MailTo).count()
    }
}

/// Takes the newest of these out. Whether there was one.
fn take_out(from: &Mutex<Vec<Action>>, action: Action) -> bool {
    let mut from = from.lock().unwrap();
    let at = from.iter().rposition(|known| *known == action);
    at.map(|at| from.remove(at)).is_some()
}

#[async_trait]
impl Limits for NotingLimits {
    async fn count(&self, action: Action, keys: LimitKeys<'_>) -> Result<(), Throttled> {
        self.by_email.store(keys.email.is_some(), Ordering::SeqCst);
        if *self.refused.lock().unwrap() == Some(action) {
            let retry_after = Duration::from_secs(60);
            return Err(Throttled { retry_after });
        }
        self.counted.lock().unwrap().push(action);
        Ok(())
    }

    async fn reserve(&self, action: Action, keys: LimitKeys<'_>) -> Result<(), Throttled> {
        self.count(action, keys).await?;
        self.reserved.lock().unwrap().push(action);
        Ok(())
    }

    async fn keep(&self, action: Action, _keys: LimitKeys<'_>) {
        assert!(take_out(&self.reserved, action), "{action:?} was not reserved");
    }

    async fn refund(&self, action: Action, _keys: LimitKeys<'_>) {
        take_out(&self.reserved, action);
        assert!(take_out(&self.counted, action), "{action:?} was not counted");
    }

    async fn clear(&self, action: Action, _keys: LimitKeys<'_>) {
        self.cleared.lock().unwrap().push(action);
    }
}

/// Keeps work until a test has it tried.
#[derive(Default)]
pub(crate) struct KeptWork(Mutex<Vec<Box<dyn Attempt>>>);

impl FollowUps for KeptWork {
    fn keep_trying(&self, work: Box<dyn Attempt>) {
        self.0.lock().unwrap().push(work);
    }

    fn try_once(&self, work: Box<dyn Attempt>) {
        self.keep_trying(work);
    }
}

impl KeptWork {
    /// Tries all of it once. How much is done, and how much is not.
    pub(crate) async fn attempt(&self) -> (usize, usize) {
        let all = std::mem::take(&mut *self.0.lock().unwrap());
        let (mut done, mut left) = (0, Vec::new());
        for work in all {
            if work.is_done().await {
                done += 1;
            } else {
                left.push(work);
            }
        }
        let counts = (done, left.len());
        self.0.lock().unwrap().extend(left);
        counts
    }
}

/// Notes events.
#[derive(Default)]
pub(crate) struct NotingEvents(Mutex<Vec<AccountEvent>>);

impl NotingEvents {
    /// All since the last time.
    pub(crate) fn take(&self) -> Vec<AccountEvent> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[async_trait]
impl AccountEvents for NotingEvents {
    async fn tell(&self, event: AccountEvent) {
        self.0.lock().unwrap().push(event);
    }
}

/// The rules, and what a test looks at.
pub(crate) struct Bench {
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) mailer: Arc<MemoryMailer>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) stretcher: Arc<QuickStretcher>,
    pub(crate) limits: Arc<NotingLimits>,
    pub(crate) events: Arc<NotingEvents>,
    pub(crate) follow_ups: Arc<KeptWork>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(None, Arc::new(SeededRandom::new(7)))
    }

    /// With mails that are sent only where they are wanted.
    pub(crate) fn telling(mail_switches: MailSwitches) -> Self {
        Self::set(|settings| settings.mail_switches = mail_switches)
    }

    /// Where sign-ins are confirmed by mail.
    pub(crate) fn confirming() -> Self {
        Self::set(|settings| settings.confirm_sign_ins = true)
    }

    fn set(set: impl FnOnce(&mut Settings)) -> Self {
        let mut bench = Self::new();
        let mut settings = Settings::clone(&bench.accounts.settings);
        set(&mut settings);
        let accounts = Accounts {
            settings: Arc::new(settings),
            ..Accounts::clone(&bench.accounts)
        };
        bench.accounts = Arc::new(accounts);
        bench
    }

    pub(crate) fn with(region: Option<RegionMark>, random: Arc<dyn Random>) -> Self {
        let store = Arc::new(MemoryStore::new());
        let mailer = Arc::new(MemoryMailer::new());
        let clock = Arc::new(ManualClock::new(NOW));
        let stretcher = Arc::new(QuickStretcher::default());
        let limits = Arc::new(NotingLimits::default());
        let events = Arc::new(NotingEvents::default());
        let follow_ups = Arc::new(KeptWork::default());
        let accounts = Accounts {
            reader: store.clone(),
            writer: store.clone(),
            guards: store.clone(),
            command_reader: store.clone(),
            command_writer: store.clone(),
            invitation_reader: store.clone(),
            invitation_writer: store.clone(),
            signer: Arc::new(NoSigner),
            openid: OpenIdPorts {
                registry: store.clone(),
                grant_reader: store.clone(),
                grant_writer: store.clone(),
                signer: Arc::new(NoSigner),
                issuer: "http://localhost:9000".into(),
            },
            certificates: Arc::new(NoSigner),
            stretcher: stretcher.clone(),
            mailer: mailer.clone(),
            templates: Arc::new(PlainTemplates),
            events: events.clone(),
            follow_ups: follow_ups.clone(),
            limits: limits.clone(),
            clock: clock.clone(),
            random,
            code_key: CodeKey::new(Secret::new([5; 32])),
            registration: Arc::new(CurrentRegistration::default()),
            settings: Arc::new(Settings {
                domain: "localhost".into(),
                token_server_url: "http://localhost:9000".into(),
                clients: Clients::built_in("http://localhost:9000"),
                pre_verified_allowed: false,
                region,
                mail_switches: MailSwitches::default(),
                confirm_sign_ins: false,
            }),
        };
        Self {
            accounts: Arc::new(accounts),
            store,
            mailer,
            clock,
            stretcher,
            limits,
            events,
            follow_ups,
        }
    }

    /// Signs up, version 1 with a kB of the client's own, and verifies the address.
    pub(crate) async fn sign_up(&self, email: &str) -> Alice {
        let alice = self.sign_up_unverified(email).await;
        self.store.verify_email(&self.call(), alice.uid).await.unwrap();
        self.limits.take();
        alice
    }

    pub(crate) async fn sign_up_unverified(&self, email: &str) -> Alice {
        let request = CreateRequest {
            email: email.to_owned(),
            password: password(OLD, 1),
            keys: false,
            mail: MailOptions::default(),
            pre_verified: false,
            invite: None,
        };
        let created = self.accounts.create_account(&caller(), request).await;
        let created = created.expect("an account");
        self.limits.take();
        Alice {
            uid: created.uid,
            session: created.session_token,
        }
    }

    /// The session of a token, if it is good.
    pub(crate) async fn signed_in(&self, token: &Secret<32>) -> Option<SignedIn> {
        let keys = TokenKeys::derive(TokenKind::Session, token);
        self.accounts.signed_in(by(), keys.id).await.unwrap()
    }

    /// A password token as a call has it, if it is good.
    pub(crate) async fn access(&self, kind: PasswordTokenKind, token: &Secret<32>) -> Option<PasswordAccess> {
        let keys = TokenKeys::derive(foxhold_accounts::password::token_kind(kind), token);
        self.accounts.password_access(by(), kind, keys.id).await.unwrap()
    }

    pub(crate) async fn account(&self, uid: Uid) -> Account {
        let found = self.store.account(by(), uid).await.unwrap();
        found.expect("the account is there")
    }

    /// Signs in for the keys: which verifier fitted, and its wrapKb.
    pub(crate) async fn login(&self, auth_pw: u8) -> Result<(Version, Secret<32>), u16> {
        let logged_in = self.accounts.login(&caller(), login(EMAIL, auth_pw)).await;
        let logged_in = logged_in.map_err(|error| number(&error))?;
        let (version, token) = logged_in.key_fetch_token.expect("keys were asked for");
        Ok((version, self.fetch_keys(&token).await.1))
    }

    /// kA and wrapKb for a key-fetch token.
    pub(crate) async fn fetch_keys(&self, token: &Secret<32>) -> (Secret<32>, Secret<32>) {
        let keys = TokenKeys::derive(TokenKind::KeyFetch, token);
        let access = self.accounts.key_fetch_access(by(), keys.id).await.unwrap();
        let bundle = self
            .accounts
            .fetch_keys(&caller(), &access.expect("a key-fetch token"))
            .await;
        let bundle = KeyBundle::from_bytes(*bundle.expect("keys").expose());
        bundle.open(&keys.bundle_key).expect("the token's bundle")
    }

    /// Names of the mails since the last time they were looked at, beside those of signing up.
    pub(crate) fn mails(&self) -> Vec<String> {
        let mails = self.mailer.mails();
        let news = mails.iter().map(|mail| mail.subject.clone());
        news.filter(|name| name != "verify").collect()
    }

    /// A header of the newest mail.
    pub(crate) fn mailed(&self, name: &str) -> String {
        let mail = self.mailer.last_to(EMAIL).expect("a mail");
        let mut headers = mail.headers.into_iter();
        headers.find(|(known, _)| *known == name).expect("the header").1
    }

    pub(crate) fn call(&self) -> Call {
        Call {
            op: OpId::new(NOW, &*self.accounts.random),
            deadline: by(),
        }
    }

    /// An outage of the store begins while the next password is stretched: reads went well, the write does not.
    pub(crate) fn fail_next_write(&self) {
        let store = self.store.clone();
        self.stretcher.meanwhile(async move {
            store.set_outage(Some(foxhold_ports::Cause::Unavailable));
        });
    }
}

/// What somebody who has signed up knows.
pub(crate) struct Alice {
    pub(crate) uid: Uid,
    pub(crate) session: Secret<32>,
}

/// The byte that all old passwords are made of, and all new ones.
pub(crate) const OLD: u8 = 0x11;
pub(crate) const NEW: u8 = 0x22;

pub(crate) fn by() -> Deadline {
    Deadline::after(Duration::from_secs(600))
}

pub(crate) fn caller() -> Caller {
    Caller {
        ip: Some([192, 0, 2, 1].into()),
        user_agent: "test".into(),
        locale: None,
        deadline: by(),
    }
}

pub(crate) fn secret(byte: u8) -> Secret<32> {
    Secret::new([byte; 32])
}

pub(crate) fn number(error: &AccountError) -> u16 {
    error.code().number()
}

/// Version 1: `authPW` is made of `byte`, `wrapKb` of `kb`.
pub(crate) fn password(byte: u8, kb: u8) -> NewPassword {
    NewPassword {
        auth_pw: secret(byte),
        wrap_kb: Some(secret(kb)),
        version_two: None,
    }
}

/// With version 2: what it is made of is greater by 0x80.
pub(crate) fn password_of_both(byte: u8, kb: u8) -> NewPassword {
    NewPassword {
        version_two: Some(NewVersionTwo {
            auth_pw: secret(byte | 0x80),
            wrap_kb: secret(kb | 0x80),
            client_salt: format!("{CLIENT_SALT}{}", "ab".repeat(16)),
        }),
        ..password(byte, kb)
    }
}

pub(crate) fn login(email: &str, auth_pw: u8) -> LoginRequest {
    LoginRequest {
        email: email.to_owned(),
        auth_pw: secret(auth_pw),
        keys: true,
        mail: MailOptions::default(),
        reason: None,
        verification_method: None,
    }
}
