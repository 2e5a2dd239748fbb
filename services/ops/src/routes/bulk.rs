//! `POST …/nodes/{url}/unassign|move`: users leave a node, a page at a time. The rules are those of `sync`'s job.

use std::pin::pin;

use axum::{Json, extract::State};
use foxhold_core::{
    Deadline,
    record::{Service, ServiceKey},
};
use foxhold_ports::{
    ReadError,
    assignments::{RecordCursor, Target},
};
use foxhold_sync::jobs::{
    self, Halt,
    leave::{Leaving, Way, leave},
};

use super::{Reply, page_limit};
use crate::{
    audit::Deed,
    caller::Caller,
    convert::{node_url, within},
    cursor,
    extract::{Body, By, Params, Segments},
    refused::{Refused, fault},
    router::{App, OpsPorts},
    wire::{Code, DryRun, FieldFault, MovePage, PageDone, SHARE_ALL, UnassignPage},
};

/// What cut a page off, in the words of [`LeaveFailure`](foxhold_sync::jobs::leave::LeaveFailure).
const STORE: &str = "store";

/// Users whose records are read at once: what was read long ago is likely to have changed.
pub(super) const STEP_USERS: u32 = 50;

pub(crate) async fn unassign(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments((key, url)): Segments<(String, String)>,
    Params(DryRun { dry_run }): Params<DryRun>,
    Body(page): Body<UnassignPage>,
) -> Reply<PageDone> {
    let limit = page_limit(page.limit)?;
    let share = share(page.share_basis_points)?;
    let (service, _) = app.node(by, &key, &url).await?;
    let after = cursor::read(&service.key, page.after.as_ref())?;
    let deed = Deed::new(&caller, "node.unassign", dry_run);
    let leaving = Leaving {
        share,
        dry_run,
        ..Leaving::all(url.clone(), Way::Unassign)
    };
    let outcome = app.let_leave(by, &service, &leaving, after, limit).await;
    app.audited(&deed.of(&service.key).on_node(&url), outcome)
        .map(Json)
}

pub(crate) async fn move_away(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments((key, url)): Segments<(String, String)>,
    Params(DryRun { dry_run }): Params<DryRun>,
    Body(page): Body<MovePage>,
) -> Reply<PageDone> {
    let limit = page_limit(page.limit)?;
    let share = share(page.share_basis_points)?;
    let (service, node) = app.node(by, &key, &url).await?;
    let after = cursor::read(&service.key, page.after.as_ref())?;
    match &page.to {
        Some(to) => app.check_goal(by, &service.key, &url, to).await?,
        None => check_leaving(&service, &node.figures, &url)?,
    }
    let deed = Deed::new(&caller, "node.move", dry_run);
    let leaving = Leaving {
        share,
        dry_run,
        ..Leaving::all(url.clone(), Way::Move(page.to.map(Target::Node)))
    };
    let outcome = app.let_leave(by, &service, &leaving, after, limit).await;
    app.audited(&deed.of(&service.key).on_node(&url), outcome)
        .map(Json)
}

fn share(asked: Option<u16>) -> Result<u16, FieldFault> {
    within("share_basis_points", asked.unwrap_or(SHARE_ALL), 1, SHARE_ALL)
}

/// By the rules only those leave whom the rules would not bring back: where there are none, that is nobody.
fn check_leaving(
    service: &Service,
    figures: &foxhold_core::record::NodeFigures,
    url: &str,
) -> Result<(), Refused> {
    let allocation = &service.policy.allocation;
    let has_rules = match &allocation.pinned_to {
        Some(pinned) => pinned != url,
        None => !allocation.pools.is_empty(),
    };
    let takes_users = !figures.backoff && !figures.downed && !figures.unhealthy;
    if takes_users && !has_rules {
        let detail = "users might come back to this node: set it to backoff first, or say where they go";
        return Err(Refused::new(Code::NodeTakesUsers, detail));
    }
    Ok(())
}

impl OpsPorts {
    async fn check_goal(
        &self,
        by: Deadline,
        service: &ServiceKey,
        from: &str,
        to: &str,
    ) -> Result<(), Refused> {
        node_url("to", to)?;
        if from == to {
            return Err(fault("to", "give another node").into());
        }
        let goal = self.find_node(by, service, to).await?;
        goal.map(drop)
            .ok_or_else(|| fault("to", "name a node that the service has").into())
    }

    /// What a page of a job asks of the world, while somebody waits for it.
    pub(super) fn job_ports(&self, by: Deadline) -> jobs::Ports<'_> {
        jobs::Ports {
            reader: &*self.reader,
            writer: &*self.writer,
            clock: &*self.clock,
            random: &*self.random,
            by: Some(by),
        }
    }

    /// Ends a page where it is after its time.
    pub(super) fn halt(&self, by: Deadline) -> Halt {
        Halt::at(by.at_most(self.limits.page_max))
    }

    /// Does a page, which ends where it is when the process ends, too.
    pub(super) async fn ending<T>(&self, halt: &Halt, page: impl Future<Output = T>) -> T {
        let mut page = pin!(page);
        tokio::select! {
            done = &mut page => return done,
            () = self.shutdown.wait() => halt.call(),
        }
        page.await
    }

    async fn let_leave(
        &self,
        by: Deadline,
        service: &Service,
        leaving: &Leaving,
        mut after: Option<RecordCursor>,
        limit: u32,
    ) -> Result<PageDone, Refused> {
        let halt = self.halt(by);
        let mut done = PageDone {
            dry_run: leaving.dry_run,
            ..PageDone::default()
        };
        let mut left = limit;
        loop {
            let step = left.min(STEP_USERS);
            let page = leave(self.job_ports(by), service, leaving, after.as_ref(), step, &halt);
            let page = match self.ending(&halt, page).await {
                Ok(page) => page,
                Err(error) if done.changed == 0 || leaving.dry_run => return Err(error.into()),
                Err(error) => return Ok(cut_off(done, &service.key, after.as_ref(), error)),
            };
            done.looked_at += page.looked_at;
            done.matched += page.matched;
            done.changed += page.changed;
            for (why, number) in page.failed {
                done.failed += number;
                *done.reasons.entry(why.label().to_owned()).or_default() += number;
            }
            if let Some(error) = page.lost {
                return Ok(cut_off(done, &service.key, after.as_ref(), error));
            }
            left -= step;
            after = page.next;
            if after.is_none() || left == 0 || halt.is_called() {
                done.next = after.map(|next| cursor::told(&service.key, &next));
                return Ok(done);
            }
        }
    }
}

/// A page that the store has cut off when something was done already: what was done is told, and where to go on.
pub(super) fn cut_off(
    mut done: PageDone,
    service: &ServiceKey,
    after: Option<&RecordCursor>,
    error: ReadError,
) -> PageDone {
    tracing::warn!(service = %service.0, %error, "a page was cut off");
    *done.reasons.entry(STORE.to_owned()).or_default() += 1;
    done.next = Some(cursor::told_begin(service, after));
    done
}
