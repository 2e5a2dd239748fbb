//! `/storage/{collection}`: lists, uploads with and without batches, deletes.

mod stream;

use foxhold_sqlite::rusqlite::Connection;
use foxhold_sync::storage::{
    BatchId, BatchMode, BodyFormat, BsoId, CollectionName, DeleteQuery, Limits, ListFormat, ListQuery,
    Upload, modified_answer, parse_upload, push_record, push_text, upload_answer,
};

use crate::{
    edge::Admitted,
    reply::Reply,
    store::{self, Denied, Item, Page, Staged, WriteContext, Written},
};

/// Answers longer than this are streamed.
const HELD_BYTES_MAX: u64 = 8 << 20;

pub(crate) async fn list(
    request: &Admitted<'_>,
    name: CollectionName,
    format: ListFormat,
    query: ListQuery,
) -> Result<Reply, Denied> {
    request.checked_times(|times| times.of(&name)).await?;
    let (wanted, full) = (name.clone(), query.full);
    let page = request
        .read(move |connection, context| store::list(connection, context, &wanted, &query, HELD_BYTES_MAX))
        .await?;
    let (
        time,
        Page {
            items,
            next,
            payloads,
        },
    ) = (page.last_modified, page.value);
    let count = items.len();
    let reply = match payloads {
        Some(payloads) if full => Reply::list(time, format, objects(format, &items, &payloads)),
        _ if !full => Reply::list(time, format, ids(format, &items)),
        _ => Reply::stream(
            time,
            format,
            stream::body(request.node, request.uid, name, time, format, items),
        ),
    };
    Ok(reply.records(count).next_offset(next.as_ref()))
}

fn ids(format: ListFormat, items: &[Item]) -> String {
    write_list(format, items.iter(), |out, item| push_text(out, item.id.as_str()))
}

fn objects(format: ListFormat, items: &[Item], payloads: &[String]) -> String {
    write_list(format, items.iter().zip(payloads), |out, (item, payload)| {
        push_record(out, &item.id, item.modified, item.sortindex, payload);
    })
}

fn write_list<T>(format: ListFormat, items: impl Iterator<Item = T>, one: impl Fn(&mut String, T)) -> String {
    let mut out = String::new();
    match format {
        ListFormat::Json => {
            out.push('[');
            for (at, item) in items.enumerate() {
                if at > 0 {
                    out.push(',');
                }
                one(&mut out, item);
            }
            out.push(']');
        }
        ListFormat::Newlines => {
            for item in items {
                one(&mut out, item);
                out.push('\n');
            }
        }
    }
    out
}

pub(crate) async fn delete(
    request: &Admitted<'_>,
    name: CollectionName,
    query: DeleteQuery,
) -> Result<Reply, Denied> {
    let written = request
        .write(move |connection, context| match query {
            DeleteQuery::Collection => store::delete_collection(connection, context, &name),
            DeleteQuery::Ids(ids) => store::delete_ids(connection, context, &name, &ids),
        })
        .await?;
    Ok(Reply::json(written.time, modified_answer(written.time)).quota_left(written.quota_left))
}

/// What a POST came to.
enum Outcome {
    Written(Written),
    Staged(BatchId, Staged),
}

pub(crate) async fn post(
    request: &Admitted<'_>,
    name: CollectionName,
    format: BodyFormat,
    mode: BatchMode,
    limits: &Limits,
    body: &[u8],
) -> Result<Reply, Denied> {
    let Upload { accepted, failed } = parse_upload(body, format, &name, limits)?;
    let success: Vec<BsoId> = accepted.iter().map(|(id, _)| id.clone()).collect();
    let limits = *limits;
    let new_batch = BatchId::random(&*request.node.random);
    let write = move |connection: &Connection, context: WriteContext| -> Result<Outcome, Denied> {
        Ok(match mode {
            BatchMode::Plain => Outcome::Written(store::post(connection, context, &name, accepted)?),
            BatchMode::Open => {
                let staged = store::open_batch(connection, context, &name, &new_batch, accepted, &limits)?;
                Outcome::Staged(new_batch, staged)
            }
            BatchMode::Append(id) => {
                let staged = store::append(connection, context, &name, &id, accepted, &limits)?;
                Outcome::Staged(id, staged)
            }
            BatchMode::Commit(id) => {
                Outcome::Written(store::commit(connection, context, &name, &id, accepted, &limits)?)
            }
        })
    };
    Ok(match request.write(write).await? {
        Outcome::Written(written) => {
            let body = upload_answer(Some(written.time), None, success.iter(), &failed);
            Reply::json(written.time, body).quota_left(written.quota_left)
        }
        Outcome::Staged(id, staged) => {
            let body = upload_answer(None, Some(&id), success.iter(), &failed);
            Reply::staged(staged.collection_time, body).quota_left(staged.quota_left)
        }
    })
}
