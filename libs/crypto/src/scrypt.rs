//! The server's stretching of `authPW` (`accounts.md` (a), `security.md` A.3): scrypt (RFC 7914). One evaluation takes
//! 64 MiB and a good tenth of a second of one core, so only the bounded pool calls this.

use ::scrypt::Params;
use foxhold_core::Secret;

/// log2 of N = 65536.
const LOG_N: u8 = 16;
const R: u32 = 8;
const P: u32 = 1;

/// Memory of one evaluation, 128·N·r, in bytes; what else it takes is small.
pub const TABLE_LEN: usize = 64 * 1024 * 1024;

/// Stretches `auth_pw` with the account's salt.
///
/// The crate allocates the table itself and does not wipe it. A block of this size is a mapping of its own, which
/// goes back to the kernel when freed and is cleared there before anybody gets it, so nothing of it stays in the
/// process.
#[must_use]
pub fn stretch(auth_pw: &Secret<32>, auth_salt: &[u8; 32]) -> Secret<32> {
    let mut out = zeroize::Zeroizing::new([0; 32]);
    let params = Params::new(LOG_N, R, P).expect("the protocol's parameters are valid");
    ::scrypt::scrypt(auth_pw.expose(), auth_salt, &params, out.as_mut_slice())
        .expect("32 bytes is a valid length");
    Secret::new(*out)
}

#[cfg(test)]
mod tests {
    use foxhold_core::hex;

    use super::*;

    #[test]
    fn stretches_are_those_of_the_contract() {
        let mut salt = [0; 32];
        salt[1] = 0xf0;
        let table = [
            (
                "247b675ffb4c46310bc87e26d712153abe5e1c90ef00a4784594f97ef54f2375",
                "441509e25c92ee103d5a1a874e6f155df25a44d06e61c894616c9e85181dba97",
            ),
            (
                "28c81379c31905d16f9aa9c63fcf0950094e413e16a9c9be41f52dbb09af518e",
                "389882cd9b5cce91535777ebbff98a43b275148851244aca7913c19e38dbbde7",
            ),
        ];
        for (auth_pw, expected) in table {
            let stretched = stretch(&Secret::new(hex::decode(auth_pw).unwrap()), &salt);
            assert_eq!(hex::encode(stretched.expose()), expected);
        }
    }

    #[test]
    fn the_library_is_that_of_rfc_7914() {
        let table: [(&str, &str, u8, u32, u32, &str); 3] = [
            ("", "", 4, 1, 1, "77d6576238657b20"),
            ("password", "NaCl", 10, 8, 16, "fdbabe1c9d347200"),
            ("pleaseletmein", "SodiumChloride", 14, 8, 1, "7023bdcb3afd7348"),
        ];
        for (password, salt, log_n, r, p, expected) in table {
            let mut out = [0; 64];
            let params = Params::new(log_n, r, p).unwrap();
            ::scrypt::scrypt(password.as_bytes(), salt.as_bytes(), &params, &mut out).unwrap();
            assert_eq!(hex::encode(&out[..8]), expected, "{password}/{salt}");
        }
    }
}
