//! Children that cannot outlive us: the kernel kills them when this process ends, even if it is killed itself and no
//! destructor runs. The kernel watches the *thread* that started a child, and a test's thread ends with its test, so
//! one thread that lives as long as the process starts them all.

use std::{
    io,
    process::{Child, Command},
    sync::{
        OnceLock,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

/// An order to the thread, and where it puts the child.
type Order = (Command, SyncSender<io::Result<Child>>);

/// Starts a [`watched`] command.
///
/// # Errors
/// When it cannot be started: `setpriv` (Debian: util-linux) is missing.
pub fn spawn(command: Command) -> io::Result<Child> {
    static STARTER: OnceLock<SyncSender<Order>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, inbox) = sync_channel(16);
        thread::spawn(move || start_all(&inbox));
        orders
    });
    let (reply, child) = sync_channel(1);
    let gone = |_| io::Error::other("the thread that starts children is gone");
    starter
        .send((command, reply))
        .map_err(|refused| gone(refused.to_string()))?;
    child.recv().map_err(|closed| gone(closed.to_string()))?
}

fn start_all(inbox: &Receiver<Order>) {
    for (mut command, reply) in inbox {
        // Whoever asked waits for the reply; if it is gone, the child ends with its handle's owner: the kernel.
        let _ = reply.send(command.spawn());
    }
}

/// The same command behind `setpriv`, which asks the kernel for the signal and then becomes the program, so the process
/// id is the program's. Where its input and output go is still to be said.
#[must_use]
pub fn watched(command: &Command) -> Command {
    behind("setpriv", &["--pdeathsig", "KILL", "--"], command)
}

/// The same command in another group, as root may start it. The kernel forgets a [`watched`] process when its group
/// changes, so this goes around `watched`, never into it.
#[must_use]
pub fn in_group(group: u32, command: &Command) -> Command {
    behind(
        "setpriv",
        &["--regid", &group.to_string(), "--clear-groups", "--"],
        command,
    )
}

/// The same command on one core of the machine.
#[must_use]
pub fn on_core(core: usize, command: &Command) -> Command {
    behind("taskset", &["--cpu-list", &core.to_string()], command)
}

fn behind(program: &str, options: &[&str], command: &Command) -> Command {
    let mut outer = Command::new(program);
    outer.args(options);
    outer.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        outer.current_dir(folder);
    }
    outer
}
