//! The admin API as the tool's commands use it. Whoever serves it (a running box, this process on the folder of a box that
//! is stopped, a fleet) gets the same requests.
//!
//! Must stay true: the tool says on standard error whom it asks, so that nobody changes another deployment by mistake.

mod connection;
mod fault;

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use clap::Args;
use foxhold_ops::wire::{self, Cursor, DryRun, PREFIX};
use foxhold_runtime::telemetry::{self, LogConfig};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Body as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;
use url::Url;

use self::connection::{Connection, Place};
pub(crate) use self::fault::AdminError;
use crate::{
    data_folder::{DataFolder, DataFolderError},
    progress::note,
    single_box::stopped::StoppedBox,
};

/// How long an answer may take: a page of a purge asks a node for each of its records.
const ANSWER_MAX: Duration = Duration::from_secs(120);
/// The longest answer: a page of a thousand users with long pasts.
const BODY_MAX: usize = 64 * 1024 * 1024;
/// What stands as it is in a path: a URL's colon and slashes do not.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Which deployment a command is about.
#[derive(Debug, Args)]
pub(crate) struct AdminArgs {
    /// The folder of a box, running or stopped.
    #[arg(
        long,
        value_name = "DIR",
        env = "FOXHOLD_DATA",
        default_value = "foxhold-data",
        help_heading = "Which deployment"
    )]
    data: PathBuf,
    /// The admin API of a fleet, instead of a box: https, and the port.
    #[arg(
        long,
        value_name = "URL",
        requires = "identity",
        help_heading = "Which deployment"
    )]
    admin: Option<Url>,
    /// The folder with operator.pem, operator.key and authority.pem, as `foxhold certificates create` makes it.
    #[arg(long, value_name = "DIR", help_heading = "Which deployment")]
    identity: Option<PathBuf>,
    /// Results and errors only: no notes, no progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

impl AdminArgs {
    /// Whether it is about a fleet.
    pub(crate) const fn is_fleet(&self) -> bool {
        self.admin.is_some()
    }

    /// The folder, where it is about a box.
    pub(crate) fn folder(&self) -> &std::path::Path {
        &self.data
    }
}

/// A deployment that can be asked.
pub(crate) struct Admin {
    way: Way,
}

enum Way {
    Served(Connection),
    Stopped(Box<StoppedBox>),
}

/// Does something with the deployment, and leaves it in order.
pub(crate) fn with<T>(
    arguments: &AdminArgs,
    job: impl AsyncFnOnce(&mut Admin) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut admin = Admin::open(arguments).await?;
        let done = job(&mut admin).await;
        match admin.way {
            // What was done is told, also where the folder could not be closed: a code is told once.
            Way::Stopped(stopped) => {
                if let Err(error) = stopped.close().await {
                    note(false, &format!("closing the folder: {error:#}"));
                }
                done
            }
            Way::Served(_) => done,
        }
    })
}

