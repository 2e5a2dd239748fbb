//! How mails read (`accounts.md` (i)). Text and HTML part and subject are templates; headers and links are made here.
//!
//! An operator may put files of the same names into a folder, in place of single parts.
//!
//! Must stay true: the text is complete alone, a subject holds no secret, every link shows its host, and what a client
//! said is escaped wherever it goes. What an operator puts in is held to that when it is read.

mod own;

use std::{collections::BTreeSet, path::Path};

use foxhold_accounts::{
    VerifyMail,
    invitation_mail::InvitationMail,
    mail::{
        AccountMail, AccountNews, ConfirmBy, GuardMail, GuardNews, MailOptions, OtpMail, PasswordMail,
        PasswordNews, RecoveryMail, SignInMail, TemplateError,
    },
};
use foxhold_core::{Timestamp, Uid, hex};
use foxhold_ports::mail::Mail;
use minijinja::{Environment, Value};
use time::OffsetDateTime;
use url::form_urlencoded;

pub use self::own::{TemplateFault, TemplateFaults};

/// The templates in force.
pub struct MailTemplates {
    environment: Environment<'static>,
    /// Parts that are an operator's.
    own: BTreeSet<String>,
    /// Root of the pages, without trailing slash.
    content_url: String,
    /// Host of the pages, as people read it.
    host: String,
}

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("mail_templates/", $name))),)*]
    };
}

const SOURCES: [(&str, &str); 57] = sources![
    "verify.subject",
    "verify.txt",
    "verify.html",
    "verify_login.subject",
    "verify_login.txt",
    "verify_login.html",
    "verify_login_code.subject",
    "verify_login_code.txt",
    "verify_login_code.html",
    "recovery.subject",
    "recovery.txt",
    "recovery.html",
    "password_forgot_otp.subject",
    "password_forgot_otp.txt",
    "password_forgot_otp.html",
    "invitation.subject",
    "invitation.txt",
    "invitation.html",
    "password_changed.subject",
    "password_changed.txt",
    "password_changed.html",
    "password_reset.subject",
    "password_reset.txt",
    "password_reset.html",
    "totp_enabled.subject",
    "totp_enabled.txt",
    "totp_enabled.html",
    "totp_removed.subject",
    "totp_removed.txt",
    "totp_removed.html",
    "backup_codes_renewed.subject",
    "backup_codes_renewed.txt",
    "backup_codes_renewed.html",
    "backup_code_used.subject",
    "backup_code_used.txt",
    "backup_code_used.html",
    "backup_codes_few.subject",
    "backup_codes_few.txt",
    "backup_codes_few.html",
    "recovery_key_added.subject",
    "recovery_key_added.txt",
    "recovery_key_added.html",
    "recovery_key_replaced.subject",
    "recovery_key_replaced.txt",
    "recovery_key_replaced.html",
    "recovery_key_removed.subject",
    "recovery_key_removed.txt",
    "recovery_key_removed.html",
    "password_reset_with_key.subject",
    "password_reset_with_key.txt",
    "password_reset_with_key.html",
    "new_device_login.subject",
    "new_device_login.txt",
    "new_device_login.html",
    "post_verify.subject",
    "post_verify.txt",
    "post_verify.html",
];

/// What goes with a mail whatever it says.
struct Envelope<'a> {
    to: &'a str,
    /// Whose account, where there is one.
    uid: Option<Uid>,
    /// As the contract calls it: `accounts.md` (i), and (k) after the hosted service's test suites.
    name: &'static str,
    service: Option<&'a str>,
    link: String,
}

impl MailTemplates {
    /// Reads all templates, those in `own` in place of the program's. `content_url` is the root of the pages, without
    /// trailing slash.
    ///
    /// # Errors
    /// Everything that is wrong with those in `own`.
    pub fn new(content_url: &str, own: Option<&Path>) -> Result<Self, TemplateFaults> {
        let (environment, own) = own::environment(own)?;
        let host = content_url
            .split_once("://")
            .map_or(content_url, |(_, host)| host)
            .to_owned();
        Ok(Self {
            environment,
            own,
            content_url: content_url.to_owned(),
            host,
        })
    }

