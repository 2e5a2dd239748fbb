//! `GET|POST /clients`, `GET|PUT|DELETE /clients/{client}`, `POST /clients/{client}/rotate`.

use axum::{Json, extract::State};
use foxhold_core::{
    ClientId, Deadline, hex, random,
    record::{CLIENT_SECRETS_MAX, ClientKind, ClientSecret, RegisteredClient},
};
use foxhold_crypto::mac::sha256;
use foxhold_ports::repeat::settled;

use super::Reply;
use crate::{
    audit::Deed,
    caller::Caller,
    convert::{
        changes as changed_members,
        client::{Kept, registered, told_client},
    },
    extract::{Body, By, NoBody, Params, Segments},
    refused::{Refused, fault},
    router::{App, OpsPorts},
    wire::{self, Client, ClientOutcome, ClientPut, ClientSettings, Clients, DryRun, NewSecret},
};

pub(crate) async fn list(State(app): State<App>, By(by): By) -> Reply<Clients> {
    let clients = app.registry.clients(by).await?;
    let clients = clients.into_iter().map(told_client).collect();
    Ok(Json(Clients { clients }))
}

pub(crate) async fn show(
    State(app): State<App>,
    By(by): By,
    Segments(id): Segments<String>,
) -> Reply<Client> {
    Ok(Json(told_client(app.client(by, &id).await?)))
}

pub(crate) async fn create(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Params(DryRun { dry_run }): Params<DryRun>,
    Body(settings): Body<ClientSettings>,
) -> Reply<ClientPut> {
    let (client, secret) = app.new_client(settings)?;
    let id = client.id.to_string();
    let deed = Deed::new(&caller, "client.create", dry_run).on_client(&id);
    let answer = ClientPut {
        secret: secret.filter(|_| !dry_run),
        ..answer(ClientOutcome::Created, dry_run, &client)
    };
    let outcome = app.put_client(by, &client, dry_run).await.map(|()| answer);
    app.audited(&deed, outcome).map(Json)
}

pub(crate) async fn put(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(id): Segments<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
    Body(settings): Body<ClientSettings>,
) -> Reply<ClientPut> {
    let deed = Deed::new(&caller, "client.update", dry_run).on_client(&id);
    let outcome = app.change_client(by, &id, settings, dry_run).await;
    app.audited(&deed, outcome).map(Json)
}

pub(crate) async fn rotate(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(id): Segments<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
    _: NoBody,
) -> Reply<ClientPut> {
    let deed = Deed::new(&caller, "client.rotate", dry_run).on_client(&id);
    let outcome = app.rotate_client(by, &id, dry_run).await;
    app.audited(&deed, outcome).map(Json)
}

pub(crate) async fn delete(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(id): Segments<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
    _: NoBody,
) -> Reply<ClientPut> {
    let deed = Deed::new(&caller, "client.delete", dry_run).on_client(&id);
    let outcome = app.delete_client(by, &id, dry_run).await;
    app.audited(&deed, outcome).map(Json)
}

fn answer(outcome: ClientOutcome, dry_run: bool, client: &RegisteredClient) -> ClientPut {
    ClientPut {
        outcome,
        dry_run,
        changes: Vec::new(),
        client: told_client(client.clone()),
        secret: None,
    }
}

impl OpsPorts {
    async fn client(&self, by: Deadline, id: &str) -> Result<RegisteredClient, Refused> {
        let id: ClientId = id.parse().map_err(|_| Refused::unknown_client())?;
        let found = self.registry.client(by, id).await?;
        found.ok_or_else(Refused::unknown_client)
    }

    async fn put_client(
        &self,
        by: Deadline,
        client: &RegisteredClient,
        dry_run: bool,
    ) -> Result<(), Refused> {
        if !dry_run {
            let call = self.call(by);
            settled(&call, || self.clients.put_client(&call, client.clone())).await?;
        }
        Ok(())
    }

    fn new_client(&self, settings: ClientSettings) -> Result<(RegisteredClient, Option<NewSecret>), Refused> {
        let (secret, kept) = self.new_secret();
        let is_public = settings.kind == wire::ClientKind::Public;
        let kept = Kept {
            id: ClientId::random(&*self.random),
            secrets: if is_public { Vec::new() } else { vec![kept] },
            created_at: self.clock.now(),
            version: 1,
        };
        Ok((registered(kept, settings)?, (!is_public).then_some(secret)))
    }

    /// A secret, and what is kept of it.
    fn new_secret(&self) -> (NewSecret, ClientSecret) {
        let secret: [u8; 32] = random::bytes(&*self.random);
        let kept = ClientSecret {
            hash: sha256(&[&secret]),
            created_at: self.clock.now(),
        };
        (NewSecret(hex::encode(&secret)), kept)
    }

    async fn change_client(
        &self,
        by: Deadline,
        id: &str,
        settings: ClientSettings,
        dry_run: bool,
    ) -> Result<ClientPut, Refused> {
        let before = self.client(by, id).await?;
        let kept = Kept {
            id: before.id,
            secrets: before.secrets.clone(),
            created_at: before.created_at,
            version: before.version + 1,
        };
        let told = told_client(before);
        if settings.kind != told.settings.kind {
            return Err(fault("kind", "a client's kind stays; register another one").into());
        }
        let changes = changed_members(&told.settings, &settings);
        let after = registered(kept, settings)?;
        if changes.is_empty() {
            return Ok(answer(ClientOutcome::Unchanged, dry_run, &after));
        }
        self.put_client(by, &after, dry_run).await?;
        Ok(ClientPut {
            changes,
            ..answer(ClientOutcome::Changed, dry_run, &after)
        })
    }

    async fn rotate_client(&self, by: Deadline, id: &str, dry_run: bool) -> Result<ClientPut, Refused> {
        let mut client = self.client(by, id).await?;
        if client.kind == ClientKind::Public {
            return Err(fault("client", "a public client has no secret").into());
        }
        let (secret, kept) = self.new_secret();
        client.secrets.insert(0, kept);
        client.secrets.truncate(CLIENT_SECRETS_MAX);
        client.version += 1;
        self.put_client(by, &client, dry_run).await?;
        Ok(ClientPut {
            secret: Some(secret).filter(|_| !dry_run),
            ..answer(ClientOutcome::Rotated, dry_run, &client)
        })
    }

    async fn delete_client(&self, by: Deadline, id: &str, dry_run: bool) -> Result<ClientPut, Refused> {
        let client = self.client(by, id).await?;
        if !dry_run {
            let call = self.call(by);
            settled(&call, || self.clients.delete_client(&call, client.id)).await?;
        }
        Ok(answer(ClientOutcome::Deleted, dry_run, &client))
    }
}
