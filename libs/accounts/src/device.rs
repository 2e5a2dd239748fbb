//! Devices: a browser registers itself, is listed, and goes (`accounts.md` (c), Devices).

use std::{collections::BTreeMap, time::Duration};

use foxhold_core::{
    DeviceId, Timestamp,
    record::{Device, PushEndpoint},
};

use crate::{AccountError, Accounts, Caller, SignedIn, field};

/// What a browser says of itself; what it leaves out stays as it was.
#[derive(Clone, Default)]
pub struct DeviceRequest {
    /// Absent: a new device, or the one of this session.
    pub id: Option<DeviceId>,
    /// Its name.
    pub name: Option<String>,
    /// Its type.
    pub kind: Option<String>,
    /// Push address, key and secret: all or none.
    pub push_callback: Option<String>,
    /// See above.
    pub push_public_key: Option<String>,
    /// See above.
    pub push_auth_key: Option<String>,
    /// Commands it takes.
    pub available_commands: Option<BTreeMap<String, String>>,
}

impl Accounts {
    /// POST /account/device. Answers the whole record.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 108, 123, 124, 138, 201.
    pub async fn put_device(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        request: DeviceRequest,
    ) -> Result<Device, AccountError> {
        signed_in.require_not_waiting()?;
        let push = check(&request)?;
        let devices = self
            .reader
            .devices(caller.deadline, signed_in.account.uid)
            .await?;
        let mut now = self.now();
        let known = match target(&devices, signed_in, request.id)? {
            Target::Known(device) => {
                now = later_than(device, now);
                device.clone()
            }
            Target::New => new_device(signed_in, DeviceId::random(&*self.random), &request, now)?,
        };
        let device = merged(known, signed_in, request, push, now);
        self.write_at(caller, now, |call| {
            let device = device.clone();
            async move { self.writer.put_device(&call, device).await }
        })
        .await?;
        Ok(device)
    }

    /// GET /account/devices, without those that were not heard of since `heard_since`. A device is heard of when it is
    /// registered, and by the notes of its session.
    ///
    /// # Errors
    /// [`AccountError`]: 201.
    pub async fn devices(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        heard_since: Option<Timestamp>,
    ) -> Result<Vec<Device>, AccountError> {
        let (by, uid) = (caller.deadline, signed_in.account.uid);
        let mut devices = self.reader.devices(by, uid).await?;
        let accesses = self.accesses(by, uid).await?;
        for device in &mut devices {
            device.last_access_at = accesses.latest(device.session, device.last_access_at);
        }
        devices.retain(|device| heard_since.is_none_or(|since| device.last_access_at >= since));
        Ok(devices)
    }

    /// POST /account/device/destroy: signs the device out.
    ///
    /// # Errors
    /// [`AccountError`]: 123, 138, 201.
    pub async fn destroy_device(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        id: DeviceId,
    ) -> Result<(), AccountError> {
        signed_in.require_not_waiting()?;
        let uid = signed_in.account.uid;
        let devices = self.reader.devices(caller.deadline, uid).await?;
        let device = devices
            .into_iter()
            .find(|device| device.id == id)
            .ok_or(AccountError::UnknownDevice)?;
        self.close_session(caller, uid, device.session).await?;
        // Its session may have been gone before, and then has not taken the device along.
        let at = later_than(&device, self.now());
        self.write_at(caller, at, |call| async move {
            self.writer.delete_device(&call, uid, id).await
        })
        .await?;
        Ok(())
    }
}

enum Target<'a> {
    Known(&'a Device),
    New,
}

/// Which device a request is about. A browser keeps its device id when it signs in again, so a known id moves to the
/// new session; a session has one device only.
fn target<'a>(
    devices: &'a [Device],
    signed_in: &SignedIn,
    id: Option<DeviceId>,
) -> Result<Target<'a>, AccountError> {
    let bound = devices
        .iter()
        .find(|device| device.session == signed_in.session.id);
    let Some(id) = id else {
        return Ok(bound.map_or(Target::New, Target::Known));
    };
    let known = devices
        .iter()
        .find(|device| device.id == id)
        .ok_or(AccountError::UnknownDevice)?;
    match bound {
        Some(bound) if bound.id != id => Err(AccountError::DeviceConflict { device: bound.id }),
        _ => Ok(Target::Known(known)),
    }
}

fn new_device(
    signed_in: &SignedIn,
    id: DeviceId,
    request: &DeviceRequest,
    now: Timestamp,
) -> Result<Device, AccountError> {
    let name = request
        .name
        .clone()
        .ok_or(AccountError::MissingParameter("name"))?;
    let kind = request
        .kind
        .clone()
        .ok_or(AccountError::MissingParameter("type"))?;
    Ok(Device {
        id,
        uid: signed_in.account.uid,
        session: signed_in.session.id,
        name,
        kind,
        created_at: now,
        last_access_at: now,
        push: None,
        available_commands: BTreeMap::new(),
    })
}

/// When a known device is written again, or removed: now, unless a webhead whose clock is ahead wrote it last. Stores let the later
/// write win by the time in its operation id, which is exact to the millisecond only.
fn later_than(device: &Device, now: Timestamp) -> Timestamp {
    now.max(device.last_access_at.plus(Duration::from_millis(1)))
}

fn merged(
    known: Device,
    signed_in: &SignedIn,
    request: DeviceRequest,
    push: Option<PushEndpoint>,
    now: Timestamp,
) -> Device {
    Device {
        session: signed_in.session.id,
        name: request.name.unwrap_or(known.name),
        kind: request.kind.unwrap_or(known.kind),
        last_access_at: now,
        push: push.or(known.push),
        available_commands: request.available_commands.unwrap_or(known.available_commands),
        ..known
    }
}

