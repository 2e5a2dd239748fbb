//! Media types in and out (`storage.md` 5, 8).

use super::Refusal;

/// How a body is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFormat {
    /// One JSON value; Firefox calls it `text/plain`.
    Json,
    /// One JSON value per line.
    Newlines,
}

/// How a list is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFormat {
    /// One array, `application/json`.
    Json,
    /// An item a line, `application/newlines`.
    Newlines,
}

/// Reads `Content-Type` and `Content-Encoding` of a PUT (`lines_too` false) or POST (true).
///
/// # Errors
/// [`Refusal::UnsupportedMediaType`] for another type, a charset other than UTF-8, or an encoding.
pub fn read_content_type(
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    lines_too: bool,
) -> Result<BodyFormat, Refusal> {
    if content_encoding.is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("identity")) {
        return Err(Refusal::UnsupportedMediaType);
    }
    let mut parts = content_type.unwrap_or_default().split(';').map(str::trim);
    let media = parts.next().unwrap_or_default().to_ascii_lowercase();
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        if name.trim().eq_ignore_ascii_case("charset") && !value.eq_ignore_ascii_case("utf-8") {
            return Err(Refusal::UnsupportedMediaType);
        }
    }
    match media.as_str() {
        "" | "application/json" | "text/plain" => Ok(BodyFormat::Json),
        "application/newlines" if lines_too => Ok(BodyFormat::Newlines),
        _ => Err(Refusal::UnsupportedMediaType),
    }
}

/// Chooses the format of a list by `Accept`: by quality, ties in the order of the header.
///
/// # Errors
/// [`Refusal::NotAcceptable`] when the header names neither format.
pub fn negotiate_list(accept: Option<&str>) -> Result<ListFormat, Refusal> {
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else {
        return Ok(ListFormat::Json);
    };
    let ranges: Vec<(String, u16)> = accept.split(',').filter_map(read_range).collect();
    let refused = |media: &str| {
        ranges
            .iter()
            .any(|(range, quality)| range == media && *quality == 0)
    };
    let mut best: Option<(ListFormat, u16)> = None;
    for (range, quality) in &ranges {
        let format = match range.as_str() {
            "application/newlines" => ListFormat::Newlines,
            "application/json" => ListFormat::Json,
            "*/*" | "application/*" if !refused("application/json") => ListFormat::Json,
            "*/*" | "application/*" if !refused("application/newlines") => ListFormat::Newlines,
            _ => continue,
        };
        if *quality > best.map_or(0, |(_, best)| best) {
            best = Some((format, *quality));
        }
    }
    best.map(|(format, _)| format).ok_or(Refusal::NotAcceptable)
}

/// A media range in lower case with its quality in thousandths; `None` for an empty element.
fn read_range(element: &str) -> Option<(String, u16)> {
    let mut parts = element.split(';').map(str::trim);
    let range = parts
        .next()
        .filter(|range| !range.is_empty())?
        .to_ascii_lowercase();
    let quality = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("q")
            .then(|| read_quality(value.trim()))
    });
    Some((range, quality.unwrap_or(1000)))
}

/// Thousandths; what is not a quality counts as one, as if it were not there.
fn read_quality(text: &str) -> u16 {
    let quality: f64 = text.parse().unwrap_or(1.0);
    // In range by the clamp, so the cast drops only the fraction of a thousandth.
    if quality.is_finite() {
        (quality.clamp(0.0, 1.0) * 1000.0) as u16
    } else {
        1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_come_in_json_and_posts_also_in_lines() {
        let unsupported = Err(Refusal::UnsupportedMediaType);
        let table = [
            (None, None, false, Ok(BodyFormat::Json)),
            (Some(""), None, true, Ok(BodyFormat::Json)),
            (Some("text/plain"), None, true, Ok(BodyFormat::Json)),
            (
                Some("Application/JSON; Charset=\"UTF-8\""),
                None,
                false,
                Ok(BodyFormat::Json),
            ),
            (Some("application/newlines"), None, true, Ok(BodyFormat::Newlines)),
            (Some("application/newlines"), None, false, unsupported),
            (Some("application/octet-stream"), None, true, unsupported),
            (Some("application/json;charset=latin1"), None, true, unsupported),
            (Some("application/json"), Some("gzip"), true, unsupported),
            (
                Some("application/json"),
                Some("identity"),
                true,
                Ok(BodyFormat::Json),
            ),
        ];
        for (media, coding, lines_too, expected) in table {
            assert_eq!(
                read_content_type(media, coding, lines_too),
                expected,
                "{media:?} {coding:?}"
            );
        }
    }

    #[test]
    fn lists_are_negotiated_by_quality_then_order() {
        let table = [
            (None, Ok(ListFormat::Json)),
            (Some(""), Ok(ListFormat::Json)),
            (Some("*/*"), Ok(ListFormat::Json)),
            (Some("application/*"), Ok(ListFormat::Json)),
            (Some("application/json;q=0.9,*/*;q=0.2"), Ok(ListFormat::Json)),
            (Some("application/newlines"), Ok(ListFormat::Newlines)),
            (
                Some("application/newlines, application/json"),
                Ok(ListFormat::Newlines),
            ),
            (
                Some("application/json, application/newlines"),
                Ok(ListFormat::Json),
            ),
            (
                Some("application/json;q=0.1, application/newlines;q=0.2"),
                Ok(ListFormat::Newlines),
            ),
            (Some("application/json;q=0, */*"), Ok(ListFormat::Newlines)),
            (Some("text/html, application/json;q=0.5"), Ok(ListFormat::Json)),
            (Some("x/yy"), Err(Refusal::NotAcceptable)),
            (Some("application/json;q=0"), Err(Refusal::NotAcceptable)),
        ];
        for (accept, expected) in table {
            assert_eq!(negotiate_list(accept), expected, "{accept:?}");
        }
    }
}
