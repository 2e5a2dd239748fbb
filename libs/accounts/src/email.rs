//! E-mail addresses: what is taken, and under which key an account claims one (`accounts.md` (c) field limits,
//! `security.md` E.2). Two addresses that look the same, or that differ in case only, have the same key or are refused.

use foxhold_core::record::EmailKey;
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;
use unicode_security::{
    GeneralSecurityProfile, RestrictionLevel, RestrictionLevelDetection, confusable_detection::skeleton,
};

use crate::AccountError;

const ADDRESS_BYTES_MAX: usize = 255;
const LOCAL_BYTES_MAX: usize = 64;

/// An address that may have an account: as typed, and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    typed: String,
    key: EmailKey,
}

impl Address {
    /// Reads an address as a person typed it.
    ///
    /// # Errors
    /// [`AccountError::BadParameter`] for anything that is not one plain address (no display name, no quoting, no
    /// comment), that has invisible characters, mixes scripts, or is drawn with letters of another script so that it
    /// looks like an ASCII one.
    pub fn parse(typed: &str) -> Result<Self, AccountError> {
        match normalized(typed) {
            Some(key) => Ok(Self {
                typed: typed.to_owned(),
                key: EmailKey::from_normalized(key),
            }),
            None => Err(AccountError::BadParameter("email")),
        }
    }

    /// As typed: the salt of version 1 passwords.
    #[must_use]
    pub fn as_typed(&self) -> &str {
        &self.typed
    }

    /// What the address is claimed and looked up by.
    #[must_use]
    pub const fn key(&self) -> &EmailKey {
        &self.key
    }

    /// The domain, in lower-case A-labels.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.key.as_str().split_once('@').map_or("", |(_, domain)| domain)
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Address(..)")
    }
}

/// NFKC, lower case, A-label domain; `None` if the address is not taken.
fn normalized(typed: &str) -> Option<String> {
    if typed.len() > ADDRESS_BYTES_MAX {
        return None;
    }
    // The parts are split before NFKC: a character that only becomes an `@` or a dot by it must not move the split.
    let (local, domain) = typed
        .split_once('@')
        .filter(|(_, domain)| !domain.contains('@'))?;
    let key = format!("{}@{}", local_key(local)?, domain_key(domain)?);
    (key.len() <= ADDRESS_BYTES_MAX).then_some(key)
}

fn local_key(local: &str) -> Option<String> {
    let folded = fold(local);
    if folded.is_empty() || !folded.chars().all(may_be_in_local) || hides_a_control(&folded) {
        return None;
    }
    if folded.is_ascii() {
        return (folded.len() <= LOCAL_BYTES_MAX).then_some(folded);
    }
    let ascii = idna::punycode::encode_str(&folded)?;
    let fits = "xn--".len() + ascii.len() <= LOCAL_BYTES_MAX;
    (fits && reads_as_itself(&folded)).then_some(folded)
}

/// Case folding that no locale changes. Twice through NFKC because lower-casing may leave text that is not normal.
/// The final sigma is one letter with the other one: upper case does not tell them apart.
fn fold(text: &str) -> String {
    text.nfkc()
        .flat_map(char::to_lowercase)
        .map(|c| if c == 'ς' { 'σ' } else { c })
        .nfkc()
        .collect()
}

fn may_be_in_local(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c)
    } else {
        // UTS 39: no control, format, bidi, zero-width, private-use, unassigned or obsolete character.
        c.identifier_allowed()
    }
}

/// `%0d`, `%0a`, `%00` and their like: harmless here, but not in what an address is copied into.
fn hides_a_control(local: &str) -> bool {
    local.split('%').skip(1).any(|after| {
        let digits = after
            .as_bytes()
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        digits
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .is_some_and(|byte| byte.is_ascii_control())
    })
}

fn domain_key(domain: &str) -> Option<String> {
    // The ideographic full stop is a dot in domain names. Judged before the mapping, which would drop invisible
    // characters instead of refusing them.
    let labels = fold(domain).replace('\u{3002}', ".");
    if !labels
        .split('.')
        .all(|label| label.is_ascii() || reads_as_itself(label))
    {
        return None;
    }
    let ascii = Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::Verify,
        )
        .ok()?;
    let (unicode, valid) =
        Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast);
    // An A-label in the address itself is held to the same rules as what it stands for.
    let reads = unicode
        .split('.')
        .all(|label| label.is_ascii() || reads_as_itself(label));
    (valid.is_ok() && reads && ascii.contains('.')).then(|| ascii.into_owned())
}

/// Whether text with other than ASCII letters stays within one script (or the mixes that languages have, as in
/// Japanese), and does not pass for ASCII text.
fn reads_as_itself(text: &str) -> bool {
    if text.detect_restriction_level() > RestrictionLevel::HighlyRestrictive {
        return false;
    }
    let has_latin = text.chars().any(|c| c.is_ascii_alphabetic());
    has_latin || !skeleton(text).all(|c| c.is_ascii())
}

#[cfg(test)]
mod tests;
