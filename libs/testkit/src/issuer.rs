//! A BrowserID issuer for tests: it publishes its key over plain HTTP on loopback, and vouches for whomever a test wants.
//! Its users' keys are its own key, which nobody minds.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use crate::{
    person::{OLDSYNC, now_secs},
    test_key::TestKey,
};

/// The longest request that is read.
const REQUEST_MAX: usize = 8 * 1024;

/// The issuer; it stops answering with this value.
#[derive(Debug)]
pub struct Issuer {
    domain: String,
    address: SocketAddr,
    key: TestKey,
    serving: JoinHandle<()>,
}

/// What a certificate and its assertion say.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The half of the principal before the `@`.
    pub uid: String,
    /// `fxa-generation` and `fxa-keysChangedAt`, in ms.
    pub changed_at: u64,
    /// For which server, as its origin.
    pub audience: String,
}

impl Issuer {
    /// Starts the issuer of a domain.
    ///
    /// # Errors
    /// When there is no port for it.
    pub async fn start(domain: &str) -> Result<Self> {
        let key = TestKey::new()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut public_key = key.public();
        public_key["kid"] = json!("now");
        let document = json!({
            "public-key": public_key,
            "authentication": "/sign-in",
            "provisioning": "/provision",
        });
        let body = document.to_string();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: max-age=600\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        Ok(Self {
            domain: domain.to_owned(),
            address,
            key,
            serving: tokio::spawn(serve(listener, answer)),
        })
    }

    /// What a webhead has to be told to find it.
    #[must_use]
    pub fn configuration(&self) -> String {
        format!(
            "[issuer_documents]\n{:?} = \"http://{}/.well-known/browserid\"\n",
            self.domain, self.address
        )
    }

    /// Nobody answers any more.
    pub fn stop(&self) {
        self.serving.abort();
    }

    /// A bundle that is good for some minutes.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn bundle(&self, claim: &Claim) -> Result<String> {
        let now = now_secs() * 1000;
        let certificate = json!({
            "iss": self.domain,
            "iat": now,
            "exp": now + 600_000,
            "public-key": self.key.public(),
            "principal": {"email": format!("{}@{}", claim.uid, self.domain)},
            "fxa-generation": claim.changed_at,
            "fxa-keysChangedAt": claim.changed_at,
            "fxa-tokenVerified": true,
        });
        let assertion = json!({"exp": now + 300_000, "aud": claim.audience});
        let certificate = self
            .key
            .sign(&json!({"alg": "RS256", "kid": "now"}), &certificate)?;
        let assertion = self.key.sign(&json!({"alg": "RS256"}), &assertion)?;
        Ok(format!("{certificate}~{assertion}"))
    }

    /// Its key as other servers read it from a file: a JWK.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut key = self.key.public();
        key["kid"] = json!("now");
        key["alg"] = json!("RS256");
        key["use"] = json!("sig");
        key
    }

    /// An access token for sync that is good for some minutes, as an accounts server signs it.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn access_token(&self, uid: &str, generation: u64) -> Result<String> {
        let now = now_secs();
        let claims = json!({
            "iss": format!("https://{}", self.domain),
            "sub": uid,
            "scope": OLDSYNC,
            "iat": now,
            "exp": now + 600,
            "fxa-generation": generation,
        });
        self.key
            .sign(&json!({"alg": "RS256", "typ": "at+jwt", "kid": "now"}), &claims)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn serve(listener: TcpListener, answer: String) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") && asked.len() < REQUEST_MAX {
            match stream.read_buf(&mut asked).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        // Whoever went away needs no answer.
        drop(stream.write_all(answer.as_bytes()).await);
    }
}
