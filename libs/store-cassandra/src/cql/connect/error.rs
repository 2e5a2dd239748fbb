//! Why there is no connection, or one that is of no use, told by the key of the configuration to look at.
//!
//! Must stay true: what the next attempt may not meet again is never called lasting, however it is worded.

use scylla::errors::{
    BrokenConnectionError, BrokenConnectionErrorKind, ConnectionError, ConnectionPoolError,
    ConnectionSetupRequestErrorKind, DbError, ExecutionError, FrameHeaderParseError, MetadataError,
    NewSessionError, PrepareError,
};
use thiserror::Error;

use crate::{ConnectSettings, cql::could_not_authorize};

/// The driver's own words.
type Source = Box<dyn std::error::Error + Send + Sync>;

/// No connection, or one that is of no use.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// No node could be reached.
    #[error(
        "connecting to the cluster\nfix: see `contact_points` and `keyspace`: are the nodes up, and has `foxhold schema apply` been run?"
    )]
    Cluster(#[source] Source),
    /// The nodes end a connection before they have answered: they are stopping, or want it otherwise. Cassandra gives no
    /// reason to whoever speaks no TLS, or shows a certificate of an authority that it does not know.
    #[error("the nodes end connections at once\nfix: {fix}")]
    Ended {
        /// What to look at if it goes on.
        fix: &'static str,
        /// The driver's words.
        source: Source,
    },
    /// The nodes do not let this login in.
    #[error(
        "the nodes do not let this login in\nfix: see `user` and `password_file`, and which roles the cluster has"
    )]
    LoginRefused(#[source] Source),
    /// This process speaks TLS and the nodes do not.
    #[error(
        "the nodes do not speak TLS\nfix: see their `client_encryption_options`, or leave `tls_authority` out"
    )]
    NoTls(#[source] Source),
    /// A node's certificate is not believed.
    #[error(
        "a node shows a certificate that is not believed\nfix: see `tls_authority`: it must have signed the node's certificate, and that must bear the IP address the node is reached by"
    )]
    NodeCertificate(#[source] Source),
    /// The nodes do not take this process's certificate, or want to see one.
    #[error(
        "the nodes do not take the certificate of this process, or miss one\nfix: see `tls_certificate` and `tls_key_file`, and which authority the nodes believe"
    )]
    OwnCertificate(#[source] Source),
    /// The settings of the deployment cannot be read: the schema is not there, or the role may not read.
    #[error(
        "reading the settings of the deployment: has `foxhold schema apply` been run on keyspace {keyspace}?"
    )]
    Deployment {
        /// The keyspace.
        keyspace: String,
        /// Why.
        #[source]
        source: Box<ExecutionError>,
    },
    /// They make no sense.
    #[error("the settings of the deployment make no sense: {0}")]
    Contradiction(&'static str),
    /// The region is not one of the deployment's.
    #[error("no region is called {0}\nfix: see `region`: `foxhold region list` shows the names")]
    UnknownRegion(String),
    /// A statement does not fit the schema.
    #[error(
        "preparing the statement {name}: the schema is of another version, `foxhold schema status` shows which"
    )]
    Statement {
        /// Its name.
        name: &'static str,
        /// Why.
        #[source]
        source: Box<PrepareError>,
    },
}

impl ConnectError {
    pub(crate) fn statement(name: &'static str, source: PrepareError) -> Self {
        Self::Statement {
            name,
            source: Box::new(source),
        }
    }

    pub(crate) fn session(settings: &ConnectSettings, error: NewSessionError) -> Self {
        let why = match &error {
            NewSessionError::MetadataError(MetadataError::ConnectionPoolError(error)) => why_of_pool(error),
            _ => None,
        };
        Self::of(why, Tls::of(settings), error.into())
    }

    /// What was read first may say why: nodes are reached by the addresses they announce, for which their certificates may
    /// not be good, though that of the first contact was.
    pub(super) fn explained(self, settings: &ConnectSettings) -> Self {
        let tls = Tls::of(settings);
        let why = match &self {
            Self::Deployment { source, .. } => match &**source {
                ExecutionError::ConnectionPoolError(error) => why_of_pool(error),
                _ => None,
            },
            _ => None,
        };
        match (self, why) {
            (Self::Deployment { source, .. }, Some(why)) => Self::of(Some(why), tls, source),
            (other, _) => other,
        }
    }