impl Admin {
    async fn open(arguments: &AdminArgs) -> anyhow::Result<Self> {
        let is_quiet = arguments.quiet;
        if let Some(url) = &arguments.admin {
            let identity = arguments.identity.as_deref().unwrap_or(std::path::Path::new("."));
            let place = Place::server(url, identity)?;
            note(is_quiet, &format!("asking the fleet at {}", place.named()));
            return Ok(Self::served(place));
        }
        match DataFolder::in_turn(|| DataFolder::open_existing(&arguments.data)) {
            Ok(folder) => {
                let root = folder.root().display();
                note(is_quiet, &format!("the box is stopped: working on {root} itself"));
                telemetry::init("tool", &log_of_stopped(is_quiet))?;
                let stopped = StoppedBox::open(folder)?;
                Ok(Self {
                    way: Way::Stopped(Box::new(stopped)),
                })
            }
            Err(DataFolderError::InUse { folder, process }) => {
                let socket = DataFolder::admin_socket_of(&folder);
                let root = folder.display();
                note(
                    is_quiet,
                    &format!("asking the box that runs on {root} (process {process})"),
                );
                Ok(Self::served(Place::Socket(socket)))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn served(place: Place) -> Self {
        Self {
            way: Way::Served(Connection::new(place)),
        }
    }

    /// Reads.
    pub(crate) async fn get<T: DeserializeOwned>(&mut self, path: &Path) -> Result<T, AdminError> {
        self.ask(Method::GET, path, None).await
    }

    /// Puts a whole thing.
    pub(crate) async fn put<T: DeserializeOwned>(
        &mut self,
        path: &Path,
        body: &impl Serialize,
    ) -> Result<T, AdminError> {
        self.ask(Method::PUT, path, Some(json(body)?)).await
    }

    /// Changes parts of a thing.
    pub(crate) async fn patch<T: DeserializeOwned>(
        &mut self,
        path: &Path,
        body: &impl Serialize,
    ) -> Result<T, AdminError> {
        self.ask(Method::PATCH, path, Some(json(body)?)).await
    }

    /// Makes or does something.
    pub(crate) async fn post<T: DeserializeOwned>(
        &mut self,
        path: &Path,
        body: &impl Serialize,
    ) -> Result<T, AdminError> {
        self.ask(Method::POST, path, Some(json(body)?)).await
    }

    /// Removes.
    pub(crate) async fn delete<T: DeserializeOwned>(&mut self, path: &Path) -> Result<T, AdminError> {
        self.ask(Method::DELETE, path, None).await
    }

    async fn ask<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &Path,
        body: Option<Vec<u8>>,
    ) -> Result<T, AdminError> {
        let request = request(method, path, body)?;
        let answered = timeout(ANSWER_MAX, self.answer(request)).await;
        let (status, body) = answered.map_err(|_| AdminError::TooLate(ANSWER_MAX))??;
        if status.is_success() {
            serde_json::from_slice(&body).map_err(|source| AdminError::Senseless { status, source })
        } else {
            Err(fault::refused(status, &body))
        }
    }

    async fn answer(&mut self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), AdminError> {
        match &mut self.way {
            Way::Served(connection) => {
                let (head, body) = connection.send(request).await?.into_parts();
                let body = Limited::new(body, BODY_MAX).collect().await;
                let body = body.map_err(|source| connection.gone(anyhow::Error::from_boxed(source)))?;
                Ok((head.status, body.to_bytes()))
            }
            Way::Stopped(stopped) => {
                let (head, body) = stopped.answer(request).await.into_parts();
                let body = Limited::new(body, BODY_MAX).collect().await;
                let body = body.map_err(|source| AdminError::CutOff(anyhow::Error::from_boxed(source)))?;
                Ok((head.status, body.to_bytes()))
            }
        }
    }
}

/// No process keeps a log of what is done to a stopped box: who changed what, and what went wrong, is told here.
/// Who changed what is written down in any case: there is no other place for it.
fn log_of_stopped(is_quiet: bool) -> LogConfig {
    let others = if is_quiet { "error" } else { "warn" };
    LogConfig {
        level: format!("{others},foxhold::audit=info"),
        ..LogConfig::default()
    }
}

fn request(method: Method, path: &Path, body: Option<Vec<u8>>) -> Result<Request<Full<Bytes>>, AdminError> {
    let mut request = Request::new(Full::new(body.map(Bytes::from).unwrap_or_default()));
    if *request.method_mut() != method {
        *request.method_mut() = method;
    }
    *request.uri_mut() = path
        .whole()
        .parse()
        .map_err(|_| AdminError::Address(path.whole()))?;
    let json = HeaderValue::from_static("application/json");
    if !request.body().is_end_stream() {
        request.headers_mut().insert(header::CONTENT_TYPE, json.clone());
    }
    request.headers_mut().insert(header::ACCEPT, json);
    Ok(request)
}

fn json(body: &impl Serialize) -> Result<Vec<u8>, AdminError> {
    serde_json::to_vec(body).map_err(AdminError::Request)
}

/// Where a request goes: segments below [`PREFIX`], and a query.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    path: String,
    query: String,
}

impl Path {
    /// Of these segments, which may hold anything.
    pub(crate) fn of<'a>(segments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut path = PREFIX.to_owned();
        for segment in segments {
            path.push('/');
            path.extend(utf8_percent_encode(segment, SEGMENT));
        }
        Self {
            path,
            query: String::new(),
        }
    }

    /// A service, or something below it.
    pub(crate) fn service<'a>(service: &'a str, below: impl IntoIterator<Item = &'a str>) -> Self {
        Self::of(["services", service].into_iter().chain(below))
    }

    /// With one more parameter.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.query.push(if self.query.is_empty() { '?' } else { '&' });
        self.query.push_str(name);
        self.query.push('=');
        self.query.extend(utf8_percent_encode(value, SEGMENT));
        self
    }

    /// With the place where a page begins.
    pub(crate) fn after(self, after: Option<&Cursor>) -> Self {
        match after {
            Some(Cursor(place)) => self.with("after", place),
            None => self,
        }
    }

    /// As it may have to be: with nothing written.
    pub(crate) fn dry(self, wire::DryRun { dry_run }: DryRun) -> Self {
        if dry_run {
            self.with("dry_run", "true")
        } else {
            self
        }
    }

    fn whole(&self) -> String {
        [self.path.as_str(), &self.query].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_stands_in_a_path_stays_one_segment() {
        let path = Path::service("sync-1.5", ["nodes", "https://a.example.org:8000/x?y", "rename"]);
        assert_eq!(
            path.whole(),
            "/admin/v1/services/sync-1.5/nodes/https%3A%2F%2Fa.example.org%3A8000%2Fx%3Fy/rename"
        );
        let query = Path::of(["services"])
            .with("after", "a=&b")
            .dry(DryRun { dry_run: true })
            .after(None);
        assert_eq!(query.whole(), "/admin/v1/services?after=a%3D%26b&dry_run=true");
        assert!(query.whole().parse::<http::Uri>().is_ok());
    }
}
