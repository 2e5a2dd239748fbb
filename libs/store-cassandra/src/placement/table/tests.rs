//! What stands in the partition of a service, and what never happens to it.

use foxhold_core::record::{Admission, ServicePolicy};

use super::*;
use crate::placement::state::{LeaseId, WriterId};

const KEY: &str = "sync-1.5";

fn row(kind: i8, id: &[u8], writer: [u8; 16]) -> Row {
    Row {
        kind: Some(kind),
        id: Some(id.to_vec()),
        writer: Some(writer.to_vec()),
        ..Row::default()
    }
}

fn lease(id: &[u8], lease: [u8; 16], writer: [u8; 16]) -> Row {
    Row {
        lease: Some(lease.to_vec()),
        node: Some(1),
        size: Some(8),
        spent: Some(2),
        freed: Some(1),
        ..row(LEASE, id, writer)
    }
}

fn writer(id: &[u8], writer: [u8; 16]) -> Row {
    Row {
        region: Some("one".into()),
        renewed_at: Some(CqlTimestamp(5)),
        ..row(WRITER, id, writer)
    }
}

fn settings(policy: Option<Vec<u8>>) -> Row {
    Row {
        pattern: Some("p".into()),
        scope: Some("s".into()),
        token_lifetime_secs: Some(1),
        uid_ceiling: Some(2),
        uids_from: Some(7),
        version: Some(3),
        policy,
        ..row(POLICY, &[0, 0, 0, 0], [0; 16])
    }
}

/// In the order of the partition the policy comes first, whatever else there is.
#[test]
fn the_settings_are_those_of_the_first_row() {
    let given = ServicePolicy {
        admission: Admission::First(4),
        ..ServicePolicy::default()
    };
    let later = Row {
        kind: Some(OPERATION),
        id: Some(vec![9; 16]),
        ..settings(None)
    };
    let read = placement(
        &ServiceKey(KEY.into()),
        vec![settings(Some(policy::encode(&given))), later],
    );
    let read = read.unwrap();
    let service = read.service.unwrap();
    assert_eq!((service.policy, service.uid_ceiling), (given, 2));
    assert_eq!(read.uids_from, 7);
    for damaged in [None, Some(vec![]), Some(vec![9, 9])] {
        assert!(placement(&ServiceKey(KEY.into()), vec![settings(damaged)]).is_err());
    }
    assert!(
        [NODE, LEASE, WRITER, OPERATION, RECALL, RETURNS]
            .iter()
            .all(|kind| *kind > POLICY)
    );
}

#[test]
fn zeros_are_vacant_rows() {
    let rows = vec![
        lease(&[0, 0, 0, 0], [0; 16], [0; 16]),
        lease(&[0, 0, 0, 1], [7; 16], [1; 16]),
        writer(&[0, 0, 0, 0], [1; 16]),
        writer(&[0, 0, 0, 1], [0; 16]),
    ];
    let read = placement(&ServiceKey(KEY.into()), rows).unwrap();
    let open: Vec<_> = read.of(WriterId([1; 16])).collect();
    let expected = Lease {
        id: LeaseId([7; 16]),
        writer: WriterId([1; 16]),
        node: NodeId(1),
        size: 8,
        spent: 2,
        freed: 1,
    };
    assert_eq!(open, [(RowNumber(1), expected)]);
    assert_eq!((read.leases.count(), read.leases.values().count()), (2, 1));
    assert_eq!((read.writers.count(), read.writers.values().count()), (2, 1));
    assert_eq!(read.sign(WriterId([1; 16])), Some(5));
}

/// Its number must not be given to another one: records name it.
#[test]
fn a_node_without_url_is_removed() {
    let node = |id: u64, url: &str| Row {
        url: Some(url.into()),
        capacity: Some(1),
        available: Some(0),
        current_load: Some(1),
        downed: Some(false),
        backoff: Some(false),
        unhealthy: (id == 3).then_some(true),
        pool: match id {
            1 => None,
            2 => Some(String::new()),
            _ => Some("big".into()),
        },
        returned: (id == 1).then_some(4),
        ..row(NODE, &id.to_be_bytes(), [0; 16])
    };
    let rows = vec![
        node(1, "https://one.example"),
        node(2, NO_URL),
        node(3, "https://three.example"),
    ];
    let read = placement(&ServiceKey(KEY.into()), rows).unwrap();
    let there: Vec<_> = read
        .nodes
        .iter()
        .map(|(id, node)| (id.0, node.returned))
        .collect();
    assert_eq!(there, [(1, 4), (3, 0)]);
    let pools = read
        .nodes
        .values()
        .map(|node| (node.pool.clone(), node.figures.unhealthy));
    let expected = [(None, false), (PoolName::new("big"), true)];
    assert_eq!(pools.collect::<Vec<_>>(), expected);
    assert_eq!(read.removed.into_iter().collect::<Vec<_>>(), [NodeId(2)]);
}

#[test]
fn what_came_back_is_read_and_must_be_whole() {
    let returns = |cell: Option<Vec<u8>>| Row {
        returns: cell,
        ..row(RETURNS, &RETURNS_ROW.to_bytes(), [0; 16])
    };
    let mut given = Returns::default();
    given.close(NodeId(1));
    let read = placement(&ServiceKey(KEY.into()), vec![returns(Some(given.encode()))]).unwrap();
    assert_eq!(read.returns, given);
    for damaged in [None, Some(vec![]), Some(vec![9])] {
        assert!(placement(&ServiceKey(KEY.into()), vec![returns(damaged)]).is_err());
    }
}

#[test]
fn a_row_that_has_no_number_or_no_writer_is_damaged() {
    let nobodys = Row {
        writer: None,
        ..lease(&[0, 0, 0, 0], [7; 16], [1; 16])
    };
    for damaged in [
        lease(&[0; 18], [7; 16], [1; 16]),
        nobodys,
        writer(&[1; 16], [1; 16]),
    ] {
        assert!(placement(&ServiceKey(KEY.into()), vec![damaged]).is_err());
    }
}

/// What is deleted, or expires, is read over for ten days in a partition that is read twice a second.
#[test]
fn nothing_of_a_placement_is_deleted_and_only_operations_expire() {
    for entry in PlacementWrites::CATALOGUE {
        let of_placement = entry.cql.split_whitespace().any(|word| word == "placement");
        if of_placement {
            assert!(!entry.cql.starts_with("DELETE"), "{}", entry.name);
            let expires = entry.cql.contains("USING TTL");
            assert_eq!(expires, entry.name == "operation", "{}", entry.name);
        }
    }
}
