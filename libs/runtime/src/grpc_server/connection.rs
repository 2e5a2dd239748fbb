//! One connection: handshake, HTTP/2, and its end, by age or with the process, in the order that loses no call: say
//! goodbye (GOAWAY), finish, close.

use std::{convert::Infallible, pin::pin, time::Duration};

use axum::{Router, body::Body, extract::Request};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower::ServiceExt as _;

use foxhold_core::Clock as _;

use super::{
    GrpcLimits,
    caller::{Peer, PeerAddress},
};
use crate::{
    Shutdown, SystemClock,
    tls::{SpiffeId, accepted, left_of},
};

/// Most streams a peer may reset before they were worked on, and most bytes of headers.
const PENDING_RESETS_MAX: usize = 20;
const HEADERS_LEN_MAX: u32 = 16 * 1024;
/// A peer that does not answer a ping is gone.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Bounds of one connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionRules {
    handshake_max: Duration,
    streams_max: u32,
    age: Duration,
    grace: Duration,
    drain: Duration,
}

impl ConnectionRules {
    pub(super) const fn of(limits: &GrpcLimits) -> Self {
        Self {
            handshake_max: Duration::from_millis(limits.handshake_ms_max),
            streams_max: limits.streams_max,
            age: Duration::from_secs(limits.connection_age_secs),
            grace: Duration::from_secs(limits.connection_grace_secs),
            drain: Duration::from_millis(limits.drain_ms_max),
        }
    }

    /// With an age of 80 to 120 %, so that connections made together do not all end together.
    pub(super) fn with_age_spread(self, zero_to_one: f64) -> Self {
        let secs = self.age.as_secs_f64() * 0.4f64.mul_add(zero_to_one, 0.8);
        Self {
            age: Duration::try_from_secs_f64(secs).unwrap_or(Duration::MAX),
            ..self
        }
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(
    stream: TcpStream,
    tls: TlsAcceptor,
    router: Router,
    rules: ConnectionRules,
    shutdown: Shutdown,
) {
    // Small messages both ways: waiting to fill packets would only add delay. A socket that refuses still works.
    let _ = stream.set_nodelay(true);
    let address = stream.peer_addr();
    let address = address
        .map(|address| PeerAddress(address.ip().to_canonical()))
        .ok();
    let Some(stream) = accepted(&tls, stream, rules.handshake_max, &shutdown).await else {
        return;
    };
    let Some(peer) = peer(&stream) else {
        tracing::error!("a handshake let a peer without identity in");
        return;
    };
    // Who has not got a new certificate by then is not let in again.
    let certificate = left_of(stream.get_ref().1.peer_certificates(), SystemClock.now());
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        if let Some(address) = address {
            request.extensions_mut().insert(address);
        }
        async move {
            Ok::<_, Infallible>(
                router
                    .oneshot(request)
                    .await
                    .unwrap_or_else(|never| match never {}),
            )
        }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(rules.streams_max)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_header_list_size(HEADERS_LEN_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let finish = tokio::select! {
        _ = &mut connection => return,
        () = sleep(rules.age.min(certificate)) => rules.grace,
        () = shutdown.wait() => rules.drain,
    };
    connection.as_mut().graceful_shutdown();
    if timeout(finish, connection).await.is_err() {
        tracing::info!("a connection was closed with calls at work");
    }
}

/// The identity the handshake has checked.
fn peer(stream: &TlsStream<TcpStream>) -> Option<Peer> {
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates()?.first()?;
    SpiffeId::from_certificate(certificate).ok().map(Peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_spread_by_a_fifth_and_no_setting_is_too_large() {
        let rules = |connection_age_secs| {
            ConnectionRules::of(&GrpcLimits {
                connection_age_secs,
                ..GrpcLimits::default()
            })
        };
        for (draw, secs) in [(0.0, 240), (0.5, 300), (1.0, 360)] {
            let age = rules(300).with_age_spread(draw).age;
            assert_eq!(age.as_secs_f64().round(), f64::from(secs));
        }
        let never = rules(u64::MAX).with_age_spread(1.0).age;
        assert_eq!(never, Duration::MAX);
    }
}
