//! The signers under measurement, each in a process of its own.

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc};

use anyhow::Result;
use async_trait::async_trait;
use clap::Args;
use foxhold_core::{Clock, Deadline, SecretText, hex};
use foxhold_crypto::{
    access_token::NewAccessToken,
    certificate::{NewCertificate, SubjectKey},
    jws::Unsigned,
    short_rsa_key::ShortRsaPublicKey,
};
use foxhold_keysigner::{
    Config, Keysigner,
    custody::{Custody, ephemeral},
};
use foxhold_ports::{
    AccessTokenSigner, CertificateSigner, IdTokenSigner, NodeTokenMinter, PublicKeySource,
    signer::{
        AccessTokenOrder, CertificateOrder, IdTokenOrder, NodeToken, NodeTokenOrder, PublicKey, SignError,
        SubjectNumbers,
    },
};
use foxhold_rpc::server::{KeysignerPorts, keysigner};
use foxhold_runtime::{
    Shutdown, SystemClock,
    config::Secrets,
    tls::{Role, TlsIdentity},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Contender, TRUST_DOMAIN, tls};
use crate::server::say_address;

/// Which signer, and where the certificates lie.
#[derive(Args)]
pub(crate) struct ServeOptions {
    contender: Contender,
    #[arg(long)]
    folder: PathBuf,
}

/// Serves until the process is ended; says its address first.
///
/// # Errors
/// When it cannot listen.
pub(crate) async fn serve(options: ServeOptions) -> Result<()> {
    match options.contender {
        Contender::Minimal => serve_minimal(&options).await,
        Contender::Keysigner => serve_keysigner(&options).await,
    }
}

async fn serve_keysigner(options: &ServeOptions) -> Result<()> {
    let folder = options.folder.display();
    let config: Config = toml::from_str(&format!(
        "env = \"dev\"\nlisten = \"127.0.0.1:0\"\nissuer = \"https://accounts.example\"\nephemeral_key = true\n\
         [tls]\ncertificate_file = \"{folder}/keysigner.pem\"\nkey_file = \"{folder}/keysigner.key\"\n\
         authority_file = \"{folder}/authority.pem\"\ntrust_domain = \"{TRUST_DOMAIN}\"\n\
         [signing]\ncaller_per_second = 0\n\
         [node_secrets]\nfixed_file = \"{folder}/node.secret\"\n\
         [audit]\nfolder = \"{folder}/audit\"\nkey_file = \"{folder}/audit.key\"\n"
    ))?;
    let signer = Keysigner::open(&config, &Secrets::default()).await?;
    say_address(signer.address())?;
    signer.serve(&Shutdown::new()).await
}

async fn serve_minimal(options: &ServeOptions) -> Result<()> {
    let identity = TlsIdentity::load(&tls(&options.folder, Role::Keysigner), &Secrets::default())?;
    let acceptor = TlsAcceptor::from(identity.server_config(Arc::new(SystemClock))?);
    let signer = Arc::new(Minimal(ephemeral::generate(SystemClock.now())?));
    let ports = KeysignerPorts {
        access_tokens: signer.clone(),
        certificates: signer.clone(),
        id_tokens: signer.clone(),
        node_tokens: signer.clone(),
        public_keys: signer,
    };
    let routes = keysigner(ports).prepare().into_axum_router();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    say_address(listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (acceptor, routes) = (acceptor.clone(), routes.clone());
        tokio::spawn(async move {
            let stream = acceptor.accept(stream).await?;
            let service = TowerToHyperService::new(routes);
            let http = Builder::new(TokioExecutor::new());
            let served = http.serve_connection(TokioIo::new(stream), service).await;
            served.map_err(anyhow::Error::from_boxed)
        });
    }
}

/// Signs what it is told, where it is told.
struct Minimal(Box<dyn Custody>);

impl Minimal {
    fn signed(&self, unsigned: Unsigned) -> Result<SecretText, SignError> {
        let signature = self
            .0
            .sign(unsigned.signing_input())
            .map_err(|_| SignError::Refused)?;
        Ok(SecretText::new(unsigned.with_signature(&signature)))
    }
}

#[async_trait]
impl AccessTokenSigner for Minimal {
    async fn sign_access_token(
        &self,
        _by: Deadline,
        order: &AccessTokenOrder,
    ) -> Result<SecretText, SignError> {
        let now = SystemClock.now();
        let unsigned = NewAccessToken {
            issuer: "https://accounts.example",
            uid: order.uid,
            audience: &order.audience,
            client_id: order.client,
            issued_at: now,
            expires: now.plus(std::time::Duration::from_secs(order.lifetime_secs)),
            jti: &hex::encode(&order.jti),
            scope: &order.scope,
            generation: order.generation,
            profile_changed_at: Some(order.profile_changed_at),
        }
        .unsigned(&self.0.public_key().kid);
        self.signed(unsigned)
    }
}

#[async_trait]
impl CertificateSigner for Minimal {
    async fn sign_certificate(
        &self,
        _by: Deadline,
        order: &CertificateOrder,
    ) -> Result<SecretText, SignError> {
        let SubjectNumbers::Rsa { n, e } = &order.subject else {
            return Err(SignError::Refused);
        };
        let key = ShortRsaPublicKey::new(n, e).map_err(|_| SignError::Refused)?;
        let now = SystemClock.now();
        let unsigned = NewCertificate {
            domain: "accounts.example",
            uid: order.uid,
            key: &SubjectKey::Rsa(key),
            issued_at: now,
            expires: now.plus(std::time::Duration::from_millis(order.duration_millis)),
            generation: order.generation,
            profile_changed_at: order.profile_changed_at,
            keys_changed_at: order.keys_changed_at,
            last_auth_at: order.last_auth_at,
            verified_email: &order.verified_email,
            device_id: order.device,
            token_verified: order.token_verified,
            amr: &["pwd"],
            aal: order.aal,
        }
        .unsigned(&self.0.public_key().kid);
        self.signed(unsigned)
    }
}

#[async_trait]
impl IdTokenSigner for Minimal {
    async fn sign_id_token(&self, _by: Deadline, _order: &IdTokenOrder) -> Result<SecretText, SignError> {
        Err(SignError::Refused)
    }
}

#[async_trait]
impl NodeTokenMinter for Minimal {
    async fn mint_node_token(&self, _by: Deadline, _order: &NodeTokenOrder) -> Result<NodeToken, SignError> {
        Err(SignError::NoNodeSecret)
    }
}

#[async_trait]
impl PublicKeySource for Minimal {
    async fn public_keys(&self, _by: Deadline) -> Result<Vec<PublicKey>, SignError> {
        Err(SignError::Refused)
    }
}
