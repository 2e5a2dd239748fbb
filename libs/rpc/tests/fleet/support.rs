//! One deployment: an authority, certificates by role, servers and channels.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use foxhold_core::{Deadline, Secret, SecretText};
use foxhold_ports::{
    AccessTokenSigner, AccountWriter, CertificateSigner, IdTokenSigner, NodeTokenMinter, PublicKeySource,
    Stretcher,
    memory::MemoryStore,
    operator::Narrowed,
    signer::{
        AccessTokenOrder, CertificateOrder, IdTokenOrder, NodeToken, NodeTokenOrder, PublicKey, SignError,
    },
    stretcher::StretchError,
};
use foxhold_rpc::{
    client::{self, Transport},
    server::{
        self, DBWRITER_SERVICES, DbwriterPorts, KEYSIGNER_SERVICES, KeysignerPorts, STRETCHER_SERVICES,
    },
};
use foxhold_runtime::{
    Health, Shutdown, SystemClock, SystemRandom,
    certificates::{Authority, LIFETIME_MAX, Subject},
    channel::{Balanced, ChannelSettings},
    grpc_server::{GrpcLimits, GrpcServer},
    tls::{Role, SpiffeId, TlsIdentity},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinHandle,
};
use tonic::service::Routes;

pub(crate) const TRUST_DOMAIN: &str = "fox.test";

/// A trust domain with its authority.
pub(crate) struct Deployment {
    pub(crate) authority: Authority,
    pub(crate) trust_domain: &'static str,
}

impl Deployment {
    pub(crate) fn new() -> Self {
        Self::of(TRUST_DOMAIN)
    }

    pub(crate) fn of(trust_domain: &'static str) -> Self {
        Self {
            authority: Authority::create(trust_domain, &SystemClock, &SystemRandom).unwrap(),
            trust_domain,
        }
    }

    pub(crate) fn identity(&self, role: Role) -> TlsIdentity {
        let id = SpiffeId::new(self.trust_domain, "home", role).unwrap();
        self.issue(&Subject::of(&id, LIFETIME_MAX))
    }

    pub(crate) fn issue(&self, subject: &Subject) -> TlsIdentity {
        let pair = self
            .authority
            .issue(subject, &SystemClock, &SystemRandom)
            .unwrap();
        pair.identity(&self.authority).unwrap()
    }

    /// A server of a role.
    pub(crate) async fn serve(
        &self,
        role: Role,
        routes: Routes,
        services: &[&'static str],
        limits: GrpcLimits,
    ) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = GrpcServer {
            listener,
            tls: self.identity(role).server_config(Arc::new(SystemClock)).unwrap(),
            routes,
            services: services.to_vec(),
            limits,
            random: Arc::new(SystemRandom),
        };
        let shutdown = Shutdown::new();
        let health = Health::new(&shutdown);
        let (ending, telling) = (shutdown.clone(), health.clone());
        let task = tokio::spawn(async move {
            server.serve(&telling, &ending).await.unwrap();
        });
        Running {
            address,
            shutdown,
            health,
            task: Some(task),
        }
    }

    pub(crate) async fn dbwriter(&self, ports: DbwriterPorts) -> Running {
        let routes = server::dbwriter(ports);
        self.serve(Role::Dbwriter, routes, &DBWRITER_SERVICES, GrpcLimits::default())
            .await
    }

    pub(crate) async fn memory_dbwriter(&self) -> Running {
        self.dbwriter(memory_ports()).await
    }

    pub(crate) async fn keysigner(&self) -> Running {
        self.serve(
            Role::Keysigner,
            keysigner_routes(),
            &KEYSIGNER_SERVICES,
            GrpcLimits::default(),
        )
        .await
    }

    pub(crate) async fn stretcher(&self, stretcher: Arc<dyn Stretcher>, limits: GrpcLimits) -> Running {
        self.serve(
            Role::Stretcher,
            server::stretcher(stretcher),
            &STRETCHER_SERVICES,
            limits,
        )
        .await
    }

    /// A channel of a caller's role to servers of another.
    pub(crate) fn channel(&self, caller: Role, server: Role, addresses: &[SocketAddr]) -> Balanced {
        channel_as(&self.identity(caller), server, settings(addresses))
    }

    pub(crate) fn transport(&self, caller: Role, server: Role, addresses: &[SocketAddr]) -> Transport {
        client::transport(self.channel(caller, server, addresses))
    }
}

/// Who calls these is patient: a busy machine may take seconds for a handshake.
pub(crate) fn settings(addresses: &[SocketAddr]) -> ChannelSettings {
    ChannelSettings {
        addresses: addresses.iter().map(ToString::to_string).collect(),
        connect_ms_max: 60_000,
        wait_ms_max: 60_000,
        ..ChannelSettings::default()
    }
}

