//! All cryptography of Foxhold, without I/O, clock or randomness of its own: what is random comes in.
//!
//! Layers. Without features: what the sign-in page (WebAssembly), the storage nodes and the servers share.
//! Feature `server` adds what stands on ring and scrypt, which the page must not carry; `dsa` adds to that the keys that
//! only BrowserID still takes.
//! Every rule here is checked against the vectors of the contracts.

pub mod hawk;
pub mod hkdf;
pub mod invitation;
pub mod jwe;
pub mod mac;
pub mod node_secret;
pub mod node_token;
pub mod onepw;
pub mod pkce;
pub mod recovery_key;
pub mod scoped_key;
pub mod token;

#[cfg(feature = "server")]
pub mod access_token;
#[cfg(feature = "server")]
pub mod audit;
#[cfg(feature = "server")]
mod big_endian;
#[cfg(feature = "server")]
pub mod id_token;
#[cfg(feature = "server")]
pub mod jws;
#[cfg(feature = "server")]
pub mod outbox;
#[cfg(feature = "server")]
pub mod rsa_key;
#[cfg(feature = "server")]
pub mod scrypt;
#[cfg(feature = "server")]
pub mod totp;

#[cfg(feature = "dsa")]
pub mod certificate;
#[cfg(feature = "dsa")]
pub mod dsa_key;
#[cfg(feature = "dsa")]
mod rsa_soundness;
#[cfg(feature = "dsa")]
pub mod short_rsa_key;
