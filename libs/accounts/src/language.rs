//! The language an account's owner has asked for, as other programs are told it (`accounts.md` (k), claim `locale`): a tag,
//! and not the header that browsers send.

/// The longest tag that is told (RFC 5646 section 4.4.1).
const TAG_LEN_MAX: usize = 35;

/// The first language tag of an Accept-Language header, in the spelling it has there.
pub(crate) fn first_tag(accept_language: &str) -> Option<&str> {
    let ranges = accept_language.split(',');
    let mut tags = ranges.filter_map(|range| range.split(';').next()).map(str::trim);
    tags.find(|tag| is_tag(tag))
}

/// Letters first, then parts of letters and digits (RFC 5646 section 2.1).
fn is_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_language =
        |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic());
    let is_part =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    text.len() <= TAG_LEN_MAX && parts.next().is_some_and(is_language) && parts.all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tag_and_nothing_else() {
        let long = format!("{},de", "a-".repeat(200));
        let table = [
            ("de-CH, de;q=0.9, en;q=0.8", Some("de-CH")),
            ("de", Some("de")),
            (" zh-hant-TW ;q=1", Some("zh-hant-TW")),
            ("es-419,es;q=0.9", Some("es-419")),
            ("*, fr;q=0.5", Some("fr")),
            ("*", None),
            ("", None),
            ("e", None),
            ("en_US", None),
            ("1a-b, en--GB, en-", None),
            ("<b>, de", Some("de")),
            ("toolonglanguage", None),
            (long.as_str(), Some("de")),
        ];
        for (header, expected) in table {
            assert_eq!(first_tag(header), expected, "{header}");
        }
    }
}
