//! The name of a value in a configuration: `hawk.window_secs`, `keys[0].file`, `issuer_documents."issuer.example"`.

use std::fmt;

/// A key, level by level. An item of a list is a level, too: its place, from 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Key(Vec<String>);

impl Key {
    /// Of its levels.
    #[must_use]
    pub fn of(levels: Vec<String>) -> Self {
        Self(levels)
    }

    /// As a person writes it.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut levels = vec![String::new()];
        let mut in_quotes = false;
        for c in text.chars() {
            match c {
                '"' => in_quotes = !in_quotes,
                '.' | '[' if !in_quotes => levels.push(String::new()),
                ']' if !in_quotes => {}
                _ => levels.last_mut().into_iter().for_each(|level| level.push(c)),
            }
        }
        levels.retain(|level| !level.is_empty());
        Self(levels)
    }

    /// Its levels.
    #[must_use]
    pub fn levels(&self) -> &[String] {
        &self.0
    }

    /// One level below.
    #[must_use]
    pub fn below(&self, level: impl Into<String>) -> Self {
        let mut levels = self.0.clone();
        levels.push(level.into());
        Self(levels)
    }

    /// Without the places in lists: as documents name it.
    #[must_use]
    pub fn without_places(&self) -> Self {
        Self(self.0.iter().filter(|level| !is_place(level)).cloned().collect())
    }
}

fn is_place(level: &str) -> bool {
    level.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_bare(level: &str) -> bool {
    level
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, level) in self.0.iter().enumerate() {
            if at > 0 && is_place(level) {
                write!(f, "[{level}]")?;
                continue;
            }
            f.write_str(if at > 0 { "." } else { "" })?;
            if is_bare(level) {
                f.write_str(level)?;
            } else {
                write!(f, "\"{level}\"")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_as_they_are_written() {
        let table: [(&str, &[&str]); 4] = [
            ("listen", &["listen"]),
            ("hawk.window_secs", &["hawk", "window_secs"]),
            ("keys[0].file", &["keys", "0", "file"]),
            (
                "issuer_documents.\"issuer.example\"",
                &["issuer_documents", "issuer.example"],
            ),
        ];
        for (text, levels) in table {
            let key = Key::parse(text);
            assert_eq!(key.levels(), levels, "{text}");
            assert_eq!(key.to_string(), text);
        }
        assert_eq!(Key::parse("keys.0.file"), Key::parse("keys[0].file"));
        assert_eq!(
            Key::parse("keys[0].file").without_places().to_string(),
            "keys.file"
        );
    }
}
