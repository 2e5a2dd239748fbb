//! Commands that wait for devices: `foxhold.dbwriter.v1` and `foxhold_ports::device_commands`.

use foxhold_core::{DeviceId, Uid};
use foxhold_ports::device_commands::{DeviceCommand, DeviceRef};

use super::{FieldError, field, time};
use crate::wire::dbwriter as pb;

/// A device of an account.
pub(crate) fn device_ref(uid: &[u8], device: &[u8]) -> Result<DeviceRef, FieldError> {
    Ok(DeviceRef {
        uid: field("uid", Uid::from_slice(uid))?,
        device: field("device", DeviceId::from_slice(device))?,
    })
}

impl From<DeviceCommand> for pb::DeviceCommand {
    fn from(command: DeviceCommand) -> Self {
        let sender = command.sender.map(|sender| sender.as_bytes().to_vec());
        Self {
            name: command.name,
            payload: command.payload,
            sender: sender.unwrap_or_default(),
            created_at_ms: command.created_at.as_millis(),
            expires_at_ms: command.expires_at.as_millis(),
        }
    }
}

impl TryFrom<pb::DeviceCommand> for DeviceCommand {
    type Error = FieldError;

    fn try_from(wire: pb::DeviceCommand) -> Result<Self, FieldError> {
        let sender = match &wire.sender[..] {
            [] => None,
            sender => Some(field("sender", DeviceId::from_slice(sender))?),
        };
        Ok(Self {
            name: wire.name,
            payload: wire.payload,
            sender,
            created_at: time(wire.created_at_ms),
            expires_at: time(wire.expires_at_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::Timestamp;

    use super::*;

    #[test]
    fn a_command_survives_the_wire_and_a_broken_sender_does_not() {
        let command = |sender| DeviceCommand {
            name: "c".into(),
            payload: "{}".into(),
            sender,
            created_at: Timestamp::from_millis(1),
            expires_at: Timestamp::from_millis(2),
        };
        for sender in [None, Some(DeviceId::from_bytes([7; 16]))] {
            let wire = pb::DeviceCommand::from(command(sender));
            assert_eq!(DeviceCommand::try_from(wire), Ok(command(sender)));
        }
        let mut broken = pb::DeviceCommand::from(command(None));
        broken.sender = vec![7; 15];
        assert_eq!(DeviceCommand::try_from(broken), Err(FieldError::new("sender")));
        assert_eq!(device_ref(&[7; 16], &[7; 15]), Err(FieldError::new("device")));
    }
}
