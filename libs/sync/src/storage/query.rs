//! Query strings of lists and deletes, and the place a paged list goes on from (`storage.md` 8, 9).

use data_encoding::BASE64URL_NOPAD;
use percent_encoding::percent_decode_str;

use super::{BsoId, Refusal, Round, Tick};

/// Most ids in one `ids=`.
const IDS_MAX: usize = 100;
/// Largest `limit`.
const LIMIT_MAX: u32 = i32::MAX as u32;

/// The keys and values of a query string, decoded once. Of a repeated key the first counts.
#[derive(Debug, Clone, Default)]
pub struct QueryPairs(Vec<(Option<String>, Option<String>)>);

impl QueryPairs {
    /// Splits and decodes; what does not decode is kept as such, since unknown keys may be anything.
    #[must_use]
    pub fn parse(query: Option<&str>) -> Self {
        let parts = query
            .unwrap_or_default()
            .split('&')
            .filter(|part| !part.is_empty());
        Self(
            parts
                .map(|part| part.split_once('=').unwrap_or((part, "")))
                .map(|(k, v)| (decode(k), decode(v)))
                .collect(),
        )
    }

    /// The first value of `key`.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when it is not percent-encoded UTF-8.
    pub fn first(&self, key: &str) -> Result<Option<&str>, Refusal> {
        match self.0.iter().find(|(name, _)| name.as_deref() == Some(key)) {
            None => Ok(None),
            Some((_, value)) => value.as_deref().map(Some).ok_or(Refusal::Malformed),
        }
    }

    fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| name.as_deref() == Some(key))
    }
}

fn decode(text: &str) -> Option<String> {
    // A plus is a plus, not a space as in forms: Firefox writes ids into the query as they are, and those of its
    // form history are base64.
    percent_decode_str(text).decode_utf8().ok().map(String::from)
}

/// The order of a list. Every order is total: ties are broken by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Last modified first, then id, descending both.
    Newest,
    /// First modified first, then id, ascending both.
    Oldest,
    /// Highest sort index first, none last, then id ascending.
    Index,
}

/// The last item of a page; the next one begins behind it. Clients keep its text form and know nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offset {
    /// In the order [`Sort::Newest`].
    Newest(Tick, BsoId),
    /// In the order [`Sort::Oldest`].
    Oldest(Tick, BsoId),
    /// In the order [`Sort::Index`].
    Index(Option<i32>, BsoId),
}

impl Offset {
    /// The place behind an item of a list.
    #[must_use]
    pub fn behind(sort: Sort, modified: Tick, sortindex: Option<i32>, id: BsoId) -> Self {
        match sort {
            Sort::Newest => Self::Newest(modified, id),
            Sort::Oldest => Self::Oldest(modified, id),
            Sort::Index => Self::Index(sortindex, id),
        }
    }

    /// The token for `X-Weave-Next-Offset`.
    #[must_use]
    pub fn token(&self) -> String {
        let plain = match self {
            Self::Newest(time, id) => format!("n:{}:{}", time.get(), id.as_str()),
            Self::Oldest(time, id) => format!("o:{}:{}", time.get(), id.as_str()),
            Self::Index(Some(index), id) => format!("i:{index}:{}", id.as_str()),
            Self::Index(None, id) => format!("i::{}", id.as_str()),
        };
        BASE64URL_NOPAD.encode(plain.as_bytes())
    }

    /// Reads a token.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when it is none of ours, or was made for another order.
    pub fn parse(token: &str, sort: Sort) -> Result<Self, Refusal> {
        let offset = Self::read(token, sort).ok_or(Refusal::Malformed)?;
        // Numbers have more spellings than the one we write.
        if offset.token() == token {
            Ok(offset)
        } else {
            Err(Refusal::Malformed)
        }
    }

    fn read(token: &str, sort: Sort) -> Option<Self> {
        let plain = String::from_utf8(BASE64URL_NOPAD.decode(token.as_bytes()).ok()?).ok()?;
        let mut parts = plain.splitn(3, ':');
        let (kind, key, id) = (parts.next()?, parts.next()?, BsoId::parse(parts.next()?)?);
        let time = || key.parse::<u64>().ok().map(Tick::new);
        match (kind, sort) {
            ("n", Sort::Newest) => Some(Self::Newest(time()?, id)),
            ("o", Sort::Oldest) => Some(Self::Oldest(time()?, id)),
            ("i", Sort::Index) if key.is_empty() => Some(Self::Index(None, id)),
            ("i", Sort::Index) => Some(Self::Index(Some(key.parse().ok()?), id)),
            _ => None,
        }
    }
}

