//! Who may call what, over the wire: every RPC × every role, and nobody outside the table.

use std::collections::BTreeSet;

use bytes::Bytes;
use foxhold_rpc::METHODS;
use foxhold_runtime::{
    callers::{CALLERS, row},
    channel::Balanced,
    grpc_server::GrpcLimits,
    tls::Role,
};
use http_body_util::{BodyExt, Full};
use tonic::{Code, Status, body::Body, service::Routes};
use tower::{Service, ServiceExt};

use crate::support::{Deployment, FakeSigner, FakeStretcher, memory_ports};
use foxhold_rpc::server::{self, KeysignerPorts};
use std::sync::Arc;

/// Calls a path with an empty message, and says how it went.
async fn call(channel: &Balanced, path: &str) -> Code {
    let request = http::Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        // No compression, length zero: an empty message.
        .body(Body::new(Full::new(Bytes::from_static(&[0; 5]))))
        .unwrap();
    let mut channel = channel.clone();
    let response = channel.ready().await.unwrap().call(request).await.unwrap();
    let (head, body) = response.into_parts();
    if let Some(status) = Status::from_header_map(&head.headers) {
        return status.code();
    }
    let mut body = std::pin::pin!(body);
    while let Some(frame) = body.frame().await {
        if let Some(status) = frame.unwrap().trailers_ref().and_then(Status::from_header_map) {
            return status.code();
        }
    }
    panic!("{path}: no status");
}

/// All tiers behind one listener, so that one walk meets every RPC.
fn everything() -> Routes {
    let signer = Arc::new(FakeSigner);
    let keysigner = KeysignerPorts {
        access_tokens: Arc::clone(&signer) as _,
        certificates: Arc::clone(&signer) as _,
        id_tokens: Arc::clone(&signer) as _,
        node_tokens: Arc::clone(&signer) as _,
        public_keys: signer,
    };
    let router = server::dbwriter(memory_ports())
        .into_axum_router()
        .merge(routes_only(server::keysigner(keysigner)))
        .merge(routes_only(server::stretcher(Arc::new(FakeStretcher))));
    Routes::from(router)
}

/// Without the fallback that every set of routes brings: merged routers may have one only.
fn routes_only(routes: Routes) -> axum::Router {
    routes.into_axum_router().reset_fallback()
}

#[test]
fn every_rpc_has_a_row_and_every_row_an_rpc() {
    let rpcs: BTreeSet<_> = METHODS.iter().copied().collect();
    let rows: BTreeSet<_> = CALLERS
        .iter()
        .map(|(path, _)| *path)
        .filter(|path| !path.starts_with("/grpc.health.v1."))
        .collect();
    assert_eq!(rpcs, rows);
}

#[tokio::test]
async fn every_rpc_answers_its_roles_and_denies_all_others() {
    let deployment = Deployment::new();
    let server = deployment
        .serve(Role::Dbwriter, everything(), &[], GrpcLimits::default())
        .await;
    for caller in Role::ALL {
        let channel = deployment.channel(*caller, Role::Dbwriter, &[server.address]);
        for (path, _) in CALLERS.iter().filter(|(path, _)| !path.ends_with("/Watch")) {
            let code = call(&channel, path).await;
            let may = row(path).unwrap().1.contains(caller);
            assert_eq!(
                code != Code::PermissionDenied,
                may,
                "{caller} calls {path}: {code:?}"
            );
            assert_ne!(code, Code::Unimplemented, "{path} is served");
        }
        for path in [
            "/",
            "/foxhold.dbwriter.v1.AccountWriter/Drop",
            "/grpc.reflection.v1.ServerReflection/List",
        ] {
            assert_eq!(
                call(&channel, path).await,
                Code::PermissionDenied,
                "{caller} calls {path}"
            );
        }
    }
    server.stop().await;
}
