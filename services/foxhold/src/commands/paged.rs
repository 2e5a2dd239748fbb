//! Jobs over many users, which an admin API does a page at a time: paced, told of, and ended in order when somebody
//! interrupts them. What is done stays done, and the same command goes on with the rest.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{Duration, Instant},
};

use foxhold_ops::wire::{Cursor, PAGE_LIMIT_MAX, PageDone};
use foxhold_runtime::{Shutdown, shutdown};
use serde::Serialize;
use serde_json::{Value, json};
use thiserror::Error;

use crate::{
    admin_client::{Admin, AdminError, Path},
    output::{OutputArgs, table},
    progress::{Progress, note},
    values::Rate,
};

/// How often the same is asked again when the store was away.
const TRIES: u32 = 6;

/// Somebody does not want to wait for the end.
#[derive(Debug, Error)]
#[error("interrupted; what is done stays done\nfix: run the same command again to go on")]
pub(crate) struct Interrupted;

/// Some of it did not work.
#[derive(Debug, Error)]
#[error("{failed} of {matched} failed{left_out}\nfix: {fix}")]
pub(crate) struct PartlyDone {
    failed: u64,
    matched: u64,
    /// How many were neither tried nor done: what lies on a node that did not answer, for one.
    left_out: String,
    fix: &'static str,
}

fn left_out(left: u64) -> String {
    match left {
        0 => String::new(),
        left => format!(", and {left} were not tried"),
    }
}

/// No place: the same again comes to the same.
const NO_NODE: &str = "no_node";

/// Tells when somebody interrupts.
pub(crate) struct Interrupt(Shutdown);

impl Interrupt {
    /// From now on a signal is asked for here, and ends nothing by itself.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let shutdown = Shutdown::new();
        shutdown::listen_for_signals(&shutdown, Duration::ZERO)?;
        Ok(Self(shutdown))
    }

    /// Comes when that begins.
    #[cfg(test)]
    pub(crate) const fn at(end: Shutdown) -> Self {
        Self(end)
    }

    pub(crate) fn has_come(&self) -> bool {
        self.0.has_begun()
    }

    /// Waits so long, or until it comes.
    pub(crate) async fn sleep(&self, span: Duration) {
        tokio::select! {
            () = tokio::time::sleep(span) => {}
            () = self.0.wait() => {}
        }
    }
}

/// Asks until it is answered, a few times, where the same again does no harm.
pub(crate) async fn persist<T>(
    interrupt: &Interrupt,
    mut ask: impl AsyncFnMut() -> Result<T, AdminError>,
) -> Result<T, AdminError> {
    let mut pause = Duration::from_secs(1);
    for _ in 1..TRIES {
        match ask().await {
            Err(error) if error.is_passing() && !interrupt.has_come() => interrupt.sleep(pause).await,
            answered => return answered,
        }
        pause *= 2;
    }
    ask().await
}

/// A job, and how it is to be done.
pub(crate) struct PagedJob {
    /// Where its pages are asked for.
    pub(crate) path: Path,
    /// Two or three words: `users unassigned`.
    pub(crate) what: &'static str,
    /// How many it is about, as far as that is known.
    pub(crate) total: Option<u64>,
    /// How many may change in a time.
    pub(crate) rate: Option<Rate>,
    /// Users that a page looks at.
    pub(crate) batch: u32,
    /// After so many it is enough.
    pub(crate) max: Option<u64>,
    pub(crate) is_quiet: bool,
}

/// What has come of a job.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    dry_run: bool,
    looked_at: u64,
    matched: u64,
    changed: u64,
    failed: u64,
    reasons: BTreeMap<String, u64>,
    is_whole: bool,
    was_interrupted: bool,
}

impl Sum {
    fn add(&mut self, page: PageDone) -> Option<Cursor> {
        self.dry_run = page.dry_run;
        self.looked_at += page.looked_at;
        self.matched += page.matched;
        self.changed += page.changed;
        self.failed += page.failed;
        for (reason, number) in page.reasons {
            *self.reasons.entry(reason).or_default() += number;
        }
        self.is_whole = page.next.is_none();
        page.next
    }
}

impl PagedJob {
    /// Does it to its end, to its maximum, or until somebody interrupts. `body` is a page's, given where it begins, how many
    /// users it looks at, and how many may still change.
    pub(crate) async fn run<B: Serialize>(
        &self,
        admin: &mut Admin,
        interrupt: &Interrupt,
        body: impl Fn(Option<Cursor>, u32, Option<u64>) -> B,
    ) -> anyhow::Result<Sum> {
        let mut progress = Progress::new(self.what, self.total, self.is_quiet);
        let (begun, mut sum) = (Instant::now(), Sum::default());
        let (mut after, mut limit) = (None, self.first_limit());
        loop {
            let left = self.max.map(|max| max.saturating_sub(sum.changed));
            let page = self
                .page(admin, interrupt, &body(after.clone(), limit, left))
                .await?;
            limit = self.next_limit(limit, &page);
            after = sum.add(page);
            progress.at(sum.changed + sum.failed);
            let is_enough = self.max.is_some_and(|max| sum.changed >= max);
            if after.is_none() || is_enough {
                return Ok(sum);
            }
            if let Some(rate) = self.rate.filter(|_| !sum.dry_run) {
                let due = rate.time_for(sum.changed);
                interrupt.sleep(due.saturating_sub(begun.elapsed())).await;
            }
            if interrupt.has_come() {
                sum.was_interrupted = true;
                return Ok(sum);
            }
        }
    }