    /// Every part of every mail, and whether it is an operator's.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, bool)> {
        SOURCES
            .into_iter()
            .map(|(name, _)| (name, self.own.contains(name)))
    }

    /// Renders the three parts of a template. `more` is what it is told beside host, address and link, `headers` are those
    /// of the mail beside what every mail has.
    fn mail(
        &self,
        template: &str,
        envelope: Envelope<'_>,
        more: &[(&str, &str)],
        headers: Vec<(&'static str, String)>,
    ) -> Result<Mail, TemplateError> {
        let known = [
            ("host", self.host.as_str()),
            ("email", envelope.to),
            ("link", &envelope.link),
        ];
        let values = Value::from_pairs(known.iter().chain(more).copied());
        let render = |part: &str| {
            let template = self.environment.get_template(&format!("{template}.{part}"));
            let rendered = template.and_then(|template| template.render(&values));
            rendered.map_err(|_| TemplateError)
        };
        let (subject, text, html) = (render("subject")?, render("txt")?, render("html")?);
        Ok(Mail {
            to: envelope.to.to_owned(),
            subject: subject.trim().to_owned(),
            text,
            html,
            headers: envelope.headers(headers),
        })
    }

    fn link(&self, page: &str, members: &[(&str, String)], options: &MailOptions) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(members);
        let said = [
            ("service", &options.service),
            ("redirectTo", &options.redirect_to),
            ("resume", &options.resume),
        ];
        query.extend_pairs(
            said.iter()
                .filter_map(|(name, value)| Some((*name, value.as_deref()?))),
        );
        format!("{}/{page}?{}", self.content_url, query.finish())
    }
}

impl Envelope<'_> {
    fn headers(self, more: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
        let mut headers = vec![("X-Template-Name", self.name.to_owned())];
        headers.extend(self.uid.map(|uid| ("X-Uid", uid.to_string())));
        if let Some(service) = self.service.filter(|service| !service.is_empty()) {
            headers.push(("X-Service-Id", service.to_owned()));
        }
        headers.push(("X-Link", self.link));
        headers.extend(more);
        headers
    }
}

impl foxhold_accounts::MailTemplates for MailTemplates {
    fn verify(&self, mail: &VerifyMail<'_>) -> Result<Mail, TemplateError> {
        let members = [("uid", mail.uid.to_string()), ("code", mail.link_code.to_owned())];
        let envelope = Envelope {
            to: mail.to,
            uid: Some(mail.uid),
            name: "verify",
            service: mail.options.service.as_deref(),
            link: self.link("verify_email", &members, mail.options),
        };
        let headers = vec![
            ("X-Verify-Code", mail.link_code.to_owned()),
            ("X-Verify-Short-Code", mail.short_code.to_owned()),
        ];
        self.mail("verify", envelope, &[("short_code", mail.short_code)], headers)
    }

    fn sign_in(&self, mail: &SignInMail<'_>) -> Result<Mail, TemplateError> {
        let (name, link, header) = match mail.by {
            ConfirmBy::Link => {
                let members = [("uid", mail.uid.to_string()), ("code", mail.code.to_owned())];
                let link = self.link("complete_signin", &members, mail.options);
                ("verify_login", link, "X-Verify-Code")
            }
            ConfirmBy::Digits => {
                let link = format!("{}/", self.content_url);
                ("verify_login_code", link, "X-Signin-Verify-Code")
            }
        };
        let envelope = Envelope {
            to: mail.to,
            uid: Some(mail.uid),
            name,
            service: mail.options.service.as_deref(),
            link,
        };
        let told = [("at", &*minute(mail.at)), ("short_code", mail.code)];
        self.mail(name, envelope, &told, vec![(header, mail.code.to_owned())])
    }

    fn recovery(&self, mail: &RecoveryMail<'_>) -> Result<Mail, TemplateError> {
        let members = [
            ("email", mail.to.to_owned()),
            ("token", hex::encode(mail.token.expose())),
            ("code", mail.code.to_owned()),
        ];
        let envelope = Envelope {
            to: mail.to,
            uid: Some(mail.uid),
            name: "recovery",
            service: mail.options.service.as_deref(),
            link: self.link("complete_reset_password", &members, mail.options),
        };
        let headers = vec![("X-Recovery-Code", mail.code.to_owned())];
        self.mail("recovery", envelope, &[], headers)
    }

