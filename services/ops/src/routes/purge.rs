//! `POST /services/{service}/purge`: one page of a purge. The rules are those of `sync`'s job, which the Token Server runs by
//! itself as well.

use std::time::Duration;

use axum::{Json, extract::State};
use foxhold_core::{Deadline, record::Service};
use foxhold_ports::assignments::RecordCursor;
use foxhold_runtime::metrics;
use foxhold_sync::jobs::purge::{NodePorts, Order, PageEnd, Pass, Tally};

use super::{
    Reply,
    bulk::{STEP_USERS, cut_off},
    page_limit,
};
use crate::{
    audit::Deed,
    caller::Caller,
    convert::node_url,
    cursor,
    extract::{Body, By, Params, Segments},
    refused::{Refused, fault},
    router::{App, OpsPorts},
    wire::{DryRun, FieldFault, PageDone, PurgePage},
};

/// A year; whoever means more means none.
const GRACE_SECS_MAX: u64 = 366 * 86_400;

pub(crate) async fn page(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(key): Segments<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
    Body(page): Body<PurgePage>,
) -> Reply<PageDone> {
    let limit = page_limit(page.limit)?;
    let service = app.service(by, &key).await?;
    let after = cursor::read(&service.key, page.after.as_ref())?;
    let order = app.order(page, dry_run)?;
    let deed = Deed::new(&caller, "service.purge", dry_run).of(&service.key);
    let outcome = app.purge(by, &service, &order, after, limit).await;
    app.audited(&deed, outcome).map(Json)
}

impl OpsPorts {
    fn order(&self, page: PurgePage, dry_run: bool) -> Result<Order, FieldFault> {
        let (from, to) = (page.uid_min.unwrap_or(0), page.uid_max.unwrap_or(u64::MAX));
        if from > to {
            return Err(fault("uid_max", "give no less than `uid_min`"));
        }
        if page.grace_secs > GRACE_SECS_MAX {
            return Err(fault("grace_secs", "give a year at most"));
        }
        if page.records_max == Some(0) {
            return Err(fault(
                "records_max",
                "give at least one record, or leave it out for all",
            ));
        }
        for (field, url) in [("node", &page.node), ("override_node", &page.override_node)] {
            url.as_deref().map(|url| node_url(field, url)).transpose()?;
        }
        Ok(Order {
            grace: Duration::from_secs(page.grace_secs),
            records_max: page.records_max,
            node: page.node,
            uids: from..=to,
            force: page.force,
            dry_run,
            override_node: page.override_node,
            by_uid: self.by_uid.clone(),
            // The job's alone: whoever purges by hand says which records are old.
            unused: None,
        })
    }

    async fn purge(
        &self,
        by: Deadline,
        service: &Service,
        order: &Order,
        mut after: Option<RecordCursor>,
        limit: u32,
    ) -> Result<PageDone, Refused> {
        let nodes = NodePorts {
            minter: &*self.minter,
            calls: &*self.node_calls,
            metrics_key: &self.metrics_key,
        };
        let halt = self.halt(by);
        let mut pass = Pass::new(self.job_ports(by), nodes, service, order, &halt);
        let mut left = limit;
        let next = loop {
            let step = left.min(STEP_USERS);
            left -= step;
            let before = pass.tally().clone();
            let page = self.ending(&halt, pass.page(after.as_ref(), step)).await;
            if !order.dry_run {
                count(service, &pass.tally().since(&before));
            }
            match page {
                Ok(PageEnd::Next(next)) if left > 0 => after = Some(next),
                Ok(PageEnd::Next(next)) => break Some(next),
                Ok(PageEnd::Cut(next)) => break next,
                Ok(PageEnd::Last) => break None,
                Err(error) => {
                    let done = told(pass.tally(), order.dry_run);
                    return if done.changed == 0 || order.dry_run {
                        Err(error.into())
                    } else {
                        Ok(cut_off(done, &service.key, after.as_ref(), error))
                    };
                }
            }
        };
        Ok(PageDone {
            next: next.map(|next| cursor::told(&service.key, &next)),
            ..told(pass.tally(), order.dry_run)
        })
    }
}

/// Counts what a page has come to, as the job of the Token Server does.
fn count(service: &Service, page: &Tally) {
    metrics::purge::Page {
        fetched: page.fetched,
        deleted: page.deleted + page.forgotten,
        failed: page.failed.iter().map(|(why, number)| (why.label(), *number)),
        skipped: page.skipped.iter().map(|(why, number)| (why.label(), *number)),
    }
    .count(&service.key.0);
}

/// What was due and what nobody came to, since the page's time was over.
const NO_TIME: &str = "no_time";

fn told(tally: &Tally, dry_run: bool) -> PageDone {
    let failed = tally.failed.iter().map(|(why, number)| (why.label(), *number));
    let skipped = tally.skipped.iter().map(|(why, number)| (why.label(), *number));
    let gone = [("deleted", tally.deleted), ("forgotten", tally.forgotten)];
    let late = [(NO_TIME, tally.not_come_to())];
    let all = gone.into_iter().chain(skipped).chain(failed).chain(late);
    let reasons = all.filter(|(_, number)| *number > 0);
    PageDone {
        dry_run,
        looked_at: tally.looked_at,
        matched: tally.fetched,
        changed: tally.deleted + tally.forgotten,
        failed: tally.failed.values().sum(),
        reasons: reasons.map(|(why, number)| (why.to_owned(), number)).collect(),
        next: None,
    }
}
