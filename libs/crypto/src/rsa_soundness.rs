//! Whether a stranger factors a modulus in passing (`security.md` C.1): by a small factor, or because its two primes lie
//! next to each other. What passes is not proven to be good; whoever makes a bad key on purpose harms himself.

use dsa::BoxedUint;

/// Up to here factors are looked for. Divisors that are no primes find nothing new and cost little.
const FACTOR_MAX: u32 = 751;

/// Steps from the root of the modulus on which its primes are looked for (Fermat's method).
const FERMAT_ROUNDS: u32 = 100;

/// What a number leaves over by each of these tells most that are no squares: of those, one in 1,600 passes.
const SIEVE: [u32; 8] = [64, 63, 65, 11, 17, 19, 23, 31];

/// Whether neither method finds a factor of an odd modulus in big-endian bytes.
pub(crate) fn is_hard_to_factor(modulus: &[u8]) -> bool {
    !has_small_factor(modulus) && !has_close_primes(modulus)
}

/// Long numbers are slow to divide: that is done by products of divisors, as many as fit 32 bits, and what is left over is
/// divided by each of them.
fn has_small_factor(modulus: &[u8]) -> bool {
    let mut divisors = (3..=FACTOR_MAX).step_by(2).peekable();
    while let Some(&first) = divisors.peek() {
        let (mut product, mut last) = (1_u32, first);
        while let Some(larger) = divisors.peek().and_then(|divisor| product.checked_mul(*divisor)) {
            product = larger;
            last = divisors.next().unwrap_or(last);
        }
        let left = remainder(modulus, product);
        if (first..=last)
            .step_by(2)
            .any(|divisor| left.is_multiple_of(divisor))
        {
            return true;
        }
    }
    false
}

/// What big-endian bytes leave over.
fn remainder(bytes: &[u8], divisor: u32) -> u32 {
    let (first, rest) = bytes.split_at(bytes.len() % 4);
    let words = std::iter::once(first).chain(rest.chunks(4)).map(word);
    let left = words.fold(0, |left, word| (left << 32 | word) % u64::from(divisor));
    u32::try_from(left).expect("less than the divisor")
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// n = pq = a² - b² with a = (p + q) / 2: close primes are found by the first few a from the root of n.
fn has_close_primes(modulus: &[u8]) -> bool {
    // The zeros are room for the squares.
    let n = BoxedUint::from_be_slice_vartime(&[&[0; 8], modulus].concat());
    let root = n.floor_sqrt_vartime();
    let sieves = SIEVE.map(|by| Sieve::new(by, modulus, &root));
    let rounds = (0..=FERMAT_ROUNDS).filter(|round| sieves.iter().all(|sieve| sieve.lets_pass(*round)));
    let mut bases = rounds.map(|round| root.wrapping_add(BoxedUint::from(round)));
    bases.any(|a| {
        let square = a.wrapping_square();
        square >= n && square.wrapping_sub(&n).checked_sqrt_vartime().is_some()
    })
}

/// Which differences from the modulus can be squares, as far as what they leave over by one number tells.
struct Sieve {
    by: u32,
    modulus: u32,
    root: u32,
    /// A bit for each remainder that squares have.
    squares: u128,
}

impl Sieve {
    fn new(by: u32, modulus: &[u8], root: &BoxedUint) -> Self {
        Self {
            by,
            modulus: remainder(modulus, by),
            root: remainder(&root.to_be_bytes(), by),
            squares: (0..by).fold(0, |squares, base| squares | 1 << (base * base % by)),
        }
    }

    /// Whether the square of the root plus `round`, less the modulus, can be a square.
    const fn lets_pass(&self, round: u32) -> bool {
        let a = (self.root + round) % self.by;
        let difference = (a * a + self.by - self.modulus) % self.by;
        self.squares >> difference & 1 == 1
    }
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
        for factor in primes_from(3).take_while(|prime| *prime <= u64::from(FACTOR_MAX)) {
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
