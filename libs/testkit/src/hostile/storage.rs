//! The storage node (`storage.md` sections 2 to 5, 13 and 19): see [`tokens`], [`requests`], [`records`].

pub mod records;
pub mod requests;
pub mod tokens;

use anyhow::{Result, ensure};

use super::{
    row::{Expected, Row},
    stage::{Stage, Syncing},
    wire::RawRequest,
};
use crate::http;

/// Every refused write of the tables goes here: it must never come into being.
pub const NEVER: &str = "refused";
/// Writes that are taken go here.
pub const TAKEN: &str = "taken";

/// Who the tables are about.
pub struct Cast {
    host: String,
    syncing: Syncing,
}

impl Cast {
    /// Signs somebody up and lets them have a node.
    ///
    /// # Errors
    /// When the box does not do that.
    pub async fn call_in(stage: &Stage) -> Result<Self> {
        Ok(Self {
            host: stage.host().to_owned(),
            syncing: stage.syncing().await?,
        })
    }

    /// `/1.5/{uid}` and what follows.
    fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.syncing.base)
    }

    fn signed(&self, method: &str, rest: &str) -> RawRequest {
        self.syncing.signer.request(method, &self.path(rest))
    }

    /// A write; the payload is not under the signature, as Firefox does it.
    fn write(&self, method: &str, rest: &str, body: impl Into<Vec<u8>>) -> RawRequest {
        self.signed(method, rest).json(body)
    }

    fn row(&self, name: &str, request: &RawRequest, expected: Expected) -> Row {
        Row::new(format!("storage: {name}"), &self.host, request, expected)
    }
}

/// Shows that no refused write has left anything.
///
/// # Errors
/// When one has.
pub async fn nothing_was_stored(stage: &Stage, cast: &Cast) -> Result<()> {
    let path = cast.path("/info/collections");
    let authorization = cast.syncing.signer.signing("GET", &path).header();
    let headers = [("authorization", authorization.as_str())];
    let address = stage.server().address;
    let answer = http::send(address, &hyper::Method::GET, &path, &headers, "").await?;
    let collections = answer.json()?;
    ensure!(answer.status == 200, "info/collections: {collections}");
    ensure!(collections[NEVER].is_null(), "{NEVER} exists: {collections}");
    ensure!(!collections[TAKEN].is_null(), "{TAKEN} is missing: {collections}");
    Ok(())
}
