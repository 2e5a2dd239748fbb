//! What becomes of a node's secrets: pure rules over the list, oldest first (`tokenserver.md` 7: sign with the last, verify
//! with any; rotate is append, wait, drop; revoke is append and drop at once).

use std::time::Duration;

use foxhold_core::SecretText;
use foxhold_crypto::node_secret::DatedSecret;

/// A list after a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changed {
    /// Oldest first; the last one signs.
    pub(super) secrets: Vec<DatedSecret>,
    /// How many of the old ones are gone.
    pub(super) dropped: usize,
    /// From when on no token of the remaining old ones can be alive, in seconds since 1970.
    pub(super) needed_until: Option<u64>,
}

/// Appends `new`, unless a run that was cut off has done it, and drops what no token can be alive of.
pub(super) fn rotate(held: Vec<DatedSecret>, new: SecretText, now: u64, keep: Duration) -> Changed {
    // First, by the times as they were: what signs now is needed however old it is.
    let mut changed = prune(held, now, keep);
    if changed.secrets.iter().all(|held| held.text != new) {
        let added = time_of_next(&changed.secrets, now);
        changed.secrets.push(DatedSecret { added, text: new });
    }
    changed.needed_until = needed_until(&changed.secrets, keep);
    changed
}

/// Drops those secrets that have not signed for so long that no token of theirs can be alive.
pub(super) fn prune(mut held: Vec<DatedSecret>, now: u64, keep: Duration) -> Changed {
    let ended = |pair: &[DatedSecret]| pair[1].added.saturating_add(keep.as_secs()) <= now;
    let dropped = held.windows(2).take_while(|pair| ended(pair)).count();
    let secrets = held.split_off(dropped);
    Changed {
        needed_until: needed_until(&secrets, keep),
        secrets,
        dropped,
    }
}

/// Leaves `new` alone.
pub(super) fn revoke(held: &[DatedSecret], new: SecretText, now: u64) -> Changed {
    let added = time_of_next(held, now);
    let dropped = held.iter().filter(|held| held.text != new).count();
    Changed {
        secrets: vec![DatedSecret { added, text: new }],
        dropped,
        needed_until: None,
    }
}

/// Times order the secrets of a node, so no two are the same.
fn time_of_next(held: &[DatedSecret], now: u64) -> u64 {
    let last = held.last().map_or(0, |last| last.added.saturating_add(1));
    now.max(last)
}

/// A secret signs until the next one does, and its last token lives on for `keep`.
fn needed_until(secrets: &[DatedSecret], keep: Duration) -> Option<u64> {
    let [.., _, last] = secrets else { return None };
    Some(last.added.saturating_add(keep.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Duration = Duration::from_secs(100);

    fn list(of: &[(u64, &str)]) -> Vec<DatedSecret> {
        let dated = |&(added, text): &(u64, &str)| DatedSecret {
            added,
            text: secret(text),
        };
        of.iter().map(dated).collect()
    }

    fn secret(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }

    type Dated<'a> = &'a [(u64, &'a str)];
    /// Name, what is held, when, what is left, how many are gone, until when the old ones are needed.
    type Rotation<'a> = (&'a str, Dated<'a>, u64, Dated<'a>, usize, Option<u64>);

    #[test]
    fn a_rotation_appends_and_drops_what_nothing_is_signed_with_any_more() {
        let table: [Rotation<'_>; 7] = [
            ("first", &[], 1000, &[(1000, "new")], 0, None),
            (
                "one",
                &[(1, "a")],
                1000,
                &[(1, "a"), (1000, "new")],
                0,
                Some(1100),
            ),
            (
                "one is long out of use",
                &[(1, "a"), (900, "b")],
                1000,
                &[(900, "b"), (1000, "new")],
                1,
                Some(1100),
            ),
            (
                "a second short",
                &[(1, "a"), (901, "b")],
                1000,
                &[(1, "a"), (901, "b"), (1000, "new")],
                0,
                Some(1100),
            ),
            (
                "twice in a second",
                &[(1000, "a")],
                1000,
                &[(1000, "a"), (1001, "new")],
                0,
                Some(1101),
            ),
            (
                "a clock that was ahead",
                &[(2000, "a")],
                1000,
                &[(2000, "a"), (2001, "new")],
                0,
                Some(2101),
            ),
            (
                "was cut off",
                &[(1, "a"), (999, "new")],
                1000,
                &[(1, "a"), (999, "new")],
                0,
                Some(1099),
            ),
        ];
        for (name, held, now, expected, dropped, needed_until) in table {
            let changed = rotate(list(held), secret("new"), now, KEEP);
            let secrets = list(expected);
            let expected = Changed {
                secrets,
                dropped,
                needed_until,
            };
            assert_eq!(changed, expected, "{name}");
        }
    }

    #[test]
    fn the_one_that_signs_is_never_dropped() {
        let held = || list(&[(1, "a"), (2, "b"), (3, "c")]);
        let changed = prune(held(), u64::MAX, KEEP);
        assert_eq!((changed.secrets, changed.dropped), (list(&[(3, "c")]), 2));
        let changed = prune(held(), 102, KEEP);
        assert_eq!((changed.dropped, changed.needed_until), (1, Some(103)));
        assert_eq!(prune(Vec::new(), 1, KEEP).dropped, 0);
    }

    #[test]
    fn a_revocation_leaves_the_new_one_alone() {
        let changed = revoke(&list(&[(1, "a"), (1000, "b")]), secret("new"), 1000);
        assert_eq!((changed.secrets, changed.dropped), (list(&[(1001, "new")]), 2));
    }
}