    fn forgot_otp(&self, mail: &OtpMail<'_>) -> Result<Mail, TemplateError> {
        let envelope = Envelope {
            to: mail.to,
            uid: Some(mail.uid),
            name: "passwordForgotOtp",
            service: mail.options.service.as_deref(),
            link: format!("{}/", self.content_url),
        };
        let headers = vec![("X-Password-Forgot-Otp", mail.otp.to_owned())];
        self.mail("password_forgot_otp", envelope, &[("otp", mail.otp)], headers)
    }

    fn password_news(&self, mail: &PasswordMail<'_>) -> Result<Mail, TemplateError> {
        let (template, name) = match mail.news {
            PasswordNews::Changed => ("password_changed", "password_changed"),
            PasswordNews::Reset => ("password_reset", "password_reset"),
            PasswordNews::ResetWithRecoveryKey => {
                ("password_reset_with_key", "passwordResetAccountRecoveryEmail")
            }
        };
        let envelope = Envelope {
            to: mail.to,
            uid: Some(mail.uid),
            name,
            service: None,
            link: format!("{}/reset_password", self.content_url),
        };
        self.mail(template, envelope, &[], Vec::new())
    }

    fn guard_news(&self, mail: &GuardMail<'_>) -> Result<Mail, TemplateError> {
        let (template, name) = guard_template(mail.news);
        let envelope = Envelope {
            to: mail.to,
            uid: Some(mail.uid),
            name,
            service: None,
            link: format!("{}/settings", self.content_url),
        };
        self.mail(template, envelope, &[], Vec::new())
    }

    fn account_news(&self, mail: &AccountMail<'_>) -> Result<Mail, TemplateError> {
        let name = match mail.news {
            AccountNews::NewDeviceLogin => "new_device_login",
            AccountNews::PostVerify => "post_verify",
        };
        let envelope = Envelope {
            to: mail.to,
            uid: Some(mail.uid),
            name,
            service: None,
            link: format!("{}/settings", self.content_url),
        };
        self.mail(name, envelope, &[("at", &minute(mail.at))], Vec::new())
    }

    fn invitation(&self, mail: &InvitationMail) -> Result<Mail, TemplateError> {
        let envelope = Envelope {
            to: &mail.to,
            uid: None,
            name: "invitation",
            service: None,
            link: format!("{}/?invite={}", self.content_url, mail.code.expose()),
        };
        let told = [
            ("from_name", mail.from_name.as_deref().unwrap_or_default()),
            ("expires", &minute(mail.expires_at)),
        ];
        self.mail("invitation", envelope, &told, Vec::new())
    }
}

/// For people, as in `2026-11-21 13:00 UTC`.
fn minute(at: Timestamp) -> String {
    let secs = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    let Ok(at) = OffsetDateTime::from_unix_timestamp(secs) else {
        return "?".to_owned();
    };
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02} UTC",
        at.hour(),
        at.minute()
    )
}

/// A template, and what the hosted service's test suites call it.
const fn guard_template(news: GuardNews) -> (&'static str, &'static str) {
    match news {
        GuardNews::TotpEnabled => ("totp_enabled", "postAddTwoStepAuthenticationEmail"),
        GuardNews::TotpRemoved => ("totp_removed", "postRemoveTwoStepAuthenticationEmail"),
        GuardNews::NewBackupCodes => ("backup_codes_renewed", "postNewRecoveryCodesEmail"),
        GuardNews::BackupCodeUsed => ("backup_code_used", "postConsumeRecoveryCodeEmail"),
        GuardNews::FewBackupCodes => ("backup_codes_few", "lowRecoveryCodesEmail"),
        GuardNews::RecoveryKeyAdded => ("recovery_key_added", "postAddAccountRecoveryEmail"),
        GuardNews::RecoveryKeyReplaced => ("recovery_key_replaced", "postChangeAccountRecoveryEmail"),
        GuardNews::RecoveryKeyRemoved => ("recovery_key_removed", "postRemoveAccountRecoveryEmail"),
    }
}

