//! Places in a store's order of users or accounts, as clients carry them. Only the store that gave one can read it, and only
//! for what it was given for, a service or the accounts: a short sum over both tells a cursor that was cut off, or is of
//! something else, before the store is asked.

use data_encoding::BASE64URL_NOPAD;
use foxhold_core::record::ServiceKey;
use foxhold_ports::{account_admin::AccountCursor, assignments::RecordCursor};
use sha2::{Digest as _, Sha256};

use crate::{
    refused::fault,
    wire::{Cursor, FieldFault},
};

const SUM_LEN: usize = 4;

/// In place of a service, which is never called so.
const ACCOUNTS: &str = "";

fn sum(of: &str, place: &[u8]) -> [u8; SUM_LEN] {
    let mut hash = Sha256::new();
    hash.update(of.as_bytes());
    // Not in a service's key.
    hash.update([0]);
    hash.update(place);
    let mut sum = [0; SUM_LEN];
    sum.copy_from_slice(&hash.finalize()[..SUM_LEN]);
    sum
}

/// As clients carry it.
pub(crate) fn told(service: &ServiceKey, RecordCursor(place): &RecordCursor) -> Cursor {
    write(&service.0, place)
}

/// Where a page begins: also at the beginning, for whoever is to begin there anew. No store has an empty place.
pub(crate) fn told_begin(service: &ServiceKey, after: Option<&RecordCursor>) -> Cursor {
    after.map_or_else(|| write(&service.0, &[]), |place| told(service, place))
}

/// The same of a place among accounts.
pub(crate) fn told_of_accounts(AccountCursor(place): &AccountCursor) -> Cursor {
    write(ACCOUNTS, place)
}

fn write(of: &str, place: &[u8]) -> Cursor {
    let bytes = [&sum(of, place)[..], place].concat();
    Cursor(BASE64URL_NOPAD.encode(&bytes))
}

/// As the store gave it; `None` = at the beginning.
pub(crate) fn read(
    service: &ServiceKey,
    cursor: Option<&Cursor>,
) -> Result<Option<RecordCursor>, FieldFault> {
    let place = cursor.map(|cursor| parse(&service.0, cursor)).transpose()?;
    Ok(place.filter(|place| !place.is_empty()).map(RecordCursor))
}

/// The same of a place among accounts.
pub(crate) fn read_of_accounts(cursor: Option<&Cursor>) -> Result<Option<AccountCursor>, FieldFault> {
    let place = cursor.map(|cursor| parse(ACCOUNTS, cursor)).transpose()?;
    Ok(place.map(AccountCursor))
}

fn parse(of: &str, Cursor(text): &Cursor) -> Result<Vec<u8>, FieldFault> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok();
    let place = bytes.as_ref().and_then(|bytes| {
        let (found, place) = bytes.split_at_checked(SUM_LEN)?;
        (found == sum(of, place)).then_some(place)
    });
    let place = place.map(<[u8]>::to_vec);
    place.ok_or_else(|| fault("after", "give `next` of an answer about the same, as it stood"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(key: &str) -> ServiceKey {
        ServiceKey(key.into())
    }

    #[test]
    fn a_cursor_comes_back_whole_or_not_at_all() {
        let sync = service("sync-1.5");
        assert_eq!(read(&sync, Some(&told_begin(&sync, None))), Ok(None));
        for place in [&b"u"[..], b"u@x", &[0, 255, 7]] {
            let place = RecordCursor(place.to_vec());
            let cursor = told(&sync, &place);
            assert_eq!(told_begin(&sync, Some(&place)), cursor);
            assert_eq!(read(&sync, Some(&cursor)), Ok(Some(place)));
            assert!(read(&service("other-1.0"), Some(&cursor)).is_err());
            let Cursor(text) = &cursor;
            let cut = Cursor(text[..text.len() - 1].to_owned());
            let more = Cursor(format!("{text}AA"));
            for bad in [cut, more, Cursor(String::new()), Cursor("ü=".into())] {
                assert!(read(&sync, Some(&bad)).is_err());
            }
        }
        assert_eq!(read(&sync, None), Ok(None));
        let place = AccountCursor(vec![1, 2]);
        let cursor = told_of_accounts(&place);
        assert!(read(&sync, Some(&cursor)).is_err());
        assert_eq!(read_of_accounts(Some(&cursor)), Ok(Some(place)));
        assert!(read_of_accounts(Some(&told(&sync, &RecordCursor(vec![1])))).is_err());
    }
}
