//! `foxhold service import`: takes over a file of records. First everything is checked, then services and nodes are made,
//! with the uids reserved in between, and users brought over in batches.
//!
//! Must stay true: nothing is written before the whole file has passed; uids are reserved before there is a new node that
//! could take somebody; done again it changes nothing, so that it may be interrupted anywhere.

mod plan;
mod report;

use std::collections::BTreeMap;

use anyhow::Context as _;
use foxhold_ops::wire::{
    DryRun, IMPORT_USERS_MAX, Import, ImportDone, ImportUser, NodePut, Nodes, PAGE_LIMIT_MAX, Records,
    ReserveUids, ServicePut, Services,
};
use thiserror::Error;

use self::{plan::Plan, report::Report};
use super::ImportArgs;
use crate::{
    admin_client::{self, Admin, Path},
    commands::{
        NoSuchFile,
        paged::{Interrupt, Interrupted, persist},
    },
    progress::{Progress, note},
    record_file::{
        read::{Item, RecordFile},
        survey::{Faults, Part, Survey},
    },
};

/// Records of one batch, so that a request stays far below what is taken.
const BATCH_RECORDS_MAX: usize = 5000;

/// A file that cannot be taken over.
#[derive(Debug, Error)]
pub(crate) enum Unfit {
    #[error("the file cannot be taken over; nothing was written\n{0}\nfix: correct the file, or make room")]
    Faults(Faults),
    #[error(
        "somebody came meanwhile; no user was brought over\n{0}\nfix: close the services to new users, and correct the file"
    )]
    Overtaken(Faults),
    #[error("what is here differs from the file; nothing was written\n{}\nfix: --yes brings it to what the file says", .0.join("\n"))]
    Differs(Vec<String>),
    #[error(
        "{refused} users were refused and {failed} failed\nfix: look at `refusals`, and run the same command again"
    )]
    Partly { refused: u64, failed: u64 },
}

pub(super) fn run(arguments: &ImportArgs) -> anyhow::Result<()> {
    let change = &arguments.change;
    NoSuchFile::check("file", &arguments.file)?;
    let report = admin_client::with(&change.admin, async |admin| {
        let mut job = Job {
            arguments,
            admin,
            interrupt: Interrupt::listen()?,
        };
        job.run().await
    })?;
    change
        .output
        .print(&report.text(), &serde_json::to_value(&report)?)?;
    if report.was_interrupted() {
        return Err(Interrupted.into());
    }
    match report.left() {
        (0, 0) => Ok(()),
        (refused, failed) => Err(Unfit::Partly { refused, failed }.into()),
    }
}

struct Job<'a> {
    arguments: &'a ImportArgs,
    admin: &'a mut Admin,
    interrupt: Interrupt,
}

