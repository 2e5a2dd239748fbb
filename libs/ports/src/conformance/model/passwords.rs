//! The part of the model that is about passwords, the end of accounts and re-authentication.

use foxhold_core::{
    TokenId,
    record::{Account, PasswordEffect, PasswordToken, PasswordTokenKind, Session, Verification},
};

use super::{ADDRESSES, Intent, Names, address, pick};
use crate::{
    conformance::{
        Subject,
        fixtures::{Maker, email_key, soon},
    },
    guards::Guard,
};

use PasswordTokenKind::{Change, Forgot, Reset};

impl Names {
    /// An intent about an account that is there, mostly with what belongs together.
    pub(super) async fn about_a_password(&mut self, make: &Maker, model: &Subject) -> Intent {
        let Some(account) = somebody(make, model).await else {
            return self.creation(make);
        };
        match make.below(15) {
            0..3 => self.token(make, &account),
            3..5 => Intent::MissPasswordToken(self.token_of(make, model, Forgot).await),
            5..7 => {
                let forgot = self.token_of(make, model, Forgot).await;
                let owner = owner(make, model, forgot).await.unwrap_or(account);
                let reset = self.named(make.password_token(&owner, Reset));
                Intent::RedeemPasswordToken(forgot, reset)
            }
            7..10 => self.password(make, model, &account).await,
            10 => self.refresh(make, model, &account).await,
            11..14 => Intent::SetGuard(account.uid, mostly(make, account.version), guard(make)),
            _ => Intent::DeleteAccount(account.uid, mostly(make, account.version)),
        }
    }

    fn named(&mut self, token: PasswordToken) -> PasswordToken {
        self.password_tokens.push(token.id);
        token
    }

    fn token(&mut self, make: &Maker, account: &Account) -> Intent {
        let [change, forgot, reset] = PasswordTokenKind::ALL;
        let kind = match make.below(6) {
            0..3 => forgot,
            3 => reset,
            _ => change,
        };
        let token = self.named(make.password_token(account, kind));
        let key_fetch = (kind == change).then(|| make.key_fetch(account.uid));
        self.key_fetches.extend(key_fetch.iter().map(|token| token.id));
        Intent::PutPasswordToken(token, key_fetch)
    }

    /// A token of a kind that is there, if one of the last few is; any, else.
    async fn token_of(&self, make: &Maker, model: &Subject, kind: PasswordTokenKind) -> TokenId {
        if make.below(8) != 0 {
            for id in self.password_tokens.iter().rev().take(20) {
                let found = model.account_reader.password_token(soon(), *id).await;
                if found.is_ok_and(|token| token.is_some_and(|token| token.kind == kind)) {
                    return *id;
                }
            }
        }
        super::chosen(make, &self.password_tokens)
    }

    async fn password(&mut self, make: &Maker, model: &Subject, account: &Account) -> Intent {
        let effect = match make.below(4) {
            0 => PasswordEffect::Upgrade,
            1 | 2 => make.change(),
            _ => make.reset(make.below(2) == 0),
        };
        let kind = if make.below(12) == 0 {
            Change
        } else {
            effect.wants()
        };
        let token = self.token_of(make, model, kind).await;
        let account = owner(make, model, token).await.unwrap_or_else(|| account.clone());
        let mut update = make.password_update(&account, token, effect);
        update.based_on = mostly(make, update.based_on);
        let sign_in = (make.below(3) != 0).then(|| make.sign_in_to(&update.applied_to(&account)));
        if let Some(sign_in) = &sign_in {
            self.note(sign_in);
        }
        Intent::SetPassword(Box::new(update), sign_in)
    }

    async fn refresh(&mut self, make: &Maker, model: &Subject, account: &Account) -> Intent {
        let sessions = model.account_reader.sessions(soon(), account.uid).await;
        let session = match pick(make, &sessions.unwrap_or_default()) {
            Some(session) if make.below(8) != 0 => session.clone(),
            _ => match pick(make, &self.sessions) {
                Some((uid, id)) => Session {
                    id: *id,
                    ..make.session(*uid)
                },
                None => make.session(account.uid),
            },
        };
        let key_fetches: Vec<_> = (0..make.below(3)).map(|_| make.key_fetch(session.uid)).collect();
        self.key_fetches.extend(key_fetches.iter().map(|token| token.id));
        let refreshed = Session {
            auth_at: make.now(),
            generation: make.now(),
            verification: Verification::Verified,
            must_verify: make.below(2) == 0,
            ..session
        };
        Intent::RefreshSession(refreshed, key_fetches)
    }
}

fn guard(make: &Maker) -> Guard {
    match make.below(5) {
        0 | 1 => Guard::SecondFactor(Some(make.second_factor())),
        2 | 3 => Guard::RecoveryKey(Some(make.recovery_key())),
        _ => Guard::SecondFactor(None),
    }
}

/// The holder of one of the addresses.
async fn somebody(make: &Maker, model: &Subject) -> Option<Account> {
    let key = email_key(&address(make.below(ADDRESSES)));
    model.account_reader.account_by_email(soon(), &key).await.ok()?
}

/// Mostly the account of a token that is of use.
async fn owner(make: &Maker, model: &Subject, token: TokenId) -> Option<Account> {
    let found = model.account_reader.password_token(soon(), token).await.ok()??;
    if make.below(12) == 0 {
        return None;
    }
    model.account_reader.account(soon(), found.uid).await.ok()?
}

fn mostly(make: &Maker, version: u64) -> u64 {
    version + u64::from(make.below(8) == 0)
}
