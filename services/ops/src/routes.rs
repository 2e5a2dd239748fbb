//! The routes: each takes a request apart, asks the ports, and writes an answer. One file for each kind of thing.

pub(crate) mod accounts;
pub(crate) mod bulk;
pub(crate) mod clients;
pub(crate) mod count;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod invitations;
pub(crate) mod nodes;
pub(crate) mod purge;
pub(crate) mod records;
pub(crate) mod services;
pub(crate) mod users;

use axum::Json;
use foxhold_core::{
    Deadline,
    record::{NodeRecord, Service, ServiceKey},
};
use foxhold_ports::{Cause, ReadError};

use crate::{
    convert::{node_url, service_key, within},
    refused::Refused,
    router::OpsPorts,
    wire::{FieldFault, PAGE_LIMIT_MAX},
};

/// What a handler answers.
pub(crate) type Reply<T> = Result<Json<T>, Refused>;

impl OpsPorts {
    /// The service of a path.
    pub(crate) async fn service(&self, by: Deadline, key: &str) -> Result<Service, Refused> {
        let key = service_key(key).map_err(|_| Refused::unknown_service())?;
        let found = self.find_service(by, &key).await?;
        found.ok_or_else(Refused::unknown_service)
    }

    pub(crate) async fn find_service(
        &self,
        by: Deadline,
        key: &ServiceKey,
    ) -> Result<Option<Service>, Refused> {
        let services = self.reader.catalogue(by).await?;
        // There is one, but nobody can tell what it is like.
        if services.unreadable.contains(key) {
            return Err(ReadError(Cause::Inconsistent).into());
        }
        Ok(services.readable.into_iter().find(|service| service.key == *key))
    }

    /// The node at a URL.
    pub(crate) async fn find_node(
        &self,
        by: Deadline,
        service: &ServiceKey,
        url: &str,
    ) -> Result<Option<NodeRecord>, Refused> {
        let nodes = self.reader.nodes(by, service).await?;
        Ok(nodes.into_iter().find(|node| node.url == url))
    }

    /// The node of a path, and its service.
    pub(crate) async fn node(
        &self,
        by: Deadline,
        key: &str,
        url: &str,
    ) -> Result<(Service, NodeRecord), Refused> {
        let service = self.service(by, key).await?;
        node_url("url", url).map_err(|_| Refused::unknown_node())?;
        let node = self.find_node(by, &service.key, url).await?;
        Ok((service, node.ok_or_else(Refused::unknown_node)?))
    }
}

/// How many users a page may look at.
fn page_limit(limit: u32) -> Result<u32, FieldFault> {
    within("limit", limit, 1, PAGE_LIMIT_MAX)
}
