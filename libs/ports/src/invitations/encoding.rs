//! What an invitation says, as one cell: it is written once and read whole.

use foxhold_core::{Timestamp, record::EmailKey};

use super::{InvitationTerms, Invited};
use crate::cell::{Decoder, Encoder};

const FORMAT: u8 = 1;

const ANYBODY: u64 = 0;
const ADDRESS: u64 = 1;
const DOMAIN: u64 = 2;

/// The cell.
#[must_use]
pub fn encode(terms: &InvitationTerms) -> Vec<u8> {
    let mut cell = Encoder::new(FORMAT);
    match &terms.invited {
        Invited::Anybody => cell.number(ANYBODY),
        Invited::Address(address, key) => {
            cell.number(ADDRESS);
            cell.sized(address.as_bytes());
            cell.sized(key.as_str().as_bytes());
        }
        Invited::Domain(domain) => {
            cell.number(DOMAIN);
            cell.sized(domain.as_bytes());
        }
    }
    cell.number(terms.created_at.as_millis());
    cell.number(terms.expires_at.as_millis());
    cell.number(u64::from(terms.mailed));
    cell.option(terms.note.as_ref(), |cell, note| cell.sized(note.as_bytes()));
    cell.sized(terms.creator.as_bytes());
    cell.finish_plain()
}

/// What a cell holds; `None` if it is damaged or of another format.
#[must_use]
pub fn decode(cell: &[u8]) -> Option<InvitationTerms> {
    let mut cell = Decoder::new(cell, FORMAT)?;
    let invited = match cell.number()? {
        ANYBODY => Invited::Anybody,
        ADDRESS => Invited::Address(cell.text()?, EmailKey::from_normalized(cell.text()?)),
        DOMAIN => Invited::Domain(cell.text()?),
        _ => return None,
    };
    let terms = InvitationTerms {
        invited,
        created_at: Timestamp::from_millis(cell.number()?),
        expires_at: Timestamp::from_millis(cell.number()?),
        mailed: match cell.number()? {
            0 => false,
            1 => true,
            _ => return None,
        },
        note: cell.option(Decoder::text)?,
        creator: cell.text()?,
    };
    cell.finish(terms)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cell::tests::{check, must_not_panic};

    fn invited() -> impl Strategy<Value = Invited> {
        prop_oneof![
            Just(Invited::Anybody),
            any::<String>().prop_map(Invited::Domain),
            any::<(String, String)>()
                .prop_map(|(address, key)| Invited::Address(address, EmailKey::from_normalized(key))),
        ]
    }

    proptest! {
        #[test]
        fn terms_survive(
            invited in invited(),
            times in any::<(u64, u64)>(),
            mailed in any::<bool>(),
            note in any::<Option<String>>(),
            creator in any::<String>(),
        ) {
            let terms = InvitationTerms {
                invited,
                created_at: Timestamp::from_millis(times.0),
                expires_at: Timestamp::from_millis(times.1),
                mailed,
                note,
                creator,
            };
            check(&terms, &encode(&terms), decode);
        }

        #[test]
        fn no_bytes_panic(cell in proptest::collection::vec(any::<u8>(), 0..200)) {
            must_not_panic(cell, decode);
        }
    }

    /// Cells like these lie in stores.
    #[test]
    fn the_format_is_this_one_for_good() {
        let terms = InvitationTerms {
            invited: Invited::Domain("d".into()),
            created_at: Timestamp::from_millis(1),
            expires_at: Timestamp::from_millis(2),
            mailed: true,
            note: None,
            creator: "c".into(),
        };
        let number = u64::to_be_bytes;
        let expected = [
            &[1][..],
            &number(2),
            &number(1),
            b"d",
            &number(1),
            &number(2),
            &number(1),
            &[0],
            &number(1),
            b"c",
        ]
        .concat();
        assert_eq!(encode(&terms), expected);
    }
}
