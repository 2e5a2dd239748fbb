//! Every case of a new password's judgement, by name.

use std::sync::Arc;

use foxhold_core::{
    Secret, TokenId, Uid,
    record::{Credentials, EmailKey, PasswordTokenKind, Verifier},
};

use super::{
    super::{operations::Operations, password_token::Use},
    *,
};

const ME: OpId = OpId::from_bytes([1; 16]);
const THEM: OpId = OpId::from_bytes([2; 16]);
const UID: Uid = Uid::from_bytes([3; 16]);
const NOW: Timestamp = Timestamp::from_secs(5);
const BEFORE: Timestamp = Timestamp::from_secs(4);

fn update(effect: PasswordEffect) -> PasswordUpdate {
    let secret = || Secret::new([0; 32]);
    PasswordUpdate {
        uid: UID,
        based_on: 7,
        spends: TokenId::from_bytes([4; 32]),
        credentials: Arc::new(Credentials {
            auth_salt: [0; 32],
            k_a: secret(),
            version_one: Verifier {
                verify_hash: secret(),
                wrap_wrap_kb: secret(),
            },
            version_two: None,
        }),
        effect,
    }
}

fn account(version: i64, generation: Timestamp, operations: &[OpId]) -> Option<Standing> {
    Some(Standing {
        account: AccountStanding::Active {
            email_key: EmailKey::from_normalized("a@example.test".into()),
            verified: true,
            disabled: false,
            verifier_set_at: generation,
        },
        made_by: None,
        version,
        held: None,
        operations: operations.to_vec(),
    })
}

fn deleted(operations: &[OpId]) -> Option<Standing> {
    account(8, NOW, operations).map(|standing| Standing {
        account: AccountStanding::Deleting,
        ..standing
    })
}

fn token(uid: Uid, kind: PasswordTokenKind, generation: Timestamp) -> TokenState {
    TokenState::Unspent(Use {
        uid,
        kind,
        generation,
        missed_by: Operations::default(),
    })
}

#[test]
fn a_password_is_set_on_the_version_and_generation_it_was_decided_on() {
    use PasswordTokenKind::{Change, Reset};
    let good = || token(UID, Change, NOW);
    let spent = |by| TokenState::SpentBy(by, Operations::default());
    let other = Uid::from_bytes([9; 16]);
    let [unknown, no_token, conflict] =
        [Refusal::UnknownAccount, Refusal::TokenSpent, Refusal::Conflict].map(Judgement::Refused);
    let table = [
        (
            "as it was read",
            account(7, NOW, &[THEM]),
            good(),
            Judgement::Set(NOW),
        ),
        ("of a newer version", account(8, NOW, &[]), good(), conflict),
        (
            "of another password",
            account(7, NOW, &[]),
            token(UID, Change, BEFORE),
            no_token,
        ),
        (
            "of a newer version and password",
            account(8, NOW, &[]),
            token(UID, Change, BEFORE),
            no_token,
        ),
        (
            "with another's token",
            account(7, NOW, &[]),
            token(other, Change, NOW),
            no_token,
        ),
        (
            "with another kind of token",
            account(7, NOW, &[]),
            token(UID, Reset, NOW),
            no_token,
        ),
        (
            "with a token that is gone",
            account(7, NOW, &[]),
            TokenState::Gone,
            no_token,
        ),
        (
            "with one that another holds",
            account(7, NOW, &[]),
            spent(THEM),
            Judgement::Held,
        ),
        (
            "with one that is held for this",
            account(7, NOW, &[]),
            spent(ME),
            Judgement::Set(NOW),
        ),
        (
            "held, and somebody came first",
            account(8, NOW, &[THEM]),
            spent(ME),
            conflict,
        ),
        ("deleted", deleted(&[THEM]), good(), unknown),
        ("never there", None, good(), unknown),
        (
            "deleted, and the token held by another",
            deleted(&[]),
            spent(THEM),
            unknown,
        ),
        ("done", account(8, NOW, &[ME]), spent(ME), Judgement::Done),
        (
            "done, and another since",
            account(9, NOW, &[ME, THEM]),
            TokenState::Gone,
            Judgement::Done,
        ),
        (
            "done, and deleted since",
            deleted(&[ME]),
            TokenState::Gone,
            Judgement::Done,
        ),
    ];
    for (name, found, token, expected) in table {
        for effect in [PasswordEffect::Upgrade, PasswordEffect::Change { at: NOW }] {
            let judged = judge(found.as_ref(), &token, &update(effect), &ME);
            assert_eq!(judged, expected, "{name}");
        }
    }
    let reset = update(PasswordEffect::Reset {
        at: NOW,
        keeps_keys: false,
        code_nonce: [0; 16],
    });
    for (kind, expected) in [(Reset, Judgement::Set(NOW)), (Change, no_token)] {
        let found = account(7, NOW, &[]);
        let judged = judge(found.as_ref(), &token(UID, kind, NOW), &reset, &ME);
        assert_eq!(judged, expected, "{kind:?}");
    }
}