#[cfg(test)]
mod tests {
    use foxhold_accounts::MailTemplates as _;
    use foxhold_core::{Secret, SecretText, TokenId};

    use super::*;

    fn mail(options: &MailOptions) -> Mail {
        let templates = MailTemplates::new("http://localhost:9000", None).unwrap();
        templates
            .verify(&VerifyMail {
                to: "o'hara&co@example.test",
                uid: Uid::from_bytes([0xab; 16]),
                link_code: "00112233445566778899aabbccddeeff",
                short_code: "012345",
                options,
                locale: None,
            })
            .unwrap()
    }

    #[test]
    fn the_verification_mail_says_all_in_text_and_html_and_nothing_secret_in_its_subject() {
        let mail = mail(&MailOptions {
            service: Some("sync".into()),
            ..MailOptions::default()
        });
        let link = format!(
            "http://localhost:9000/verify_email?uid={}&code=00112233445566778899aabbccddeeff&service=sync",
            "ab".repeat(16)
        );
        assert!(mail.text.contains(&link) && mail.text.contains("012345"));
        assert!(
            mail.html
                .contains(&link.replace('&', "&amp;").replace('/', "&#x2f;"))
                && mail.html.contains("012345")
        );
        assert!(!mail.subject.contains("012345") && !mail.subject.contains('\n'));
        assert_eq!(
            mail.headers,
            [
                ("X-Template-Name", "verify".to_owned()),
                ("X-Uid", "ab".repeat(16)),
                ("X-Service-Id", "sync".to_owned()),
                ("X-Link", link),
                ("X-Verify-Code", "00112233445566778899aabbccddeeff".to_owned()),
                ("X-Verify-Short-Code", "012345".to_owned()),
            ]
        );
    }

    #[test]
    fn the_mails_of_a_sign_in_bear_a_link_or_digits_and_nothing_secret_in_their_subjects() {
        let templates = MailTemplates::new("http://localhost:9000", None).unwrap();
        let options = MailOptions {
            service: Some("sync".into()),
            ..MailOptions::default()
        };
        let uid = "ab".repeat(16);
        let code = "00112233445566778899aabbccddeeff";
        let link = format!("http://localhost:9000/complete_signin?uid={uid}&code={code}&service=sync");
        let root = "http://localhost:9000/".to_owned();
        let table = [
            (ConfirmBy::Link, code, "verify_login", link, "X-Verify-Code"),
            (
                ConfirmBy::Digits,
                "012345",
                "verify_login_code",
                root,
                "X-Signin-Verify-Code",
            ),
        ];
        for (by, code, name, link, header) in table {
            let mail = SignInMail {
                to: "a@example.test",
                uid: Uid::from_bytes([0xab; 16]),
                by,
                code,
                at: Timestamp::from_secs(1_700_000_000),
                options: &options,
                locale: None,
            };
            let mail = templates.sign_in(&mail).unwrap();
            let shown = match by {
                ConfirmBy::Link => link.replace('&', "&amp;").replace('/', "&#x2f;"),
                ConfirmBy::Digits => code.to_owned(),
            };
            assert!(mail.text.contains(code) && mail.text.contains(&link), "{name}");
            assert!(mail.text.contains("2023-11-14 22:13 UTC"), "{name}");
            assert!(mail.html.contains(&shown), "{name}");
            assert!(!mail.subject.contains(code), "{name}");
            assert_eq!(foxhold_runtime::metrics::label::mail_template(name), name);
            let expected = [
                ("X-Template-Name", name.to_owned()),
                ("X-Uid", uid.clone()),
                ("X-Service-Id", "sync".to_owned()),
                ("X-Link", link),
                (header, code.to_owned()),
            ];
            assert_eq!(mail.headers, expected);
        }
    }

    fn recovery(to: &str, options: &MailOptions) -> Mail {
        let templates = MailTemplates::new("http://localhost:9000", None).unwrap();
        templates
            .recovery(&RecoveryMail {
                to,
                uid: Uid::from_bytes([0xab; 16]),
                token: &Secret::new([0x5e; 32]),
                code: "00112233445566778899aabbccddeeff",
                options,
                locale: None,
            })
            .unwrap()
    }

