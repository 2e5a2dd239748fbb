//! The rule engine: every rule that matches an action is asked, and only what none refuses is counted.
//!
//! One lock around short work: an attempt is judged and counted in one step, so parallel attempts cannot slip
//! through between. Attempts that are refused count nowhere: nobody can lock another out by hammering a block.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use foxhold_core::{Clock, Random, Secret, Timestamp, random};
use foxhold_crypto::mac::hmac_sha256;
use foxhold_ports::{
    Limits,
    limits::{Action, LimitKeys, Throttled},
};
use foxhold_runtime::metrics::list as metrics;

use super::{
    LimitSettings,
    rules::{Effect, KeyKind, Rule, RuleError},
    ruling::Ruling,
    table::{Hold, Slot, Subject, Table},
};

/// How long an attempt is sent away that only attempts under way are too many with: by then they are judged.
const UNDER_WAY_WAIT: Duration = Duration::from_secs(5);

/// Limits of one process.
pub struct LocalLimits {
    ruling: RwLock<Arc<Ruling>>,
    clock: Arc<dyn Clock>,
    /// Keys of the table are MACs under this: of fixed size, and an address is nowhere in memory.
    subject_key: Secret<32>,
    table: Mutex<Table>,
}

/// What the limiter holds, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitFigures {
    /// Keys remembered.
    pub keys: usize,
    /// Events remembered.
    pub events: usize,
    /// Keys that were forgotten before their time to make room.
    pub forgotten: u64,
}

impl LocalLimits {
    /// By the settings' rules.
    ///
    /// # Errors
    /// [`RuleError`] naming the first bad line.
    pub fn new(
        settings: &LimitSettings,
        clock: Arc<dyn Clock>,
        random: &dyn Random,
    ) -> Result<Self, RuleError> {
        let ruling = Ruling::new(settings.rules()?);
        Ok(Self {
            ruling: RwLock::new(Arc::new(ruling)),
            clock,
            subject_key: Secret::new(random::bytes(random)),
            table: Mutex::new(Table::new(settings.keys_max, settings.events_max)),
        })
    }

    /// Puts other rules in force, from the next attempt on. What was counted for those that stay goes on counting.
    pub fn replace(&self, rules: Vec<Rule>) {
        let mut ruling = self.ruling.write().unwrap_or_else(PoisonError::into_inner);
        *ruling = Arc::new(ruling.followed_by(rules));
    }

    /// The rules in force.
    fn ruling(&self) -> Arc<Ruling> {
        Arc::clone(&self.ruling.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What it holds.
    #[must_use]
    pub fn figures(&self) -> LimitFigures {
        let (keys, events, forgotten) = self
            .table
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .figures();
        LimitFigures {
            keys,
            events,
            forgotten,
        }
    }

    fn subjects<'a>(&'a self, keys: LimitKeys<'a>) -> Subjects<'a> {
        Subjects {
            mac_key: &self.subject_key,
            keys,
            made: Vec::new(),
        }
    }

    fn judge(&self, action: Action, keys: LimitKeys<'_>, hold: Hold) -> Result<(), Throttled> {
        let now = self.clock.now();
        let ruling = self.ruling();
        let mut subjects = self.subjects(keys);
        let matching = matching(&ruling, action, &mut subjects);
        let bans: Vec<Slot> = ruling
            .ban_kinds()
            .iter()
            .filter_map(|kind| Some(Slot::Ban(*kind, subjects.of(*kind)?)))
            .collect();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let banned = bans
            .into_iter()
            .filter_map(|slot| table.block_left(slot, now))
            .max();
        // Who is banned gets no chance to trip other rules.
        let verdict = match banned {
            Some(left) => Verdict::Refused(left),
            None => matching
                .iter()
                .map(|(rule, slot)| judged(&mut table, rule, *slot, action, now))
                .max()
                .unwrap_or(Verdict::Free),
        };
        if verdict != Verdict::Free {
            metrics::LIMIT_HITS.of([action.name()]).increment(1);
        }
        if let Verdict::Refused(retry_after) = verdict {
            return Err(Throttled { retry_after });
        }
        for (rule, slot) in matching {
            table.record(slot, rule, hold, now);
        }
        Ok(())
    }
}

/// What is said of an attempt; of several rules the severest counts, and the longest wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// It is one of those that are let through.
    Free,
    /// It is one too many, and let through all the same.
    Reported,
    /// It is refused for so long.
    Refused(Duration),
}

/// The rules of an action, each with the slot it counts in. A rule whose key is not known of this request does not match.
fn matching<'a>(ruling: &'a Ruling, action: Action, subjects: &mut Subjects<'_>) -> Vec<(&'a Rule, Slot)> {
    let slot = |(number, rule): (usize, &'a Rule)| Some((rule, Slot::Rule(number, subjects.of(rule.key)?)));
    ruling.of(action).filter_map(slot).collect()
}

/// The subjects of one request, each made once.
struct Subjects<'a> {
    mac_key: &'a Secret<32>,
    keys: LimitKeys<'a>,
    made: Vec<(KeyKind, Option<Subject>)>,
}

