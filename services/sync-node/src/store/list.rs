//! Lists of a collection: filters, total order, paging by key (`storage.md` 8).

use foxhold_sqlite::rusqlite::{Connection, params_from_iter, types::Value};
use foxhold_sync::storage::{BsoId, CollectionName, ListQuery, Offset, Sort, Tick};

use super::{
    Denied, ReadContext, Timed, denied,
    row::{self, User, size_at, tick_at, to_sql},
};

/// One item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its id.
    pub id: BsoId,
    /// Last modified.
    pub modified: Tick,
    /// Sort index.
    pub sortindex: Option<i32>,
    /// Bytes of its payload.
    pub size: u64,
}

impl Item {
    /// About how long it is as an object in an answer.
    #[must_use]
    pub fn answer_len(&self) -> u64 {
        /// Keys, times and punctuation.
        const AROUND: u64 = 64;
        self.size + self.id.as_str().len() as u64 + AROUND
    }
}

/// One page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order asked for.
    pub items: Vec<Item>,
    /// Where the next page begins, if there is more than the limit.
    pub next: Option<Offset>,
    /// The items' payloads, if they were asked for and are small enough to be held in memory together.
    pub payloads: Option<Vec<String>>,
}

/// Lists a collection. Payloads come along for a full list that makes an answer of about `held_bytes_max` at most.
pub fn list(
    connection: &Connection,
    context: ReadContext,
    collection: &CollectionName,
    query: &ListQuery,
    held_bytes_max: u64,
) -> Result<Timed<Page>, Denied> {
    User::for_read(connection, context.uid)?;
    let (cid, time) = row::collection(connection, context.uid, collection)?;
    let last_modified = time.unwrap_or(Tick::ZERO);
    denied::check(context.precondition, last_modified)?;
    let (Some(cid), Some(_)) = (cid, time) else {
        return Ok(Timed {
            last_modified,
            value: Page {
                payloads: Some(Vec::new()),
                ..Page::default()
            },
        });
    };
    let mut rows = select(connection, context, cid, query)?;
    let more = query
        .limit
        .is_some_and(|limit| rows.len() as u64 > u64::from(limit));
    if more {
        rows.pop();
    }
    let last = rows.last().filter(|_| more).map(|(item, _)| item);
    let next = last.map(|item| Offset::behind(query.sort, item.modified, item.sortindex, item.id.clone()));
    let bytes: u64 = rows.iter().map(|(item, _)| item.answer_len()).sum();
    let payloads = if query.full && bytes <= held_bytes_max {
        let texts = rows.iter().map(|(_, pid)| super::read::payload(connection, *pid));
        Some(texts.collect::<Result<_, _>>()?)
    } else {
        None
    };
    let items = rows.into_iter().map(|(item, _)| item).collect();
    Ok(Timed {
        last_modified,
        value: Page {
            items,
            next,
            payloads,
        },
    })
}

/// Items with their payload numbers, one more than the limit if there are more.
fn select(
    connection: &Connection,
    context: ReadContext,
    cid: i64,
    query: &ListQuery,
) -> Result<Vec<(Item, Option<i64>)>, Denied> {
    if query.limit == Some(0) || query.ids.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let (sql, values) = statement(context, cid, query);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        // Stored ids were checked when they came; one that is not an id now could not be addressed either.
        let Some(id) = BsoId::parse(&id) else { continue };
        let item = Item {
            id,
            modified: tick_at(row, 1)?,
            sortindex: row.get(2)?,
            size: size_at(row, 3)?,
        };
        items.push((item, row.get(4)?));
    }
    Ok(items)
}

fn statement(context: ReadContext, cid: i64, query: &ListQuery) -> (String, Vec<Value>) {
    let mut sql = String::from(
        "SELECT id, modified, sortindex, size, pid FROM bso WHERE uid = ? AND cid = ? AND (expiry IS NULL OR expiry > ?)",
    );
    let mut values = vec![
        Value::from(context.uid),
        Value::from(cid),
        Value::from(to_sql(context.now)),
    ];
    let mut restrict = |condition: &str, added: &mut Vec<Value>| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.append(added);
    };
    if let Some(newer) = query.newer {
        restrict("modified > ?", &mut vec![to_sql(newer).into()]);
    }
    if let Some(older) = query.older {
        restrict("modified < ?", &mut vec![to_sql(older).into()]);
    }
    if let Some(ids) = &query.ids {
        // One statement for any number of ids, so that it stays prepared.
        restrict(
            "id IN (SELECT value FROM json_each(?))",
            &mut vec![json_list(ids).into()],
        );
    }
    if let Some(offset) = &query.offset {
        let (condition, mut key) = behind(offset);
        restrict(condition, &mut key);
    }
    sql.push_str(match query.sort {
        Sort::Newest => " ORDER BY modified DESC, id DESC",
        Sort::Oldest => " ORDER BY modified ASC, id ASC",
        Sort::Index => " ORDER BY sortindex DESC NULLS LAST, id ASC",
    });
    if let Some(limit) = query.limit {
        sql.push_str(" LIMIT ?");
        values.push((i64::from(limit) + 1).into());
    }
    (sql, values)
}

/// The condition "behind this item in its order".
fn behind(offset: &Offset) -> (&'static str, Vec<Value>) {
    match offset {
        Offset::Newest(time, id) => ("(modified, id) < (?, ?)", vec![to_sql(*time).into(), text(id)]),
        Offset::Oldest(time, id) => ("(modified, id) > (?, ?)", vec![to_sql(*time).into(), text(id)]),
        Offset::Index(Some(index), id) => (
            "(sortindex < ? OR sortindex IS NULL OR (sortindex = ? AND id > ?))",
            vec![i64::from(*index).into(), i64::from(*index).into(), text(id)],
        ),
        Offset::Index(None, id) => ("sortindex IS NULL AND id > ?", vec![text(id)]),
    }
}

fn text(id: &BsoId) -> Value {
    Value::from(id.as_str().to_owned())
}

/// Ids as a JSON list, for `json_each`.
pub(super) fn json_list(ids: &[BsoId]) -> String {
    let mut list = String::from("[");
    for (at, id) in ids.iter().enumerate() {
        if at > 0 {
            list.push(',');
        }
        foxhold_sync::storage::push_text(&mut list, id.as_str());
    }
    list.push(']');
    list
}
