//! What was answered how often.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use foxhold_ports::{ReadError, WriteError};

/// Answers by what was asked and how it ended.
#[derive(Debug, Default)]
pub struct Answers(Mutex<BTreeMap<(&'static str, String), u64>>);

/// How an answer is called that is one.
const ANSWERED: &str = "answered";

impl Answers {
    /// Counts what a write was answered.
    pub fn write<T>(&self, what: &'static str, answer: &Result<T, WriteError>) {
        self.count(
            what,
            match answer {
                Ok(_) => "done".to_owned(),
                Err(WriteError::Refused(refusal)) => format!("refused {refusal:?}"),
                Err(WriteError::NotDone(cause)) => format!("not done ({cause:?})"),
                Err(WriteError::Unknown(cause)) => format!("unknown ({cause:?})"),
            },
        );
    }

    /// Counts what a read was answered.
    pub fn read<T>(&self, what: &'static str, answer: &Result<T, ReadError>) {
        self.count(
            what,
            match answer {
                Ok(_) => ANSWERED.to_owned(),
                Err(ReadError(cause)) => format!("no answer ({cause:?})"),
            },
        );
    }

    /// How often answers were such that `fits` says so of how they ended.
    pub fn number(&self, fits: impl Fn(&str) -> bool) -> u64 {
        let counts = self.counts();
        let fitting = counts.iter().filter(|((_, how), _)| fits(how));
        fitting.map(|(_, count)| count).sum()
    }

    /// Writes that were decided, one way or the other.
    pub fn decided(&self) -> u64 {
        self.number(|how| how == "done" || how.starts_with("refused"))
    }

    /// Reads and writes without the answer they asked for: not done, unknown, or nobody there.
    pub fn missing(&self) -> u64 {
        self.all() - self.decided() - self.number(|how| how == ANSWERED)
    }

    /// All of them.
    pub fn all(&self) -> u64 {
        self.number(|_| true)
    }

    fn count(&self, what: &'static str, how: String) {
        *self.counts().entry((what, how)).or_default() += 1;
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<(&'static str, String), u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts();
        let texts = counts
            .iter()
            .map(|((what, how), count)| format!("{what}: {count} {how}"));
        f.write_str(&texts.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use foxhold_ports::{Cause, Refusal};

    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let answers = Answers::default();
        answers.write("create", &Ok(()));
        answers.write::<()>("create", &Err(Refusal::EmailTaken.into()));
        answers.write::<()>("create", &Err(WriteError::Unknown(Cause::Timeout)));
        answers.write::<()>("create", &Err(WriteError::Unknown(Cause::Timeout)));
        answers.read("session", &Ok(()));
        answers.read::<()>("session", &Err(ReadError(Cause::Unavailable)));
        assert_eq!(
            answers.to_string(),
            "create: 1 done, create: 1 refused EmailTaken, create: 2 unknown (Timeout), session: 1 answered, \
             session: 1 no answer (Unavailable)"
        );
        assert_eq!((answers.decided(), answers.missing(), answers.all()), (2, 3, 6));
    }
}
