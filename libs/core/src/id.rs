//! Identifiers, each a type of its own. Text form is lower-case hex of a fixed length.
//! Ids that are half of a credential (token ids) do not show in Debug output.

use std::{fmt, str::FromStr};

use crate::{Random, Timestamp, hex, random};

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// From its bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// From a slice of exactly the right length.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// A random one.
            #[must_use]
            pub fn random(source: &dyn Random) -> Self {
                Self(random::bytes(source))
            }

            /// Its bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = hex::HexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                hex::decode(text).map(Self)
            }
        }
    };
}

macro_rules! shown_in_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    )*};
}

hex_id!(
    /// An account. 32 hex digits on the wire; never reused.
    Uid, 16
);
hex_id!(
    /// A browser or app that is signed in to an account.
    DeviceId, 16
);
hex_id!(
    /// An OAuth client: 16 hex digits.
    ClientId, 8
);
hex_id!(
    /// The public half of a token: what a store looks it up by (`accounts.md` (a), Tokens), or the SHA-256 of an
    /// OAuth code or refresh token. Enough to use a bearer form, so it never shows in logs.
    TokenId, 32
);
hex_id!(
    /// Names one intent for good: what was done under it is done once, however often it is asked for. A UUIDv7.
    OpId, 16
);
hex_id!(
    /// Names one request of the edge in logs of every tier.
    RequestId, 8
);
shown_in_debug!(Uid, DeviceId, ClientId, OpId, RequestId);

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenId(..)")
    }
}

impl OpId {
    /// A new one: 48 bits of time, then nothing but randomness (RFC 9562, version 7).
    #[must_use]
    pub fn new(now: Timestamp, source: &dyn Random) -> Self {
        let mut bytes: [u8; 16] = random::bytes(source);
        bytes[..6].copy_from_slice(&now.as_millis().to_be_bytes()[2..]);
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Self(bytes)
    }

    /// When this operation writes, in µs since the epoch: what a store takes as the timestamp of plain writes
    /// (`security.md` D.1.5). It comes from the id alone, so every attempt of an operation writes with the same one, in
    /// whichever process it is made.
    ///
    /// Bits 0..48 of the id are milliseconds; the 12 bits after the version (RFC 9562 `rand_a`) are read as the fraction
    /// of a millisecond in 4096ths (section 6.2, method 3). [`OpId::new`] fills those at random: two operations of one
    /// millisecond write in an order of their own, those of different milliseconds in the order of the clocks.
    #[must_use]
    pub fn write_timestamp(&self) -> i64 {
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&self.0[..6]);
        let fraction = i64::from(u16::from_be_bytes([self.0[6] & 0x0f, self.0[7]]));
        // 48 bits of milliseconds are less than 2^58 microseconds.
        i64::from_be_bytes(millis) * 1000 + ((fraction * 1000) >> 12)
    }
}

/// A user's number in one service (`tokenserver.md` section 3): positive, at most 2^53-1, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceUid(u64);

impl ServiceUid {
    /// The largest number every client can read.
    pub const MAX: u64 = (1 << 53) - 1;

    /// `None` for zero and for numbers above [`Self::MAX`].
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number == 0 || number > Self::MAX {
            None
        } else {
            Some(Self(number))
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ServiceUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A storage node of one service. Two services' nodes may share a number: it means nothing without its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);
    impl Random for Fixed {
        fn fill(&self, dest: &mut [u8]) {
            dest.fill(self.0);
        }
    }

    #[test]
    fn text_forms_round_trip_and_refuse_upper_case() {
        let uid = Uid::from_bytes([0xab; 16]);
        assert_eq!(uid.to_string().parse(), Ok(uid));
        assert!("AB".repeat(16).parse::<Uid>().is_err());
        assert!("ab".repeat(15).parse::<Uid>().is_err());
    }

    #[test]
    fn a_token_id_never_shows() {
        assert_eq!(format!("{:?}", TokenId::from_bytes([7; 32])), "TokenId(..)");
    }

    #[test]
    fn operation_ids_are_version_7_and_sort_by_time() {
        let early = OpId::new(Timestamp::from_millis(1_700_000_000_000), &Fixed(0xff));
        let late = OpId::new(Timestamp::from_millis(1_700_000_000_001), &Fixed(0));
        assert!(early < late);
        assert_eq!((early.as_bytes()[6] >> 4, early.as_bytes()[8] >> 6), (7, 2));
    }

    #[test]
    fn when_an_operation_writes_is_in_its_id() {
        const MILLIS: u64 = 1_700_000_000_000;
        let of = |fraction: u16| {
            let mut bytes = *OpId::new(Timestamp::from_millis(MILLIS), &Fixed(0xff)).as_bytes();
            bytes[6..8].copy_from_slice(&(0x7000 | fraction).to_be_bytes());
            OpId::from_bytes(bytes).write_timestamp()
        };
        let table = [(0, 0), (4, 0), (5, 1), (2048, 500), (4095, 999)];
        for (fraction, expected) in table {
            assert_eq!(of(fraction), 1_700_000_000_000_000 + expected, "{fraction}");
        }
        let next = OpId::new(Timestamp::from_millis(MILLIS + 1), &Fixed(0));
        assert!(next.write_timestamp() > of(4095), "a later millisecond is later");
        let extremes = [[0; 16], [0xff; 16]].map(|bytes| OpId::from_bytes(bytes).write_timestamp());
        assert_eq!(extremes, [0, ((1 << 48) - 1) * 1000 + 999]);
    }

    #[test]
    fn a_service_uid_fits_every_client() {
        assert!(ServiceUid::new(0).is_none());
        assert!(ServiceUid::new(ServiceUid::MAX + 1).is_none());
        assert_eq!(ServiceUid::new(42).unwrap().get(), 42);
    }
}
