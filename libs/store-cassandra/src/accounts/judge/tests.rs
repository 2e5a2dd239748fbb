//! Every case of a creation's judgement, by name.

use super::*;

const ME: OpId = OpId::from_bytes([1; 16]);
const THEM: OpId = OpId::from_bytes([2; 16]);
const MINE: Uid = Uid::from_bytes([11; 16]);
const THEIRS: Uid = Uid::from_bytes([22; 16]);
const THEN: Timestamp = Timestamp::from_secs(1000);

fn key() -> EmailKey {
    EmailKey::from_normalized("a@example.test".into())
}

fn claim(by: OpId, uid: Uid, state: ClaimState) -> Option<Claim> {
    Some(Claim {
        uid,
        by,
        state,
        since: THEN,
    })
}

fn active(made_by: OpId, verified: bool) -> Option<Standing> {
    Some(Standing {
        account: AccountStanding::Active {
            email_key: key(),
            verified,
            disabled: false,
            verifier_set_at: THEN,
        },
        made_by: Some(made_by),
        version: 5,
        held: None,
        operations: vec![],
    })
}

fn deleting(made_by: Option<OpId>) -> Option<Standing> {
    Some(Standing {
        account: AccountStanding::Deleting,
        made_by,
        version: 6,
        held: None,
        operations: vec![],
    })
}

fn judged(claim: Option<Claim>, holder: Option<Standing>, own: Option<Standing>, waited: Duration) -> Step {
    let me = Creator {
        op: ME,
        uid: MINE,
        email_key: key(),
    };
    judge(&View { claim, holder, own }, &me, THEN.plus(waited))
}

fn taken_over(claim: Option<Claim>, made_by: Option<OpId>) -> Step {
    Step::TakeOver {
        claim: claim.unwrap(),
        rest: Rest { version: 6, made_by },
    }
}

const YOUNG: Duration = Duration::from_millis(59_999);
const OLD: Duration = PENDING_MAX;

const fn too_late(refusal: Option<Refusal>) -> Step {
    Step::TooLate { refusal }
}

#[test]
fn of_the_own_claim() {
    use ClaimState::{Active, Pending};
    let own = |state| claim(ME, MINE, state);
    let operation_only = || {
        deleting(Some(THEM)).map(|standing| Standing {
            operations: vec![THEM, ME],
            ..standing
        })
    };
    let table = [
        ("nobody has the address", None, None, Step::Claim),
        ("claimed", own(Pending), None, Step::Write { over: None }),
        (
            "claimed, over the rest of an account of this uid",
            own(Pending),
            deleting(Some(THEM)),
            Step::Write { over: Some(6) },
        ),
        (
            "claimed, with the uid of another account",
            own(Pending),
            active(THEM, false),
            Step::UidTaken,
        ),
        (
            "written",
            own(Pending),
            active(ME, false),
            Step::Activate { by: ME },
        ),
        ("done", own(Active), active(ME, true), Step::Done),
        ("its account is gone", own(Active), None, Step::Contradiction),
        ("barred", own(Pending), deleting(None), too_late(None)),
        (
            "barred, and the claim released",
            None,
            deleting(None),
            too_late(None),
        ),
        ("made, replaced, released", None, deleting(Some(ME)), Step::Done),
        (
            "made, replaced under its own uid",
            None,
            operation_only(),
            Step::Done,
        ),
    ];
    for waited in [YOUNG, OLD] {
        for (name, claim, own, expected) in table.clone() {
            assert_eq!(judged(claim, own.clone(), own, waited), expected, "{name}");
        }
    }
}

#[test]
fn of_anothers_active_claim() {
    let theirs = || claim(THEM, THEIRS, ClaimState::Active);
    let condemn = Step::Condemn {
        claim: theirs().unwrap(),
        version: 5,
        made_by: Some(THEM),
    };
    let misfit = active(THEM, false).map(|standing| Standing {
        account: AccountStanding::Active {
            email_key: EmailKey::from_normalized("b@example.test".into()),
            verified: false,
            disabled: false,
            verifier_set_at: THEN,
        },
        ..standing
    });
    let rest = taken_over(theirs(), Some(THEM));
    let table = [
        (
            "verified",
            active(THEM, true),
            None,
            Step::Refuse(Refusal::EmailTaken),
        ),
        ("unverified", active(THEM, false), None, condemn),
        ("condemned", deleting(Some(THEM)), None, rest),
        ("gone", None, None, Step::Contradiction),
        ("of another address", misfit, None, Step::Contradiction),
        (
            "which replaced this one",
            active(THEM, true),
            deleting(Some(ME)),
            Step::Done,
        ),
        (
            "which found this one asleep",
            active(THEM, true),
            deleting(None),
            too_late(Some(Refusal::EmailTaken)),
        ),
        (
            "which found this one asleep, and did not show that the address is theirs",
            active(THEM, false),
            deleting(None),
            too_late(None),
        ),
    ];
    for waited in [YOUNG, OLD] {
        for (name, holder, own, expected) in table.clone() {
            assert_eq!(judged(theirs(), holder, own, waited), expected, "{name}");
        }
    }
}

#[test]
fn of_anothers_pending_claim() {
    let theirs = || claim(THEM, THEIRS, ClaimState::Pending);
    let bar = |over| Step::Bar {
        claim: theirs().unwrap(),
        over,
    };
    let wait = Step::Wait {
        claim: theirs().unwrap(),
    };
    let finish = Step::Activate { by: THEM };
    let strange = active(OpId::from_bytes([3; 16]), false);
    let table = [
        ("young", None, YOUNG, wait.clone()),
        ("old", None, OLD, bar(None)),
        (
            "young, over the rest of one",
            deleting(Some(ME)),
            YOUNG,
            wait.clone(),
        ),
        ("old, over the rest of one", deleting(Some(ME)), OLD, bar(Some(6))),
        (
            "young and barred",
            deleting(None),
            YOUNG,
            taken_over(theirs(), None),
        ),
        ("old and barred", deleting(None), OLD, taken_over(theirs(), None)),
        ("young and written", active(THEM, false), YOUNG, finish.clone()),
        ("old and written", active(THEM, false), OLD, finish.clone()),
        ("old, written and verified", active(THEM, true), OLD, finish),
        ("for somebody else's account", strange, OLD, Step::Contradiction),
        ("made by a clock that is ahead", None, Duration::ZERO, wait),
    ];
    for (name, holder, waited, expected) in table {
        assert_eq!(judged(theirs(), holder, None, waited), expected, "{name}");
    }
}

/// An account that is made again under its own uid: the row is the holder's and the own one.
#[test]
fn of_a_claim_for_the_own_uid() {
    use ClaimState::{Active, Pending};
    let theirs = |state| claim(THEM, MINE, state);
    let condemn = Step::Condemn {
        claim: theirs(Active).unwrap(),
        version: 5,
        made_by: Some(THEM),
    };
    let wait = Step::Wait {
        claim: theirs(Pending).unwrap(),
    };
    let table = [
        ("unverified", theirs(Active), active(THEM, false), condemn),
        (
            "verified",
            theirs(Active),
            active(THEM, true),
            Step::Refuse(Refusal::EmailTaken),
        ),
        (
            "condemned",
            theirs(Active),
            deleting(Some(THEM)),
            taken_over(theirs(Active), Some(THEM)),
        ),
        ("being made", theirs(Pending), None, wait),
    ];
    for (name, claim, row, expected) in table {
        assert_eq!(judged(claim, row.clone(), row, YOUNG), expected, "{name}");
    }
}
