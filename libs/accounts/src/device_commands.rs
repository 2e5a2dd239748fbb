//! Commands from one device of an account to another: a tab that is sent, above all (`accounts.md` (c), Devices). They wait
//! in the store until their receiver comes for them.

use std::time::Duration;

use foxhold_core::{DeviceId, record::Device};
use foxhold_ports::{
    Refusal,
    device_commands::{CommandPage, DeviceCommand, DeviceRef, WAITING_DAYS_MAX},
    limits::{Action, LimitKeys},
};

use crate::{AccountError, Accounts, Caller, SignedIn, field};

/// Most commands that are told at a time.
pub const PAGE_MAX: u64 = 100;

/// How long a command waits at most, and if nothing is said of it.
const WAITING_MAX: Duration = Duration::from_secs(WAITING_DAYS_MAX * 86_400);

/// A command to a device.
pub struct CommandRequest {
    /// Who is to get it.
    pub target: DeviceId,
    /// Its name.
    pub name: String,
    /// What it carries: a JSON object, as text.
    pub payload: String,
    /// How long it may wait, in seconds; more than 30 days, or nothing, are 30 days.
    pub ttl_secs: Option<u64>,
}

/// Whom a message is for.
pub enum Audience {
    /// All devices of the account but these.
    AllBut(Vec<DeviceId>),
    /// These.
    Only(Vec<DeviceId>),
}

impl Accounts {
    /// POST /account/devices/invoke_command. Nobody is woken: the receiver finds the command when it looks.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 114, 123, 138, 157, 201.
    pub async fn invoke_command(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        request: CommandRequest,
    ) -> Result<(), AccountError> {
        field::check("command", field::is_command_name(&request.name))?;
        signed_in.require_verified()?;
        self.count_device_call(Action::InvokeDeviceCommand, caller, signed_in)
            .await?;
        let uid = signed_in.account.uid;
        let devices = self.reader.devices(caller.deadline, uid).await?;
        check_target(&devices, &request)?;
        let sender = of_session(&devices, signed_in).map(|device| device.id);
        let (to, command) = (
            DeviceRef {
                uid,
                device: request.target,
            },
            self.command(request, sender),
        );
        let sent = self.write(caller, |call| {
            let command = command.clone();
            async move { self.command_writer.put_command(&call, to, command).await }
        });
        match sent.await {
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.telling(Refusal::Conflict, || AccountError::UnknownDevice)),
        }
    }

    fn command(&self, request: CommandRequest, sender: Option<DeviceId>) -> DeviceCommand {
        let created_at = self.now();
        let ttl = request.ttl_secs.map_or(WAITING_MAX, Duration::from_secs);
        DeviceCommand {
            name: request.name,
            payload: request.payload,
            sender,
            created_at,
            expires_at: created_at.plus(ttl.min(WAITING_MAX)),
        }
    }

    /// GET /account/device/commands: what waits for the device of this session, from a number on. A session without a
    /// device has nothing waiting.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 138, 201.
    pub async fn waiting_commands(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        from: u64,
        limit: u64,
    ) -> Result<CommandPage, AccountError> {
        field::check("limit", limit <= PAGE_MAX)?;
        signed_in.require_verified()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (by, uid) = (caller.deadline, signed_in.account.uid);
        let devices = self.reader.devices(by, uid).await?;
        let Some(device) = of_session(&devices, signed_in) else {
            return Ok(CommandPage {
                commands: Vec::new(),
                is_last: true,
            });
        };
        let to = DeviceRef {
            uid,
            device: device.id,
        };
        let page = self
            .command_reader
            .waiting_commands(by, to, from, limit, self.now());
        Ok(page.await?)
    }

    /// POST /account/devices/notify: without push nobody is told, which is no fault of the caller's.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 114.
    pub async fn notify_devices(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        _to: Audience,
    ) -> Result<(), AccountError> {
        self.count_device_call(Action::DeviceNotify, caller, signed_in)
            .await
    }

    async fn count_device_call(
        &self,
        action: Action,
        caller: &Caller,
        signed_in: &SignedIn,
    ) -> Result<(), AccountError> {
        let keys = LimitKeys {
            ip: caller.ip,
            email: None,
            uid: Some(signed_in.account.uid),
        };
        Ok(self.limits.count(action, keys).await?)
    }
}

/// The device that a session is bound to.
fn of_session<'a>(devices: &'a [Device], signed_in: &SignedIn) -> Option<&'a Device> {
    devices
        .iter()
        .find(|device| device.session == signed_in.session.id)
}

fn check_target(devices: &[Device], request: &CommandRequest) -> Result<(), AccountError> {
    let target = devices
        .iter()
        .find(|device| device.id == request.target)
        .ok_or(AccountError::UnknownDevice)?;
    if target.available_commands.contains_key(&request.name) {
        Ok(())
    } else {
        Err(AccountError::CommandUnavailable)
    }
}
