//! `GET …/users/{user}`, `POST …/users/{user}/place|unassign|retire|forget`, `POST /users/{user}/retire`.

use axum::{Json, extract::State};
use foxhold_core::{
    Deadline, ServiceUid,
    record::{ClientState, Generation, Service, UserKey, UserRecord},
};
use foxhold_ports::assignments::{Target, UserValues, change::ASSIGNED_ONCE};
use foxhold_sync::{
    events::{self, AccountEvent, Told},
    pools,
};

use super::{Reply, accounts::telling::DELETED};
use crate::{
    audit::Deed,
    caller::Caller,
    convert::{node_url, pool_name, user_key, user_records},
    extract::{Body, By, NoBody, Params, Segments},
    refused::{Refused, fault},
    router::{App, OpsPorts},
    wire::{Code, DryRun, FieldFault, Forget, Place, Retired, UserChange, UserRecords},
    write::{Change, Changed},
};

pub(crate) async fn show(
    State(app): State<App>,
    By(by): By,
    Segments((key, user)): Segments<(String, String)>,
) -> Reply<UserRecords> {
    let user = user_key("user", &user)?;
    let service = app.service(by, &key).await?;
    let record = app.reader.user_record(by, &service.key, &user).await?;
    let record = record.ok_or_else(Refused::unknown_user)?;
    Ok(Json(user_records(&user, record)))
}

pub(crate) async fn place(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments((key, user)): Segments<(String, String)>,
    Params(DryRun { dry_run }): Params<DryRun>,
    Body(place): Body<Place>,
) -> Reply<UserChange> {
    let named = named_target(place)?;
    let user = user_key("user", &user)?;
    let service = app.service(by, &key).await?;
    let deed = Deed::new(&caller, "user.place", dry_run);
    let nodes = app.reader.nodes(by, &service.key).await?;
    if let Some(Target::Node(url)) = &named
        && nodes.iter().all(|node| node.url != *url)
    {
        return Err(Refused::unknown_node());
    }
    if let Some(Target::Pool(Some(pool))) = &named
        && nodes.iter().all(|node| node.pool.as_ref() != Some(pool))
    {
        let detail = format!("no node of the service is in the pool {pool}");
        return Err(Refused::new(Code::NoNode, detail));
    }
    let decide = |stored: Option<&UserRecord>| {
        let pool_of = |url: &str| {
            nodes
                .iter()
                .find(|node| node.url == url)
                .map(|node| node.pool.as_ref())
        };
        let stays = |url: &str, target: &Target| pool_of(url).is_some_and(|pool| target.includes(url, pool));
        placing(&service, &user, stored, named.as_ref(), stays)
    };
    let changed = app.change_user(by, &service.key, &user, dry_run, decide).await;
    let outcome = changed.map(|changed| told(&user, dry_run, changed));
    app.audited(&deed.of(&service.key).on_user(&user), outcome)
        .map(Json)
}

/// Where somebody says that the user goes, if somebody says so.
fn named_target(place: Place) -> Result<Option<Target>, FieldFault> {
    match (place.node, place.pool) {
        (Some(_), Some(_)) => Err(fault("pool", "give `node` or `pool`, not both")),
        (Some(url), None) => Ok(Some(Target::Node(node_url("node", &url)?.to_owned()))),
        (None, Some(pool)) => Ok(Some(Target::Pool(Some(pool_name("pool", &pool)?)))),
        (None, None) => Ok(None),
    }
}

/// A user who is well where he is stays there. Nobody says anything: then any node is well. Whoever has never come again is from
/// now on there by hand: the place is not taken back.
fn placing(
    service: &Service,
    user: &UserKey,
    stored: Option<&UserRecord>,
    named: Option<&Target>,
    stays: impl Fn(&str, &Target) -> bool,
) -> Result<Change, Refused> {
    let by_rules = || pools::target(&service.policy.allocation, &service.key, user);
    let target = named.cloned().unwrap_or_else(by_rules);
    let Some(UserRecord { current, version, .. }) = stored else {
        let nothing_known = UserValues {
            generation: Generation(0),
            keys_changed_at: None,
            client_state: ClientState::default(),
        };
        return Ok(Change::Assign(nothing_known, target));
    };
    if current.generation == Generation::RETIRED {
        return Err(Refused::new(Code::UserRetired, "the user was retired"));
    }
    let values = UserValues {
        generation: current.generation,
        keys_changed_at: current.keys_changed_at,
        client_state: current.client_state.clone(),
    };
    if let (None, Some(url)) = (current.replaced_at, &current.node)
        && (named.is_none() || stays(url, &target))
    {
        let is_kept = *version > ASSIGNED_ONCE;
        return Ok(if is_kept {
            Change::Nothing
        } else {
            Change::Keep(values)
        });
    }
    Ok(Change::Assign(values, target))
}

fn told(user: &UserKey, dry_run: bool, changed: Changed) -> UserChange {
    UserChange {
        outcome: changed.outcome,
        dry_run,
        records: changed.record.map(|record| user_records(user, record)),
    }
}

