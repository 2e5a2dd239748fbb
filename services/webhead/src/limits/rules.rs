//! Rule lines, `action : key : max : window : block : effect` (`security.md` B.1).
//!
//! Actions after a comma have counters of their own; actions joined by `+` share one; `*` stands for every action that
//! has no rule. Spans are `30 s`, `15 min`, `24 h`.

use std::time::Duration;

use foxhold_ports::limits::Action;
use thiserror::Error;

/// What a rule counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    /// The client's address; IPv6 by its /64.
    Ip,
    /// The e-mail address concerned.
    Email,
    /// The account concerned.
    Uid,
    /// Client address and e-mail address together.
    IpEmail,
    /// Client address and account together.
    IpUid,
}

impl KeyKind {
    /// Every kind, with its name in rule lines.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Ip, "ip"),
        (Self::Email, "email"),
        (Self::Uid, "uid"),
        (Self::IpEmail, "ip_email"),
        (Self::IpUid, "ip_uid"),
    ];
}

/// What happens when a rule trips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// A line in the log.
    Report,
    /// The action is refused.
    Block,
    /// Every action under the key is refused.
    Ban,
}

/// One counter per key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    actions: Actions,
    /// What it counts by.
    pub key: KeyKind,
    /// How many are let through in a window.
    pub max: usize,
    /// How long an event counts.
    pub window: Duration,
    /// How long a block lasts.
    pub block: Duration,
    /// What happens.
    pub effect: Effect,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Actions {
    These(Vec<Action>),
    AllWithoutRule,
}

/// A line that is no rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("limit rule {line:?}: {fault}")]
pub struct RuleError {
    /// The line.
    pub line: String,
    /// What is wrong with it.
    pub fault: &'static str,
}

impl Rule {
    /// Whether it counts this action by name.
    #[must_use]
    pub fn names(&self, action: Action) -> bool {
        matches!(&self.actions, Actions::These(actions) if actions.contains(&action))
    }

    /// Whether it counts the actions no other rule names.
    #[must_use]
    pub fn is_fallback(&self) -> bool {
        self.actions == Actions::AllWithoutRule
    }

    /// Takes out the actions that others rule.
    pub(super) fn drop_actions_of(&mut self, others: &[Self]) {
        match &mut self.actions {
            Actions::These(actions) => {
                actions.retain(|action| !others.iter().any(|rule| rule.names(*action)))
            }
            Actions::AllWithoutRule if others.iter().any(Self::is_fallback) => {
                self.actions = Actions::These(Vec::new());
            }
            Actions::AllWithoutRule => {}
        }
    }

    /// Whether no action is left.
    pub(super) fn is_empty(&self) -> bool {
        self.actions == Actions::These(Vec::new())
    }
}

/// Reads rule lines.
///
/// # Errors
/// [`RuleError`] for the first bad line.
pub fn parse<S: AsRef<str>>(lines: &[S]) -> Result<Vec<Rule>, RuleError> {
    let mut rules = Vec::new();
    for line in lines.iter().map(AsRef::as_ref) {
        let parsed = parse_line(line).map_err(|fault| RuleError {
            line: line.to_owned(),
            fault,
        })?;
        rules.extend(parsed);
    }
    Ok(rules)
}

fn parse_line(line: &str) -> Result<Vec<Rule>, &'static str> {
    let parts: Vec<&str> = line.split(':').map(str::trim).collect();
    let [actions, key, max, window, block, effect] = parts[..] else {
        return Err("expected action : key : max : window : block : effect");
    };
    let key = named(&KeyKind::ALL, key).ok_or("unknown key")?;
    let max: usize = max.parse().map_err(|_| "max is not a whole number")?;
    let (window, block) = (span(window)?, span(block)?);
    let effect = match effect {
        "report" => Effect::Report,
        "block" => Effect::Block,
        "ban" => Effect::Ban,
        _ => return Err("unknown effect"),
    };
    let rule = |actions| Rule {
        actions,
        key,
        max,
        window,
        block,
        effect,
    };
    actions
        .split(',')
        .map(|together| Ok(rule(parse_actions(together)?)))
        .collect()
}

fn parse_actions(together: &str) -> Result<Actions, &'static str> {
    if together.trim() == "*" {
        return Ok(Actions::AllWithoutRule);
    }
    let names = together.split('+').map(|name| named(&Action::ALL, name.trim()));
    names
        .collect::<Option<_>>()
        .map(Actions::These)
        .ok_or("unknown action")
}

fn named<T: Copy>(all: &[(T, &'static str)], name: &str) -> Option<T> {
    all.iter()
        .find(|(_, known)| *known == name)
        .map(|(value, _)| *value)
}

fn span(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "a span has a whole number and a unit: s, min or h";
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u32 = number.parse().map_err(|_| FORM)?;
    let unit_secs = match unit.trim() {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        _ => return Err(FORM),
    };
    if number == 0 {
        return Err("a span of nothing");
    }
    Ok(Duration::from_secs(u64::from(number) * unit_secs))
}
