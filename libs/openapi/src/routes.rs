//! The table of routes, read from its source: routers do not tell what they know. So each `.route(…)` has to be written
//! out, with a path that is a literal or a named constant, and with a handler that has a name.

use std::collections::BTreeMap;

use crate::source::{arguments, bracketed, dense};

/// A method of a path, and who answers it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The path, with parameters in braces.
    pub path: String,
    /// The method in capitals; `ANY`.
    pub method: String,
    /// The handler as the table names it.
    pub handler: String,
}

const METHODS: [&str; 6] = ["get", "post", "put", "patch", "delete", "any"];

/// All routes of a source file, below a prefix. `paths` are the constants that it takes from elsewhere.
///
/// # Panics
/// If a route is written in another way.
#[must_use]
pub fn routes(source: &str, prefix: &str, paths: &BTreeMap<&str, &str>) -> Vec<Route> {
    let source = dense(source);
    let mut found = Vec::new();
    for (at, _) in source.match_indices(".route(") {
        let inside = bracketed(&source[at + ".route".len()..]).expect("brackets have partners");
        let [path, handlers] = arguments(inside)[..] else {
            panic!("a route has a path and handlers: {inside}");
        };
        let path = match path.trim_matches('"') {
            literal if literal != path => literal,
            name => constant(&source, name)
                .or_else(|| paths.get(name).copied())
                .unwrap_or_else(|| panic!("unknown path: {name}")),
        };
        for (method, handler) in by_method(handlers) {
            found.push(Route {
                path: format!("{prefix}{path}"),
                method,
                handler,
            });
        }
    }
    found.sort();
    found
}

fn constant<'a>(source: &'a str, name: &str) -> Option<&'a str> {
    let start = format!("const{name}:&str=\"");
    let (_, rest) = source.split_once(&start)?;
    rest.split('"').next()
}

/// `get(a).post(b)`. What is none of these makes its own handler, for GET.
fn by_method(handlers: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = handlers;
    while let Some((name, _)) = rest.split_once('(') {
        let inside = bracketed(&rest[name.len()..]).expect("brackets have partners");
        let method = name.trim_start_matches('.');
        if METHODS.contains(&method) {
            found.push((method.to_uppercase(), inside.to_owned()));
        } else {
            found.push(("GET".to_owned(), method.to_owned()));
        }
        rest = &rest[name.len() + inside.len() + 2..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_write_a_route() {
        let source = r#"
            const SIGN: &str = "/sign";
            Router::new()
                .route("/a", get(x::a).post(x::b))
                // .route("/none", get(x::none))
                .route(
                    "/a/{id}",
                    get(x::c),
                )
                .route(SIGN, any(gone))
                .route(far::PATH, post(y))
                .route("/beat", health::beat(&app.health))
            #[cfg(test)]
            mod tests { .route("/t", get(t)) }
        "#
        .replace("            ", "");
        let told = routes(&source, "/v1", &BTreeMap::from([("far::PATH", "/far")]));
        let told: Vec<_> = told
            .iter()
            .map(|route| format!("{} {} {}", route.method, route.path, route.handler))
            .collect();
        assert_eq!(
            told,
            [
                "GET /v1/a x::a",
                "POST /v1/a x::b",
                "GET /v1/a/{id} x::c",
                "GET /v1/beat health::beat",
                "POST /v1/far y",
                "ANY /v1/sign gone",
            ]
        );
    }
}