    fn of(why: Option<Why>, tls: Tls, source: Source) -> Self {
        match why {
            None => Self::Cluster(source),
            Some(Why::Login) => Self::LoginRefused(source),
            Some(Why::NoTls) => Self::NoTls(source),
            Some(Why::NodeCertificate) => Self::NodeCertificate(source),
            Some(Why::OwnCertificate) => Self::OwnCertificate(source),
            Some(Why::Ended) => {
                let fix = match tls {
                    Tls::No => "if they want TLS, set `tls_authority`",
                    Tls::WithoutCertificate => {
                        "if they want a certificate, set `tls_certificate` and `tls_key_file`"
                    }
                    Tls::WithCertificate => "see `tls_certificate`, and which authority the nodes believe",
                };
                Self::Ended { fix, source }
            }
        }
    }

    /// Whether every further attempt would meet it: the configuration has to be changed, or the cluster. That a schema is
    /// missing or old is none of these, it may come; nor is what a node says that cannot ask the others.
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        match self {
            Self::LoginRefused(_)
            | Self::NoTls(_)
            | Self::NodeCertificate(_)
            | Self::OwnCertificate(_)
            | Self::UnknownRegion(_) => true,
            Self::Cluster(_)
            | Self::Ended { .. }
            | Self::Deployment { .. }
            | Self::Contradiction(_)
            | Self::Statement { .. } => false,
        }
    }
}

/// How connections are made.
#[derive(Debug, Clone, Copy)]
enum Tls {
    No,
    WithoutCertificate,
    WithCertificate,
}

impl Tls {
    fn of(settings: &ConnectSettings) -> Self {
        match &settings.tls {
            None => Self::No,
            Some(tls) if tls.shows_certificate() => Self::WithCertificate,
            Some(_) => Self::WithoutCertificate,
        }
    }
}

/// What the last attempt to connect to a node says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Login,
    NoTls,
    NodeCertificate,
    OwnCertificate,
    Ended,
}

fn why_of_pool(error: &ConnectionPoolError) -> Option<Why> {
    match error {
        ConnectionPoolError::Broken {
            last_connection_error,
        } => why(last_connection_error),
        _ => None,
    }
}

fn why(error: &ConnectionError) -> Option<Why> {
    match error {
        ConnectionError::IoError(error) => why_of_io(error),
        ConnectionError::BrokenConnection(error) => why_of_broken(error),
        ConnectionError::ConnectionSetupRequestError(error) => why_of_setup(&error.error),
        _ => None,
    }
}

fn why_of_setup(error: &ConnectionSetupRequestErrorKind) -> Option<Why> {
    match error {
        ConnectionSetupRequestErrorKind::DbError(error @ DbError::AuthenticationError, words) => {
            (!could_not_authorize(error, words)).then_some(Why::Login)
        }
        ConnectionSetupRequestErrorKind::MissingAuthentication => Some(Why::Login),
        ConnectionSetupRequestErrorKind::BrokenConnection(error) => why_of_broken(error),
        _ => None,
    }
}

fn why_of_broken(error: &BrokenConnectionError) -> Option<Why> {
    match error.downcast_ref()? {
        BrokenConnectionErrorKind::WriteError(error)
        | BrokenConnectionErrorKind::FrameHeaderParseError(
            FrameHeaderParseError::HeaderIoError(error) | FrameHeaderParseError::BodyChunkIoError(_, error),
        ) => why_of_io(error),
        // The task that reads and writes had gone before the question was put to it: the node had hung up.
        BrokenConnectionErrorKind::ChannelError => Some(Why::Ended),
        _ => None,
    }
}

fn why_of_io(error: &std::io::Error) -> Option<Why> {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let of_tls = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<rustls::Error>());
    match of_tls {
        Some(rustls::Error::InvalidCertificate(_)) => Some(Why::NodeCertificate),
        Some(rustls::Error::AlertReceived(alert)) if is_about_certificate(*alert) => {
            Some(Why::OwnCertificate)
        }
        Some(rustls::Error::AlertReceived(_)) => Some(Why::Ended),
        Some(rustls::Error::InvalidMessage(_)) => Some(Why::NoTls),
        Some(_) => None,
        None => matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
        )
        .then_some(Why::Ended),
    }
}

