//! Registered clients, grants, and what is left of what was used under them. Their cases have a view of the store of their own.

mod used;

use std::sync::Arc;

use foxhold_core::{
    ClientId, Uid,
    record::{ClientKind, ClientSecret, ClientSwitches, Grant, PasswordTokenKind, RegisteredClient},
};

use super::{
    at_once,
    fixtures::{Maker, past, soon},
    in_a_case, tell,
};
use used::{
    a_code_that_was_spent_is_known, a_repeated_replacement_is_done_once,
    a_token_is_replaced_and_known_afterwards, of_many_who_replace_a_token_one_does,
    of_taking_back_and_replacing_one_is_first, what_does_not_fit_replaces_nothing,
    what_has_ended_is_not_replaced,
};

use crate::{
    AccountReader, AccountWriter, Call, Cause, ClientAdmin, ClientRegistry, GrantReader, GrantWriter,
    Refusal, WriteError,
};

/// A store, seen through the ports of the OpenID provider.
#[derive(Clone)]
pub struct OpenIdSubject {
    /// Writes the accounts that grants are of.
    pub accounts: Arc<dyn AccountWriter>,
    /// Reads the codes and tokens that are made under grants.
    pub account_reader: Arc<dyn AccountReader>,
    /// Reads clients.
    pub registry: Arc<dyn ClientRegistry>,
    /// Changes clients.
    pub admin: Arc<dyn ClientAdmin>,
    /// Reads grants, and what is left of what was used.
    pub grant_reader: Arc<dyn GrantReader>,
    /// Writes grants, and replaces refresh tokens.
    pub grant_writer: Arc<dyn GrantWriter>,
    /// Whether it keeps a log of operations.
    pub remembers: bool,
    /// What has to live as long as the store.
    pub keep: Arc<dyn std::any::Any + Send + Sync>,
}

/// Runs every case.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn openid(adapter: &str, make: impl AsyncFn() -> OpenIdSubject) {
    let mut passed = 0;
    macro_rules! run {
        ($($case:ident),*) => {$({
            tell(&format!("conformance: openid over {adapter}: {}", stringify!($case)));
            let subject = make().await;
            in_a_case($case(subject)).await;
            passed += 1;
        })*};
    }
    run!(
        a_client_is_read_as_it_was_written,
        a_client_is_changed_by_whoever_has_seen_it,
        a_deleted_client_never_comes_back,
        of_many_changes_of_a_client_one_is_made,
        a_repeated_intent_about_a_client_is_done_once,
        a_grant_is_read_as_it_was_written_and_replaced_whole,
        a_grant_ends_alone,
        grants_go_with_their_account,
        a_reset_ends_grants_and_a_change_leaves_them,
        a_repeated_end_spares_the_next_grant,
        a_code_that_was_spent_is_known,
        a_token_is_replaced_and_known_afterwards,
        of_many_who_replace_a_token_one_does,
        a_repeated_replacement_is_done_once,
        what_does_not_fit_replaces_nothing,
        what_has_ended_is_not_replaced,
        of_taking_back_and_replacing_one_is_first,
        after_its_deadline_nothing_is_written,
        an_operation_id_serves_one_kind_of_intent
    );
    tell(&format!(
        "conformance: openid over {adapter}: {passed} cases passed"
    ));
}

fn client(make: &Maker) -> RegisteredClient {
    RegisteredClient {
        id: ClientId::random(make.random()),
        name: "Notes \u{2014} at home".into(),
        image_uri: Some("https://notes.example.test/picture".into()),
        kind: ClientKind::Confidential,
        secrets: vec![ClientSecret {
            hash: [7; 32],
            created_at: make.now(),
        }],
        redirect_uris: vec![
            "https://notes.example.test/cb".into(),
            "http://localhost:1/cb".into(),
        ],
        post_logout_redirect_uris: vec!["https://notes.example.test/".into()],
        scope: "openid profile".into(),
        switches: ClientSwitches {
            trusted: true,
            ..ClientSwitches::default()
        },
        allowed: vec!["example.test".into()],
        created_at: make.now(),
        version: 1,
    }
}

/// The same client, changed.
fn next(of: &RegisteredClient, name: &str) -> RegisteredClient {
    RegisteredClient {
        name: name.to_owned(),
        image_uri: None,
        version: of.version + 1,
        ..of.clone()
    }
}