    #[test]
    fn the_mail_for_a_new_password_says_all_in_text_and_html_and_nothing_secret_in_its_subject() {
        let mail = recovery(
            "a+b@example.test",
            &MailOptions {
                service: Some("sync".into()),
                ..MailOptions::default()
            },
        );
        let link = format!(
            "http://localhost:9000/complete_reset_password?email=a%2Bb%40example.test&token={}\
             &code=00112233445566778899aabbccddeeff&service=sync",
            "5e".repeat(32)
        );
        assert!(mail.text.contains(&link));
        assert!(
            mail.html
                .contains(&link.replace('&', "&amp;").replace('/', "&#x2f;"))
        );
        assert!(!mail.subject.contains("0011") && !mail.subject.contains('\n'));
        assert_eq!(
            mail.headers,
            [
                ("X-Template-Name", "recovery".to_owned()),
                ("X-Uid", "ab".repeat(16)),
                ("X-Service-Id", "sync".to_owned()),
                ("X-Link", link),
                ("X-Recovery-Code", "00112233445566778899aabbccddeeff".to_owned()),
            ]
        );
    }

    #[test]
    fn digits_are_in_text_and_html_and_not_in_the_subject() {
        let templates = MailTemplates::new("https://accounts.example.test", None).unwrap();
        let mail = templates
            .forgot_otp(&OtpMail {
                to: "a&b@example.test",
                uid: Uid::from_bytes([0xab; 16]),
                otp: "01234567",
                options: &MailOptions::default(),
                locale: None,
            })
            .unwrap();
        assert!(mail.text.contains("\n01234567\n") && mail.html.contains(">01234567<"));
        assert!(mail.html.contains("a&amp;b@example.test") && !mail.subject.contains("0123"));
        let headers = [
            ("X-Template-Name", "passwordForgotOtp".to_owned()),
            ("X-Uid", "ab".repeat(16)),
            ("X-Link", "https://accounts.example.test/".to_owned()),
            ("X-Password-Forgot-Otp", "01234567".to_owned()),
        ];
        assert_eq!(mail.headers, headers);
    }

    #[test]
    fn a_new_password_is_told_as_what_it_was() {
        let templates = MailTemplates::new("https://accounts.example.test", None).unwrap();
        for (news, name, word) in [
            (PasswordNews::Changed, "password_changed", "changed"),
            (PasswordNews::Reset, "password_reset", "reset"),
            (
                PasswordNews::ResetWithRecoveryKey,
                "passwordResetAccountRecoveryEmail",
                "reset",
            ),
        ] {
            let mail = templates
                .password_news(&PasswordMail {
                    to: "a&b@example.test",
                    uid: Uid::from_bytes([0xab; 16]),
                    news,
                    locale: None,
                })
                .unwrap();
            assert_eq!(
                mail.subject,
                format!("Your password on accounts.example.test was {word}")
            );
            let link = "https://accounts.example.test/reset_password".to_owned();
            assert!(mail.text.contains(&link) && mail.text.contains("a&b@example.test"));
            assert!(mail.html.contains("a&amp;b@example.test"));
            let headers = [
                ("X-Template-Name", name.to_owned()),
                ("X-Uid", "ab".repeat(16)),
                ("X-Link", link),
            ];
            assert_eq!(mail.headers, headers);
        }
    }

    #[test]
    fn what_has_become_of_a_guard_is_told_each_in_words_of_its_own() {
        let templates = MailTemplates::new("https://accounts.example.test", None).unwrap();
        let mut subjects = std::collections::BTreeSet::new();
        for news in GuardNews::ALL {
            let mail = templates
                .guard_news(&GuardMail {
                    to: "a&b@example.test",
                    uid: Uid::from_bytes([0xab; 16]),
                    news,
                    locale: None,
                })
                .unwrap();
            let link = "https://accounts.example.test/settings".to_owned();
            assert!(mail.subject.contains("accounts.example.test"), "{news:?}");
            assert!(mail.text.contains(&link) && mail.text.contains("a&b@example.test"));
            assert!(mail.html.contains("a&amp;b@example.test") && !mail.html.contains("{{"));
            let (_, name) = guard_template(news);
            assert_eq!(mail.headers[0], ("X-Template-Name", name.to_owned()));
            assert!(mail.headers.contains(&("X-Link", link)));
            assert!(subjects.insert(mail.subject), "{news:?}");
        }
    }

