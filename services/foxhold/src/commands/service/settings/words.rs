//! Settings that take more than one word on the command line. An empty one empties the list.

use std::{convert::Infallible, str::FromStr};

use foxhold_ops::wire::{Admission, PoolRule, Whom};

use crate::values::{Share, pool_name};

/// Words with commas between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words(pub(super) Vec<String>);

impl FromStr for Words {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        Ok(Self(words.map(str::to_owned).collect()))
    }
}

/// `everyone`, `nobody`, `first=100`, `listed=a1b2,c3d4`
pub(super) fn admission(text: &str) -> Result<Admission, String> {
    let fault = || "everyone, nobody, first=N, or listed=UID,UID".to_owned();
    match (text, text.split_once('=')) {
        ("everyone", _) => Ok(Admission::Everyone),
        ("nobody", _) => Ok(Admission::Nobody),
        (_, Some(("first", users))) => users.parse().map(Admission::First).map_err(|_| fault()),
        (_, Some(("listed", names))) => {
            let Ok(Words(names)) = names.parse();
            Ok(Admission::Listed(names.into_iter().collect()))
        }
        _ => Err(fault()),
    }
}

/// `terms=https://example.org/terms`
pub(super) fn condition(text: &str) -> Result<Option<(String, String)>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let parts = text
        .split_once('=')
        .filter(|(name, url)| !name.is_empty() && !url.is_empty());
    let (name, url) = parts.ok_or("a name and a URL, as in terms=https://example.org/terms")?;
    Ok(Some((name.to_owned(), url.to_owned())))
}

/// `new=10%`, `eu=100%,domain=example.org,domain=example.net`, `tests=100%,user=a1b2@example.org`
pub(super) fn pool_rule(text: &str) -> Result<Option<PoolRule>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let fault = || {
        "a pool and a share, as in new=10%, and then domains or users, as in eu=100%,domain=example.org"
            .to_owned()
    };
    let mut words = text.split(',');
    let (pool, share) = words
        .next()
        .and_then(|first| first.split_once('='))
        .ok_or_else(fault)?;
    let mut whom = Whom::Everyone;
    for word in words {
        match (word.split_once('='), &mut whom) {
            (Some(("domain", domain)), Whom::Everyone) => whom = Whom::Domains([domain.to_owned()].into()),
            (Some(("domain", domain)), Whom::Domains(domains)) => {
                domains.insert(domain.to_owned());
            }
            (Some(("user", user)), Whom::Everyone) => whom = Whom::Users([user.to_owned()].into()),
            (Some(("user", user)), Whom::Users(users)) => {
                users.insert(user.to_owned());
            }
            _ => return Err(fault()),
        }
    }
    Ok(Some(PoolRule {
        whom,
        share_basis_points: Share::parse(share)?.0,
        pool: pool_name(pool)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admission_says_who() {
        let listed =
            |names: &[&str]| Admission::Listed(names.iter().map(|name| (*name).to_owned()).collect());
        for (text, expected) in [
            ("everyone", Some(Admission::Everyone)),
            ("nobody", Some(Admission::Nobody)),
            ("first=100", Some(Admission::First(100))),
            ("listed=a,b", Some(listed(&["a", "b"]))),
            ("listed=", Some(listed(&[]))),
            ("first", None),
            ("first=x", None),
            ("open", None),
            ("", None),
        ] {
            assert!(admission(text).ok() == expected, "{text}");
        }
    }

    #[test]
    fn a_pool_takes_a_share_of_everyone_or_of_those_named() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        for (text, expected) in [
            ("new=10%", Some(("new", 1000, Whom::Everyone))),
            (
                "eu=100%,domain=a.org,domain=b.org",
                Some(("eu", 10_000, Whom::Domains(set(&["a.org", "b.org"])))),
            ),
            (
                "t=1%,user=u@a.org",
                Some(("t", 100, Whom::Users(set(&["u@a.org"])))),
            ),
            ("t=1%,user=u@a.org,domain=a.org", None),
            ("new", None),
            ("New=10%", None),
            ("new=0%", None),
            ("new=10%,everyone", None),
        ] {
            let found = pool_rule(text).ok().flatten();
            let expected = expected.map(|(pool, share_basis_points, whom)| PoolRule {
                whom,
                share_basis_points,
                pool: pool.to_owned(),
            });
            assert!(found == expected, "{text}");
        }
        assert!(matches!(pool_rule(""), Ok(None)) && matches!(condition(""), Ok(None)));
        assert!(condition("terms").is_err() && condition("=x").is_err());
    }
}