fn grant(make: &Maker, uid: Uid) -> Grant {
    Grant {
        uid,
        client: ClientId::random(make.random()),
        scope: "openid email".into(),
        since: make.now(),
        agreed_at: make.now(),
        generation: make.now(),
    }
}

impl OpenIdSubject {
    async fn account(&self, make: &Maker) -> Uid {
        let account = make.account("granting@example.test");
        let (uid, sign_in) = (account.uid, make.plain_sign_in(account.uid));
        let made = self.accounts.create_account(&make.call(), account, sign_in).await;
        assert_eq!(made, Ok(()));
        uid
    }

    async fn puts(&self, make: &Maker, client: &RegisteredClient) -> Result<(), WriteError> {
        self.admin.put_client(&make.call(), client.clone()).await
    }

    async fn finds(&self, id: ClientId) -> Option<RegisteredClient> {
        let found = self.registry.client(soon(), id).await.expect("it answers");
        let listed = self.registry.clients(soon()).await.expect("it answers");
        let listed = listed.into_iter().find(|client| client.id == id);
        assert_eq!(found, listed, "by its id and in the list");
        found
    }
}

async fn a_client_is_read_as_it_was_written(s: OpenIdSubject) {
    let make = Maker::new(101);
    let (one, mut other) = (client(&make), client(&make));
    (other.kind, other.secrets, other.switches.require_pkce) = (ClientKind::Public, vec![], true);
    assert_eq!(s.finds(one.id).await, None);
    assert_eq!(s.puts(&make, &one).await, Ok(()));
    assert_eq!(s.puts(&make, &other).await, Ok(()));
    assert_eq!(s.finds(one.id).await, Some(one.clone()));
    assert_eq!(s.finds(other.id).await, Some(other.clone()));
    let all = s.registry.clients(soon()).await.expect("it answers");
    let mine: Vec<_> = all
        .iter()
        .map(|client| client.id)
        .filter(|id| [one.id, other.id].contains(id))
        .collect();
    assert_eq!(mine, [one.id.min(other.id), one.id.max(other.id)], "in order");
}

async fn a_client_is_changed_by_whoever_has_seen_it(s: OpenIdSubject) {
    let make = Maker::new(102);
    let first = client(&make);
    let second = next(&first, "second");
    assert_eq!(
        s.puts(&make, &second).await,
        Err(Refusal::Conflict.into()),
        "there is none"
    );
    assert_eq!(s.puts(&make, &first).await, Ok(()));
    assert_eq!(
        s.puts(&make, &first).await,
        Err(Refusal::Conflict.into()),
        "there is one"
    );
    assert_eq!(s.puts(&make, &second).await, Ok(()));
    assert_eq!(
        s.puts(&make, &next(&first, "late")).await,
        Err(Refusal::Conflict.into())
    );
    assert_eq!(s.finds(first.id).await, Some(second.clone()));
    let mut ahead = next(&second, "ahead");
    ahead.version += 1;
    assert_eq!(s.puts(&make, &ahead).await, Err(Refusal::Conflict.into()));
}

async fn a_deleted_client_never_comes_back(s: OpenIdSubject) {
    let make = Maker::new(103);
    let (first, other) = (client(&make), client(&make));
    assert_eq!(s.puts(&make, &first).await, Ok(()));
    assert_eq!(s.puts(&make, &other).await, Ok(()));
    for _ in 0..2 {
        assert_eq!(s.admin.delete_client(&make.call(), first.id).await, Ok(()));
        assert_eq!(s.finds(first.id).await, None);
    }
    assert_eq!(s.puts(&make, &first).await, Err(Refusal::Conflict.into()));
    assert_eq!(
        s.puts(&make, &next(&first, "x")).await,
        Err(Refusal::Conflict.into())
    );
    assert_eq!(s.finds(first.id).await, None);
    assert!(s.finds(other.id).await.is_some(), "the other stays");
    let never = ClientId::random(make.random());
    assert_eq!(s.admin.delete_client(&make.call(), never).await, Ok(()));
}