    fn invitation(from_name: Option<&str>) -> Mail {
        let templates = MailTemplates::new("https://accounts.example.test", None).unwrap();
        templates
            .invitation(&InvitationMail {
                to: "a&b@example.test".into(),
                id: TokenId::from_bytes([1; 32]),
                code: SecretText::new("A1B2-C3D4-E5F6-G7H8".into()),
                from_name: from_name.map(str::to_owned),
                expires_at: Timestamp::from_secs(1_799_982_000),
            })
            .unwrap()
    }

    #[test]
    fn a_sign_in_and_a_verification_are_told_with_the_way_to_the_settings() {
        let templates = MailTemplates::new("https://accounts.example.test", None).unwrap();
        for (news, name, word) in [
            (
                AccountNews::NewDeviceLogin,
                "new_device_login",
                "2027-01-15 03:00 UTC",
            ),
            (AccountNews::PostVerify, "post_verify", "confirmed"),
        ] {
            let mail = templates
                .account_news(&AccountMail {
                    to: "a&b@example.test",
                    uid: Uid::from_bytes([0xab; 16]),
                    news,
                    at: Timestamp::from_secs(1_799_982_000),
                    locale: None,
                })
                .unwrap();
            let link = "https://accounts.example.test/settings";
            for part in [word, "a&b@example.test", link] {
                assert!(mail.text.contains(part), "{part:?} in {}", mail.text);
            }
            assert!(mail.html.contains("<b>a&amp;b@example.test</b>") && mail.html.contains(word));
            assert!(!mail.subject.contains('@') && !mail.subject.is_empty());
            let headers = [
                ("X-Template-Name", name.to_owned()),
                ("X-Uid", "ab".repeat(16)),
                ("X-Link", link.to_owned()),
            ];
            assert_eq!(mail.headers, headers);
        }
    }

    #[test]
    fn an_invitation_says_who_invites_where_and_until_when() {
        let link = "https://accounts.example.test/?invite=A1B2-C3D4-E5F6-G7H8";
        for (from_name, words) in [
            (
                Some("Class 5b"),
                "\nClass 5b invites you to make an account there.",
            ),
            (None, "\nYou are invited to make an account there."),
        ] {
            let mail = invitation(from_name);
            assert_eq!(mail.subject, "You are invited to accounts.example.test");
            for part in [words, link, "a&b@example.test", "until 2027-01-15 03:00 UTC"] {
                assert!(mail.text.contains(part), "{part:?} in {}", mail.text);
            }
            assert!(mail.html.contains("?invite=A1B2-C3D4-E5F6-G7H8"), "{}", mail.html);
            let headers = [
                ("X-Template-Name", "invitation".to_owned()),
                ("X-Link", link.to_owned()),
            ];
            assert_eq!(mail.headers, headers);
        }
        let mail = invitation(Some("<b>{{ 7*7 }}</b>"));
        assert!(mail.html.contains("&lt;b&gt;{{ 7*7 }}&lt;"), "{}", mail.html);
    }

    #[test]
    fn what_a_client_said_does_not_get_out_of_its_place() {
        let resume = "\"><script>{{7*7}}&x=\r\nBcc: a@b.c";
        let mail = mail(&MailOptions {
            resume: Some(resume.into()),
            ..MailOptions::default()
        });
        assert!(!mail.html.contains("<script>") && !mail.text.contains("<script>"));
        assert!(!mail.text.contains("49") && !mail.html.contains("{{"));
        assert!(
            mail.headers
                .iter()
                .all(|(_, value)| !value.contains(['\r', '\n']))
        );
        assert!(mail.html.contains("o&#x27;hara&amp;co@example.test"));
        let mail = recovery(
            "o'hara&co@example.test",
            &MailOptions {
                resume: Some(resume.into()),
                ..MailOptions::default()
            },
        );
        assert!(!mail.html.contains("<script>") && !mail.html.contains("{{"));
        assert!(
            mail.headers
                .iter()
                .all(|(_, value)| !value.contains(['\r', '\n']))
        );
    }
}
