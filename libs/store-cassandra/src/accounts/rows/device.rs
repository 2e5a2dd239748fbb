//! Devices.

use std::collections::BTreeMap;

use foxhold_core::{
    DeviceId, TokenId, Uid,
    record::{Device, PushEndpoint},
};
use scylla::{DeserializeRow, SerializeRow, value::CqlTimestamp};

use super::{read_time, time};

/// A device.
#[derive(DeserializeRow)]
pub(in crate::accounts) struct DeviceRow {
    id: Vec<u8>,
    uid: Vec<u8>,
    session: Vec<u8>,
    name: String,
    kind: String,
    created_at: CqlTimestamp,
    last_access_at: CqlTimestamp,
    push_callback: Option<String>,
    push_public_key: Option<String>,
    push_auth_key: Option<String>,
    available_commands: Option<BTreeMap<String, String>>,
}

impl DeviceRow {
    pub(in crate::accounts) fn read(self) -> Option<Device> {
        let push = match (self.push_callback, self.push_public_key, self.push_auth_key) {
            (Some(callback), Some(public_key), Some(auth_key)) => Some(PushEndpoint {
                callback,
                public_key,
                auth_key,
            }),
            (None, None, None) => None,
            _ => return None,
        };
        Some(Device {
            id: DeviceId::from_slice(&self.id)?,
            uid: Uid::from_slice(&self.uid)?,
            session: TokenId::from_slice(&self.session)?,
            name: self.name,
            kind: self.kind,
            created_at: read_time(self.created_at)?,
            last_access_at: read_time(self.last_access_at)?,
            push,
            available_commands: self.available_commands.unwrap_or_default(),
        })
    }
}

/// A device as it is written.
#[derive(SerializeRow)]
pub(in crate::accounts) struct NewDevice<'a> {
    id: &'a [u8; 16],
    uid: &'a [u8; 16],
    session: &'a [u8; 32],
    name: &'a str,
    kind: &'a str,
    created_at: CqlTimestamp,
    last_access_at: CqlTimestamp,
    push_callback: Option<&'a str>,
    push_public_key: Option<&'a str>,
    push_auth_key: Option<&'a str>,
    available_commands: &'a BTreeMap<String, String>,
    written_at: i64,
}

impl<'a> NewDevice<'a> {
    pub(in crate::accounts) fn new(device: &'a Device, written_at: i64) -> Self {
        let push = device.push.as_ref();
        Self {
            id: device.id.as_bytes(),
            uid: device.uid.as_bytes(),
            session: device.session.as_bytes(),
            name: &device.name,
            kind: &device.kind,
            created_at: time(device.created_at),
            last_access_at: time(device.last_access_at),
            push_callback: push.map(|push| push.callback.as_str()),
            push_public_key: push.map(|push| push.public_key.as_str()),
            push_auth_key: push.map(|push| push.auth_key.as_str()),
            available_commands: &device.available_commands,
            written_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> DeviceRow {
        DeviceRow {
            id: vec![1; 16],
            uid: vec![2; 16],
            session: vec![3; 32],
            name: "n".into(),
            kind: "desktop".into(),
            created_at: CqlTimestamp(4),
            last_access_at: CqlTimestamp(5),
            push_callback: Some("https://push.example".into()),
            push_public_key: Some("public".into()),
            push_auth_key: Some("auth".into()),
            available_commands: None,
        }
    }

    #[test]
    fn a_device_reads_as_it_was_written() {
        let device = row().read().unwrap();
        let written = NewDevice::new(&device, 42);
        assert_eq!(
            (written.id, written.uid, written.session),
            (&[1; 16], &[2; 16], &[3; 32])
        );
        assert_eq!(
            (written.name, written.kind, written.written_at),
            ("n", "desktop", 42)
        );
        assert_eq!(
            (written.created_at, written.last_access_at),
            (CqlTimestamp(4), CqlTimestamp(5))
        );
        assert_eq!(written.push_callback, Some("https://push.example"));
        assert_eq!(
            (written.push_public_key, written.push_auth_key),
            (Some("public"), Some("auth"))
        );
        assert!(written.available_commands.is_empty());
    }

    #[test]
    fn push_is_whole_or_not_there() {
        let mut row_without = row();
        (
            row_without.push_callback,
            row_without.push_public_key,
            row_without.push_auth_key,
        ) = (None, None, None);
        assert!(row_without.read().is_some_and(|device| device.push.is_none()));
        let mut half = row();
        half.push_auth_key = None;
        assert!(half.read().is_none());
    }
}