/// Most commands that one device takes.
const COMMANDS_MAX: usize = 32;

/// The forms of all fields; answers the push address if there is one.
fn check(request: &DeviceRequest) -> Result<Option<PushEndpoint>, AccountError> {
    field::check_optional("name", request.name.as_deref(), field::is_device_name)?;
    field::check_optional("type", request.kind.as_deref(), field::is_device_type)?;
    field::check_optional(
        "pushCallback",
        request.push_callback.as_deref(),
        field::is_push_callback,
    )?;
    field::check_optional("pushPublicKey", request.push_public_key.as_deref(), |key| {
        field::is_push_key(key, 88)
    })?;
    field::check_optional("pushAuthKey", request.push_auth_key.as_deref(), |key| {
        field::is_push_key(key, 24)
    })?;
    let commands = request.available_commands.iter().flatten();
    let well_formed = commands
        .clone()
        .all(|(name, value)| field::is_command_name(name) && field::is_command_value(value));
    field::check(
        "availableCommands",
        well_formed && commands.count() <= COMMANDS_MAX,
    )?;
    match (
        &request.push_callback,
        &request.push_public_key,
        &request.push_auth_key,
    ) {
        (Some(callback), Some(public_key), Some(auth_key)) => Ok(Some(PushEndpoint {
            callback: callback.clone(),
            public_key: public_key.clone(),
            auth_key: auth_key.clone(),
        })),
        (None, None, None) => Ok(None),
        (None, _, _) => Err(AccountError::MissingParameter("pushCallback")),
        (_, None, _) => Err(AccountError::MissingParameter("pushPublicKey")),
        (_, _, None) => Err(AccountError::MissingParameter("pushAuthKey")),
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::{TokenId, record::Verification};

    use super::*;
    use crate::fixtures::{MADE, UID, signed_in};

    /// Device number `n`, of session number `session`.
    fn device(n: u8, session: u8) -> Device {
        Device {
            id: DeviceId::from_bytes([n; 16]),
            uid: UID,
            session: TokenId::from_bytes([session; 32]),
            name: "n".into(),
            kind: "desktop".into(),
            created_at: MADE,
            last_access_at: MADE,
            push: None,
            available_commands: BTreeMap::new(),
        }
    }

    #[test]
    fn which_device_a_request_is_about() {
        let id = |n: u8| Some(DeviceId::from_bytes([n; 16]));
        let bound = [device(7, 1), device(8, 2)];
        let unbound = [device(8, 2)];
        type Row<'a> = (&'a str, &'a [Device], Option<DeviceId>, Result<Option<u8>, u16>);
        let table: [Row<'_>; 7] = [
            ("first of its session", &unbound, None, Ok(None)),
            ("again, without id", &bound, None, Ok(Some(7))),
            ("again, with id", &bound, id(7), Ok(Some(7))),
            ("known, from a new session", &unbound, id(8), Ok(Some(8))),
            ("known, but the session has another", &bound, id(8), Err(124)),
            ("unknown", &bound, id(9), Err(123)),
            ("unknown, first of its session", &unbound, id(9), Err(123)),
        ];
        let signed_in = signed_in(true, Verification::Verified);
        for (name, devices, id, expected) in table {
            let found = match target(devices, &signed_in, id) {
                Ok(Target::New) => Ok(None),
                Ok(Target::Known(device)) => Ok(Some(device.id.as_bytes()[0])),
                Err(error) => Err(error.code().number()),
            };
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn what_a_request_leaves_out_stays() {
        let known = Device {
            push: Some(PushEndpoint {
                callback: "https://push.example.test/1".into(),
                public_key: "k".into(),
                auth_key: "a".into(),
            }),
            ..device(7, 2)
        };
        let request = DeviceRequest {
            name: Some("m".into()),
            ..DeviceRequest::default()
        };
        let later = MADE.plus(std::time::Duration::from_secs(1));
        let merged = merged(
            known.clone(),
            &signed_in(true, Verification::Verified),
            request,
            None,
            later,
        );
        let expected = Device {
            name: "m".into(),
            session: TokenId::from_bytes([1; 32]),
            last_access_at: later,
            ..known
        };
        assert_eq!(merged, expected);
    }

    #[test]
    fn a_device_is_written_later_than_it_was() {
        let millis = Duration::from_millis;
        let device = device(7, 1);
        let table = [
            ("as usual", MADE.plus(millis(5)), MADE.plus(millis(5))),
            ("at once", MADE, MADE.plus(millis(1))),
            ("clock behind", MADE.minus(millis(5)), MADE.plus(millis(1))),
        ];
        for (name, now, expected) in table {
            assert_eq!(later_than(&device, now), expected, "{name}");
        }
    }

    #[test]
    fn commands_are_few_and_well_formed() {
        let with = |commands: Vec<(String, String)>| {
            check(&DeviceRequest {
                available_commands: Some(commands.into_iter().collect()),
                ..DeviceRequest::default()
            })
        };
        let many = |n: usize| (0..n).map(|n| (format!("c{n}"), String::new())).collect();
        assert!(with(many(COMMANDS_MAX)).is_ok());
        assert!(with(many(COMMANDS_MAX + 1)).is_err());
        assert!(with(vec![("a b".into(), String::new())]).is_err());
        assert!(with(vec![("a".into(), "v".repeat(2049))]).is_err());
    }
}