async fn of_many_changes_of_a_client_one_is_made(s: OpenIdSubject) {
    let make = Maker::new(104);
    let first = client(&make);
    assert_eq!(s.puts(&make, &first).await, Ok(()));
    let answers = at_once(8, |number| {
        let (admin, call) = (Arc::clone(&s.admin), make.call());
        let changed = next(&first, &format!("change {number}"));
        async move { (admin.put_client(&call, changed.clone()).await, changed) }
    });
    let answers = answers.await;
    let made: Vec<_> = answers.iter().filter(|(answer, _)| answer.is_ok()).collect();
    assert_eq!(made.len(), 1, "{answers:?}");
    assert_eq!(s.finds(first.id).await.as_ref(), Some(&made[0].1));
}

async fn a_repeated_intent_about_a_client_is_done_once(s: OpenIdSubject) {
    let make = Maker::new(105);
    let first = client(&make);
    let (creation, change, deletion) = (make.call(), make.call(), make.call());
    let second = next(&first, "second");
    for _ in 0..2 {
        assert_eq!(s.admin.put_client(&creation, first.clone()).await, Ok(()));
    }
    assert_eq!(s.admin.put_client(&change, second.clone()).await, Ok(()));
    assert_eq!(
        s.admin.put_client(&creation, first.clone()).await,
        Ok(()),
        "it was done"
    );
    assert_eq!(
        s.admin.put_client(&change, second.clone()).await,
        Ok(()),
        "it was done"
    );
    assert_eq!(s.finds(first.id).await, Some(second.clone()));
    for _ in 0..2 {
        assert_eq!(s.admin.delete_client(&deletion, first.id).await, Ok(()));
        assert_eq!(
            s.admin.put_client(&change, second.clone()).await,
            Ok(()),
            "it was done"
        );
        assert_eq!(s.finds(first.id).await, None);
    }
}

async fn a_grant_is_read_as_it_was_written_and_replaced_whole(s: OpenIdSubject) {
    let make = Maker::new(106);
    let uid = s.account(&make).await;
    let (mut one, other) = (grant(&make, uid), grant(&make, uid));
    assert_eq!(s.grant_reader.grant(soon(), uid, one.client).await, Ok(None));
    for grant in [&one, &other] {
        assert_eq!(
            s.grant_writer.put_grant(&make.call(), grant.clone()).await,
            Ok(())
        );
    }
    one.scope = "openid".into();
    assert_eq!(s.grant_writer.put_grant(&make.call(), one.clone()).await, Ok(()));
    assert_eq!(
        s.grant_reader.grant(soon(), uid, one.client).await,
        Ok(Some(one.clone()))
    );
    let mut all = vec![one, other];
    all.sort_by_key(|grant| grant.client);
    assert_eq!(s.grant_reader.grants(soon(), uid).await, Ok(all));
    let stranger = Uid::random(make.random());
    assert_eq!(s.grant_reader.grants(soon(), stranger).await, Ok(vec![]));
}

async fn a_grant_ends_alone(s: OpenIdSubject) {
    let make = Maker::new(107);
    let uid = s.account(&make).await;
    let (one, other) = (grant(&make, uid), grant(&make, uid));
    for grant in [&one, &other] {
        assert_eq!(
            s.grant_writer.put_grant(&make.call(), grant.clone()).await,
            Ok(())
        );
    }
    for _ in 0..2 {
        assert_eq!(
            s.grant_writer.end_grant(&make.call(), uid, one.client).await,
            Ok(())
        );
        assert_eq!(s.grant_reader.grants(soon(), uid).await, Ok(vec![other.clone()]));
    }
    assert_eq!(
        s.grant_writer.put_grant(&make.call(), one.clone()).await,
        Ok(()),
        "agreed to anew"
    );
    assert_eq!(s.grant_reader.grant(soon(), uid, one.client).await, Ok(Some(one)));
}

