//! What a credential is by its outward form, for whoever has more than one way to judge it (`tokenserver.md` section 8).

use super::{HEADER_LEN_MAX, LEN_MAX, ReadHeader, decode_into};

/// Algorithms with public keys that are not ours to verify (RFC 7518 section 3.1, RFC 8037, RFC 8812).
const OTHER_ALGORITHMS: [&str; 10] = [
    "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "ES256K", "EdDSA",
];

/// What a text looks like. Nothing in it is believed by that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// No compact JWS: not three parts, or the first is no header, or it is too long for one.
    Opaque,
    /// A compact JWS, good or bad: [`verify`](super::verify) judges it.
    Jws,
    /// A compact JWS by an algorithm with public keys of another kind, in whose header nothing else is wrong. There may
    /// be somebody who can verify it.
    OtherAlgorithm,
}

/// Looks at a text. Costs much less than verifying.
#[must_use]
pub fn form(text: &str) -> Form {
    let mut parts = text.split('.');
    let all = (parts.next(), parts.next(), parts.next(), parts.next());
    let (Some(header), Some(_), Some(_), None) = all else {
        return Form::Opaque;
    };
    let mut bytes = [0; HEADER_LEN_MAX];
    let header = decode_into(header, &mut bytes).ok();
    let header = header.and_then(|header| serde_json::from_slice::<ReadHeader<'_>>(header).ok());
    match header {
        Some(header) if text.len() <= LEN_MAX => of_header(&header),
        _ => Form::Opaque,
    }
}

fn of_header(header: &ReadHeader<'_>) -> Form {
    if header.is_plain() && OTHER_ALGORITHMS.contains(&&*header.alg) {
        Form::OtherAlgorithm
    } else {
        Form::Jws
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    fn with_header(header: &str) -> String {
        format!("{}.e30.AAAA", BASE64_URL_SAFE_NO_PAD.encode(header))
    }

    #[test]
    fn headers() {
        let long = format!(r#"{{"alg":"RS256","x":"{}"}}"#, "x".repeat(600));
        let table = [
            (r#"{"alg":"RS256","kid":"k","typ":"at+jwt"}"#, Form::Jws),
            (r#"{"alg":"RS256"}"#, Form::Jws),
            (r#"{"alg":"none"}"#, Form::Jws),
            (r#"{"alg":"HS256"}"#, Form::Jws),
            (r#"{"alg":"es256"}"#, Form::Jws),
            (r#"{"alg":"ES256","kid":"k"}"#, Form::OtherAlgorithm),
            (r#"{"alg":"EdDSA"}"#, Form::OtherAlgorithm),
            (r#"{"alg":"PS256"}"#, Form::OtherAlgorithm),
            (r#"{"alg":"ES256","jwk":{}}"#, Form::Jws),
            (r#"{"alg":"ES256","jku":"https://a.example"}"#, Form::Jws),
            (r#"{"alg":"ES256","crit":["b64"]}"#, Form::Jws),
            (r#"{"alg":"ES256","b64":null}"#, Form::Jws),
            (r#"{"typ":"at+jwt"}"#, Form::Opaque),
            (r#"{"alg":1}"#, Form::Opaque),
            (r#"["RS256"]"#, Form::Opaque),
            ("no JSON", Form::Opaque),
            ("", Form::Opaque),
            (&long, Form::Opaque),
        ];
        for (header, expected) in table {
            assert_eq!(form(&with_header(header)), expected, "{header}");
        }
    }

    #[test]
    fn what_stands_around_the_header() {
        let good = with_header(r#"{"alg":"RS256"}"#);
        let (header, _) = good.split_once('.').unwrap();
        let table = [
            ("three parts", good.clone(), Form::Jws),
            ("which need not be any good", format!("{header}.?. "), Form::Jws),
            ("two empty ones", format!("{header}.."), Form::Jws),
            ("two parts", format!("{header}.e30"), Form::Opaque),
            ("four parts", format!("{good}.AAAA"), Form::Opaque),
            ("padded", good.replacen('.', "=.", 1), Form::Opaque),
            ("a blank before it", format!(" {good}"), Form::Opaque),
            (
                "too long",
                format!("{header}.{}.", "A".repeat(LEN_MAX)),
                Form::Opaque,
            ),
            (
                "JSON",
                r#"{"payload":"e30","signatures":[]}"#.to_owned(),
                Form::Opaque,
            ),
            ("an opaque token", "0123456789abcdef".repeat(4), Form::Opaque),
            ("dots", "..".to_owned(), Form::Opaque),
            ("nothing", String::new(), Form::Opaque),
        ];
        for (name, text, expected) in table {
            assert_eq!(form(&text), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,64}", parts in "[.A-Za-z0-9_-]{0,64}") {
            let _ = (form(&text), form(&parts));
        }
    }
}
