//! How mails read (`accounts.md` (i)). Text and HTML part and subject are templates; headers and links are made here.
//!
//! Must stay true: the text is complete alone, a subject holds no secret, every link shows its host, and what a client
//! said is escaped wherever it goes.

use foxhold_accounts::{
    VerifyMail,
    mail::{MailOptions, TemplateError},
};
use foxhold_ports::mail::Mail;
use minijinja::{Environment, UndefinedBehavior, Value};
use url::form_urlencoded;

/// The templates that ship with the program.
pub struct MailTemplates {
    environment: Environment<'static>,
    /// Root of the pages, without trailing slash.
    content_url: String,
    /// Host of the pages, as people read it.
    host: String,
}

const SOURCES: [(&str, &str); 3] = [
    ("verify.subject", include_str!("mail_templates/verify.subject")),
    ("verify.txt", include_str!("mail_templates/verify.txt")),
    ("verify.html", include_str!("mail_templates/verify.html")),
];

impl MailTemplates {
    /// Reads all templates. `content_url` is the root of the pages, without trailing slash.
    ///
    /// # Errors
    /// [`TemplateError`] if one of them is no template.
    pub fn new(content_url: &str) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, source) in SOURCES {
            environment
                .add_template(name, source)
                .map_err(|_| TemplateError)?;
        }
        let host = content_url
            .split_once("://")
            .map_or(content_url, |(_, host)| host)
            .to_owned();
        Ok(Self {
            environment,
            content_url: content_url.to_owned(),
            host,
        })
    }

    fn render(&self, name: &str, values: [(&str, &str); 4]) -> Result<String, TemplateError> {
        let template = self.environment.get_template(name).map_err(|_| TemplateError)?;
        template
            .render(Value::from_pairs(values))
            .map_err(|_| TemplateError)
    }

    fn link(&self, page: &str, members: &[(&str, &str)], options: &MailOptions) -> String {
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

impl foxhold_accounts::MailTemplates for MailTemplates {
    fn verify(&self, mail: &VerifyMail<'_>) -> Result<Mail, TemplateError> {
        let uid = mail.uid.to_string();
        let link = self.link(
            "verify_email",
            &[("uid", &uid), ("code", mail.link_code)],
            mail.options,
        );
        let values = [
            ("host", self.host.as_str()),
            ("email", mail.to),
            ("link", &link),
            ("short_code", mail.short_code),
        ];
        let (subject, text, html) = (
            self.render("verify.subject", values)?.trim().to_owned(),
            self.render("verify.txt", values)?,
            self.render("verify.html", values)?,
        );
        let mut headers = vec![("X-Template-Name", "verify".to_owned()), ("X-Uid", uid)];
        if let Some(service) = mail
            .options
            .service
            .as_deref()
            .filter(|service| !service.is_empty())
        {
            headers.push(("X-Service-Id", service.to_owned()));
        }
        headers.push(("X-Link", link));
        headers.push(("X-Verify-Code", mail.link_code.to_owned()));
        headers.push(("X-Verify-Short-Code", mail.short_code.to_owned()));
        Ok(Mail {
            to: mail.to.to_owned(),
            subject,
            text,
            html,
            headers,
        })
    }
}

#[cfg(test)]
mod tests {
    use foxhold_accounts::MailTemplates as _;
    use foxhold_core::Uid;

    use super::*;

    fn mail(options: &MailOptions) -> Mail {
        let templates = MailTemplates::new("http://localhost:9000").unwrap();
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
    }
}
