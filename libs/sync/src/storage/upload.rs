//! The body of a POST: which elements are taken, which failed and why (`storage.md` 9).

use std::collections::HashSet;

use super::{
    BodyFormat, BsoId, Change, CollectionName, Field, Invalid, Limits, Refusal,
    bso::{read_change, refuse_zero_iv},
    json::{self, Json},
};

/// What a POST brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Upload {
    /// To be written, in the order sent.
    pub accepted: Vec<(BsoId, Change<String>)>,
    /// Not to be written, each with its reason; such ids may be anything.
    pub failed: Vec<(String, Invalid)>,
}

/// Reads a POST's body and sorts its elements.
///
/// # Errors
/// [`Refusal::UnparsableJson`]; [`Refusal::InvalidBso`] when the whole is not a list of objects with different ids of
/// their own, or one of them would put a zero initialization vector into `crypto`.
pub fn parse_upload(
    body: &[u8],
    format: BodyFormat,
    collection: &CollectionName,
    limits: &Limits,
) -> Result<Upload, Refusal> {
    let elements = match format {
        BodyFormat::Json => match json::parse(body)? {
            Json::List(elements) => elements,
            _ => return Err(Refusal::InvalidBso),
        },
        BodyFormat::Newlines => parse_lines(body)?,
    };
    let mut sorter = Sorter {
        limits,
        upload: Upload::default(),
        bytes: 0,
    };
    let mut ids = HashSet::new();
    let mut named = Vec::with_capacity(elements.len());
    for element in elements {
        refuse_zero_iv(collection, &element)?;
        let (id, object) = split_id(element)?;
        if !ids.insert(id.clone()) {
            return Err(Refusal::InvalidBso);
        }
        named.push((id, object));
    }
    for (id, object) in named {
        sorter.sort(id, object);
    }
    Ok(sorter.upload)
}

fn parse_lines(body: &[u8]) -> Result<Vec<Json>, Refusal> {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    if body.is_empty() {
        return Ok(Vec::new());
    }
    // A blank line is no JSON value, hence unparsable.
    body.split(|byte| *byte == b'\n').map(json::parse).collect()
}

type Object = std::collections::BTreeMap<String, Json>;

fn split_id(element: Json) -> Result<(String, Object), Refusal> {
    let Json::Object(mut object) = element else {
        return Err(Refusal::InvalidBso);
    };
    match object.remove("id") {
        Some(Json::Text(id)) => Ok((id, object)),
        _ => Err(Refusal::InvalidBso),
    }
}

struct Sorter<'a> {
    limits: &'a Limits,
    upload: Upload,
    /// Payload bytes accepted so far; what was not accepted does not count.
    bytes: u64,
}

