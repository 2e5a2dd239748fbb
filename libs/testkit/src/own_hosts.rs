//! Host names of a process's own: it finds another file at `/etc/hosts`, which a test may change while the process runs. What
//! a name stands for is so changed for one process, and for no other on the machine.

use std::{path::Path, process::Command};

/// The same command behind `unshare`, which gives it its own view of the files and then becomes the program, so the process
/// id is the program's. The file must be written in place: another one under its name would not be seen.
pub(crate) fn knowing(hosts: &Path, command: &Command) -> Command {
    let mut behind = Command::new("unshare");
    behind
        .args(["--mount", "--map-root-user", "--"])
        .args(["sh", "-c", r#"mount --bind "$0" /etc/hosts && exec "$@""#])
        .arg(hosts)
        .arg(command.get_program())
        .args(command.get_args());
    behind
}