/// An address at which nobody listens, and nobody can as long as the value lives.
pub(crate) fn nobody() -> (SocketAddr, TcpSocket) {
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    (held.local_addr().unwrap(), held)
}

pub(crate) fn channel_as(identity: &TlsIdentity, server: Role, settings: ChannelSettings) -> Balanced {
    let tls = identity.client_config(Arc::new(SystemClock), server).unwrap();
    Balanced::new(settings, tls, &SystemRandom).unwrap()
}

pub(crate) fn memory_ports() -> DbwriterPorts {
    let store = Arc::new(MemoryStore::new());
    DbwriterPorts {
        accounts: Arc::clone(&store) as _,
        guards: Arc::clone(&store) as _,
        account_admin: Arc::clone(&store) as _,
        operator: narrowed(Arc::clone(&store) as _),
        commands: Arc::clone(&store) as _,
        invitations: Arc::clone(&store) as _,
        assignments: Arc::clone(&store) as _,
        admin: Arc::clone(&store) as _,
        outbox: Arc::clone(&store) as _,
        clients: Arc::clone(&store) as _,
        grants: Arc::clone(&store) as _,
        turns: store,
    }
}

pub(crate) fn keysigner_routes() -> Routes {
    let signer = Arc::new(FakeSigner);
    server::keysigner(KeysignerPorts {
        access_tokens: Arc::clone(&signer) as _,
        certificates: Arc::clone(&signer) as _,
        id_tokens: Arc::clone(&signer) as _,
        node_tokens: Arc::clone(&signer) as _,
        public_keys: signer,
    })
}

/// What operators are let do with accounts.
pub(crate) fn narrowed(accounts: Arc<dyn AccountWriter>) -> Arc<Narrowed> {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    Arc::new(Narrowed::new(accounts, clock, random))
}

/// A server at work.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: Shutdown,
    pub(crate) health: Health,
    task: Option<JoinHandle<()>>,
}

impl Running {
    /// Ends it the orderly way.
    pub(crate) async fn stop(mut self) {
        self.shutdown.trigger();
        self.task.take().unwrap().await.unwrap();
    }

    /// Ends it as a crash would: connections break, nothing is finished.
    pub(crate) async fn kill(mut self) {
        let task = self.task.take().unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

/// Answers with what it was given, so that a test sees that it arrived.
pub(crate) struct FakeSigner;

#[async_trait]
impl AccessTokenSigner for FakeSigner {
    async fn sign_access_token(
        &self,
        _: Deadline,
        order: &AccessTokenOrder,
    ) -> Result<SecretText, SignError> {
        if order.audience.is_empty() {
            return Err(SignError::Refused);
        }
        Ok(SecretText::new(format!("{} for {}", order.uid, order.audience)))
    }
}

#[async_trait]
impl CertificateSigner for FakeSigner {
    async fn sign_certificate(&self, _: Deadline, order: &CertificateOrder) -> Result<SecretText, SignError> {
        if order.duration_millis == 0 {
            return Err(SignError::UnfitKey);
        }
        Ok(SecretText::new(format!(
            "{} known as {}",
            order.uid, order.verified_email
        )))
    }
}

#[async_trait]
impl IdTokenSigner for FakeSigner {
    async fn sign_id_token(&self, _: Deadline, order: &IdTokenOrder) -> Result<SecretText, SignError> {
        if order.lifetime_secs == 0 {
            return Err(SignError::Refused);
        }
        Ok(SecretText::new(format!("{} seen by {}", order.uid, order.client)))
    }
}

#[async_trait]
impl NodeTokenMinter for FakeSigner {
    async fn mint_node_token(&self, _: Deadline, order: &NodeTokenOrder) -> Result<NodeToken, SignError> {
        if order.node != "https://node" {
            return Err(SignError::NoNodeSecret);
        }
        Ok(NodeToken {
            token: SecretText::new(order.uid.to_string()),
            key: SecretText::new(order.fxa_uid.clone()),
        })
    }
}

#[async_trait]
impl PublicKeySource for FakeSigner {
    async fn public_keys(&self, _: Deadline) -> Result<Vec<PublicKey>, SignError> {
        Ok(vec![PublicKey {
            kid: "k".into(),
            n: vec![1, 2, 3],
            e: vec![1, 0, 1],
            created_at: foxhold_core::Timestamp::from_millis(7),
            retires_at: None,
        }])
    }
}

/// XOR in place of scrypt.
pub(crate) struct FakeStretcher;

#[async_trait]
impl Stretcher for FakeStretcher {
    async fn stretch(
        &self,
        _: Deadline,
        auth_pw: Secret<32>,
        salt: [u8; 32],
    ) -> Result<Secret<32>, StretchError> {
        Ok(auth_pw.xor(&Secret::new(salt)))
    }
}
