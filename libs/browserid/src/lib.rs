//! BrowserID (`accounts.md` (d), `tokenserver.md` section 8): a bundle of one certificate and one assertion, verified
//! here from parsing to signatures. The Token Server calls [`verify`]; the documents of issuers come in through
//! [`SupportDocuments`], so nothing here opens a connection, reads a clock or signs. Where a deployment has somebody else
//! verify, [`question`] and [`read_answer`] are what is said. [`support_document`] writes what the own domain publishes.
//!
//! The order is from cheap to dear, so that garbage costs its reader nothing: shape, times, audience and policy come
//! before any document is fetched, and that before any signature.

mod bundle;
mod claims;
mod document;
mod domain;
mod error;
mod identity;
mod issuer;
mod json;
mod jws;
mod key;
mod number;
mod publish;
mod remote;
mod verify;

pub use bundle::{Bundle, LEN_MAX};
pub use document::{Document, DocumentError, FetchError, IssuerKey, SupportDocuments};
pub use error::{Row, VerifyError};
pub use identity::Identity;
pub use key::{Algorithm, KeyError, PublicKey};
pub use publish::{PublishedKey, support_document};
pub use remote::{AnswerError, question, read_answer};
pub use verify::{Expectations, issuer_keys, prove, verify};

#[cfg(test)]
mod tests;
