//! Reading a whole table, page by page: for the audit and for jobs. Everything else reads partitions.

use foxhold_core::Deadline;
use foxhold_ports::{Cause, ReadError};
use scylla::{
    deserialize::row::DeserializeRow,
    response::{PagingState, PagingStateResponse},
    serialize::row::SerializeRow,
};
use tracing::Instrument as _;

use super::{Cql, Read, error, fault, spans, within};

/// A page, and where the next one begins; `None` after the last.
pub(crate) type Page<R> = (Vec<R>, Option<PagingState>);

impl Cql {
    /// A page of at most so many rows, at a quorum of the own region.
    pub(crate) async fn page<R>(
        &self,
        by: Deadline,
        statement: &Read,
        values: impl SerializeRow,
        rows_max: i32,
        from: PagingState,
    ) -> Result<Page<R>, ReadError>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        self.counters.read();
        let mut prepared = statement.prepared().clone();
        prepared.set_page_size(rows_max);
        let span = spans::of(statement.name(), spans::QUORUM);
        let sent = self
            .session
            .execute_single_page(&prepared, values, from)
            .instrument(span);
        let answer = within(by, sent).await.map_err(|_| ReadError(Cause::Timeout))?;
        let (result, next) = answer.map_err(|error| ReadError(error::stage(&error).cause()))?;
        let result = result.into_rows_result().map_err(|error| fault(&error))?;
        let rows = result.rows::<R>().map_err(|error| fault(&error))?;
        let rows = rows
            .collect::<Result<Vec<R>, _>>()
            .map_err(|error| fault(&error))?;
        let next = match next {
            PagingStateResponse::HasMorePages { state } => Some(state),
            PagingStateResponse::NoMorePages => None,
        };
        Ok((rows, next))
    }
}
