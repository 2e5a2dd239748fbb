//! Whether a stranger factors a modulus in passing (`security.md` C.1): by a small factor, or because its two primes lie
//! next to each other. What passes is not proven to be good; whoever makes a bad key on purpose harms himself.

use dsa::BoxedUint;

/// Up to here factors are looked for. Divisors that are no primes find nothing new and cost little.
const FACTOR_MAX: u64 = 751;

/// Steps from the root of the modulus on which its primes are looked for (Fermat's method).
const FERMAT_ROUNDS: u32 = 100;

/// Whether neither method finds a factor of an odd modulus in big-endian bytes.
pub(crate) fn is_hard_to_factor(modulus: &[u8]) -> bool {
    !has_small_factor(modulus) && !has_close_primes(modulus)
}

fn has_small_factor(modulus: &[u8]) -> bool {
    let (first, rest) = modulus.split_at(modulus.len() % 4);
    let words = || std::iter::once(first).chain(rest.chunks(4)).map(word);
    (3..=FACTOR_MAX)
        .step_by(2)
        .any(|divisor| words().fold(0, |left, word| (left << 32 | word) % divisor) == 0)
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// n = pq = a² - b² with a = (p + q) / 2: close primes are found by the first few a from the root of n.
fn has_close_primes(modulus: &[u8]) -> bool {
    // The zeros are room for the squares.
    let n = BoxedUint::from_be_slice_vartime(&[&[0; 8], modulus].concat());
    let one = BoxedUint::one_with_precision(n.bits_precision());
    let mut a = n.floor_sqrt_vartime();
    let is_difference_of_squares = |a: &BoxedUint| {
        let square = a.wrapping_square();
        square >= n && square.wrapping_sub(&n).checked_sqrt_vartime().is_some()
    };
    (0..=FERMAT_ROUNDS).any(|_| {
        let found = is_difference_of_squares(&a);
        a.wrapping_add_assign(&one);
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By trial: for small ones.
    fn is_prime(number: u64) -> bool {
        (2..=number.isqrt()).all(|divisor| !number.is_multiple_of(divisor))
    }

    fn primes_from(start: u64) -> impl Iterator<Item = u64> {
        (start..).filter(|number| is_prime(*number))
    }

    fn product(numbers: [u64; 2]) -> Vec<u8> {
        let product = u128::from(numbers[0]) * u128::from(numbers[1]);
        product.to_be_bytes().to_vec()
    }

    #[test]
    fn a_small_factor_is_found_and_the_next_one_is_not() {
        let large = primes_from(1 << 40).next().unwrap();
        for factor in primes_from(3).take_while(|prime| *prime <= FACTOR_MAX) {
            assert!(has_small_factor(&product([factor, large])), "{factor}");
        }
        assert!(is_hard_to_factor(&product([757, large])));
    }

    #[test]
    fn close_primes_are_found_and_distant_ones_are_not() {
        let p = primes_from(1 << 40).next().unwrap();
        let close = primes_from(p + 1).next().unwrap();
        assert!(has_close_primes(&product([p, close])));
        assert!(has_close_primes(&product([p, p])), "a square");
        // a - root(n) = (p - q)² / 8a: 100 steps reach a distance of about 30 million here.
        let (near, far) = (
            primes_from(p + 25_000_000).next().unwrap(),
            primes_from(p + 40_000_000).next().unwrap(),
        );
        assert!(has_close_primes(&product([p, near])));
        assert!(!has_close_primes(&product([p, far])));
    }

    #[test]
    fn numbers_at_the_edge_of_their_width_do_not_overflow() {
        // (2^64 - 59) squared nearly fills two words; its root's neighbours' squares do not fit them.
        let largest = u64::MAX - 58;
        assert!(has_close_primes(&product([largest, largest])));
        assert!(
            has_close_primes(&[0xff; 256]),
            "2^2048 less 1: the product of 2^1024 less and more 1"
        );
        let mut number = [0xff; 256];
        number[255] = 0xfd;
        assert!(!has_close_primes(&number));
    }
}
