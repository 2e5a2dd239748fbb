//! Nodes and their figures.

use foxhold_core::{
    NodeId,
    record::{NodeFigures, NodeRecord, PoolName, ServiceKey},
};
use foxhold_ports::{
    Refusal,
    assignments::{
        NewNode, NodeChange, Target,
        change::Place,
        choice::{self, Candidate},
    },
};
use foxhold_sqlite::rusqlite::{Connection, params};

use super::service;
use crate::{
    error::{Stop, StoreError},
    row::{Columns, all, change, one, signed},
};

const SELECT_OF: &str =
    "SELECT capacity, available, current_load, downed, backoff, unhealthy, id, service, url,
    node_type, pool FROM nodes WHERE service = ?1 ORDER BY id";
const SELECT_ONE: &str =
    "SELECT capacity, available, current_load, downed, backoff, unhealthy, id, service, url,
    node_type, pool FROM nodes WHERE service = ?1 AND url = ?2";
const SELECT_FIRST: &str =
    "SELECT capacity, available, current_load, downed, backoff, unhealthy, id FROM nodes
    WHERE service = ?1 AND pool IS ?2
    AND available > 0 AND current_load < capacity AND downed = 0 AND backoff = 0 AND unhealthy = 0
    ORDER BY CAST(current_load AS REAL) / capacity, available DESC, id LIMIT 1";
const SELECT_POOL: &str =
    "SELECT capacity, available, current_load, downed, backoff, unhealthy, id FROM nodes
    WHERE service = ?1 AND pool IS ?2";
const SELECT_AT: &str = "SELECT capacity, available, current_load, downed, backoff, unhealthy, id FROM nodes
    WHERE service = ?1 AND url = ?2";
const SUM_USERS: &str = "SELECT coalesce(sum(current_load), 0) FROM nodes WHERE service = ?1";
const SELECT_PLACE: &str = "SELECT url, node_type FROM nodes WHERE id = ?1";
const INSERT: &str = "INSERT INTO nodes (service, url, node_type, pool, capacity, available)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const RENAME: &str = "UPDATE nodes SET url = ?3 WHERE service = ?1 AND url = ?2";
const PUT_FIGURES: &str = "UPDATE nodes SET capacity = ?2, available = ?3, current_load = ?4, downed = ?5,
    backoff = ?6, unhealthy = ?7 WHERE id = ?1";
const PUT_POOL: &str = "UPDATE nodes SET pool = ?2 WHERE id = ?1";
const REMOVE: &str = "DELETE FROM nodes WHERE service = ?1 AND url = ?2";

pub(crate) fn of_service(db: &Connection, key: &ServiceKey) -> Result<Vec<NodeRecord>, StoreError> {
    all(db, SELECT_OF, [&key.0], read)
}

fn at(db: &Connection, service: &ServiceKey, url: &str) -> Result<Option<NodeRecord>, StoreError> {
    one(db, SELECT_ONE, (&service.0, url), read)
}

/// The nodes among which the choice finds the right one. Of a pool the index knows which is first, so that an assignment does
/// not cost more the more nodes there are; only if none has a slot is it all of them, for a release.
pub(super) fn candidates(
    db: &Connection,
    service: &ServiceKey,
    target: &Target,
) -> Result<Vec<Candidate>, StoreError> {
    match target {
        Target::Node(url) => all(db, SELECT_AT, (&service.0, url), candidate),
        Target::Pool(pool) => {
            let of_pool = (&service.0, pool.as_ref().map(PoolName::as_str));
            match one(db, SELECT_FIRST, of_pool, candidate)? {
                Some(first) => Ok(vec![first]),
                None => all(db, SELECT_POOL, of_pool, candidate),
            }
        }
    }
}

fn candidate(row: &mut Columns<'_>) -> Result<Candidate, StoreError> {
    Ok(Candidate {
        figures: figures(row)?,
        id: NodeId(row.number()?),
        fits: true,
    })
}

/// Slots that a service's users hold.
pub(super) fn users(db: &Connection, service: &ServiceKey) -> Result<u64, StoreError> {
    one(db, SUM_USERS, [&service.0], |row| row.number()).map(Option::unwrap_or_default)
}

