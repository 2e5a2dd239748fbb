//! Large numbers as BrowserID spells them, to big-endian bytes. The length is bounded by the caller's type of number
//! before a digit is looked at.

/// From decimal digits without leading zeros, at most `digits_max` of them. Work grows with the square of the digits.
pub(crate) fn from_decimal(text: &str, digits_max: usize) -> Option<Vec<u8>> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() > digits_max || !is_number || text.starts_with('0') {
        return None;
    }
    // Little-endian limbs; nine digits at a time always fit one.
    let mut limbs: Vec<u32> = Vec::new();
    let (first, rest) = text.split_at(text.len() % 9);
    for chunk in std::iter::once(first.as_bytes()).chain(rest.as_bytes().chunks(9)) {
        let value = chunk
            .iter()
            .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
        multiply_and_add(&mut limbs, 10_u64.pow(u32::try_from(chunk.len()).ok()?), value);
    }
    let bytes = limbs.iter().rev().flat_map(|limb| limb.to_be_bytes());
    Some(bytes.skip_while(|byte| *byte == 0).collect())
}

fn multiply_and_add(limbs: &mut Vec<u32>, factor: u64, summand: u64) {
    let mut carry = summand;
    for limb in limbs.iter_mut() {
        let sum = u64::from(*limb) * factor + carry;
        *limb = low_half(sum);
        carry = sum >> 32;
    }
    if carry > 0 {
        limbs.push(low_half(carry));
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
const fn low_half(number: u64) -> u32 {
    number as u32
}

/// From hexadecimal digits of either case, at most `digits_max` of them; their number may be odd.
pub(crate) fn from_hex(text: &str, digits_max: usize) -> Option<Vec<u8>> {
    if text.is_empty() || text.len() > digits_max {
        return None;
    }
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    let bytes = digits?
        .rchunks(2)
        .rev()
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_have_one_spelling_and_a_bounded_length() {
        let table: [(&str, Option<Vec<u8>>); 12] = [
            ("1", Some(vec![1])),
            ("255", Some(vec![255])),
            ("65537", Some(vec![1, 0, 1])),
            ("4294967296", Some(vec![1, 0, 0, 0, 0])),
            ("1000000000", Some(vec![0x3b, 0x9a, 0xca, 0])),
            ("12345678901", None),
            ("", None),
            ("0", None),
            ("01", None),
            ("+1", None),
            ("1 ", None),
            ("\u{661}", None),
        ];
        for (text, expected) in table {
            assert_eq!(from_decimal(text, 10), expected, "{text:?}");
        }
        let table: [(&str, Option<Vec<u8>>); 8] = [
            ("f", Some(vec![15])),
            ("10", Some(vec![16])),
            ("1Ff", Some(vec![1, 255])),
            ("0001", Some(vec![0, 1])),
            ("", None),
            ("0x1", None),
            ("12345", None),
            ("-1", None),
        ];
        for (text, expected) in table {
            assert_eq!(from_hex(text, 4), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn both_spellings_of_a_number_are_the_same_number(number in 1..u128::MAX) {
            let decimal = from_decimal(&number.to_string(), 39).unwrap();
            let hex = from_hex(&format!("{number:032x}"), 32).unwrap();
            let zeros = hex.iter().take_while(|byte| **byte == 0).count();
            prop_assert_eq!(&decimal, &hex[zeros..]);
            prop_assert_eq!(from_hex(&format!("{number:X}"), 32).unwrap(), decimal);
        }
    }
}
