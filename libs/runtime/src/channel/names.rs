//! Names of instances, looked up again and again (`ecosystem.md` 3.8): a name may stand for any number of instances, and for
//! others a minute later.
//!
//! Must stay true: a name that cannot be looked up leaves its instances as they were: no answer of a resolver means that
//! there is nobody.

use std::{collections::BTreeSet, future::Future, io, net::SocketAddr, sync::Weak, time::Duration};

use http::uri::Authority;

use super::{Balanced, Shared};

/// Between two looks.
const LOOK_PAUSE: Duration = Duration::from_secs(10);
/// How long a name may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Instances of one name at most: more is no tier, but a resolver gone wrong.
const INSTANCES_MAX: usize = 256;

/// The instances behind the configured addresses.
pub(super) struct Names(Vec<Name>);

struct Name {
    /// As configured.
    address: String,
    /// Behind it when it was last looked up: itself at first, and always for what is no name.
    instances: Vec<String>,
}

impl Names {
    pub(super) fn of(addresses: &[String]) -> Self {
        let name = |address: &String| Name {
            address: address.clone(),
            instances: vec![address.clone()],
        };
        Self(addresses.iter().map(name).collect())
    }

    /// Whether there is anything to look up.
    pub(super) fn has_any(&self) -> bool {
        self.0.iter().any(|name| parts(&name.address).is_some())
    }

    /// Looks all names up, and gives all instances, each once.
    pub(super) async fn look<F>(&mut self, lookup: impl Fn(String, u16) -> F) -> Vec<String>
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>>,
    {
        for name in &mut self.0 {
            let Some((host, port)) = parts(&name.address) else {
                continue;
            };
            match tokio::time::timeout(ANSWER_MAX, lookup(host, port)).await {
                Ok(Ok(found)) if !found.is_empty() => name.instances = instances(&found),
                Ok(Ok(_)) => tracing::warn!(name = name.address, "a tier's name has no address"),
                Ok(Err(error)) => tracing::warn!(name = name.address, %error, "looking up a tier's name"),
                Err(_) => tracing::warn!(name = name.address, "looking up a tier's name took too long"),
            }
        }
        let all: BTreeSet<&String> = self.0.iter().flat_map(|name| &name.instances).collect();
        all.into_iter().cloned().collect()
    }
}

/// Host and port, of what is a name and no address.
fn parts(address: &str) -> Option<(String, u16)> {
    let authority: Authority = address.parse().ok()?;
    let is_address = address.parse::<SocketAddr>().is_ok();
    (!is_address).then_some((authority.host().to_owned(), authority.port_u16()?))
}

/// In one order, so that the same answer makes the same list.
fn instances(found: &[SocketAddr]) -> Vec<String> {
    let sorted: BTreeSet<_> = found.iter().collect();
    let first = sorted.into_iter().take(INSTANCES_MAX);
    first.map(ToString::to_string).collect()
}

async fn resolve(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host.as_str(), port)).await?.collect())
}

/// Keeps a channel's instances as its names have them, until the channel is gone.
pub(super) async fn keep(shared: Weak<Shared>, mut names: Names) {
    loop {
        let instances = names.look(resolve).await;
        let Some(shared) = shared.upgrade() else { return };
        if let Err(error) = Balanced(shared).set_addresses(&instances) {
            tracing::warn!(%error, "a tier's instances stay as they were");
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a resolver says of `keysigner:1`.
    async fn after(names: &mut Names, answer: io::Result<&[&str]>) -> Vec<String> {
        let answer = answer.map(|found| found.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>());
        let answer = std::cell::RefCell::new(Some(answer));
        let lookup = |host: String, port| {
            assert_eq!((host.as_str(), port), ("keysigner", 1), "no other is a name");
            std::future::ready(answer.borrow_mut().take().unwrap())
        };
        names.look(lookup).await
    }

    #[tokio::test]
    async fn a_name_is_as_many_instances_as_the_resolver_says_and_never_none() {
        let fixed = "127.0.0.9:9".to_owned();
        let mut names = Names::of(&["keysigner:1".to_owned(), fixed.clone(), "[::1]:9".to_owned()]);
        assert!(names.has_any());
        let one = ["127.0.0.1:1"].as_slice();
        let three = ["127.0.0.3:1", "127.0.0.1:1", "127.0.0.2:1", "127.0.0.1:1"].as_slice();
        let now = after(&mut names, Ok(one)).await;
        assert_eq!(now, ["127.0.0.1:1", &fixed, "[::1]:9"]);
        let scaled = after(&mut names, Ok(three)).await;
        assert_eq!(
            scaled,
            ["127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1", &fixed, "[::1]:9"]
        );
        let silent = Err(io::Error::other("no answer"));
        assert_eq!(after(&mut names, silent).await, scaled);
        assert_eq!(after(&mut names, Ok(&[])).await, scaled);
        assert_eq!(after(&mut names, Ok(one)).await, now);
    }

    #[test]
    fn addresses_are_not_looked_up() {
        assert!(!Names::of(&["127.0.0.1:1".to_owned(), "[::1]:1".to_owned()]).has_any());
    }
}