impl Subjects<'_> {
    /// `None` if the request does not have what the kind needs.
    fn of(&mut self, kind: KeyKind) -> Option<Subject> {
        if let Some((_, subject)) = self.made.iter().find(|(made, _)| *made == kind) {
            return *subject;
        }
        let subject = self.make(kind);
        self.made.push((kind, subject));
        subject
    }

    fn make(&self, kind: KeyKind) -> Option<Subject> {
        let ip = self.keys.ip.map(address_block);
        let email = self.keys.email.map(str::as_bytes);
        let uid = self.keys.uid.as_ref().map(|uid| &uid.as_bytes()[..]);
        let (tag, ip, other): (&[u8], _, _) = match kind {
            KeyKind::Ip => (b"i", ip?, None),
            KeyKind::Email => (b"e", [0; 16], Some(email?)),
            KeyKind::Uid => (b"u", [0; 16], Some(uid?)),
            KeyKind::IpEmail => (b"E", ip?, Some(email?)),
            KeyKind::IpUid => (b"U", ip?, Some(uid?)),
        };
        let mac = hmac_sha256(self.mac_key.expose(), &[tag, &ip, other.unwrap_or_default()]);
        let (subject, _) = mac.split_first_chunk().expect("32 bytes hold 16");
        Some(*subject)
    }
}

/// What this rule says of the attempt; it starts to refuse if the attempt is the one too many. Those under way block nobody.
fn judged(table: &mut Table, rule: &Rule, slot: Slot, action: Action, now: Timestamp) -> Verdict {
    let only_reports = rule.effect == Effect::Report;
    if !only_reports && let Some(left) = table.block_left(slot, now) {
        return Verdict::Refused(left);
    }
    let count = table.count(slot, rule, now);
    if count.all() < rule.max {
        return Verdict::Free;
    }
    if count.kept < rule.max {
        let wait = UNDER_WAY_WAIT.min(rule.block);
        return if only_reports {
            Verdict::Free
        } else {
            Verdict::Refused(wait)
        };
    }
    let until = now.plus(rule.block);
    let is_new = table.block(slot, now, until);
    if is_new {
        tracing::info!(limit.action = ?action, limit.key = ?rule.key, limit.effect = ?rule.effect, "limit reached");
    }
    match (rule.effect, slot) {
        (Effect::Report, _) => return Verdict::Reported,
        (Effect::Ban, Slot::Rule(_, subject)) => {
            table.block(Slot::Ban(rule.key, subject), now, until);
        }
        (Effect::Ban | Effect::Block, _) => {}
    }
    Verdict::Refused(rule.block)
}

/// The block of addresses one customer has: an IPv4 address, or an IPv6 /64.
fn address_block(ip: IpAddr) -> [u8; 16] {
    match ip.to_canonical() {
        IpAddr::V4(four) => four.to_ipv6_mapped().octets(),
        IpAddr::V6(six) => {
            let mut octets = six.octets();
            octets[8..].fill(0);
            octets
        }
    }
}

#[async_trait]
impl Limits for LocalLimits {
    async fn count(&self, action: Action, keys: LimitKeys<'_>) -> Result<(), Throttled> {
        self.judge(action, keys, Hold::Kept)
    }

    async fn reserve(&self, action: Action, keys: LimitKeys<'_>) -> Result<(), Throttled> {
        self.judge(action, keys, Hold::Reserved)
    }

    async fn keep(&self, action: Action, keys: LimitKeys<'_>) {
        let ruling = self.ruling();
        let matching = matching(&ruling, action, &mut self.subjects(keys));
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, slot) in matching {
            table.keep(slot);
        }
    }

    async fn refund(&self, action: Action, keys: LimitKeys<'_>) {
        let ruling = self.ruling();
        let matching = matching(&ruling, action, &mut self.subjects(keys));
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, slot) in matching {
            table.take_back(slot);
        }
    }

    async fn clear(&self, action: Action, keys: LimitKeys<'_>) {
        let ruling = self.ruling();
        let matching = matching(&ruling, action, &mut self.subjects(keys));
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        for (rule, slot) in matching {
            let Slot::Rule(_, subject) = slot else { continue };
            if rule.key == KeyKind::Ip {
                continue;
            }
            table.forget(slot);
            if rule.effect == Effect::Ban {
                table.forget(Slot::Ban(rule.key, subject));
            }
        }
    }
}