impl Job<'_> {
    async fn run(&mut self) -> anyhow::Result<Report> {
        let mut survey = self.survey().await?;
        self.meet(&mut survey).await?;
        fit(&mut survey)?;
        self.say_dangling(&survey);
        let plan = Plan::of(&survey);
        let dry = DryRun { dry_run: true };
        self.put_services(&plan, dry).await?;
        self.put_nodes(&plan, dry).await?;
        let change = &self.arguments.change;
        let mut report = Report::begin(change.dry_run, &survey, &plan);
        let is_confirmed = plan.differs.is_empty() || self.arguments.yes;
        if change.dry_run {
            if !is_confirmed {
                note(
                    self.is_quiet(),
                    "what is here differs from the file: without --dry-run this needs --yes",
                );
            }
            return Ok(report);
        }
        if !is_confirmed {
            return Err(Unfit::Differs(plan.differs).into());
        }
        self.put_services(&plan, DryRun::default()).await?;
        self.reserve(&survey).await?;
        // Whoever came while the first look was taken has a uid that was free then.
        survey.meet_again();
        self.meet(&mut survey).await?;
        fit(&mut survey).map_err(Unfit::met_late)?;
        self.put_nodes(&plan, DryRun::default()).await?;
        self.bring(&mut report).await?;
        let (_, failed) = report.left();
        if !report.was_interrupted() && failed == 0 {
            self.set_figures(&plan).await?;
        }
        Ok(report)
    }

    /// Reads what is here, and then the file.
    async fn survey(&mut self) -> anyhow::Result<Survey> {
        let here: Services = self.admin.get(&Path::of(["services"])).await?;
        let mut parts = BTreeMap::new();
        for service in here.services {
            let nodes: Nodes = self.admin.get(&Path::service(&service.key, ["nodes"])).await?;
            parts.insert(service.key.clone(), Part::of_here(service, nodes.nodes));
        }
        let mut survey = Survey::beside(parts);
        let mut progress = Progress::new("users read", None, self.is_quiet());
        survey.read(RecordFile::open(&self.arguments.file)?, |users| {
            progress.at(users)
        })?;
        Ok(survey)
    }

    /// Looks at everybody who is in the file's services already.
    async fn meet(&mut self, survey: &mut Survey) -> anyhow::Result<()> {
        let has_users =
            |(key, part): (&String, &Part)| (part.users > 0 && part.here.is_some()).then(|| key.clone());
        let keys: Vec<String> = survey.parts.iter().filter_map(has_users).collect();
        let mut progress = Progress::new("users here looked at", None, self.is_quiet());
        let mut met = 0;
        for key in keys {
            let mut after = None;
            loop {
                let path = Path::service(&key, ["records"])
                    .with("limit", &PAGE_LIMIT_MAX.to_string())
                    .after(after.as_ref());
                let page: Records = persist(&self.interrupt, async || self.admin.get(&path).await).await?;
                met += page.users.len() as u64;
                survey.meet(&key, &page.users);
                progress.at(met);
                after = page.next;
                if after.is_none() {
                    break;
                }
                if self.interrupt.has_come() {
                    return Err(Interrupted.into());
                }
            }
        }
        Ok(())
    }

    fn say_dangling(&self, survey: &Survey) {
        for (service, part) in &survey.parts {
            for (url, records) in &part.dangling {
                let text = format!(
                    "records of {service} on {url}, which is no node, so that their users get another: {records}"
                );
                note(self.is_quiet(), &text);
            }
        }
    }

    /// Services; or whether they could be made.
    async fn put_services(&mut self, plan: &Plan, dry: DryRun) -> anyhow::Result<()> {
        for (key, settings) in &plan.services {
            let put = self.admin.put(&Path::service(key, []).dry(dry), settings).await;
            let _: ServicePut = put.with_context(|| format!("service {key} of the file"))?;
        }
        Ok(())
    }

    /// Nodes; or whether they could be made.
    async fn put_nodes(&mut self, plan: &Plan, dry: DryRun) -> anyhow::Result<()> {
        for (service, node) in &plan.new_nodes {
            // Of a service that is not made yet nothing can be asked.
            if dry.dry_run && plan.new_services.contains(service) {
                continue;
            }
            let path = Path::service(service, ["nodes"]).dry(dry);
            let put = self.admin.post(&path, node).await;
            let _: NodePut = put.with_context(|| format!("node {} of the file", node.url))?;
        }
        for (service, url, change) in &plan.changed_nodes {
            let path = Path::service(service, ["nodes", url]).dry(dry);
            let put = self.admin.patch(&path, change).await;
            let _: NodePut = put.with_context(|| format!("node {url} of the file"))?;
        }
        Ok(())
    }

    /// From here on nobody is given a uid of the file.
    async fn reserve(&mut self, survey: &Survey) -> anyhow::Result<()> {
        for (key, part) in survey.parts.iter().filter(|(_, part)| part.uid_max > 0) {
            let body = ReserveUids {
                through: part.uid_max,
            };
            let path = Path::service(key, ["uids", "reserve"]);
            let _: ReserveUids =
                persist(&self.interrupt, async || self.admin.post(&path, &body).await).await?;
        }
        Ok(())
    }

    /// The users, from the file, which is read again.
    async fn bring(&mut self, report: &mut Report) -> anyhow::Result<()> {
        let mut file = RecordFile::open(&self.arguments.file)?;
        let mut progress = Progress::new("users brought over", Some(report.users()), self.is_quiet());
        let mut batch = Batch::default();
        while let Some((line, item)) = file.next()? {
            let Item::User { service, user } = item else {
                continue;
            };
            if !batch.takes(&service, &user) {
                self.send(std::mem::take(&mut batch), report).await?;
                progress.at(report.done());
                if self.interrupt.has_come() {
                    report.interrupt();
                    return Ok(());
                }
            }
            batch.push(line, service, user);
        }
        self.send(batch, report).await
    }

    async fn send(&mut self, batch: Batch, report: &mut Report) -> anyhow::Result<()> {
        if batch.users.is_empty() {
            return Ok(());
        }
        let path = Path::service(&batch.service, ["import"]);
        let body = Import { users: batch.users };
        let done: ImportDone = persist(&self.interrupt, async || self.admin.post(&path, &body).await).await?;
        report.add(&batch.lines, done);
        Ok(())
    }

    /// Opens nodes to new users as far as the file says, now that everybody has come.
    async fn set_figures(&mut self, plan: &Plan) -> anyhow::Result<()> {
        for service in plan.figures.keys() {
            let nodes: Nodes = self.admin.get(&Path::service(service, ["nodes"])).await?;
            for (url, change) in plan.figures_to_set(service, &nodes.nodes, self.arguments.yes) {
                let path = Path::service(service, ["nodes", url]);
                let _: NodePut = self.admin.patch(&path, &change).await?;
            }
        }
        Ok(())
    }

    const fn is_quiet(&self) -> bool {
        self.arguments.change.admin.quiet
    }
}

impl Unfit {
    /// The same of the second look, when services are made and uids reserved.
    fn met_late(self) -> Self {
        match self {
            Self::Faults(faults) => Self::Overtaken(faults),
            other => other,
        }
    }
}

fn fit(survey: &mut Survey) -> Result<(), Unfit> {
    survey.judge_nodes();
    if survey.faults.is_empty() {
        Ok(())
    } else {
        Err(Unfit::Faults(std::mem::take(&mut survey.faults)))
    }
}

/// Users of one service that go together.
#[derive(Default)]
struct Batch {
    service: String,
    users: Vec<ImportUser>,
    lines: Vec<u64>,
    records: usize,
}

impl Batch {
    fn takes(&self, service: &str, user: &ImportUser) -> bool {
        let is_same = self.service == service && self.users.len() < IMPORT_USERS_MAX;
        self.users.is_empty() || (is_same && self.records + user.records.len() <= BATCH_RECORDS_MAX)
    }

    fn push(&mut self, line: u64, service: String, user: ImportUser) {
        self.service = service;
        self.records += user.records.len();
        self.users.push(user);
        self.lines.push(line);
    }
}
