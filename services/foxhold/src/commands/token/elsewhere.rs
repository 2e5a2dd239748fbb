//! The nodes of a box beside its own: they have copies of its secrets, which somebody has to bring them.

use std::{path::Path, time::Duration};

use foxhold_core::Deadline;
use foxhold_ports::{AssignmentReader as _, ReadError};
use foxhold_store_sqlite::SqliteReader;

use crate::single_box::stopped::settings_of;

/// How long the box's database may take.
const READING_MAX: Duration = Duration::from_secs(10);

/// Their URLs, of all services. Secrets can be changed whatever state the box is in: where its nodes cannot be read, there
/// may be some.
pub(super) fn nodes(data: &Path) -> Vec<String> {
    let database = data.join("foxhold.db");
    if !database.exists() {
        return Vec::new();
    }
    let own = settings_of(data).map(|settings| settings.public_url());
    match listed(&database) {
        Ok(mut nodes) => {
            nodes.retain(|url| own.as_ref().ok() != Some(url));
            nodes.sort();
            nodes.dedup();
            nodes
        }
        Err(_) => vec!["the nodes beside the box, if there are any".to_owned()],
    }
}

fn listed(database: &Path) -> anyhow::Result<Vec<String>> {
    let reader = SqliteReader::open(database, 1)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(urls(&reader))?)
}

async fn urls(reader: &SqliteReader) -> Result<Vec<String>, ReadError> {
    let by = Deadline::after(READING_MAX);
    let mut urls = Vec::new();
    for service in reader.services(by).await? {
        let nodes = reader.nodes(by, &service.key).await?;
        urls.extend(nodes.into_iter().map(|node| node.url));
    }
    Ok(urls)
}
