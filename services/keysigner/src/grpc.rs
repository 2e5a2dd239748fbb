//! The signer as a gRPC service: the generic server of `rpc` with [`LocalSigner`] plugged in. Callers are authorized and
//! bounded by the runtime's listener before a call gets here.

use std::sync::Arc;

use foxhold_rpc::server::{self, KeysignerPorts};
use tonic::service::Routes;

pub use foxhold_rpc::server::KEYSIGNER_SERVICES as SERVICES;

use crate::LocalSigner;

/// The routes of `foxhold.keysigner.v1`.
#[must_use]
pub fn routes(signer: Arc<LocalSigner>) -> Routes {
    server::keysigner(KeysignerPorts {
        access_tokens: Arc::clone(&signer) as _,
        certificates: Arc::clone(&signer) as _,
        id_tokens: Arc::clone(&signer) as _,
        node_tokens: Arc::clone(&signer) as _,
        public_keys: signer,
    })
}
