//! `foxhold service export`: everything about services, nodes and users' records, as JSON lines.

use std::io::{self, BufWriter, Write};

use anyhow::Context as _;
use foxhold_ops::wire::{Nodes, PAGE_LIMIT_MAX, Records, Service, Services};

use super::ExportArgs;
use crate::{
    admin_client::{self, Admin, Path},
    commands::paged::{Interrupt, Interrupted, persist},
    progress::{Progress, note},
    record_file::{End, Line},
};

pub(super) fn run(arguments: &ExportArgs) -> anyhow::Result<()> {
    admin_client::with(&arguments.admin, async |admin| {
        let services = services(admin, &arguments.keys).await?;
        let mut out = BufWriter::new(io::stdout().lock());
        let mut export = Export {
            out: &mut out,
            interrupt: Interrupt::listen()?,
            progress: Progress::new("users exported", None, arguments.admin.quiet),
            users: 0,
            records: 0,
        };
        export.write(&Line::HEADER)?;
        for service in &services {
            export.write(&Line::service(service.clone()))?;
        }
        for service in &services {
            export.nodes(admin, &service.key).await?;
        }
        for service in &services {
            export.users(admin, &service.key).await?;
        }
        let (users, records) = (export.users, export.records);
        export.write(&Line::End(End {
            users: Some(users),
            records: Some(records),
        }))?;
        drop(export);
        out.flush().context("writing")?;
        note(
            arguments.admin.quiet,
            &format!("{users} users with {records} records"),
        );
        Ok(())
    })
}

/// Those that are named, or all; by key.
async fn services(admin: &mut Admin, keys: &[String]) -> anyhow::Result<Vec<Service>> {
    let mut services = if keys.is_empty() {
        let all: Services = admin.get(&Path::of(["services"])).await?;
        all.services
    } else {
        let mut named = Vec::new();
        for key in keys {
            named.push(admin.get(&Path::service(key, [])).await?);
        }
        named
    };
    services.sort_by(|a, b| a.key.cmp(&b.key));
    services.dedup_by(|a, b| a.key == b.key);
    Ok(services)
}

struct Export<'a, W: Write> {
    out: &'a mut W,
    interrupt: Interrupt,
    progress: Progress,
    users: u64,
    records: u64,
}

impl<W: Write> Export<'_, W> {
    fn write(&mut self, line: &Line) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.out, line).context("writing")?;
        self.out.write_all(b"\n").context("writing")
    }

    async fn nodes(&mut self, admin: &mut Admin, service: &str) -> anyhow::Result<()> {
        let mut nodes: Nodes = admin.get(&Path::service(service, ["nodes"])).await?;
        // Their numbers are another deployment's business.
        nodes.nodes.sort_by(|a, b| a.url.cmp(&b.url));
        for node in nodes.nodes {
            self.write(&Line::node(service, node))?;
        }
        Ok(())
    }

    async fn users(&mut self, admin: &mut Admin, service: &str) -> anyhow::Result<()> {
        let mut after = None;
        loop {
            let path = Path::service(service, ["records"])
                .with("limit", &PAGE_LIMIT_MAX.to_string())
                .after(after.as_ref());
            let page: Records = persist(&self.interrupt, async || admin.get(&path).await).await?;
            for user in page.users {
                self.users += 1;
                self.records += user.past.len() as u64 + 1;
                self.write(&Line::user(service, user))?;
            }
            self.progress.at(self.users);
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
            if self.interrupt.has_come() {
                return Err(Interrupted.into());
            }
        }
    }
}
