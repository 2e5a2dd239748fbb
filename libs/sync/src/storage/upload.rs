//! The body of a POST: which elements are taken, which failed and why (`storage.md` 9).

use std::collections::HashSet;

use super::{
    BodyFormat, BsoId, Change, CollectionName, Field, Invalid, Limits, Refusal,
    bso::{read_change, refuse_zero_iv},
    json::{self, Fields, Value},
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
    let mut sorter = Sorter {
        collection,
        limits,
        upload: Upload::default(),
        bytes: 0,
        ids: HashSet::new(),
        refusal: None,
    };
    match format {
        BodyFormat::Json => {
            if !json::parse_list(body, &mut |element| sorter.take(element))? {
                return Err(Refusal::InvalidBso);
            }
        }
        BodyFormat::Newlines => take_lines(body, &mut sorter)?,
    }
    sorter.refusal.map_or(Ok(sorter.upload), Err)
}

fn take_lines(body: &[u8], sorter: &mut Sorter<'_>) -> Result<(), Refusal> {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    if body.is_empty() {
        return Ok(());
    }
    // A blank line is no JSON value, hence unparsable.
    for line in body.split(|byte| *byte == b'\n') {
        sorter.take(json::parse_object(line)?);
    }
    Ok(())
}

/// Sorts elements as they are read.
struct Sorter<'a> {
    collection: &'a CollectionName,
    limits: &'a Limits,
    upload: Upload,
    /// Payload bytes accepted so far; what was not accepted does not count.
    bytes: u64,
    ids: HashSet<String>,
    /// Why nothing of the body is taken. It must be parsed to its end all the same: what is no JSON is told first.
    refusal: Option<Refusal>,
}

impl Sorter<'_> {
    fn take(&mut self, element: Option<Fields>) {
        if self.refusal.is_none() {
            self.refusal = self.sort(element).err();
        }
    }

    /// Sorts one element; an error refuses the whole body.
    fn sort(&mut self, element: Option<Fields>) -> Result<(), Refusal> {
        let mut fields = element.ok_or(Refusal::InvalidBso)?;
        refuse_zero_iv(self.collection, &fields)?;
        let Some(Value::Text(id)) = fields.id.take() else {
            return Err(Refusal::InvalidBso);
        };
        if !self.ids.insert(id.clone()) {
            return Err(Refusal::InvalidBso);
        }
        match self.admit(&id, fields) {
            Ok(accepted) => self.upload.accepted.push(accepted),
            Err(why) => self.upload.failed.push((id, why)),
        }
        Ok(())
    }

    fn admit(&mut self, id: &str, fields: Fields) -> Result<(BsoId, Change<String>), Invalid> {
        let id = BsoId::parse(id).ok_or(Invalid::Id)?;
        let change = read_change(fields, self.limits)?;
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
