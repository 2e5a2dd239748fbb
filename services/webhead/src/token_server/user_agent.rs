//! What a `User-Agent` says of browser and system, in few words: log lines tell clients apart by it, never people.
//!
//! Must stay true: nothing of the header itself comes out but a number of at most four digits.

/// What is looked at (`security.md` E.2).
const LEN_MAX: usize = 256;

/// What matters of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UserAgent {
    pub(super) browser: &'static str,
    /// The first part of its version.
    pub(super) version: Option<u16>,
    pub(super) system: &'static str,
}

/// By the word before its version. The first one counts: browsers name those that they resemble behind themselves.
const BROWSERS: [(&str, &str); 6] = [
    ("Firefox-iOS-FxA/", "Firefox-iOS"),
    ("Firefox-iOS-Sync/", "Firefox-iOS"),
    ("Thunderbird/", "Thunderbird"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("PyFxA/", "PyFxA"),
];

/// Android is a Linux, and says so.
const SYSTEMS: [(&str, &str); 8] = [
    ("Firefox-iOS", "iOS"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Intel Mac", "macOS"),
    ("Linux", "Linux"),
];

const OTHER: &str = "other";

impl UserAgent {
    /// Of the header's value, if it is text.
    pub(super) fn of(header: &[u8]) -> Self {
        let seen = &header[..header.len().min(LEN_MAX)];
        let text = if seen.is_ascii() {
            std::str::from_utf8(seen).unwrap_or_default()
        } else {
            ""
        };
        let browser = BROWSERS
            .iter()
            .find_map(|(mark, name)| text.split_once(mark).map(|(_, rest)| (*name, rest)));
        let system = SYSTEMS.iter().find(|(mark, _)| text.contains(mark));
        Self {
            browser: browser.map_or(OTHER, |(name, _)| name),
            version: browser.and_then(|(_, rest)| major(rest)),
            system: system.map_or(OTHER, |(_, name)| name),
        }
    }
}

fn major(rest: &str) -> Option<u16> {
    let len = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest[..len].parse().ok().filter(|_| len <= 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_as_they_call_themselves() {
        let table = [
            (
                "Firefox/153.0.1.20260101000000 (Windows NT 10.0; Win64; x64) FxSync/1.155.0.20260101000000.desktop",
                ("Firefox", Some(153), "Windows"),
            ),
            (
                "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0",
                ("Firefox", Some(140), "Android"),
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                ("Firefox", Some(140), "Linux"),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Thunderbird/140.1",
                ("Thunderbird", Some(140), "macOS"),
            ),
            (
                "Firefox-iOS-FxA/138.0b1 (iPhone; iPhone OS 18.2) (Firefox)",
                ("Firefox-iOS", Some(138), "iOS"),
            ),
            ("curl/8.5.0", ("other", None, "other")),
            ("Firefox/12345", ("Firefox", None, "other")),
            ("Firefox/secret", ("Firefox", None, "other")),
            ("", ("other", None, "other")),
            ("Firefox/140 \u{e9}", ("other", None, "other")),
        ];
        for (header, (browser, version, system)) in table {
            let expected = UserAgent {
                browser,
                version,
                system,
            };
            assert_eq!(UserAgent::of(header.as_bytes()), expected, "{header}");
        }
    }

    #[test]
    fn no_more_than_its_beginning_is_looked_at() {
        let late = format!("{}Firefox/140", "x".repeat(LEN_MAX));
        assert_eq!(UserAgent::of(late.as_bytes()).browser, OTHER);
    }
}