impl Sorter<'_> {
    fn sort(&mut self, id: String, object: Object) {
        match self.admit(&id, object) {
            Ok(accepted) => self.upload.accepted.push(accepted),
            Err(why) => self.upload.failed.push((id, why)),
        }
    }

    fn admit(&mut self, id: &str, object: Object) -> Result<(BsoId, Change<String>), Invalid> {
        let id = BsoId::parse(id).ok_or(Invalid::Id)?;
        let change = read_change(object, self.limits)?;
        if self.upload.accepted.len() as u64 >= self.limits.max_post_records {
            return Err(Invalid::RetryBso);
        }
        let size = match &change.payload {
            Field::Set(payload) => payload.len() as u64,
            Field::Absent | Field::Reset => 0,
        };
        if self.bytes + size > self.limits.max_post_bytes {
            return Err(Invalid::RetryBytes);
        }
        self.bytes += size;
        Ok((id, change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(body: &str, format: BodyFormat, collection: &str) -> Result<Upload, Refusal> {
        parse_upload(
            body.as_bytes(),
            format,
            &CollectionName::parse(collection).unwrap(),
            &Limits::default(),
        )
    }

    fn outcome(body: &str) -> (Vec<String>, Vec<(String, &'static str)>) {
        let upload = upload(body, BodyFormat::Json, "c").unwrap();
        let accepted = upload
            .accepted
            .into_iter()
            .map(|(id, _)| id.as_str().to_owned())
            .collect();
        (
            accepted,
            upload
                .failed
                .into_iter()
                .map(|(id, why)| (id, why.reason()))
                .collect(),
        )
    }

    #[test]
    fn a_body_of_the_wrong_shape_is_refused_whole() {
        let iv = r#"[{"id":"a","payload":"x"},{"id":"b","payload":"{\"IV\":\"AAAAAAAAAAAAAAAAAAAAAA==\"}"}]"#;
        let table = [
            (r#""x""#, "c", Refusal::InvalidBso),
            ("{}", "c", Refusal::InvalidBso),
            (r#"[{"id":"a"},"BAD"]"#, "c", Refusal::InvalidBso),
            (r#"[{"payload":"no id"}]"#, "c", Refusal::InvalidBso),
            (r#"[{"id":1}]"#, "c", Refusal::InvalidBso),
            (r#"[{"id":"a"},{"id":"a"}]"#, "c", Refusal::InvalidBso),
            (iv, "crypto", Refusal::InvalidBso),
            ("", "c", Refusal::UnparsableJson),
            ("[", "c", Refusal::UnparsableJson),
            (
                r#"[{"id":"a","payload":[[[[[[[]]]]]]]}]"#,
                "c",
                Refusal::UnparsableJson,
            ),
        ];
        for (body, collection, refusal) in table {
            assert_eq!(upload(body, BodyFormat::Json, collection), Err(refusal), "{body}");
        }
        assert!(upload(iv, BodyFormat::Json, "c").is_ok());
    }

    #[test]
    fn one_bad_element_does_not_spoil_the_others() {
        let body = r#"[{"id":"good"},{"id":"","payload":"x"},{"id":"A\nB"},{"id":"s","sortindex":1.5},
            {"id":"t","ttl":1000000000},{"id":"ok","ttl":999999999},{"id":"p","payload":{}},{"id":"u","what":1}]"#;
        let (accepted, failed) = outcome(body);
        assert_eq!(accepted, ["good", "ok"]);
        let expected = [
            ("", "invalid id"),
            ("A\nB", "invalid id"),
            ("s", "invalid sortindex"),
            ("t", "invalid ttl"),
            ("p", "invalid payload"),
            ("u", "unknown field"),
        ];
        assert_eq!(failed, expected.map(|(id, why)| (id.to_owned(), why)));
    }

    #[test]
    fn the_hundred_and_first_record_is_for_another_request() {
        let items: Vec<String> = (0..105).map(|n| format!(r#"{{"id":"b{n}"}}"#)).collect();
        let (accepted, failed) = outcome(&format!("[{}]", items.join(",")));
        assert_eq!(accepted.len(), 100);
        assert_eq!(failed.len(), 5);
        assert!(failed.iter().all(|(_, why)| *why == "retry bso"));
    }

    #[test]
    fn payload_bytes_count_only_when_accepted() {
        let pair = |big: usize| {
            format!(
                r#"[{{"id":"little","payload":"xyz"}},{{"id":"big","payload":"{}"}},{{"id":"last","payload":""}}]"#,
                "x".repeat(big)
            )
        };
        assert_eq!(outcome(&pair(2_621_437)).0, ["little", "big", "last"]);
        let (accepted, failed) = outcome(&pair(2_621_438));
        assert_eq!(accepted, ["little", "last"]);
        assert_eq!(failed, [("big".to_owned(), "retry bytes")]);
        assert_eq!(
            outcome(&pair(2_621_441)).1,
            [("big".to_owned(), "payload too large")]
        );
    }

    #[test]
    fn lines_hold_one_object_each() {
        let table = [
            ("", Ok(0)),
            ("\n", Ok(0)),
            ("{\"id\":\"a\"}\n{\"id\":\"b\"}\n", Ok(2)),
            ("{\"id\":\"a\"}\r\n{\"id\":\"b\"}", Ok(2)),
            ("{\"id\":\"a\"}\n\n{\"id\":\"b\"}", Err(Refusal::UnparsableJson)),
            ("{\"id\":\"a\"}\n\n", Err(Refusal::UnparsableJson)),
            ("[]", Err(Refusal::InvalidBso)),
        ];
        for (body, expected) in table {
            let count = upload(body, BodyFormat::Newlines, "c").map(|upload| upload.accepted.len());
            assert_eq!(count, expected, "{body:?}");
        }
    }
}
