//! `GET /services`, `GET|PUT /services/{service}`.

use axum::{Json, extract::State};
use foxhold_core::{Deadline, record};
use foxhold_ports::repeat::settled;

use super::Reply;
use crate::{
    audit::Deed,
    caller::Caller,
    convert::{self, changes, service_key},
    extract::{Body, By, Params, Segments},
    refused::{Refused, fault},
    router::{App, OpsPorts},
    wire::{DryRun, Service, ServiceOutcome, ServicePut, ServiceSettings, Services},
};

pub(crate) async fn list(State(app): State<App>, By(by): By) -> Reply<Services> {
    let mut services = app.reader.services(by).await?;
    services.sort_by(|a, b| a.key.cmp(&b.key));
    let services = services.into_iter().map(convert::settings).collect();
    Ok(Json(Services { services }))
}

pub(crate) async fn show(
    State(app): State<App>,
    By(by): By,
    Segments(key): Segments<String>,
) -> Reply<Service> {
    Ok(Json(convert::settings(app.service(by, &key).await?)))
}

pub(crate) async fn put(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(key): Segments<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
    Body(settings): Body<ServiceSettings>,
) -> Reply<ServicePut> {
    let wanted = convert::service(service_key(&key)?, settings)?;
    let deed = Deed::new(&caller, "service.put", dry_run).of(&wanted.key);
    let outcome = app.put_service(by, &wanted, dry_run).await;
    app.audited(&deed, outcome).map(Json)
}

impl OpsPorts {
    async fn put_service(
        &self,
        by: Deadline,
        wanted: &record::Service,
        dry_run: bool,
    ) -> Result<ServicePut, Refused> {
        self.check_pin(by, wanted).await?;
        let before = self.find_service(by, &wanted.key).await?.map(convert::settings);
        let after = convert::settings(wanted.clone());
        let (outcome, changes) = match &before {
            None => (ServiceOutcome::Created, Vec::new()),
            Some(before) if *before == after => (ServiceOutcome::Unchanged, Vec::new()),
            Some(before) => (
                ServiceOutcome::Changed,
                changes(&before.settings, &after.settings),
            ),
        };
        if !dry_run && outcome != ServiceOutcome::Unchanged {
            let call = self.call(by);
            settled(&call, || self.admin.put_service(&call, wanted.clone())).await?;
        }
        Ok(ServicePut {
            outcome,
            dry_run,
            changes,
            service: after,
        })
    }

    /// A service pinned to a node that is not there would have room for nobody.
    async fn check_pin(&self, by: Deadline, wanted: &record::Service) -> Result<(), Refused> {
        let Some(url) = &wanted.policy.allocation.pinned_to else {
            return Ok(());
        };
        match self.find_node(by, &wanted.key, url).await? {
            Some(_) => Ok(()),
            None => Err(fault("allocation.pinned_to", "name a node that the service has").into()),
        }
    }
}