/// RFC 8446 6.2: what is said about a certificate that is missing or not good enough.
const fn is_about_certificate(alert: rustls::AlertDescription) -> bool {
    use rustls::AlertDescription as Alert;
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::CertificateRequired
    )
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc};

    use rustls::{AlertDescription, CertificateError, InvalidMessage};

    use super::*;

    fn of_tls(error: rustls::Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    #[test]
    fn what_a_handshake_ends_with_names_whose_certificate_it_is() {
        let table = [
            (
                of_tls(CertificateError::UnknownIssuer.into()),
                Some(Why::NodeCertificate),
            ),
            (
                of_tls(CertificateError::NotValidForName.into()),
                Some(Why::NodeCertificate),
            ),
            (
                of_tls(rustls::Error::AlertReceived(
                    AlertDescription::CertificateRequired,
                )),
                Some(Why::OwnCertificate),
            ),
            (
                of_tls(rustls::Error::AlertReceived(AlertDescription::InternalError)),
                Some(Why::Ended),
            ),
            (
                of_tls(InvalidMessage::InvalidContentType.into()),
                Some(Why::NoTls),
            ),
            (io::ErrorKind::ConnectionReset.into(), Some(Why::Ended)),
            (io::ErrorKind::ConnectionRefused.into(), None),
        ];
        for (error, expected) in table {
            let words = error.to_string();
            let error = Arc::new(error);
            let while_connecting = ConnectionError::IoError(Arc::clone(&error));
            assert_eq!(why(&while_connecting), expected, "{words}");
            let Some(error) = Arc::into_inner(error).or_else(|| match while_connecting {
                ConnectionError::IoError(error) => Arc::into_inner(error),
                _ => None,
            }) else {
                panic!("{words}: somebody keeps it");
            };
            // Since TLS 1.3 a client hears of its certificate only when it reads.
            let header = FrameHeaderParseError::HeaderIoError(error);
            let read = BrokenConnectionErrorKind::FrameHeaderParseError(header).into();
            let setup = ConnectionSetupRequestErrorKind::BrokenConnection(read);
            assert_eq!(why_of_setup(&setup), expected, "{words}");
        }
    }

    #[test]
    fn a_connection_that_was_ended_before_the_first_question_was_ended_by_the_node() {
        let gone = BrokenConnectionErrorKind::ChannelError.into();
        let setup = ConnectionSetupRequestErrorKind::BrokenConnection(gone);
        assert_eq!(why_of_setup(&setup), Some(Why::Ended));
    }

    #[test]
    fn a_login_that_is_refused_is_told_from_one_that_could_not_be_looked_up() {
        let table = [
            (
                DbError::AuthenticationError,
                "Provided username reader and/or password are incorrect",
                true,
            ),
            (
                DbError::AuthenticationError,
                "reader is not permitted to log in",
                true,
            ),
            (
                DbError::AuthenticationError,
                "Unable to perform authentication: Cannot achieve consistency level LOCAL_QUORUM",
                false,
            ),
            (DbError::ServerError, "something else", false),
        ];
        for (error, words, is_refused) in table {
            let kind = ConnectionSetupRequestErrorKind::DbError(error, words.to_owned());
            let why = why_of_setup(&kind);
            assert_eq!(why, is_refused.then_some(Why::Login), "{words}");
            let error = ConnectError::of(why, Tls::No, "the driver's words".into());
            assert_eq!(error.is_lasting(), is_refused, "{words}");
        }
        let missing = ConnectionSetupRequestErrorKind::MissingAuthentication;
        assert_eq!(why_of_setup(&missing), Some(Why::Login));
    }

    #[test]
    fn what_may_pass_is_not_lasting_and_names_what_to_look_at_if_it_does_not() {
        for (tls, key) in [
            (Tls::No, "`tls_authority`"),
            (Tls::WithoutCertificate, "`tls_certificate`"),
            (Tls::WithCertificate, "`tls_certificate`"),
        ] {
            let error = ConnectError::of(Some(Why::Ended), tls, "reset".into());
            assert!(!error.is_lasting() && error.to_string().contains(key), "{error}");
        }
        assert!(!ConnectError::of(None, Tls::No, "away".into()).is_lasting());
        assert!(ConnectError::UnknownRegion("eu".to_owned()).is_lasting());
    }
}