pub(crate) async fn unassign(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(of): Segments<(String, String)>,
    Params(DryRun { dry_run }): Params<DryRun>,
    _: NoBody,
) -> Reply<UserChange> {
    let deed = Deed::new(&caller, "user.unassign", dry_run);
    let decide = |stored: Option<&UserRecord>| match stored {
        None => Err(Refused::unknown_user()),
        Some(record) if record.current.replaced_at.is_some() => Ok(Change::Nothing),
        Some(_) => Ok(Change::Unassign),
    };
    change(&app, by, of, deed, decide).await
}

pub(crate) async fn retire(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(of): Segments<(String, String)>,
    Params(DryRun { dry_run }): Params<DryRun>,
    _: NoBody,
) -> Reply<UserChange> {
    let deed = Deed::new(&caller, "user.retire", dry_run);
    let decide = |stored: Option<&UserRecord>| match stored {
        None => Err(Refused::unknown_user()),
        Some(record) if AccountEvent::Retire.changes(&record.current) => Ok(Change::Retire),
        Some(_) => Ok(Change::Nothing),
    };
    change(&app, by, of, deed, decide).await
}

pub(crate) async fn forget(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(of): Segments<(String, String)>,
    Params(DryRun { dry_run }): Params<DryRun>,
    Body(Forget { uid }): Body<Forget>,
) -> Reply<UserChange> {
    let uid = ServiceUid::new(uid).ok_or_else(|| fault("uid", format!("give 1 to {}", ServiceUid::MAX)))?;
    let deed = Deed::new(&caller, "user.forget", dry_run);
    change(&app, by, of, deed, |stored| forgetting(stored, uid)).await
}

/// Changes the records of the user of a service that a path names, as `decide` says.
async fn change(
    app: &App,
    by: Deadline,
    (service, user): (String, String),
    deed: Deed<'_>,
    decide: impl Fn(Option<&UserRecord>) -> Result<Change, Refused>,
) -> Reply<UserChange> {
    let user = user_key("user", &user)?;
    let service = app.service(by, &service).await?.key;
    let dry_run = deed.dry_run;
    let changed = app.change_user(by, &service, &user, dry_run, decide).await;
    let outcome = changed.map(|changed| told(&user, dry_run, changed));
    app.audited(&deed.of(&service).on_user(&user), outcome).map(Json)
}

fn forgetting(stored: Option<&UserRecord>, uid: ServiceUid) -> Result<Change, Refused> {
    let record = stored.ok_or_else(Refused::unknown_user)?;
    let current = &record.current;
    if current.uid == uid && current.replaced_at.is_none() {
        return Err(Refused::new(Code::Conflict, "that is the user's active record"));
    }
    let is_past = record.past.iter().any(|past| past.uid == uid);
    let is_left = current.uid == uid && current.node.is_some();
    Ok(if is_past || is_left {
        Change::Forget(uid)
    } else {
        Change::Nothing
    })
}

pub(crate) async fn retire_everywhere(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(user): Segments<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
    _: NoBody,
) -> Reply<Retired> {
    let user = user_key("user", &user)?;
    let deed = Deed::new(&caller, "user.retire", dry_run);
    let told = Told {
        user: user.clone(),
        event: AccountEvent::Retire,
    };
    let applied = if dry_run {
        app.foretold(by, &told).await
    } else {
        let applied = events::apply(app.event_ports(), by, &told).await;
        app.look_again(&DELETED, told);
        applied.map_err(Refused::from)
    };
    let outcome = applied.map(|applied| Retired {
        dry_run,
        known: applied.known as u64,
        changed: applied.changed as u64,
    });
    app.audited(&deed.on_user(&user), outcome).map(Json)
}

impl OpsPorts {
    pub(crate) fn event_ports(&self) -> events::Ports<'_> {
        events::Ports {
            reader: &*self.reader,
            writer: &*self.writer,
            clock: &*self.clock,
            random: &*self.random,
        }
    }

    /// What an event would come to.
    pub(crate) async fn foretold(
        &self,
        by: foxhold_core::Deadline,
        told: &Told,
    ) -> Result<events::Applied, Refused> {
        let mut applied = events::Applied::default();
        for service in self.reader.catalogue(by).await?.keys() {
            let record = self.reader.user_record(by, service, &told.user).await?;
            let Some(record) = record else { continue };
            applied.known += 1;
            applied.changed += usize::from(told.event.changes(&record.current));
        }
        Ok(applied)
    }
}

impl From<events::ApplyError> for Refused {
    fn from(error: events::ApplyError) -> Self {
        match error {
            // Done in some services, perhaps.
            events::ApplyError::Store(cause) => foxhold_ports::WriteError::Unknown(cause).into(),
            events::ApplyError::Refused(refusal) => refusal.into(),
            events::ApplyError::Contended => Self::contended(),
        }
    }
}
