//! Lower-case hex, the text form of ids and tokens on every Foxhold wire.

use thiserror::Error;

/// Text that is not lower-case hex of the wanted length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected {expected_len} lower-case hex digits")]
pub struct HexError {
    /// Digits wanted.
    pub expected_len: usize,
}

/// Lower-case hex of `bytes`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Exactly `N` bytes from lower-case hex. Upper case is refused: two spellings of one id must not exist.
///
/// # Errors
/// [`HexError`] for another length or any other character.
pub fn decode<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let error = HexError { expected_len: N * 2 };
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return Err(error);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0]).ok_or(error)? << 4 | nibble(pair[1]).ok_or(error)?;
    }
    Ok(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lower_case_of_the_exact_length_decodes() {
        assert_eq!(decode::<2>("00ff"), Ok([0, 255]));
        for bad in ["", "00f", "00fff", "00FF", "0x00", "00f\u{e9}", "zz00"] {
            assert_eq!(decode::<2>(bad), Err(HexError { expected_len: 4 }), "{bad:?}");
        }
        assert_eq!(encode(&[0, 255, 16]), "00ff10");
    }
}
