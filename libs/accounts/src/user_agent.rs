//! What a User-Agent header tells a person: browser, its major version and the system. Read once from left to right;
//! anything unknown is left out rather than guessed.

/// A client, as it is shown in the list of attached clients.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserAgent {
    /// `Firefox 153`.
    pub browser: Option<String>,
    /// `Linux`.
    pub os: Option<&'static str>,
}

/// Product names, the more particular first: Chromium's relatives all say that they are Chrome, too.
const BROWSERS: [(&str, &str); 6] = [
    ("Thunderbird/", "Thunderbird"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Edg/", "Edge"),
    ("Chrome/", "Chrome"),
    ("PyFxA/", "PyFxA"),
];

/// Systems, the more particular first: Android says Linux, iOS says Mac OS X.
const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("FxiOS", "iOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

impl UserAgent {
    /// Reads the header.
    #[must_use]
    pub fn parse(header: &str) -> Self {
        let browser = BROWSERS.iter().find_map(|(product, name)| {
            let (_, after) = header.split_once(product)?;
            let digits = after.bytes().take_while(u8::is_ascii_digit).count().min(6);
            let version = &after[..digits];
            Some(if version.is_empty() {
                (*name).to_owned()
            } else {
                format!("{name} {version}")
            })
        });
        let os = SYSTEMS
            .iter()
            .find(|(mark, _)| header.contains(mark))
            .map(|(_, name)| *name);
        Self { browser, os }
    }

    /// Both in one line: `Firefox 153, Linux`.
    #[must_use]
    pub fn to_name(&self) -> Option<String> {
        match (&self.browser, self.os) {
            (Some(browser), Some(os)) => Some(format!("{browser}, {os}")),
            (Some(browser), None) => Some(browser.clone()),
            (None, Some(os)) => Some(os.to_owned()),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_named_as_people_know_them() {
        let table = [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0",
                Some("Firefox 153, Linux"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
                Some("Firefox 140, Windows"),
            ),
            (
                "Mozilla/5.0 (Android 15; Mobile; rv:150.0) Gecko/150.0 Firefox/150.0",
                Some("Firefox 150, Android"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) FxiOS/133.0",
                Some("Firefox 133, iOS"),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Chrome/120.0 Edg/120.0",
                Some("Edge 120, macOS"),
            ),
            ("Thunderbird/", Some("Thunderbird")),
            ("curl/8.0", None),
            ("", None),
        ];
        for (header, expected) in table {
            assert_eq!(
                UserAgent::parse(header).to_name().as_deref(),
                expected,
                "{header}"
            );
        }
    }
}
