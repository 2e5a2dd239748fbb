//! From the raw path to what it names (`storage.md` 2). The path is split on `/` first and each segment decoded once
//! after that, because an id may contain a slash: no path matcher of a framework does that.

use foxhold_sync::storage::{BsoId, CollectionName, Refusal};
use http::Method;
use percent_encoding::percent_decode_str;

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    /// `/info/…`.
    Info(Info),
    /// The user: base or `/storage`.
    User,
    /// `/storage/{collection}`.
    Collection(CollectionName),
    /// `/storage/{collection}/{id}`.
    Bso(CollectionName, BsoId),
}

/// The info endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Info {
    Collections,
    CollectionCounts,
    CollectionUsage,
    Quota,
    Configuration,
}

/// A path under `{node}/1.5/{uid}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) uid: u64,
    pub(crate) resource: Resource,
}

/// The methods of the routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// GET, and HEAD, which is the same without body.
    Get,
    Put,
    Post,
    Delete,
}

impl Verb {
    pub(crate) fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET | Method::HEAD => Some(Self::Get),
            Method::PUT => Some(Self::Put),
            Method::POST => Some(Self::Post),
            Method::DELETE => Some(Self::Delete),
            _ => None,
        }
    }
}

impl Route {
    /// Reads a raw path; `prefix` is the node URL's own.
    pub(crate) fn parse(prefix: &str, path: &str) -> Result<Self, Refusal> {
        let rest = path
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix("/1.5/"));
        let mut segments = Vec::with_capacity(4);
        for segment in rest.ok_or(Refusal::NotFound)?.split('/') {
            // No route is deeper; a path of a thousand slashes is not collected.
            if segments.len() == 4 {
                return Err(Refusal::NotFound);
            }
            segments.push(
                percent_decode_str(segment)
                    .decode_utf8()
                    .map_err(|_| Refusal::NotFound)?,
            );
        }
        let names: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        let (uid, rest) = names.split_first().ok_or(Refusal::NotFound)?;
        Ok(Self {
            uid: read_uid(uid)?,
            resource: Resource::parse(rest).ok_or(Refusal::NotFound)?,
        })
    }
}

fn read_uid(text: &str) -> Result<u64, Refusal> {
    let fits = (1..=16).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|_| fits).ok_or(Refusal::NotFound)
}

impl Resource {
    fn parse(segments: &[&str]) -> Option<Self> {
        match segments {
            [] | ["storage"] => Some(Self::User),
            ["info", "collections"] => Some(Self::Info(Info::Collections)),
            ["info", "collection_counts"] => Some(Self::Info(Info::CollectionCounts)),
            ["info", "collection_usage"] => Some(Self::Info(Info::CollectionUsage)),
            ["info", "quota"] => Some(Self::Info(Info::Quota)),
            ["info", "configuration"] => Some(Self::Info(Info::Configuration)),
            ["storage", collection] => Some(Self::Collection(CollectionName::parse(collection)?)),
            ["storage", collection, id] => {
                Some(Self::Bso(CollectionName::parse(collection)?, BsoId::parse(id)?))
            }
            _ => None,
        }
    }

    pub(crate) fn collection(&self) -> Option<&CollectionName> {
        match self {
            Self::Collection(name) | Self::Bso(name, _) => Some(name),
            Self::Info(_) | Self::User => None,
        }
    }

    /// For `Allow`.
    pub(crate) fn allowed(&self) -> &'static str {
        match self {
            Self::Info(_) => "GET, HEAD, OPTIONS",
            Self::User => "DELETE, OPTIONS",
            Self::Collection(_) => "GET, HEAD, POST, DELETE, OPTIONS",
            Self::Bso(..) => "GET, HEAD, PUT, DELETE, OPTIONS",
        }
    }

    pub(crate) fn allows(&self, verb: Verb) -> bool {
        match self {
            Self::Info(_) => verb == Verb::Get,
            Self::User => verb == Verb::Delete,
            Self::Collection(_) => verb != Verb::Put,
            Self::Bso(..) => verb != Verb::Post,
        }
    }

    /// For log lines and metrics: names no user and no id.
    pub(crate) fn pattern(&self) -> &'static str {
        match self {
            Self::Info(Info::Collections) => "/info/collections",
            Self::Info(Info::CollectionCounts) => "/info/collection_counts",
            Self::Info(Info::CollectionUsage) => "/info/collection_usage",
            Self::Info(Info::Quota) => "/info/quota",
            Self::Info(Info::Configuration) => "/info/configuration",
            Self::User => "/storage",
            Self::Collection(_) => "/storage/{collection}",
            Self::Bso(..) => "/storage/{collection}/{id}",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bso(collection: &str, id: &str) -> Resource {
        Resource::Bso(
            CollectionName::parse(collection).unwrap(),
            BsoId::parse(id).unwrap(),
        )
    }

    #[test]
    fn segments_are_split_before_they_are_decoded() {
        let table = [
            ("/1.5/42", Resource::User),
            ("/1.5/42/storage", Resource::User),
            ("/1.5/42/info/quota", Resource::Info(Info::Quota)),
            ("/1.5/42/%69nfo/collections", Resource::Info(Info::Collections)),
            (
                "/1.5/42/storage/tabs",
                Resource::Collection(CollectionName::parse("tabs").unwrap()),
            ),
            ("/1.5/42/storage/tabs/a%2Fb", bso("tabs", "a/b")),
            ("/1.5/42/storage/tabs/a%2520b", bso("tabs", "a%20b")),
            ("/1.5/42/storage/tabs/%7Bx,%20y%7D", bso("tabs", "{x, y}")),
            ("/1.5/42/storage/info/collections", bso("info", "collections")),
        ];
        for (path, resource) in table {
            assert_eq!(Route::parse("", path), Ok(Route { uid: 42, resource }), "{path}");
        }
        assert!(Route::parse("/sync", "/sync/1.5/42/storage").is_ok());
        assert!(Route::parse("/sync", "/1.5/42/storage").is_err());
    }

    #[test]
    fn what_names_nothing_is_not_found() {
        let long = format!("/1.5/42/storage/{}", "c".repeat(33));
        let long_id = format!("/1.5/42/storage/c/{}", "X".repeat(65));
        let deep = format!("/1.5/42{}", "/".repeat(10_000));
        for path in [
            "/",
            "/1.5",
            "/1.5/",
            "/1.5/42/",
            "/1.4/42/storage",
            "/1.5/x/storage",
            "/1.5/-1/storage",
            "/1.5/+1/storage",
            "/1.5/12345678901234567/storage",
            "/1.5/42/nonexistent/url",
            "/1.5/42/info",
            "/1.5/42/info/collections/",
            "/1.5/42/info%2Fcollections",
            "/1.5/42/storage/",
            "/1.5/42/storage/a$",
            "/1.5/42/storage/c/",
            "/1.5/42/storage/c/a/b",
            "/1.5/42/storage/c/%00",
            "/1.5/42/storage/c/%ff",
            "/1.5/42/storage/c/..%0A",
            "//1.5/42",
            &long,
            &long_id,
            &deep,
        ] {
            assert_eq!(Route::parse("", path), Err(Refusal::NotFound), "{path}");
        }
    }
}
