//! All that can hang on an account, and whether it is there.

use foxhold_core::{
    TokenId,
    record::{
        Account, AuthorizationCode, Device, KeyFetch, PasswordToken, PasswordTokenKind, RefreshToken, Session,
    },
};

use crate::{
    Refusal,
    accounts::SignIn,
    conformance::{
        Subject,
        fixtures::{Maker, soon},
    },
};

/// One of everything, or more.
pub(super) struct Belongings {
    pub(super) session: Session,
    key_fetches: Vec<KeyFetch>,
    device: Device,
    code: AuthorizationCode,
    /// Hangs on the session.
    bound: RefreshToken,
    /// Hangs on none.
    pub(super) free: RefreshToken,
    /// One of every kind.
    password_tokens: [PasswordToken; 3],
}

impl Subject {
    pub(super) async fn key_fetch(&self, id: TokenId) -> Option<KeyFetch> {
        let found = self.account_reader.key_fetch(soon(), id).await;
        found.expect("the store reads")
    }

    pub(super) async fn password_token(&self, id: TokenId) -> Option<PasswordToken> {
        let found = self.account_reader.password_token(soon(), id).await;
        found.expect("the store reads")
    }

    async fn refresh_token(&self, id: TokenId) -> Option<RefreshToken> {
        let found = self.account_reader.refresh_token(soon(), id).await;
        found.expect("the store reads")
    }

    async fn code(&self, id: TokenId) -> Option<AuthorizationCode> {
        let found = self.account_reader.authorization_code(soon(), id).await;
        found.expect("the store reads")
    }

    /// A password token that is there.
    pub(super) async fn given_token(
        &self,
        make: &Maker,
        account: &Account,
        kind: PasswordTokenKind,
    ) -> PasswordToken {
        let token = make.password_token(account, kind);
        let put = self
            .account_writer
            .put_password_token(&make.call(), token.clone(), None)
            .await;
        assert_eq!(put, Ok(()));
        token
    }

    /// Gives an account everything.
    pub(super) async fn furnish(&self, make: &Maker, account: &Account, sign_in: SignIn) -> Belongings {
        let (uid, writer) = (account.uid, &self.account_writer);
        let SignIn { session, key_fetches } = sign_in;
        let (device, code) = (make.device(uid, session.id), make.code(uid, session.id));
        assert_eq!(writer.put_device(&make.call(), device.clone()).await, Ok(()));
        let put = writer.put_authorization_code(&make.call(), code.clone()).await;
        assert_eq!(put, Ok(()));
        let [bound, free] = [Some(session.id), None].map(|session| make.refresh_token(uid, session));
        for token in [&bound, &free] {
            let put = writer.put_refresh_token(&make.call(), token.clone()).await;
            assert_eq!(put, Ok(()));
        }
        let [change, forgot, reset] = PasswordTokenKind::ALL;
        let password_tokens = [
            self.given_token(make, account, change).await,
            self.given_token(make, account, forgot).await,
            self.given_token(make, account, reset).await,
        ];
        Belongings {
            session,
            key_fetches,
            device,
            code,
            bound,
            free,
            password_tokens,
        }
    }

    pub(super) async fn assert_all_there(&self, had: &Belongings) {
        let uid = had.session.uid;
        assert_eq!(self.session(had.session.id).await.as_ref(), Some(&had.session));
        assert!(self.sessions(uid).await.contains(&had.session));
        assert_eq!(self.devices(uid).await, vec![had.device.clone()]);
        for token in &had.key_fetches {
            assert_eq!(self.key_fetch(token.id).await.as_ref(), Some(token));
        }
        assert_eq!(self.code(had.code.id).await.as_ref(), Some(&had.code));
        let tokens = [had.bound.clone(), had.free.clone()];
        for token in &tokens {
            assert_eq!(self.refresh_token(token.id).await.as_ref(), Some(token));
        }
        let listed = self.account_reader.refresh_tokens(soon(), uid).await;
        assert_eq!(listed, Ok(tokens.to_vec()));
        for token in &had.password_tokens {
            assert_eq!(self.password_token(token.id).await.as_ref(), Some(token));
        }
    }

    /// Nothing of it can be read or used, but perhaps for the refresh token that hangs on no session.
    pub(super) async fn assert_gone(&self, make: &Maker, had: &Belongings, free_stays: bool) {
        let uid = had.session.uid;
        assert_eq!(self.session(had.session.id).await, None);
        let listed = self.sessions(uid).await;
        assert!(listed.iter().all(|session| session.id != had.session.id));
        assert_eq!(self.devices(uid).await, vec![]);
        assert_eq!(self.code(had.code.id).await, None);
        assert_eq!(self.refresh_token(had.bound.id).await, None);
        let left = free_stays.then(|| had.free.clone());
        assert_eq!(self.refresh_token(had.free.id).await, left);
        let listed = self.account_reader.refresh_tokens(soon(), uid).await;
        assert_eq!(listed, Ok(Vec::from_iter(left)));
        for token in &had.key_fetches {
            assert_eq!(self.key_fetch(token.id).await, None);
        }
        for token in &had.password_tokens {
            assert_eq!(self.password_token(token.id).await, None);
        }
        self.assert_of_no_use(make, had).await;
    }

    async fn assert_of_no_use(&self, make: &Maker, had: &Belongings) {
        let (writer, spent) = (&self.account_writer, Refusal::TokenSpent.into());
        for token in &had.key_fetches {
            let consumed = writer.consume_key_fetch(&make.call(), token.id).await;
            assert_eq!(consumed, Err(spent));
        }
        let consumed = writer.consume_authorization_code(&make.call(), had.code.id).await;
        assert_eq!(consumed, Err(spent));
        let [_, forgot, reset] = &had.password_tokens;
        let missed = writer.miss_password_token(&make.call(), forgot.id).await;
        assert_eq!(missed, Err(spent));
        let mut other = reset.clone();
        other.id = TokenId::random(make.random());
        let redeemed = writer.redeem_password_token(&make.call(), forgot.id, other).await;
        assert_eq!(redeemed, Err(spent));
        let refreshed = writer
            .refresh_session(&make.call(), had.session.clone(), Vec::new())
            .await;
        assert_eq!(refreshed, Err(spent));
    }
}
