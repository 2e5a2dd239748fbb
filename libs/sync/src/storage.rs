//! Rules of a Sync 1.5 storage node: `services/sync-node` parses requests with them and applies writes by them.
//!
//! Everything is a function of its arguments. The store decides nothing: it keeps what [`Record`] says.

mod answer;
mod batch;
mod bso;
mod json;
mod limits;
mod media;
mod names;
mod precondition;
mod query;
mod refusal;
mod shard;
mod tick;
mod upload;

pub use answer::{
    Kib, configuration_answer, info_answer, modified_answer, push_record, push_text, quota_answer,
    upload_answer,
};
pub use batch::{BATCH_LIFETIME, BatchId, BatchMode, STAGED_BATCHES_MAX};
pub use bso::{Change, Field, Invalid, Record, parse_put};
pub use limits::{Limits, LimitsError, PostClaims};
pub use media::{BodyFormat, ListFormat, negotiate_list, read_content_type};
pub use names::{BsoId, CollectionName};
pub use precondition::{Precondition, Verdict};
pub use query::{DeleteQuery, ListQuery, Offset, QueryPairs, Sort};
pub use refusal::Refusal;
pub use shard::shard_of;
pub use tick::{Round, Tick, WriteTimeError, next_write_time};
pub use upload::{Upload, parse_upload};
