//! `POST /services/{service}/import`, `POST …/uids/reserve`: records come from elsewhere as they are.
//!
//! Must stay true: no uid that was imported is handed out to somebody else. So those of a batch are reserved before the first
//! of its users is written.

use std::collections::{BTreeMap, BTreeSet};

use axum::{Json, extract::State};
use foxhold_core::{
    Deadline, ServiceUid,
    record::{Service, ServiceKey, UserKey},
};
use foxhold_ports::{
    Refusal, WriteError,
    assignments::{ImportedUser, RecordRef, import},
    repeat::settled,
};
use futures_util::future::join_all;

use super::Reply;
use crate::{
    audit::Deed,
    caller::Caller,
    convert::{imported_user, within},
    extract::{Body, By, Params, Segments},
    refused::{Refused, fault},
    router::{App, OpsPorts},
    wire::{
        Code, DryRun, FieldFault, IMPORT_USERS_MAX, Import, ImportDone, ImportOutcome, ImportResult,
        ImportUser, ReserveUids,
    },
    write::ROUNDS,
};

/// Users that are written at once.
const AT_ONCE: usize = 8;

pub(crate) async fn take(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(key): Segments<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
    Body(Import { users }): Body<Import>,
) -> Reply<ImportDone> {
    let users = users_of(users)?;
    let service = app.service(by, &key).await?;
    let deed = Deed::new(&caller, "records.import", dry_run).of(&service.key);
    let outcome = app.import(by, &service, &users, dry_run).await;
    app.audited(&deed, outcome).map(Json)
}

/// All users of a request, or the first fault of each that has one.
fn users_of(users: Vec<ImportUser>) -> Result<Vec<(UserKey, ImportedUser)>, Refused> {
    within("users", users.len(), 1, IMPORT_USERS_MAX)?;
    let (mut taken, mut faults) = (Vec::with_capacity(users.len()), Vec::new());
    for (at, user) in users.into_iter().enumerate() {
        match imported_user(at, user) {
            Ok(user) => taken.push(user),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() {
        faults = twice(&taken);
    }
    if faults.is_empty() {
        Ok(taken)
    } else {
        Err(Refused::invalid(faults))
    }
}

/// Users, and uids of different users, that stand there more than once.
fn twice(users: &[(UserKey, ImportedUser)]) -> Vec<FieldFault> {
    let mut keys = BTreeSet::new();
    let mut owners: BTreeMap<ServiceUid, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for (at, (user, imported)) in users.iter().enumerate() {
        if !keys.insert(user) {
            faults.push(fault(format!("users[{at}].user"), "give each user once"));
        }
        for record in &imported.records {
            if *owners.entry(record.uid).or_insert(at) != at {
                let detail = format!("uid {} is another user's", record.uid);
                faults.push(fault(format!("users[{at}].records"), detail));
            }
        }
    }
    faults
}

pub(crate) async fn reserve(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(key): Segments<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
    Body(ReserveUids { through }): Body<ReserveUids>,
) -> Reply<ReserveUids> {
    let uid = ServiceUid::new(through);
    let uid = uid.ok_or_else(|| fault("through", format!("give 1 to {}", ServiceUid::MAX)))?;
    let service = app.service(by, &key).await?;
    let deed = Deed::new(&caller, "uids.reserve", dry_run).of(&service.key);
    let outcome = app.reserve_uids(by, &service, uid, dry_run).await;
    app.audited(&deed, outcome.map(|()| ReserveUids { through }))
        .map(Json)
}

impl OpsPorts {
    async fn reserve_uids(
        &self,
        by: Deadline,
        service: &Service,
        through: ServiceUid,
        dry_run: bool,
    ) -> Result<(), Refused> {
        if through.get() > service.uid_ceiling {
            let detail = format!("the service's uids end at {}", service.uid_ceiling);
            return Err(Refused::new(Code::NoUid, detail));
        }
        if !dry_run {
            let call = self.call(by);
            let put = || self.admin.reserve_uids(&call, &service.key, through);
            settled(&call, put).await?;
        }
        Ok(())
    }

    async fn import(
        &self,
        by: Deadline,
        service: &Service,
        users: &[(UserKey, ImportedUser)],
        dry_run: bool,
    ) -> Result<ImportDone, Refused> {
        let uids = users
            .iter()
            .flat_map(|(_, user)| &user.records)
            .map(|record| record.uid);
        if let Some(highest) = uids.max() {
            self.reserve_uids(by, service, highest, dry_run).await?;
        }
        let nodes = self.reader.nodes(by, &service.key).await?;
        let nodes: BTreeSet<String> = nodes.into_iter().map(|node| node.url).collect();
        let mut results = Vec::with_capacity(users.len());
        for some in users.chunks(AT_ONCE) {
            let each = some
                .iter()
                .map(|(user, imported)| self.import_user(by, &service.key, user, imported, &nodes, dry_run));
            results.extend(join_all(each).await.into_iter().map(result));
        }
        Ok(ImportDone { dry_run, results })
    }

    async fn import_user(
        &self,
        by: Deadline,
        service: &ServiceKey,
        user: &UserKey,
        imported: &ImportedUser,
        nodes: &BTreeSet<String>,
        dry_run: bool,
    ) -> Result<ImportOutcome, Refused> {
        for _ in 0..ROUNDS {
            let before = self.reader.user_record(by, service, user).await?;
            let version = before.as_ref().map(|record| record.version);
            let mut after = import::imported(before.as_ref(), imported, |url| nodes.contains(url))?.record;
            if let Some(before) = &before {
                // What a store fills in, and what every write changes, is no news.
                (after.version, after.current.node_type) = (before.version, before.current.node_type.clone());
                if after == *before {
                    return Ok(ImportOutcome::Unchanged);
                }
            }
            if dry_run {
                return Ok(ImportOutcome::Imported);
            }
            let at = RecordRef {
                service: service.clone(),
                user: user.clone(),
                version,
            };
            let call = self.call(by);
            let put = || self.admin.import_user(&call, &at, imported);
            match settled(&call, put).await {
                Ok(_) => return Ok(ImportOutcome::Imported),
                Err(WriteError::Refused(Refusal::Conflict)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let detail = "others kept changing the user, or one of the uids is another user's";
        Err(Refused::new(Code::Conflict, detail))
    }
}

fn result(outcome: Result<ImportOutcome, Refused>) -> ImportResult {
    match outcome {
        Ok(outcome) => ImportResult {
            outcome,
            code: None,
            detail: None,
        },
        Err(refused) => ImportResult {
            outcome: match refused.code.status() {
                500.. => ImportOutcome::Failed,
                _ => ImportOutcome::Refused,
            },
            code: Some(refused.code),
            detail: Some(refused.detail),
        },
    }
}
