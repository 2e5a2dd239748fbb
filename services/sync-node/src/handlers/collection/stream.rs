//! A list too large to be held: its items are known, their payloads are read a portion at a time while the client
//! reads, each portion on a snapshot of its own. A slow reader so delays nobody.
//!
//! Must stay true: all portions are of one state of the collection. If it changes, the connection is cut, and the
//! client tries again.

use std::{io, sync::Arc};

use axum::body::Body;
use bytes::Bytes;
use foxhold_sync::storage::{BsoId, CollectionName, ListFormat, Tick, push_record};
use futures_util::stream;

use crate::{
    node::SyncNode,
    store::{self, Item},
};

/// About how long one portion is; at least one item.
const PORTION_BYTES: u64 = 1 << 20;

struct Download {
    node: Arc<SyncNode>,
    uid: u64,
    collection: CollectionName,
    time: Tick,
    format: ListFormat,
    items: std::vec::IntoIter<Item>,
    begun: bool,
    ended: bool,
}

pub(super) fn body(
    node: &Arc<SyncNode>,
    uid: u64,
    collection: CollectionName,
    time: Tick,
    format: ListFormat,
    items: Vec<Item>,
) -> Body {
    let download = Download {
        node: Arc::clone(node),
        uid,
        collection,
        time,
        format,
        items: items.into_iter(),
        begun: false,
        ended: false,
    };
    Body::from_stream(stream::try_unfold(download, |mut download| async move {
        let portion = download.next().await?;
        Ok::<_, io::Error>(portion.map(|portion| (portion, download)))
    }))
}

impl Download {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.ended {
            return Ok(None);
        }
        let portion = self.take_portion();
        let payloads = self.payloads(&portion).await?;
        let mut out = String::new();
        for (item, payload) in portion.iter().zip(&payloads) {
            match (self.format, self.begun) {
                (ListFormat::Json, false) => out.push('['),
                (ListFormat::Json, true) => out.push(','),
                (ListFormat::Newlines, _) => {}
            }
            self.begun = true;
            push_record(&mut out, &item.id, item.modified, item.sortindex, payload);
            if self.format == ListFormat::Newlines {
                out.push('\n');
            }
        }
        self.ended = self.items.as_slice().is_empty();
        if self.ended && self.format == ListFormat::Json {
            out.push(']');
        }
        Ok(Some(Bytes::from(out)))
    }

    fn take_portion(&mut self) -> Vec<Item> {
        let mut bytes = 0;
        let mut portion = Vec::new();
        while bytes < PORTION_BYTES
            && let Some(item) = self.items.next()
        {
            bytes += item.answer_len();
            portion.push(item);
        }
        portion
    }

    async fn payloads(&self, portion: &[Item]) -> io::Result<Vec<String>> {
        let ids: Vec<BsoId> = portion.iter().map(|item| item.id.clone()).collect();
        let (collection, time) = (self.collection.clone(), self.time);
        let uid = store::uid_to_sql(self.uid);
        let read =
            move |connection: &_| store::payloads_unless_changed(connection, uid, &collection, time, &ids);
        let read = self
            .node
            .store
            .read(self.uid, self.node.turn_deadline(), read)
            .await;
        match read {
            Ok(Some(payloads)) => Ok(payloads),
            Ok(None) => Err(io::Error::other("the collection changed during its download")),
            Err(denied) => Err(io::Error::other(denied)),
        }
    }
}
