//! Accounts, OAuth, OpenID, profile and discovery as an OpenAPI document, `docs/openapi/accounts.json`. The table of routes
//! says which calls there are, and a handler's signature who may make one. Bodies are read and written field by field: their
//! types stand in `bodies` and `answers`, and tests hold them against what handlers read and answer.

mod answers;
mod bodies;
mod parts;
mod table;

use std::collections::BTreeMap;

use foxhold_core::ErrorCode;
use foxhold_openapi::{
    Call, Document,
    call::json_answer,
    fields::{Reader, Readers},
    routes::routes,
};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::oauth::base::translated;
use crate::error::ApiError;

/// Says what may go wrong.
fn refuse(call: &mut Call, codes: &[ErrorCode]) {
    for &code in codes {
        call.refused(code.http_status(), code.number(), &message(code));
    }
}

fn message(code: ErrorCode) -> String {
    let error = ApiError::new(code);
    let envelope = error.into_envelope(code.number(), http::StatusCode::BAD_REQUEST);
    envelope["message"].as_str().unwrap_or_default().to_owned()
}

/// How the table of calls is written.
trait Told: Sized {
    fn takes_body<T: ToSchema>(self) -> Self;
    fn answers<T: ToSchema>(self) -> Self;
    fn answers_list<T: ToSchema>(self) -> Self;
    fn answers_map<T: ToSchema>(self) -> Self;
    fn or(self, codes: &[ErrorCode]) -> Self;
    fn or_status(self, status: u16, what: &'static str) -> Self;
    fn query(self, name: &'static str, schema: Value, what: &'static str) -> Self;
    fn not_always(self, fields: &[&'static str]) -> Self;
    fn by(self, ways: &[&'static str]) -> Self;
    fn noted(self, what: &'static str) -> Self;
    fn in_oauth_base(self) -> Self;
    fn or_in_form<T: ToSchema>(self, fields: &str) -> Self;
}

impl Told for Call {
    fn takes_body<T: ToSchema>(mut self) -> Self {
        self.takes::<T>("application/json");
        refuse(&mut self, &[ErrorCode::BadParameter, ErrorCode::MissingParameter]);
        let needs_any = self.schemas.get(&*T::name());
        self.needs_body = needs_any.is_some_and(|schema| schema.to_string().contains("\"required\""));
        self
    }

    fn answers<T: ToSchema>(mut self) -> Self {
        self.answered::<T>(200);
        self
    }

    fn answers_list<T: ToSchema>(mut self) -> Self {
        let item = self.named::<T>();
        let list = json!({ "type": "array", "items": item });
        self.answers.insert(200, json_answer("Done.", &list));
        self
    }

    fn answers_map<T: ToSchema>(mut self) -> Self {
        let member = self.named::<T>();
        let map = json!({ "type": "object", "additionalProperties": member });
        self.answers.insert(200, json_answer("Done.", &map));
        self
    }

    fn or(mut self, codes: &[ErrorCode]) -> Self {
        refuse(&mut self, codes);
        self
    }

    fn or_status(mut self, status: u16, what: &'static str) -> Self {
        self.answers.insert(status, json!({ "description": what }));
        self
    }

    fn query(mut self, name: &'static str, schema: Value, what: &'static str) -> Self {
        self.parameters
            .push(json!({ "name": name, "in": "query", "description": what, "schema": schema }));
        refuse(&mut self, &[ErrorCode::BadParameter]);
        self
    }

    fn not_always(mut self, fields: &[&'static str]) -> Self {
        self.sometimes.extend(fields);
        self
    }

    fn by(mut self, ways: &[&'static str]) -> Self {
        self.security = ways.to_vec();
        self
    }

    fn noted(mut self, what: &'static str) -> Self {
        self.description = Some(what);
        self
    }

    /// The same refusals have other numbers there.
    fn in_oauth_base(mut self) -> Self {
        let all = std::mem::take(&mut self.refusals);
        for (status, codes) in all {
            for (number, meaning) in codes {
                let told = number.as_u64().and_then(|number| u16::try_from(number).ok());
                let translation = told.and_then(ErrorCode::from_number).and_then(translated);
                match translation {
                    Some((number, status)) => self.refused(status.as_u16(), number, &meaning),
                    None => self.refused(status, number, &meaning),
                }
            }
        }
        self
    }

    /// The same path speaks the standard dialect, too, with refusals of its form.
    fn or_in_form<T: ToSchema>(mut self, fields: &str) -> Self {
        let names = fields
            .split(' ')
            .map(|name| (name.to_owned(), json!({ "type": "string" })));
        let properties: serde_json::Map<String, Value> = names.collect();
        let form = json!({ "type": "object", "properties": properties });
        self.bodies.insert("application/x-www-form-urlencoded", form);
        let (json, form) = (self.named::<answers::Error>(), self.named::<T>());
        let either = json!({ "oneOf": [json, form] });
        for (status, what) in [
            (400, "It cannot be meant, or what it shows is not good."),
            (401, "The client, or the session, is not who it says."),
            (413, "It is too long."),
            (429, "Too many requests."),
            (500, "A fault."),
            (503, "A part is away; a repeat does no harm."),
        ] {
            self.refusals.remove(&status);
            self.answers.insert(status, json_answer(what, &either));
        }
        self
    }
}

/// Routes that need no description: pages' old addresses, and what was never here.
const NOT_DESCRIBED: [(&str, &str); 4] = [
    ("ANY", "/v0"),
    ("ANY", "/v0/{*rest}"),
    ("ANY", "/v1/account/lock"),
    ("ANY", "/v1/account/unlock/{*rest}"),
];

fn document() -> Document {
    let mut calls = table::calls();
    for call in &mut calls {
        call.named::<answers::Error>();
        // A layer before all routes measures what is declared, also where nobody reads it.
        if !call.answers.contains_key(&413) {
            refuse(call, &[ErrorCode::BodyTooLarge]);
        }
    }
    let text = |what: &str, pattern: &str| json!({ "description": what, "schema": { "type": "string", "pattern": pattern } });
    let waits = json!({ "Retry-After": {
        "description": "Seconds to wait.", "schema": { "type": "integer" },
    } });
    Document {
        file: "accounts.json",
        title: "Foxhold's accounts, OAuth and profile",
        description: "What a Foxhold answers to Firefox, its relatives, and programs that sign users in. What each errno \
            means stands in docs/api.md.",
        server: (
            "https://accounts.example.org",
            "a box, or the webheads of a fleet",
        ),
        security: parts::ways(),
        refusal: ("application/json", "Error", "errno"),
        path_parameters: BTreeMap::from([(
            "id",
            text(
                "An id in hex: of a client, or of a recovery key.",
                "^[0-9a-f]{1,32}$",
            ),
        )]),
        headers: BTreeMap::from([(429, waits.clone()), (503, waits)]),
        calls,
    }
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let none = BTreeMap::new();
    let mut found = routes(include_str!("../routes.rs"), "", &none);
    found.extend(
        routes(include_str!("health.rs"), "", &none)
            .into_iter()
            .map(|mut route| {
                if !route.handler.contains("::") {
                    route.handler = format!("health::{}", route.handler);
                }
                route
            }),
    );
    // Where certificates are not signed, the call is gone.
    found.retain(|route| (route.path.as_str(), route.method.as_str()) != ("/v1/certificate/sign", "ANY"));
    assert!(found.len() > 60, "the routes are no longer written in routes.rs");
    document().covers(&found, &NOT_DESCRIBED).unwrap();
}

#[test]
fn the_document_is_what_the_code_says() {
    document().is_checked_in().unwrap();
}

/// Methods of [`Fields`](crate::json::Fields).
fn readers() -> Vec<Reader> {
    let table = [
        ("optional_text", "string", false),
        ("text", "string", true),
        ("optional_id", "string", false),
        ("id", "string", true),
        ("optional_secret", "string", false),
        ("secret", "string", true),
        ("flag", "boolean", false),
        ("optional_number", "integer", false),
        ("optional_texts", "object", false),
        ("any", "", true),
    ];
    let reader = |(method, json, needed)| Reader { method, json, needed };
    table.into_iter().map(reader).collect()
}

const SOURCES: [(&str, &str); 11] = [
    ("account", include_str!("account.rs")),
    ("certificate", include_str!("certificate.rs")),
    ("device", include_str!("device.rs")),
    ("device_commands", include_str!("device_commands.rs")),
    ("email", include_str!("email.rs")),
    ("guards", include_str!("guards.rs")),
    ("invitation", include_str!("invitation.rs")),
    ("oauth", include_str!("oauth.rs")),
    ("password", include_str!("password.rs")),
    ("profile", include_str!("profile.rs")),
    ("session", include_str!("session.rs")),
];

/// Who reads for a handler that hands its call on.
fn reading(handler: &str) -> Option<String> {
    let told = match handler {
        "oauth::base::key_data" => "account::scoped_key_data".to_owned(),
        "openid::token" | "openid::destroy" | "openid::introspect" => handler.replace("openid", "oauth"),
        of_base if of_base.starts_with("oauth::base::") => of_base.replace("base::", ""),
        // These read no JSON.
        other
            if ["openid::", "well_known::", "health::"]
                .iter()
                .any(|of| other.starts_with(of)) =>
        {
            return None;
        }
        "random_bytes" => return None,
        own => own.to_owned(),
    };
    Some(told)
}

#[test]
fn bodies_and_queries_are_what_handlers_read() {
    let body = readers();
    let readers = Readers {
        body: &body,
        query: &["flag", "optional", "get"],
        sources: &SOURCES,
    };
    let calls = document().calls;
    let checked = calls
        .iter()
        .filter_map(|call| Some((call, reading(&call.handler)?)));
    let faults: Vec<String> = checked
        .filter_map(|(call, handler)| readers.check(call, &handler).err())
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