/// Where the one that was chosen is.
pub(super) fn place(db: &Connection, chosen: NodeId) -> Result<Place, StoreError> {
    let place = one(db, SELECT_PLACE, [signed(chosen.0)?], |row| {
        Ok(Place {
            node: row.get()?,
            node_type: row.get()?,
        })
    })?;
    place.ok_or(StoreError::Corrupt("a node was chosen that is not there"))
}

/// Puts the figures of nodes where they are others than they were.
pub(super) fn put_changed(
    db: &Connection,
    before: impl Iterator<Item = (NodeId, NodeFigures)>,
    after: impl Iterator<Item = NodeFigures>,
) -> Result<(), StoreError> {
    for ((id, before), after) in before.zip(after) {
        if before != after {
            put_figures(db, id, &after)?;
        }
    }
    Ok(())
}

fn put_figures(db: &Connection, id: NodeId, figures: &NodeFigures) -> Result<(), StoreError> {
    let params = (
        signed(id.0)?,
        signed(figures.capacity)?,
        signed(figures.available)?,
        signed(figures.current_load)?,
        figures.downed,
        figures.backoff,
        figures.unhealthy,
    );
    change(db, PUT_FIGURES, params).map(drop)
}

/// Takes back a slot of the node at a URL, which a record of this transaction has named.
pub(super) fn give_back(db: &Connection, service: &ServiceKey, url: &str) -> Result<(), StoreError> {
    let mut node =
        at(db, service, url)?.ok_or(StoreError::Corrupt("a node vanished inside a transaction"))?;
    choice::give_back(&mut node.figures);
    put_figures(db, node.id, &node.figures)
}

/// `AssignmentAdmin::create_node`
pub(crate) fn create(db: &Connection, node: &NewNode) -> Result<(), Stop> {
    if !service::exists(db, &node.service)? {
        return Err(Refusal::UnknownService.into());
    }
    if at(db, &node.service, &node.url)?.is_some() {
        return Ok(());
    }
    let params = params![
        node.service.0,
        node.url,
        node.node_type,
        node.pool.as_ref().map(PoolName::as_str),
        signed(node.capacity)?,
        signed(node.available)?,
    ];
    change(db, INSERT, params)?;
    Ok(())
}

/// `AssignmentAdmin::rename_node`. Records point at the node by its id.
pub(crate) fn rename(db: &Connection, service: &ServiceKey, from: &str, to: &str) -> Result<(), Stop> {
    if !service::exists(db, service)? {
        return Err(Refusal::UnknownService.into());
    }
    let is_at = |url| at(db, service, url).map(|node| node.is_some());
    match (is_at(from)?, is_at(to)?) {
        (true, true) if from != to => Err(Refusal::Conflict.into()),
        (false, false) => Err(Refusal::UnknownNode.into()),
        (_, true) => Ok(()),
        (true, false) => {
            change(db, RENAME, (&service.0, from, to))?;
            Ok(())
        }
    }
}

/// `AssignmentAdmin::update_node`
pub(crate) fn update(
    db: &Connection,
    service: &ServiceKey,
    url: &str,
    wanted: &NodeChange,
) -> Result<(), Stop> {
    if !service::exists(db, service)? {
        return Err(Refusal::UnknownService.into());
    }
    let node = at(db, service, url)?.ok_or(Refusal::UnknownNode)?;
    put_figures(db, node.id, &choice::changed(&node.figures, wanted))?;
    if let Some(pool) = &wanted.pool {
        put_pool(db, node.id, pool.as_ref())?;
    }
    Ok(())
}

/// `AssignmentAdmin::remove_node`. Records go on pointing at its id, which no other node gets.
pub(crate) fn remove(db: &Connection, service: &ServiceKey, url: &str) -> Result<(), Stop> {
    change(db, REMOVE, (&service.0, url))?;
    Ok(())
}

fn put_pool(db: &Connection, id: NodeId, pool: Option<&PoolName>) -> Result<(), StoreError> {
    change(db, PUT_POOL, (signed(id.0)?, pool.map(PoolName::as_str))).map(drop)
}

