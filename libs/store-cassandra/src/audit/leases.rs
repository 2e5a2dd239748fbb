//! Leases whose writers are gone. Whichever writer works on a service ends such leases within a minute; where none does,
//! the audit has it done.

use std::{collections::BTreeSet, time::Duration};

use foxhold_core::{Timestamp, hex, record::ServiceKey};
use foxhold_ports::{Cause, WriteError};

use super::{Audit, AuditError, Finding, Notes, Verdict, scan::settle};
use crate::placement::state::{Placement, Writer, WriterId};

/// Signs of life are made every few seconds. So long after the last one its writer is gone, whatever its clock said.
const SILENCE: Duration = Duration::from_secs(15 * 60);

pub(super) async fn audit(
    audit: &Audit<'_>,
    notes: &mut Notes<'_>,
    service: &ServiceKey,
) -> Result<(), AuditError> {
    let state = audit.placement(service).await?;
    let holders: BTreeSet<WriterId> = state.leases.values().map(|lease| lease.writer).collect();
    for holder in holders {
        settle(notes, async || look(audit, service, holder).await).await?;
    }
    Ok(())
}

/// Whether a writer holds leases and has not been heard of for long, or ever.
fn is_gone(state: &Placement, holder: WriterId, now: Timestamp) -> bool {
    let heard = state.sign(holder).unwrap_or(0);
    state.of(holder).next().is_some() && now.since(Timestamp::from_millis(heard)) >= SILENCE
}

async fn look(audit: &Audit<'_>, service: &ServiceKey, holder: WriterId) -> Result<Verdict, AuditError> {
    let state = audit.placement(service).await?;
    if !is_gone(&state, holder, audit.clock.now()) {
        return Ok(Verdict::Fine);
    }
    let finding = Finding::LeaseOfDeadWriter;
    let example = format!("service {}, writer {}", service.0, hex::encode(&holder.0));
    if !audit.options.repair {
        return Ok(Verdict::Found(finding, example));
    }
    let Some(sign) = state.sign(holder) else {
        // Leases end with the row of their writer, so it gets one.
        let mut after = state.clone();
        let region = audit.cql.regions().own().name.clone();
        after.put_writer(Writer {
            id: holder,
            region,
            renewed_at: 1,
        });
        audit.change_placement(service, &state, &after).await?;
        return Ok(Verdict::Changed);
    };
    if let Err(error) = audit.placements.bury_writer(service, holder, sign).await {
        return unfinished(error, finding, example);
    }
    let after = audit.placement(service).await?;
    Ok(if after.of(holder).next().is_none() {
        Verdict::Repaired(finding, example)
    } else {
        Verdict::Changed
    })
}

/// Where many slots have to be looked at, or the cluster is slow, one run may not be enough. It goes on with the rest: what
/// was found out stays so in the store, and the next run has less to do.
fn unfinished(error: WriteError, finding: Finding, example: String) -> Result<Verdict, AuditError> {
    match error {
        WriteError::NotDone(Cause::Timeout) | WriteError::Unknown(Cause::Timeout) => {
            Ok(Verdict::Found(finding, format!("{example}: begun, not finished")))
        }
        error => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::NodeId;

    use super::*;
    use crate::placement::state::{Lease, LeaseId};

    #[test]
    fn an_audit_goes_on_when_a_writer_takes_too_long_and_ends_when_nobody_answers() {
        use WriteError::{NotDone, Unknown};
        let table = [
            (NotDone(Cause::Timeout), true),
            (Unknown(Cause::Timeout), true),
            (NotDone(Cause::Unavailable), false),
            (Unknown(Cause::Unavailable), false),
            (NotDone(Cause::Fault), false),
        ];
        for (error, goes_on) in table {
            match unfinished(error, Finding::LeaseOfDeadWriter, "writer 1".into()) {
                Ok(Verdict::Found(Finding::LeaseOfDeadWriter, example)) => {
                    assert!(goes_on, "{error:?}");
                    assert_eq!(example, "writer 1: begun, not finished");
                }
                Err(AuditError::Store(_)) => assert!(!goes_on, "{error:?}"),
                other => panic!("{error:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_writer_is_gone_when_it_holds_leases_and_is_silent() {
        let (holder, now) = (WriterId([1; 16]), Timestamp::from_secs(100_000));
        let heard = |ago: u64| Writer {
            id: holder,
            region: "one".into(),
            renewed_at: now.minus(Duration::from_secs(ago)).as_millis(),
        };
        let table = [
            ("alive", true, Some(heard(10)), false),
            ("slow of clock", true, Some(heard(600)), false),
            ("silent", true, Some(heard(900)), true),
            ("never heard of", true, None, true),
            ("silent without leases", false, Some(heard(900)), false),
        ];
        for (name, holds, writer, expected) in table {
            let mut state = Placement::default();
            if let Some(writer) = writer {
                state.put_writer(writer);
            }
            if holds {
                state.leases.add(Lease {
                    id: LeaseId([2; 16]),
                    writer: holder,
                    node: NodeId(1),
                    size: 1,
                    spent: 0,
                    freed: 0,
                });
            }
            assert_eq!(is_gone(&state, holder, now), expected, "{name}");
        }
    }
}
