//! OpenAPI documents made from the code: the table of routes says which calls there are, the handler's own signature what a
//! call takes and who may make it, the types of bodies what stands in them (`ecosystem.md` 2.1, 4).
//!
//! For tests only: services name it among their dev-dependencies, so that nothing of it is in a program. What must stay
//! true: a document is never written by hand; `cargo xtask openapi` writes it, and tests compare it.
//!
//! Reading order: `call` (one operation), `handler` (what a signature tells), `routes` (the table of routes, from its
//! source), `document` (all of it as a file), `fields` (what a handler reads by hand), `check` (real answers against it).

pub mod call;
pub mod check;
pub mod document;
pub mod fields;
pub mod handler;
pub mod routes;
mod schema;
mod source;

pub use call::Call;
pub use check::Described;
pub use document::Document;
pub use handler::{Answer, Handler, Part};