async fn a_reset_ends_grants_and_a_change_leaves_them(s: OpenIdSubject) {
    let make = Maker::new(110);
    let mut account = make.verified_account("forgetful@example.test");
    let uid = account.uid;
    let sign_in = make.plain_sign_in(uid);
    let call = make.call();
    let created = s.accounts.create_account(&call, account.clone(), sign_in);
    assert_eq!(created.await, Ok(()));
    let given = grant(&make, uid);
    assert_eq!(
        s.grant_writer.put_grant(&make.call(), given.clone()).await,
        Ok(())
    );
    for (kind, effect, left) in [
        (PasswordTokenKind::Change, make.change(), vec![given.clone()]),
        (PasswordTokenKind::Reset, make.reset(true), vec![]),
    ] {
        let token = make.password_token(&account, kind);
        let (put, set) = (make.call(), make.call());
        let put = s.accounts.put_password_token(&put, token.clone(), None);
        assert_eq!(put.await, Ok(()), "{kind:?}");
        let update = make.password_update(&account, token.id, effect);
        let set = s.accounts.set_password(&set, update.clone(), None);
        assert_eq!(set.await, Ok(()), "{kind:?}");
        account = update.applied_to(&account);
        assert_eq!(s.grant_reader.grants(soon(), uid).await, Ok(left), "{kind:?}");
    }
}

async fn grants_go_with_their_account(s: OpenIdSubject) {
    let make = Maker::new(108);
    let account = make.account("leaving@example.test");
    let (uid, version) = (account.uid, account.version);
    let sign_in = make.plain_sign_in(uid);
    assert_eq!(
        s.accounts.create_account(&make.call(), account, sign_in).await,
        Ok(())
    );
    let given = grant(&make, uid);
    assert_eq!(
        s.grant_writer.put_grant(&make.call(), given.clone()).await,
        Ok(())
    );
    assert_eq!(
        s.accounts.delete_account(&make.call(), uid, version).await,
        Ok(())
    );
    assert_eq!(s.grant_reader.grants(soon(), uid).await, Ok(vec![]));
    assert_eq!(s.grant_writer.put_grant(&make.call(), given).await, Ok(()));
    assert_eq!(
        s.grant_reader.grants(soon(), uid).await,
        Ok(vec![]),
        "nobody is there to grant"
    );
}

async fn a_repeated_end_spares_the_next_grant(s: OpenIdSubject) {
    let make = Maker::new(109);
    let uid = s.account(&make).await;
    let given = grant(&make, uid);
    assert_eq!(
        s.grant_writer.put_grant(&make.call(), given.clone()).await,
        Ok(())
    );
    let end = make.call();
    assert_eq!(s.grant_writer.end_grant(&end, uid, given.client).await, Ok(()));
    assert_eq!(
        s.grant_writer.put_grant(&make.call(), given.clone()).await,
        Ok(())
    );
    assert_eq!(
        s.grant_writer.end_grant(&end, uid, given.client).await,
        Ok(()),
        "it was done"
    );
    assert_eq!(
        s.grant_reader.grant(soon(), uid, given.client).await,
        Ok(Some(given))
    );
}

async fn after_its_deadline_nothing_is_written(s: OpenIdSubject) {
    let make = Maker::new(110);
    let uid = s.account(&make).await;
    let late = || Call {
        op: make.call().op,
        deadline: past(),
    };
    let (client, grant) = (client(&make), grant(&make, uid));
    let refused = Err(WriteError::NotDone(Cause::Timeout));
    assert_eq!(s.admin.put_client(&late(), client.clone()).await, refused);
    assert_eq!(s.grant_writer.put_grant(&late(), grant.clone()).await, refused);
    assert_eq!(s.finds(client.id).await, None);
    assert_eq!(s.puts(&make, &client).await, Ok(()));
    assert_eq!(
        s.grant_writer.put_grant(&make.call(), grant.clone()).await,
        Ok(())
    );
    assert_eq!(s.admin.delete_client(&late(), client.id).await, refused);
    assert_eq!(
        s.grant_writer.end_grant(&late(), uid, grant.client).await,
        refused
    );
    assert_eq!(s.finds(client.id).await, Some(client));
    assert_eq!(s.grant_reader.grants(soon(), uid).await, Ok(vec![grant]));
}

/// What only a store with a log of operations promises.
async fn an_operation_id_serves_one_kind_of_intent(s: OpenIdSubject) {
    if !s.remembers {
        return;
    }
    let make = Maker::new(111);
    let (client, call) = (client(&make), make.call());
    assert_eq!(s.admin.put_client(&call, client.clone()).await, Ok(()));
    let reused = s.admin.delete_client(&call, client.id).await;
    assert_eq!(reused, Err(Refusal::OperationReused.into()));
}