fn read(row: &mut Columns<'_>) -> Result<NodeRecord, StoreError> {
    Ok(NodeRecord {
        figures: figures(row)?,
        id: NodeId(row.number()?),
        service: ServiceKey(row.get()?),
        url: row.get()?,
        node_type: row.get()?,
        pool: pool(row)?,
    })
}

fn figures(row: &mut Columns<'_>) -> Result<NodeFigures, StoreError> {
    Ok(NodeFigures {
        capacity: row.number()?,
        available: row.number()?,
        current_load: row.number()?,
        downed: row.get()?,
        backoff: row.get()?,
        unhealthy: row.get()?,
    })
}

fn pool(row: &mut Columns<'_>) -> Result<Option<PoolName>, StoreError> {
    let Some(name) = row.get::<Option<String>>()? else {
        return Ok(None);
    };
    let pool = PoolName::new(&name).ok_or(StoreError::Corrupt("a pool has a name that none can have"))?;
    Ok(Some(pool))
}

#[cfg(test)]
mod tests {
    use foxhold_sqlite::rusqlite::Connection;
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::SCHEMA;

    /// A file's tables with these nodes of the default pool, and one of another pool that is always the emptiest.
    fn tables(nodes: &[NodeFigures]) -> Connection {
        let db = Connection::open_in_memory().unwrap();
        for script in SCHEMA.migrations {
            db.execute_batch(script).unwrap();
        }
        db.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        for (number, figures) in (1..).zip(nodes) {
            insert(&db, number, None, figures);
        }
        let empty = NodeFigures {
            capacity: 1_000_000,
            available: 1_000_000,
            ..NodeFigures::default()
        };
        insert(&db, 1000, Some("other"), &empty);
        db
    }

    fn insert(db: &Connection, number: u64, pool: Option<&str>, figures: &NodeFigures) {
        let url = format!("https://node-{number}.example");
        let params = params![number.cast_signed(), url, pool];
        let sql =
            "INSERT INTO nodes (id, service, url, pool, capacity, available) VALUES (?1, 's', ?2, ?3, 0, 0)";
        change(db, sql, params).unwrap();
        put_figures(db, NodeId(number), figures).unwrap();
    }

    fn some_figures() -> impl Strategy<Value = NodeFigures> {
        // Small numbers, so that ratios are often equal and nodes often full.
        let flags = (0_u8..12, 0_u8..12, 0_u8..12);
        (0_u64..12, 0_u64..4, 0_u64..12, flags).prop_map(|(capacity, available, current_load, flags)| {
            NodeFigures {
                capacity,
                available,
                current_load,
                downed: flags.0 == 0,
                backoff: flags.1 == 0,
                unhealthy: flags.2 == 0,
            }
        })
    }

    proptest! {
        /// The index takes the node that the rule takes from all of them, and where none has a slot the same are released.
        #[test]
        fn the_index_and_the_rule_choose_alike(nodes in vec(some_figures(), 0..9)) {
            let db = tables(&nodes);
            let mut all: Vec<_> = (1..).zip(&nodes)
                .map(|(id, figures)| Candidate { id: NodeId(id), fits: true, figures: *figures })
                .collect();
            let target = Target::default();
            let mut found = candidates(&db, &ServiceKey("s".to_owned()), &target).unwrap();
            let chosen = choice::take_slot(&mut found, &target);
            prop_assert_eq!(chosen, choice::take_slot(&mut all, &target));
            for node in &found {
                prop_assert!(all.contains(node), "{node:?} of {all:?}");
            }
        }
    }

    #[test]
    fn the_first_node_is_found_in_the_index() {
        let db = tables(&[]);
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {SELECT_FIRST}")).unwrap();
        let steps = statement
            .query_map(("s", "p"), |row| row.get::<_, String>(3))
            .unwrap();
        let steps: Vec<_> = steps.map(Result::unwrap).collect();
        // One step: nothing is sorted.
        assert_eq!(
            steps,
            ["SEARCH nodes USING INDEX nodes_by_load (service=? AND pool=?)"]
        );
    }
}
