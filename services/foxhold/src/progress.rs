//! How far a long job is, on standard error: a bar that moves where somebody watches, a line every ten seconds where a log
//! does, nothing where nobody wants it.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// Between two lines where no terminal is.
const LINES: Duration = Duration::from_secs(10);
/// Between two states of the bar.
const STROKES: Duration = Duration::from_millis(200);
/// Characters of the bar.
const WIDTH: u64 = 24;

/// Tells of one job.
pub(crate) struct Progress {
    what: String,
    total: Option<u64>,
    sight: Sight,
    told: Instant,
    has_drawn: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    Terminal,
    Log,
    Nobody,
}

impl Progress {
    /// For a job that goes through `total` things, if that is known; `what` names it in two or three words.
    pub(crate) fn new(what: impl Into<String>, total: Option<u64>, is_quiet: bool) -> Self {
        let sight = match (is_quiet, io::stderr().is_terminal()) {
            (true, _) => Sight::Nobody,
            (false, true) => Sight::Terminal,
            (false, false) => Sight::Log,
        };
        Self {
            what: what.into(),
            total,
            sight,
            told: Instant::now(),
            has_drawn: false,
        }
    }

    /// The job has done so much.
    pub(crate) fn at(&mut self, done: u64) {
        let pause = match self.sight {
            Sight::Terminal => STROKES,
            Sight::Log => LINES,
            Sight::Nobody => return,
        };
        if self.told.elapsed() < pause {
            return;
        }
        self.told = Instant::now();
        let line = line(&self.what, done, self.total);
        // Results are for standard output, this is not; that nobody reads it is no fault.
        let mut err = io::stderr().lock();
        if self.sight == Sight::Terminal {
            let bar = self.total.map(|total| bar(done, total)).unwrap_or_default();
            let _ = write!(err, "\r\x1b[K{bar}{line}");
            let _ = err.flush();
            self.has_drawn = true;
        } else {
            let _ = writeln!(err, "{line}");
        }
    }
}

impl Drop for Progress {
    /// Whatever is written next begins a line.
    fn drop(&mut self) {
        if self.has_drawn {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

fn line(what: &str, done: u64, total: Option<u64>) -> String {
    match total {
        Some(total) => format!("{what}: {done} of {}", total.max(done)),
        None => format!("{what}: {done}"),
    }
}

fn bar(done: u64, total: u64) -> String {
    let full = done
        .min(total)
        .saturating_mul(WIDTH)
        .checked_div(total)
        .unwrap_or(WIDTH);
    let sign = |at| if at < full { '#' } else { '.' };
    let signs: String = (0..WIDTH).map(sign).collect();
    format!("[{signs}] ")
}

/// A note beside the results.
pub(crate) fn note(is_quiet: bool, text: &str) {
    if !is_quiet {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_the_job_is_done() {
        for (done, total, full) in [(0, 10, 0), (5, 10, 12), (10, 10, 24), (11, 10, 24), (0, 0, 24)] {
            let bar = bar(done, total);
            assert_eq!(bar.matches('#').count(), full, "{done} of {total}");
            assert_eq!(bar.len(), 27, "{done} of {total}");
        }
    }

    #[test]
    fn a_line_names_what_is_known() {
        assert_eq!(line("users", 3, Some(10)), "users: 3 of 10");
        assert_eq!(line("users", 13, Some(10)), "users: 13 of 13");
        assert_eq!(line("users", 3, None), "users: 3");
    }
}
