//! Who may wait, who is next and who has waited in vain: the queue in front of the slots, without threads and clocks,
//! so that tests decide what time it is.
//!
//! What must stay true: an entry leaves exactly once, as taken, removed or lapsed.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How the queue is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Jobs that run at once.
    pub slots: usize,
    /// Entries that may wait besides those for which a slot is free.
    pub len_max: usize,
    /// How long an entry may wait; one that would wait longer is refused at once.
    pub wait_max: Duration,
    /// Once the oldest entry is older than this, the newest is served first: its caller is the likeliest to be there
    /// still.
    pub newest_first_after: Duration,
    /// What a job is taken to last before one was measured.
    pub first_guess: Duration,
}

/// Refused: the queue is full, or too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// When all that waits and runs now will be through.
    pub drain_time: Duration,
}

/// Names an entry for [`Queue::remove`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

/// What [`Queue::take`] found.
#[derive(Debug)]
pub struct Taken<T> {
    /// The entry to run; the slot counts as in use from now.
    pub next: Option<T>,
    /// Entries that waited too long or past their deadline.
    pub lapsed: Vec<T>,
}

#[derive(Debug)]
struct Entry<T> {
    ticket: Ticket,
    since: Instant,
    by: Instant,
    job: T,
}

/// The queue and what it knows about the slots.
#[derive(Debug)]
pub struct Queue<T> {
    limits: QueueLimits,
    // Oldest first.
    waiting: VecDeque<Entry<T>>,
    next_ticket: u64,
    running: usize,
    job_time: Duration,
}

impl<T> Queue<T> {
    /// Empty.
    #[must_use]
    pub fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            waiting: VecDeque::new(),
            next_ticket: 0,
            running: 0,
            job_time: limits.first_guess,
        }
    }

    /// Entries that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Jobs that run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }

    /// How long a job lasts: the average of the last ones, newer ones weighing more.
    #[must_use]
    pub fn job_time(&self) -> Duration {
        self.job_time
    }

    /// Lets a job wait, unless it would wait in vain.
    ///
    /// # Errors
    /// [`Busy`]: too many wait, or its turn would come after `wait_max` or after `by`.
    pub fn admit(&mut self, now: Instant, by: Instant, job: T) -> Result<Ticket, Busy> {
        let wait = self.predicted_wait();
        let too_long = wait > self.limits.wait_max || now + wait > by;
        // An entry that a free slot is about to take waits for nobody.
        let room = self.limits.slots.saturating_add(self.limits.len_max);
        if self.waiting.len() + self.running >= room || too_long {
            return Err(self.busy());
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.waiting.push_back(Entry {
            ticket,
            since: now,
            by,
            job,
        });
        Ok(ticket)
    }

    /// The entry whose turn it is, if a slot is free.
    pub fn take(&mut self, now: Instant) -> Taken<T> {
        let mut taken = Taken {
            next: None,
            lapsed: Vec::new(),
        };
        while self.running < self.limits.slots {
            let Some(entry) = self.pop(now) else { break };
            if now >= entry.by || now.duration_since(entry.since) > self.limits.wait_max {
                taken.lapsed.push(entry.job);
            } else {
                self.running += 1;
                taken.next = Some(entry.job);
                break;
            }
        }
        taken
    }

    /// A slot is free again; its job lasted `lasted`.
    pub fn finished(&mut self, lasted: Duration) {
        self.running -= 1;
        self.job_time = (self.job_time * 7 + lasted) / 8;
    }

    /// Takes an entry out whose caller has left or may wait no longer. `None` if it runs or is through.
    pub fn remove(&mut self, ticket: Ticket) -> Option<T> {
        let at = self.waiting.iter().position(|entry| entry.ticket == ticket)?;
        self.waiting.remove(at).map(|entry| entry.job)
    }

    /// Takes all entries out.
    pub fn clear(&mut self) -> Vec<T> {
        self.waiting.drain(..).map(|entry| entry.job).collect()
    }

    fn pop(&mut self, now: Instant) -> Option<Entry<T>> {
        let oldest = self.waiting.front()?;
        if now.saturating_duration_since(oldest.since) > self.limits.newest_first_after {
            self.waiting.pop_back()
        } else {
            self.waiting.pop_front()
        }
    }

    /// How long an entry admitted now would wait, if served in its turn.
    fn predicted_wait(&self) -> Duration {
        let before = self.waiting.len() + self.running;
        let rounds = (before + 1).saturating_sub(self.limits.slots);
        self.job_time * saturate(rounds) / saturate(self.limits.slots)
    }

    /// What a refused caller is told.
    #[must_use]
    pub fn busy(&self) -> Busy {
        let all = saturate(self.waiting.len() + self.running);
        Busy {
            drain_time: self.job_time * all / saturate(self.limits.slots),
        }
    }

    /// How long an entry may wait.
    #[must_use]
    pub fn wait_max(&self) -> Duration {
        self.limits.wait_max
    }
}