/// What a GET of a collection asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Only these.
    pub ids: Option<Vec<BsoId>>,
    /// Only what was modified after this.
    pub newer: Option<Tick>,
    /// Only what was modified before this.
    pub older: Option<Tick>,
    /// Whole objects instead of ids.
    pub full: bool,
    /// The order.
    pub sort: Sort,
    /// At most so many.
    pub limit: Option<u32>,
    /// From behind here.
    pub offset: Option<Offset>,
}

impl ListQuery {
    /// Reads the query of a GET.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a known key with a value it cannot have.
    pub fn parse(pairs: &QueryPairs) -> Result<Self, Refusal> {
        let sort = match pairs.first("sort")? {
            None | Some("newest") => Sort::Newest,
            Some("oldest") => Sort::Oldest,
            Some("index") => Sort::Index,
            Some(_) => return Err(Refusal::Malformed),
        };
        let time = |key, round| pairs.first(key)?.map(|text| Tick::parse(text, round)).transpose();
        Ok(Self {
            ids: read_ids(pairs)?,
            newer: time("newer", Round::Down)?,
            older: time("older", Round::Up)?,
            full: pairs.has("full"),
            sort,
            limit: pairs.first("limit")?.map(read_limit).transpose()?,
            offset: pairs
                .first("offset")?
                .map(|token| Offset::parse(token, sort))
                .transpose()?,
        })
    }
}

/// What a DELETE of a collection is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeleteQuery {
    /// All of it.
    Collection,
    /// These BSOs only; none at all means that nothing happens.
    Ids(Vec<BsoId>),
}

impl DeleteQuery {
    /// Reads the query of a DELETE.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], also for every key that would narrow a list: a delete must never be wider than meant.
    pub fn parse(pairs: &QueryPairs) -> Result<Self, Refusal> {
        if ["newer", "older", "limit", "offset", "sort", "full"]
            .iter()
            .any(|key| pairs.has(key))
        {
            return Err(Refusal::Malformed);
        }
        Ok(read_ids(pairs)?.map_or(Self::Collection, Self::Ids))
    }
}

fn read_ids(pairs: &QueryPairs) -> Result<Option<Vec<BsoId>>, Refusal> {
    let Some(list) = pairs.first("ids")? else {
        return Ok(None);
    };
    let ids = list.split(',').map(str::trim).filter(|id| !id.is_empty());
    let ids: Vec<BsoId> = ids
        .map(|id| BsoId::parse(id).ok_or(Refusal::Malformed))
        .collect::<Result<_, _>>()?;
    if ids.len() > IDS_MAX {
        Err(Refusal::Malformed)
    } else {
        Ok(Some(ids))
    }
}

