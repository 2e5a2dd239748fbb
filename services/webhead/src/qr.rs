//! QR codes as pictures that a page shows without asking for anything: a black and white SVG in a `data:` URL.

use std::fmt::Write as _;

use data_encoding::BASE64;
use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code, as its standard asks.
const QUIET: usize = 4;

/// The picture of a text; `None` if the text is too long for one.
pub(crate) fn data_url(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let svg = svg(&code.to_colors(), code.width());
    Some(format!(
        "data:image/svg+xml;base64,{}",
        BASE64.encode(svg.as_bytes())
    ))
}

/// One path of rectangles, each a run of dark modules.
fn svg(modules: &[Color], width: usize) -> String {
    let side = width + 2 * QUIET;
    let mut path = String::new();
    for (y, row) in modules.chunks(width).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run[0] == Color::Dark {
                let (left, top, len) = (x + QUIET, y + QUIET, run.len());
                write!(path, "M{left} {top}h{len}v1h-{len}z").expect("a text takes everything");
            }
            x += run.len();
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}h-{side}z\"/><path d=\"{path}\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_dark_modules_become_rectangles() {
        use Color::{Dark, Light};
        let drawn = svg(&[Dark, Dark, Light, Light, Light, Dark, Dark, Light, Dark], 3);
        assert!(drawn.contains("viewBox=\"0 0 11 11\""), "{drawn}");
        let path = "M4 4h2v1h-2zM6 5h1v1h-1zM4 6h1v1h-1zM6 6h1v1h-1z";
        assert!(drawn.contains(&format!("<path d=\"{path}\"/>")), "{drawn}");
    }

    #[test]
    fn a_text_that_is_too_long_has_no_picture() {
        assert!(
            data_url("otpauth://totp/a")
                .is_some_and(|url| url.starts_with("data:image/svg+xml;base64,PHN2Zy"))
        );
        assert!(data_url(&"x".repeat(4000)).is_none());
    }
}
