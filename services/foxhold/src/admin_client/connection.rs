//! A connection to an admin API that is served: a box's socket, or a fleet's listener. It is opened at the first request,
//! kept, and opened again when the other side has closed it meanwhile.

use std::{
    path::{self, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use foxhold_runtime::{
    SystemClock, certificates,
    config::Secrets,
    tls::{Role, SpiffeId, TlsIdentity},
};
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls::ClientConfig};
use url::Url;

use super::AdminError;

/// How long somebody may take to answer the door.
const CONNECTING_MAX: Duration = Duration::from_secs(10);

/// Where it is served.
pub(super) enum Place {
    /// A running box: a socket in its folder, for its owner alone.
    Socket(PathBuf),
    /// A fleet's group of its own.
    Server {
        host: String,
        port: u16,
        tls: TlsConnector,
    },
}

impl Place {
    /// The server at an https URL, for whoever has the files of the role in a folder.
    pub(super) fn server(url: &Url, identity: &path::Path) -> Result<Self, AdminError> {
        let host = url
            .host_str()
            .filter(|_| url.scheme() == "https" && url.path() == "/");
        let host = host.ok_or_else(|| AdminError::Address(url.to_string()))?;
        let config = client_config(identity).map_err(|source| AdminError::Identity {
            folder: identity.to_owned(),
            source,
        })?;
        Ok(Self::Server {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(443),
            tls: TlsConnector::from(config),
        })
    }

    fn authority(&self) -> String {
        match self {
            Self::Socket(_) => "localhost".to_owned(),
            Self::Server { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Server { host, port, .. } => format!("{host}:{port}"),
        }
    }

    /// As messages name it.
    pub(super) fn named(&self) -> String {
        match self {
            Self::Socket(path) => path.display().to_string(),
            Self::Server { .. } => format!("https://{}", self.authority()),
        }
    }
}

fn client_config(identity: &path::Path) -> anyhow::Result<Arc<ClientConfig>> {
    let own = CertificateDer::from_pem_file(identity.join(format!("{}.pem", Role::Operator)))?;
    let own = SpiffeId::from_certificate(&own)?;
    let files = certificates::settings(identity, own.trust_domain(), Role::Operator);
    let identity = TlsIdentity::load(&files, &Secrets::default())?;
    let config = identity.client_config(Arc::new(SystemClock), Role::Ops)?;
    let mut config = ClientConfig::clone(&config);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The connection.
pub(super) struct Connection {
    place: Place,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    pub(super) fn new(place: Place) -> Self {
        Self { place, open: None }
    }

    pub(super) async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, AdminError> {
        let authority = self.place.authority();
        let host = authority.parse().map_err(|_| AdminError::Address(authority))?;
        request.headers_mut().insert(header::HOST, host);
        let mut sender = match self.still_open().await {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let answered = sender.send_request(request).await;
        self.open = Some(sender);
        answered.map_err(|source| self.gone(source))
    }

    async fn still_open(&mut self) -> Option<SendRequest<Full<Bytes>>> {
        let mut sender = self.open.take()?;
        sender.ready().await.is_ok().then_some(sender)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, AdminError> {
        let connecting = async {
            match &self.place {
                Place::Socket(path) => {
                    let stream = UnixStream::connect(path).await;
                    self.shake_hands(stream.map_err(|source| self.gone(source))?)
                        .await
                }
                Place::Server { host, port, tls } => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await;
                    let stream = stream.map_err(|source| self.gone(source))?;
                    let name = ServerName::try_from(host.clone());
                    let name = name.map_err(|_| AdminError::Address(self.place.named()))?;
                    let stream = tls.connect(name, stream).await;
                    self.shake_hands(stream.map_err(|source| self.of_tls(source))?)
                        .await
                }
            }
        };
        let connected = timeout(CONNECTING_MAX, connecting).await;
        connected.map_err(|late| self.gone(late))?
    }

    async fn shake_hands(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<SendRequest<Full<Bytes>>, AdminError> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|source| self.gone(source))?;
        // It ends with the sender; what goes wrong in between, the sender's requests are told.
        tokio::spawn(connection);
        Ok(sender)
    }

    pub(super) fn gone(&self, source: impl Into<anyhow::Error>) -> AdminError {
        AdminError::NoAnswer {
            place: self.place.named(),
            source: source.into(),
        }
    }

    /// A failed handshake is about who is there only if the handshake itself says so.
    fn of_tls(&self, source: std::io::Error) -> AdminError {
        if source.kind() == std::io::ErrorKind::InvalidData {
            AdminError::Stranger {
                place: self.place.named(),
                source,
            }
        } else {
            self.gone(source)
        }
    }
}
