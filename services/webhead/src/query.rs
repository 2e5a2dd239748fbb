//! The query string: names with values, percent-decoded. A repeated name counts the first time.

use std::str::FromStr;

use foxhold_accounts::AccountError;
use url::form_urlencoded;

/// `?name=value&…`.
#[derive(Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads it. What is not UTF-8 once decoded is refused rather than replaced.
    ///
    /// # Errors
    /// 107.
    pub fn parse(text: &str) -> Result<Self, AccountError> {
        let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        if pairs
            .iter()
            .any(|(name, value)| name.contains('\u{fffd}') || value.contains('\u{fffd}'))
        {
            return Err(AccountError::BadParameter("query"));
        }
        Ok(Self(pairs))
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a flag is set: `?keys=true`.
    ///
    /// # Errors
    /// 107 for anything but `true` and `false`.
    pub fn flag(&self, name: &'static str) -> Result<bool, AccountError> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(AccountError::BadParameter(name)),
        }
    }

    /// A value of some type, that may be absent.
    ///
    /// # Errors
    /// 107 if it is something else.
    pub fn optional<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, AccountError> {
        self.get(name)
            .map(|text| text.parse().map_err(|_| AccountError::BadParameter(name)))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded() {
        let query = Query::parse("keys=true&uid=ab%20c&x&keys=false&filter=17").unwrap();
        assert!(query.flag("keys").unwrap());
        assert_eq!(query.get("uid"), Some("ab c"));
        assert_eq!(query.get("x"), Some(""));
        assert!(query.flag("x").is_err() && !query.flag("none").unwrap());
        assert_eq!(query.optional::<u64>("filter").unwrap(), Some(17));
        assert!(query.optional::<u64>("uid").is_err());
        assert!(Query::parse("a=%ff").is_err());
    }
}