fn saturate(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> QueueLimits {
        QueueLimits {
            slots: 2,
            len_max: 8,
            wait_max: 2 * SECOND,
            newest_first_after: SECOND / 2,
            first_guess: SECOND / 8,
        }
    }

    /// A queue with both slots in use, at a fixed start of time.
    fn busy() -> (Queue<u32>, Instant) {
        let mut queue = Queue::new(limits());
        let start = Instant::now();
        for job in [100, 101] {
            queue.admit(start, start + 60 * SECOND, job).unwrap();
            assert_eq!(queue.take(start).next, Some(job));
        }
        (queue, start)
    }

    #[test]
    fn no_more_run_than_there_are_slots_and_no_more_wait_than_there_is_room() {
        let (mut queue, start) = busy();
        for job in 0..8 {
            queue.admit(start, start + 60 * SECOND, job).unwrap();
        }
        assert!(queue.take(start).next.is_none(), "both slots are in use");
        let refused = queue.admit(start, start + 60 * SECOND, 8).unwrap_err();
        assert_eq!(
            refused,
            Busy {
                drain_time: SECOND * 10 / 8 / 2
            }
        );
        queue.finished(SECOND / 8);
        assert_eq!(queue.take(start).next, Some(0));
        assert_eq!((queue.running(), queue.len()), (2, 7));
    }

    #[test]
    fn free_slots_are_room_of_their_own() {
        let start = Instant::now();
        for len_max in [0, 1] {
            let mut queue = Queue::new(QueueLimits { len_max, ..limits() });
            for job in 0..2 + len_max {
                let admitted = queue.admit(start, start + 60 * SECOND, job);
                assert!(admitted.is_ok(), "{job} of 2 slots and {len_max} places");
            }
            assert!(queue.admit(start, start + 60 * SECOND, 9).is_err(), "{len_max}");
        }
    }

    #[test]
    fn what_would_wait_too_long_or_past_its_deadline_is_refused_at_once() {
        let (mut queue, start) = busy();
        // Jobs turn out to last two seconds.
        for _ in 0..100 {
            queue.running += 1;
            queue.finished(2 * SECOND);
        }
        assert!(queue.job_time() > SECOND * 19 / 10);
        queue
            .admit(start, start + 60 * SECOND, 0)
            .expect("half a job ahead for each slot: a second");
        queue
            .admit(start, start + SECOND / 2, 1)
            .expect_err("its deadline comes first");
        queue
            .admit(start, start + 60 * SECOND, 2)
            .expect("two seconds, just");
        queue
            .admit(start, start + 60 * SECOND, 3)
            .expect_err("three seconds");
    }

    #[test]
    fn the_oldest_is_served_first_until_the_queue_is_old_then_the_newest() {
        for (age, expected) in [(SECOND / 2, 0), (SECOND / 2 + Duration::from_millis(1), 2)] {
            let (mut queue, start) = busy();
            for job in 0..3 {
                queue.admit(start, start + 60 * SECOND, job).unwrap();
            }
            queue.finished(SECOND / 8);
            assert_eq!(queue.take(start + age).next, Some(expected), "{age:?}");
        }
    }

    #[test]
    fn what_has_waited_in_vain_lapses_and_does_not_run() {
        let (mut queue, start) = busy();
        queue.admit(start, start + SECOND, 0).unwrap();
        queue.admit(start, start + 60 * SECOND, 1).unwrap();
        queue.admit(start + SECOND, start + 60 * SECOND, 2).unwrap();
        queue.finished(SECOND / 8);
        // Newest first; the other two are found past deadline and past the longest wait.
        let taken = queue.take(start + 2 * SECOND + SECOND / 2);
        assert_eq!((taken.next, taken.lapsed), (Some(2), vec![]));
        queue.finished(SECOND / 8);
        let taken = queue.take(start + 2 * SECOND + SECOND / 2);
        assert_eq!((taken.next, taken.lapsed), (None, vec![1, 0]));
        assert!(queue.is_empty());
    }

    #[test]
    fn an_entry_leaves_once() {
        let (mut queue, start) = busy();
        let ticket = queue.admit(start, start + 60 * SECOND, 7).unwrap();
        assert_eq!(queue.remove(ticket), Some(7));
        assert_eq!(queue.remove(ticket), None);
        let ticket = queue.admit(start, start + 60 * SECOND, 8).unwrap();
        queue.finished(SECOND / 8);
        assert_eq!(queue.take(start).next, Some(8));
        assert_eq!(queue.remove(ticket), None, "it runs");
    }
}
