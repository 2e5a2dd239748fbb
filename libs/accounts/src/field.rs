//! Forms of fields (`accounts.md` (c), Field limits). Each check says whether a text is well formed, nothing more.

use url::{Host, Url};

use crate::{AccountError, mail::MailOptions};

/// `Ok` if the field is well formed: 107 otherwise.
///
/// # Errors
/// [`AccountError::BadParameter`] with the field's name.
pub fn check(name: &'static str, well_formed: bool) -> Result<(), AccountError> {
    if well_formed {
        Ok(())
    } else {
        Err(AccountError::BadParameter(name))
    }
}

/// As [`check`], for a field that may be missing.
///
/// # Errors
/// [`AccountError::BadParameter`] with the field's name.
pub fn check_optional(
    name: &'static str,
    value: Option<&str>,
    is_well_formed: impl FnOnce(&str) -> bool,
) -> Result<(), AccountError> {
    check(name, value.is_none_or(is_well_formed))
}

/// The three fields of calls that send mail.
///
/// # Errors
/// [`AccountError::BadParameter`] with the field's name.
pub fn check_mail_options(options: &MailOptions, domain: &str) -> Result<(), AccountError> {
    check_optional("service", options.service.as_deref(), is_service)?;
    check_optional("redirectTo", options.redirect_to.as_deref(), |url| {
        is_below(url, domain)
    })?;
    check_optional("resume", options.resume.as_deref(), |resume| resume.len() <= 2048)
}

/// `service`.
#[must_use]
pub fn is_service(text: &str) -> bool {
    text.len() <= 16
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// `reason`.
#[must_use]
pub fn is_reason(text: &str) -> bool {
    text.len() <= 16
}

/// `recoveryKeyId`.
#[must_use]
pub fn is_recovery_key_id(text: &str) -> bool {
    let is_hex_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (1..=32).contains(&text.len()) && text.bytes().all(is_hex_digit)
}

/// `redirectTo`: a web address on the domain or below it.
#[must_use]
pub fn is_below(text: &str, domain: &str) -> bool {
    text.len() <= 512
        && Url::parse(text).is_ok_and(|url| {
            let on_the_web = matches!(url.scheme(), "http" | "https");
            let plain = url.username().is_empty() && url.password().is_none();
            on_the_web && plain && url.host_str().is_some_and(|host| is_host_below(host, domain))
        })
}

fn is_host_below(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// A device's name. Anything a keyboard gives, in any language; nothing that only steers a terminal or a page.
#[must_use]
pub fn is_device_name(text: &str) -> bool {
    text.chars().count() <= 255 && text.chars().all(is_shown)
}

fn is_shown(c: char) -> bool {
    let private_use =
        matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{ffffd}' | '\u{100000}'..='\u{10fffd}');
    !c.is_control() && !private_use && !matches!(c, '\u{fff9}'..='\u{ffff}')
}

/// A device's type.
#[must_use]
pub fn is_device_type(text: &str) -> bool {
    text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The name of a command that a device takes.
#[must_use]
pub fn is_command_name(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._/:-".contains(&byte))
}

/// What a device says about a command.
#[must_use]
pub fn is_command_value(text: &str) -> bool {
    text.len() <= 2048
}

/// A push service's address: https and by name. Where it leads to is checked again when something is sent.
#[must_use]
pub fn is_push_callback(text: &str) -> bool {
    text.len() <= 255
        && Url::parse(text).is_ok_and(|url| {
            let by_name = matches!(url.host(), Some(Host::Domain(_)));
            let plain = url.username().is_empty() && url.password().is_none();
            url.scheme() == "https" && by_name && plain
        })
}

/// A push key, or with another bound a push secret.
#[must_use]
pub fn is_push_key(text: &str, len_max: usize) -> bool {
    let digits = text.trim_end_matches('=');
    !digits.is_empty() && text.len() <= len_max && digits.bytes().all(is_base64url)
}

/// `scope`.
#[must_use]
pub fn is_scope(text: &str) -> bool {
    text.len() <= 256
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b" _/.:-".contains(&byte))
}

/// Keys that the page sealed for a client: JWE in compact form, five parts.
#[must_use]
pub fn is_keys_jwe(text: &str) -> bool {
    text.len() <= 1024
        && text.split('.').count() == 5
        && text.bytes().all(|byte| is_base64url(byte) || byte == b'.')
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_below_the_domain() {
        let table = [
            ("http://localhost:9000/x", true),
            ("https://www.localhost/", true),
            ("https://localhost.evil.example/", false),
            ("https://evillocalhost/", false),
            ("https://a:b@localhost/", false),
            ("//localhost/", false),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
            ("/relative", false),
            ("", false),
        ];
        for (text, expected) in table {
            assert_eq!(is_below(text, "localhost"), expected, "{text}");
        }
        assert!(!is_below(
            &format!("https://localhost/{}", "a".repeat(512)),
            "localhost"
        ));
    }

    #[test]
    fn device_names_are_for_reading() {
        let long = "a".repeat(256);
        let table = [
            ("Alice\u{2019}s Firefox", true),
            ("Fuchs \u{1f98a} \u{72d0}", true),
            ("", true),
            ("tab\t", false),
            ("\u{7f}", false),
            ("\u{e000}", false),
            ("\u{fffd}", false),
            ("\u{10fffd}", false),
            (&long, false),
            (&long[1..], true),
        ];
        for (text, expected) in table {
            assert_eq!(is_device_name(text), expected, "{text:?}");
        }
    }

    #[test]
    fn push_goes_out_by_https_to_a_name() {
        let table = [
            ("https://push.example.test/wpush/v1/abc", true),
            ("http://push.example.test/", false),
            ("https://127.0.0.1/", false),
            ("https://[::1]/", false),
            ("https://user@push.example.test/", false),
            ("//push.example.test/", false),
            ("", false),
        ];
        for (text, expected) in table {
            assert_eq!(is_push_callback(text), expected, "{text}");
        }
        assert!(is_push_key("abc-_=", 6) && !is_push_key("abc-_=", 5) && !is_push_key("a+b", 5));
        assert!(!is_push_key("", 5) && !is_push_key("==", 5));
    }

    #[test]
    fn other_forms() {
        assert!(
            is_service("sync") && is_service("") && !is_service("sync 1") && !is_service(&"a".repeat(17))
        );
        assert!(is_scope("profile https://identity.mozilla.com/apps/oldsync") && !is_scope("a\"b"));
        assert!(is_command_name("https://identity.mozilla.com/cmd/open-uri") && !is_command_name(""));
        assert!(
            is_keys_jwe("a.b.c.d.e")
                && is_keys_jwe("a..c.d.e")
                && !is_keys_jwe("a.b.c")
                && !is_keys_jwe("a.b.c.d.==")
        );
        assert!(is_device_type("desktop") && !is_device_type("desk top"));
    }
}
