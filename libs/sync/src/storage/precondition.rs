//! `X-If-Modified-Since` and `X-If-Unmodified-Since` (`storage.md` 5).

use super::{Refusal, Round, Tick};

/// What a request demands of its resource's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    None,
    /// Read only if the time is later.
    ModifiedSince(Tick),
    /// Go on only if the time is not later.
    UnmodifiedSince(Tick),
}

/// What becomes of a request whose resource has a certain time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Pass,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

impl Precondition {
    /// Reads the two headers. `is_read` is true for GET and HEAD; elsewhere the first one means nothing, but must
    /// still be a number.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for both at once, or for a value that is not a number of at least zero.
    pub fn parse(modified: Option<&str>, unmodified: Option<&str>, is_read: bool) -> Result<Self, Refusal> {
        let read = |text: &str| Tick::parse(text, Round::Down);
        match (modified.map(read).transpose()?, unmodified.map(read).transpose()?) {
            (Some(_), Some(_)) => Err(Refusal::Malformed),
            (Some(since), None) if is_read => Ok(Self::ModifiedSince(since)),
            (None, Some(since)) => Ok(Self::UnmodifiedSince(since)),
            (Some(_) | None, None) => Ok(Self::None),
        }
    }

    /// Holds `last_modified` of the resource against it. What is absent or expired has time zero.
    #[must_use]
    pub fn check(self, last_modified: Tick) -> Verdict {
        match self {
            Self::ModifiedSince(since) if last_modified <= since => Verdict::NotModified,
            Self::UnmodifiedSince(since) if last_modified > since => Verdict::Failed,
            _ => Verdict::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_by_method() {
        let tick = |ticks| Tick::new(ticks);
        let table = [
            (None, None, true, Ok(Precondition::None)),
            (
                Some("1.5"),
                None,
                true,
                Ok(Precondition::ModifiedSince(tick(150))),
            ),
            (Some("1.5"), None, false, Ok(Precondition::None)),
            (
                None,
                Some("1.509"),
                false,
                Ok(Precondition::UnmodifiedSince(tick(150))),
            ),
            (None, Some("0"), true, Ok(Precondition::UnmodifiedSince(tick(0)))),
            (Some("1"), Some("1"), true, Err(Refusal::Malformed)),
            (Some("1"), Some("1"), false, Err(Refusal::Malformed)),
            (Some("-3"), None, true, Err(Refusal::Malformed)),
            (Some("abc"), None, false, Err(Refusal::Malformed)),
            (None, Some(""), true, Err(Refusal::Malformed)),
        ];
        for (modified, unmodified, is_read, expected) in table {
            assert_eq!(
                Precondition::parse(modified, unmodified, is_read),
                expected,
                "{modified:?} {unmodified:?}"
            );
        }
    }

    #[test]
    fn times_are_held_against_the_resource() {
        let since = Precondition::parse(None, Some("1510726400.1"), false).unwrap();
        assert_eq!(since.check(Tick::new(151_072_640_010)), Verdict::Pass);
        assert_eq!(since.check(Tick::new(151_072_640_011)), Verdict::Failed);
        let only_if_absent = Precondition::UnmodifiedSince(Tick::ZERO);
        assert_eq!(only_if_absent.check(Tick::ZERO), Verdict::Pass);
        assert_eq!(only_if_absent.check(Tick::new(1)), Verdict::Failed);
        let absent = Precondition::ModifiedSince(Tick::ZERO);
        assert_eq!(absent.check(Tick::ZERO), Verdict::NotModified);
        assert_eq!(absent.check(Tick::new(1)), Verdict::Pass);
    }
}
