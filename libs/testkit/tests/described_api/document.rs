//! The calls of a document, and what each takes.

use hyper::Method;
use serde_json::Value;

/// A call that a document describes.
pub(crate) struct Operation<'a> {
    pub(crate) method: Method,
    /// Its path, with names in braces.
    pub(crate) path: &'a str,
    call: &'a Value,
    /// Of all calls of the path.
    shared: &'a Value,
}

/// All calls, in the order of their paths; those that end what others need come last.
pub(crate) fn operations<'a>(document: &'a Value, last: &[&str]) -> Vec<Operation<'a>> {
    let paths = document["paths"].as_object().expect("paths");
    let mut found = Vec::new();
    for (path, calls) in paths {
        for (method, call) in calls.as_object().expect("calls") {
            let Ok(method) = method.to_uppercase().parse::<Method>() else {
                continue;
            };
            if ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str()) {
                found.push(Operation {
                    method,
                    path,
                    call,
                    shared: &calls["parameters"],
                });
            }
        }
    }
    found.sort_by_key(|operation| {
        last.iter()
            .position(|path| *path == operation.path)
            .map_or(0, |at| at + 1)
    });
    found
}

impl<'a> Operation<'a> {
    /// For messages.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Each way to show who calls; `None` where nobody needs to.
    pub(crate) fn schemes(&self) -> Vec<Option<&'a str>> {
        let ways = self.call["security"].as_array().map(Vec::as_slice);
        let ways = ways.unwrap_or_default().iter();
        let named = ways.map(|way| {
            let scheme = way.as_object().and_then(|way| way.keys().next());
            scheme.map(String::as_str)
        });
        let mut schemes: Vec<_> = named.collect();
        // Without credentials, too: that is refused in the form that is described.
        if !schemes.contains(&None) {
            schemes.push(None);
        }
        schemes
    }

    /// The schema of a JSON body.
    pub(crate) fn body(&self) -> Option<&'a Value> {
        self.call.pointer("/requestBody/content/application~1json/schema")
    }

    /// The schema of a form.
    pub(crate) fn form(&self) -> Option<&'a Value> {
        self.call
            .pointer("/requestBody/content/application~1x-www-form-urlencoded/schema")
    }

    /// Names and schemas of what stands in the path, the query or headers.
    pub(crate) fn parameters(&self, place: &str) -> Vec<(&'a str, &'a Value)> {
        let own = self.call["parameters"].as_array().into_iter();
        let all = own.chain(self.shared.as_array()).flatten();
        all.filter(|parameter| parameter["in"] == place)
            .map(|parameter| {
                (
                    parameter["name"].as_str().unwrap_or_default(),
                    &parameter["schema"],
                )
            })
            .collect()
    }
}
