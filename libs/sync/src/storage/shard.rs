//! Which of a node's files holds a user (`storage.md` 15). Fixed for the life of a data directory.

use sha2::{Digest as _, Sha256};

/// The shard of `uid` among `shards`: the first four bytes of SHA-256 of its decimal text, modulo the number of shards.
///
/// # Panics
/// For zero shards, which no data directory has.
#[must_use]
pub fn shard_of(uid: u64, shards: u32) -> u32 {
    let digest = Sha256::digest(uid.to_string());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) % shards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_spread_as_the_contract_says() {
        for (uid, shard) in [(1, 3), (42, 4), (100_000, 5), (2_147_483_647, 10)] {
            assert_eq!(shard_of(uid, 16), shard, "{uid}");
        }
    }
}
