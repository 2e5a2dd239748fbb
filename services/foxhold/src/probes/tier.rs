//! Looks at the certificate of a process, and at those it calls.

use std::sync::Arc;

use foxhold_core::{Clock as _, Deadline, Timestamp};
use foxhold_runtime::{
    SystemClock,
    peer::{self, Peer, PeerError, PeerHealth},
    tls::{Role, TlsIdentity},
};

use super::{Complaint, web::ANSWER_MAX};

/// What to do about a certificate that is of no use.
const NEW_ONE: &str = "make a new one: foxhold certificates create, or what does it for you";

/// Whether the own certificate is good for a process of a role.
pub(crate) fn own(identity: &TlsIdentity, role: Role) -> Result<String, Complaint> {
    own_at(identity, role, SystemClock.now())
}

fn own_at(identity: &TlsIdentity, role: Role, now: Timestamp) -> Result<String, Complaint> {
    let id = identity.id();
    if id.role() != role {
        let what = format!("the certificate is of the role {}, not {role}", id.role());
        return Err(Complaint::invalid(what, "give the files of this role"));
    }
    match identity.lasts(now) {
        Ok(lasts) => Ok(format!("{id}, good for {}", in_words(lasts.as_secs()))),
        Err(error) => Err(Complaint::invalid(
            format!("{id}: {:#}", anyhow::Error::from(error)),
            format!("{NEW_ONE}; authority_file must have signed it"),
        )),
    }
}

/// Days, or hours of what is nearly over.
fn in_words(secs: u64) -> String {
    match secs / 3600 {
        hours @ 0..48 => format!("{hours} h"),
        hours => format!("{} days", hours / 24),
    }
}

/// Every instance behind an address, each met or not.
pub(crate) async fn peers(
    identity: &TlsIdentity,
    role: Role,
    address: &str,
) -> Vec<Result<String, Complaint>> {
    let tls = match identity.client_config(Arc::new(SystemClock), role) {
        Ok(tls) => tls,
        Err(error) => return vec![Err(Complaint::invalid(error.to_string(), NEW_ONE))],
    };
    match peer::look(address, &tls, Deadline::after(ANSWER_MAX)).await {
        Ok(met) => met
            .into_iter()
            .map(|(instance, met)| judged(role, &instance.to_string(), met))
            .collect(),
        Err(error) => vec![Err(complaint(role, address, error))],
    }
}

fn judged(role: Role, address: &str, met: Result<Peer, PeerError>) -> Result<String, Complaint> {
    let peer = met.map_err(|error| complaint(role, address, error))?;
    let known = format!(
        "{address} is {}, whose certificate is good for {}",
        peer.id,
        in_words(peer.lasts.as_secs())
    );
    match peer.health {
        PeerHealth::Serving => Ok(format!("{known}; it serves")),
        PeerHealth::NotTold => Ok(format!("{known}; it takes our certificate")),
        PeerHealth::NotServing => Err(Complaint::away(
            format!("{known}, takes no calls at present"),
            "see its log, and /readyz of its private listener",
        )),
    }
}

fn complaint(role: Role, address: &str, error: PeerError) -> Complaint {
    let fix = match &error {
        PeerError::Address(_) => "give host:port, as in 10.0.0.5:8010".to_owned(),
        PeerError::Stranger(_) => {
            format!("give the address of a {role}, and see trust_domain and authority_file on both sides")
        }
        PeerError::Handshake(_) => format!("see the certificate of that {role}, and both clocks"),
        PeerError::NoAnswer(_) => {
            format!(
                "see the log of that {role}: does it take our certificate? its authority_file must have signed it"
            )
        }
        PeerError::Name(_) | PeerError::Nobody(_) | PeerError::Late => {
            format!("see that the {role} runs, and that firewalls let this machine through to it")
        }
    };
    let is_away = error.is_away();
    Complaint {
        what: format!("{role} at {address}: {:#}", anyhow::Error::from(error)),
        fix,
        is_away,
    }
}

#[cfg(test)]
mod tests {
    use foxhold_ports::memory::ManualClock;
    use foxhold_runtime::{
        SystemRandom,
        certificates::{Authority, LIFETIME_MAX, Subject},
        tls::SpiffeId,
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn authority() -> Authority {
        Authority::create("example.org", &ManualClock::new(NOW), &SystemRandom).unwrap()
    }

    fn identity(signed_by: &Authority, believed: &Authority) -> TlsIdentity {
        let id = SpiffeId::new("example.org", "eu", Role::Webhead).unwrap();
        let subject = Subject::of(&id, LIFETIME_MAX);
        let pair = signed_by
            .issue(&subject, &ManualClock::new(NOW), &SystemRandom)
            .unwrap();
        pair.identity(believed).unwrap()
    }

    #[test]
    fn the_own_certificate_is_judged_as_peers_do() {
        let (ours, theirs) = (authority(), authority());
        let over = NOW.plus(2 * LIFETIME_MAX);
        let table = [
            ("good", &ours, Role::Webhead, NOW, None),
            (
                "another role",
                &ours,
                Role::Ops,
                NOW,
                Some("of the role webhead, not ops"),
            ),
            ("another authority", &theirs, Role::Webhead, NOW, Some("refused")),
            ("over", &ours, Role::Webhead, over, Some("refused")),
        ];
        for (name, believed, role, now, expected) in table {
            let judged = own_at(&identity(&ours, believed), role, now);
            match expected {
                None => assert!(judged.unwrap().contains("good for 2"), "{name}"),
                Some(words) => assert!(judged.unwrap_err().what.contains(words), "{name}"),
            }
        }
    }

    #[test]
    fn what_is_nearly_over_is_told_in_hours() {
        for (secs, words) in [
            (0, "0 h"),
            (3_600, "1 h"),
            (47 * 3_600, "47 h"),
            (72 * 3_600, "3 days"),
        ] {
            assert_eq!(in_words(secs), words);
        }
    }
}
