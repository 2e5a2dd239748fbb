//! Hawk from the client's side with every part within reach, so that each can be wrong alone (`accounts.md` (b)).

use anyhow::Result;
use base64::{Engine, prelude::BASE64_STANDARD};
use foxhold_core::hex;
use foxhold_crypto::{
    hawk::{Target, payload_hash},
    mac::hmac_sha256,
    token::TokenKeys,
};

use super::wire::RawRequest;
use crate::person::{now_secs, unique_hex};

/// Who signs.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The Hawk id.
    pub id: String,
    key: Vec<u8>,
    host: String,
    port: u16,
}

/// What is signed and how it is said. [`Signer::signing`] makes a right one.
#[derive(Debug, Clone)]
pub struct Signing {
    /// The attribute, also where it is not an id at all.
    pub id: String,
    /// As it stands on the request line.
    pub method: String,
    /// As it stands on the request line.
    pub target: String,
    /// Of the public address.
    pub host: String,
    /// Of the public address.
    pub port: u16,
    /// Seconds.
    pub ts: String,
    /// New for each request.
    pub nonce: String,
    /// The payload's, if it is covered.
    pub hash: Option<String>,
    /// Application data.
    pub ext: Option<String>,
    /// Application id and delegation.
    pub app_dlg: Option<(String, String)>,
    pub(super) key: Vec<u8>,
}

impl Signer {
    /// Signs with a token of the accounts server for its public `root`.
    ///
    /// # Errors
    /// When the root is no address.
    pub fn of_token(root: &str, keys: &TokenKeys) -> Result<Self> {
        Self::new(root, hex::encode(keys.id.as_bytes()), keys.key.expose().to_vec())
    }

    /// Signs with any id and key.
    ///
    /// # Errors
    /// When the root is no address.
    pub fn new(root: &str, id: String, key: Vec<u8>) -> Result<Self> {
        let origin = Target::parse(root)?;
        Ok(Self {
            id,
            key,
            host: origin.host,
            port: origin.port,
        })
    }

    /// The right way to sign a request without body, now.
    #[must_use]
    pub fn signing(&self, method: &str, target: &str) -> Signing {
        Signing {
            id: self.id.clone(),
            method: method.to_owned(),
            target: target.to_owned(),
            host: self.host.clone(),
            port: self.port,
            ts: now_secs().to_string(),
            nonce: unique_hex()[..12].to_owned(),
            hash: None,
            ext: None,
            app_dlg: None,
            key: self.key.clone(),
        }
    }

    /// A well-signed request without body.
    #[must_use]
    pub fn request(&self, method: &str, target: &str) -> RawRequest {
        let signing = self.signing(method, target);
        RawRequest::new(method, target).header("authorization", signing.header())
    }

    /// A well-signed request with a body under the signature.
    #[must_use]
    pub fn request_with(&self, method: &str, target: &str, body: &[u8]) -> RawRequest {
        let signing = self.signing(method, target).covering(body);
        RawRequest::new(method, target)
            .header("authorization", signing.header())
            .json(body)
    }
}

impl Signing {
    /// With a payload hash for a JSON body.
    #[must_use]
    pub fn covering(mut self, body: &[u8]) -> Self {
        self.hash = Some(payload_hash("application/json", body));
        self
    }

    /// With another time, counted from now.
    #[must_use]
    pub fn at(mut self, offset_secs: i64) -> Self {
        self.ts = now_secs().saturating_add_signed(offset_secs).to_string();
        self
    }

    /// The signature.
    #[must_use]
    pub fn mac(&self) -> String {
        let port = self.port.to_string();
        let mut lines = vec![
            "hawk.1.header",
            &self.ts,
            &self.nonce,
            &self.method,
            &self.target,
            &self.host,
            &port,
            self.hash.as_deref().unwrap_or_default(),
            self.ext.as_deref().unwrap_or_default(),
        ];
        if let Some((app, dlg)) = &self.app_dlg {
            lines.extend([app.as_str(), dlg.as_str()]);
        }
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        BASE64_STANDARD.encode(hmac_sha256(&self.key, &[text.as_bytes()]))
    }

    /// The Authorization header.
    #[must_use]
    pub fn header(&self) -> String {
        self.header_with_mac(&self.mac())
    }

    /// The Authorization header with a signature from elsewhere.
    #[must_use]
    pub fn header_with_mac(&self, mac: &str) -> String {
        let mut attributes = vec![("id", &self.id), ("ts", &self.ts), ("nonce", &self.nonce)];
        attributes.extend(self.hash.as_ref().map(|hash| ("hash", hash)));
        attributes.extend(self.ext.as_ref().map(|ext| ("ext", ext)));
        if let Some((app, dlg)) = &self.app_dlg {
            attributes.extend([("app", app), ("dlg", dlg)]);
        }
        let attributes = attributes
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\", "));
        format!("Hawk {}mac=\"{mac}\"", attributes.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::Secret;
    use foxhold_crypto::token::TokenKind;

    use super::*;

    /// The vector of `accounts.md` (b).
    #[test]
    fn the_contracts_vector() {
        let token: [u8; 32] = std::array::from_fn(|at| 0xa0 + u8::try_from(at).unwrap());
        let keys = TokenKeys::derive(TokenKind::Session, &Secret::new(token));
        let signer = Signer::of_token("https://accounts.example.test", &keys).unwrap();
        let body = br#"{"client_id":"5882386c6d801776","grant_type":"fxa-credentials","scope":"profile"}"#;
        let mut signing = signer.signing("POST", "/v1/oauth/token").covering(body);
        signing.ts = "1700000000".into();
        signing.nonce = "j4h3g2".into();
        assert_eq!(
            signing.hash.as_deref(),
            Some("AbgVCOfndrWS8J0g4wEqBDsmJzezGp8eg1FwLSaoYt0=")
        );
        assert_eq!(signing.mac(), "Dcsla0Kerz1Wp+ieGv/fAQYq0Qv2NDKeHY7HGoEm4Hc=");
    }
}