    async fn page(
        &self,
        admin: &mut Admin,
        interrupt: &Interrupt,
        body: &impl Serialize,
    ) -> Result<PageDone, AdminError> {
        persist(interrupt, async || admin.post(&self.path, body).await).await
    }

    fn first_limit(&self) -> u32 {
        self.rate.map_or(self.batch, |rate| rate.at_once(self.batch))
    }

    /// A page looks at many users where few of them are concerned, and at few where many are: about a second's worth.
    fn next_limit(&self, limit: u32, page: &PageDone) -> u32 {
        let Some(rate) = self.rate else {
            return self.batch;
        };
        let aim = u64::from(rate.at_once(self.batch));
        let fitting = (u64::from(limit) * aim).checked_div(page.matched);
        let most = u64::from(limit) * 2;
        let next = fitting.unwrap_or(most).clamp(1, most.min(self.batch.into()));
        u32::try_from(next).unwrap_or(PAGE_LIMIT_MAX)
    }
}

impl Sum {
    /// Prints it, and ends as it ended. `what` is said of those that changed: `unassigned`.
    pub(crate) fn end(self, output: OutputArgs, is_quiet: bool, what: &str) -> anyhow::Result<()> {
        output.print(&self.text(what), &self.value())?;
        if self.was_interrupted {
            return Err(Interrupted.into());
        }
        if !self.is_whole {
            note(is_quiet, "there are more: run the same command again to go on");
        }
        if self.failed > 0 {
            return Err(self.partly().into());
        }
        Ok(())
    }

    fn partly(&self) -> PartlyDone {
        let fix = if self.reasons.contains_key(NO_NODE) {
            "`no_node` is a node without room: foxhold node update --capacity, or another --to; then the same command again"
        } else {
            "run the same command again; the reasons say what to look for"
        };
        PartlyDone {
            failed: self.failed,
            matched: self.matched,
            left_out: left_out(self.matched.saturating_sub(self.changed + self.failed)),
            fix,
        }
    }

    fn text(&self, what: &str) -> String {
        let would = if self.dry_run { "would be " } else { "" };
        let mut text = format!(
            "{} {would}{what}, {} failed; {} users looked at\n",
            self.changed, self.failed, self.looked_at
        );
        if !self.reasons.is_empty() {
            let rows: Vec<_> = self
                .reasons
                .iter()
                .map(|(reason, number)| [reason.clone(), number.to_string()])
                .collect();
            // Writing to a String does not fail.
            let _ = write!(text, "\n{}", table(["REASON", "NUMBER"], &rows));
        }
        text
    }

    fn value(&self) -> Value {
        json!({
            "dry_run": self.dry_run,
            "looked_at": self.looked_at,
            "matched": self.matched,
            "changed": self.changed,
            "failed": self.failed,
            "reasons": self.reasons,
            "is_whole": self.is_whole,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(rate: &str, batch: u32) -> PagedJob {
        PagedJob {
            path: Path::of([]),
            what: "users",
            total: None,
            rate: Some(Rate::parse(rate).unwrap()),
            batch,
            max: None,
            is_quiet: true,
        }
    }

    fn page(matched: u64) -> PageDone {
        PageDone {
            matched,
            changed: matched,
            ..PageDone::default()
        }
    }

    #[test]
    fn a_page_is_as_large_as_the_rate_and_the_luck_so_far_allow() {
        let job = job("10/s", 1000);
        assert_eq!(job.first_limit(), 10);
        for (limit, matched, expected) in [
            (10, 10, 10),
            (10, 5, 20),
            (10, 1, 20),
            (10, 0, 20),
            (1000, 0, 1000),
            (1000, 100, 100),
            (1000, 1000, 10),
            (1, 1, 2),
        ] {
            assert_eq!(
                job.next_limit(limit, &page(matched)),
                expected,
                "{limit} {matched}"
            );
        }
    }

    #[test]
    fn what_is_left_is_told_with_what_helps() {
        for (reasons, expected) in [
            (
                &["connect", "silent"][..],
                "3 of 20 failed, and 16 were not tried\nfix: run the same command again",
            ),
            (
                &["no_node"],
                "3 of 20 failed, and 16 were not tried\nfix: `no_node`",
            ),
        ] {
            let sum = Sum {
                matched: 20,
                changed: 1,
                failed: 3,
                reasons: reasons.iter().map(|reason| ((*reason).to_owned(), 1)).collect(),
                ..Sum::default()
            };
            let told = sum.partly().to_string();
            assert!(told.starts_with(expected), "{told}");
        }
    }

    #[test]
    fn a_sum_adds_up_and_says_what_came() {
        let mut sum = Sum::default();
        let mut first = page(2);
        first.looked_at = 5;
        first.failed = 1;
        first.reasons = [("http_5xx".to_owned(), 1)].into();
        first.next = Some(Cursor("x".into()));
        assert!(sum.add(first.clone()).is_some() && !sum.is_whole);
        first.next = None;
        assert!(sum.add(first).is_none() && sum.is_whole);
        assert_eq!(
            sum.text("unassigned"),
            "4 unassigned, 2 failed; 10 users looked at\n\nREASON    NUMBER\nhttp_5xx  2\n"
        );
        assert_eq!(
            sum.value(),
            json!({"dry_run": false, "looked_at": 10, "matched": 4, "changed": 4, "failed": 2,
                "reasons": {"http_5xx": 2}, "is_whole": true})
        );
    }
}