fn read_limit(text: &str) -> Result<u32, Refusal> {
    if !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Refusal::Malformed);
    }
    text.parse()
        .ok()
        .filter(|limit| *limit <= LIMIT_MAX)
        .ok_or(Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(query: &str) -> Result<ListQuery, Refusal> {
        ListQuery::parse(&QueryPairs::parse(Some(query)))
    }

    #[test]
    fn lists_read_their_known_keys() {
        let query =
            list("full=1&newer=1510726400.125&older=1510726400.121&limit=1000&sort=oldest&blabla=%ff")
                .unwrap();
        assert!(query.full);
        assert_eq!(query.newer, Some(Tick::new(151_072_640_012)));
        assert_eq!(query.older, Some(Tick::new(151_072_640_013)));
        assert_eq!((query.limit, query.sort), (Some(1000), Sort::Oldest));
        assert_eq!(list("newer=1.5e+3").unwrap().newer, Some(Tick::new(150_000)));
        assert!(list("full").unwrap().full);
        assert!(list("full=").unwrap().full);
        assert_eq!(list("limit=1&limit=x").unwrap().limit, Some(1));
        let ids = list("ids=%7B6820f3ca%7D,a%20b,%20c%20,,d").unwrap().ids.unwrap();
        assert_eq!(
            ids.iter().map(BsoId::as_str).collect::<Vec<_>>(),
            ["{6820f3ca}", "a b", "c", "d"]
        );
        // Firefox sends the ids of forms, which are base64, as they are.
        let ids = list("ids=Tn+7/w==,b%2Bc").unwrap().ids.unwrap();
        assert_eq!(
            ids.iter().map(BsoId::as_str).collect::<Vec<_>>(),
            ["Tn+7/w==", "b+c"]
        );
        assert_eq!(list("ids=").unwrap().ids, Some(Vec::new()));
        assert_eq!(list("").unwrap().ids, None);
    }

    #[test]
    fn bad_values_are_malformed() {
        let many = |count: usize| format!("ids={}", vec!["x"; count].join(","));
        assert!(list(&many(100)).is_ok());
        let long_id = format!("ids={}", "X".repeat(65));
        let bad = [
            "newer=abc",
            "older=-1",
            "newer=",
            "limit=-1",
            "limit=x",
            "limit=",
            "limit=2147483648",
            "limit=+1",
            "sort=up",
            "sort=",
            "offset=!!",
            "offset=",
            "ids=%ff",
            "ids=a%0Ab",
            &many(101),
            &long_id,
        ];
        for query in bad {
            assert_eq!(list(query), Err(Refusal::Malformed), "{query}");
        }
        assert!(list("limit=2147483647").is_ok());
        assert!(list("limit=0").is_ok());
    }

    #[test]
    fn offsets_are_the_key_of_the_last_item() {
        let id = |text| BsoId::parse(text).unwrap();
        let time = Tick::new(151_072_640_013);
        let table = [
            (
                Sort::Newest,
                None,
                "zqKxkkzJ6Lx1",
                "bjoxNTEwNzI2NDAwMTM6enFLeGtreko2THgx",
            ),
            (Sort::Oldest, Some(3), "a:b", "bzoxNTEwNzI2NDAwMTM6YTpi"),
            (Sort::Index, Some(140), "-F_Szdjg3GzX", "aToxNDA6LUZfU3pkamczR3pY"),
            (Sort::Index, None, "x", "aTo6eA"),
        ];
        for (sort, index, name, token) in table {
            let offset = Offset::behind(sort, time, index, id(name));
            assert_eq!(offset.token(), token);
            assert_eq!(Offset::parse(token, sort), Ok(offset));
            for other in [Sort::Newest, Sort::Oldest, Sort::Index]
                .into_iter()
                .filter(|other| *other != sort)
            {
                assert_eq!(Offset::parse(token, other), Err(Refusal::Malformed), "{token}");
            }
        }
        for bad in ["bjoxOg", "aTo6eA==", "eDoxOmE", "bjotMTph"] {
            assert!(Offset::parse(bad, Sort::Newest).is_err(), "{bad}");
        }
        for (plain, sort) in [
            ("n:+1:a", Sort::Newest),
            ("o:01:a", Sort::Oldest),
            ("n:9223372036854775808:a", Sort::Newest),
            ("i:+1:a", Sort::Index),
        ] {
            let token = BASE64URL_NOPAD.encode(plain.as_bytes());
            assert!(
                Offset::parse(&token, sort).is_err(),
                "no page of ours ends so: {plain}"
            );
        }
    }

    #[test]
    fn a_delete_is_never_wider_than_meant() {
        let delete = |query| DeleteQuery::parse(&QueryPairs::parse(Some(query)));
        assert_eq!(delete(""), Ok(DeleteQuery::Collection));
        assert_eq!(delete("ids="), Ok(DeleteQuery::Ids(Vec::new())));
        assert_eq!(
            delete("ids=a"),
            Ok(DeleteQuery::Ids(vec![BsoId::parse("a").unwrap()]))
        );
        for narrowing in [
            "newer=1",
            "older=1",
            "limit=1",
            "offset=x",
            "sort=newest",
            "full",
            "ids=a&limit=1",
        ] {
            assert_eq!(delete(narrowing), Err(Refusal::Malformed), "{narrowing}");
        }
    }
}
