//! The tool in a folder of its own: how it is run, a box that is up, and what its help shows.

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// The tool in a folder, without what the surroundings of the test might set.
pub(crate) fn foxhold(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foxhold"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FOXHOLD_")) {
        command.env_remove(name);
    }
    command
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A run to its end.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Ran {
    Ran::of(foxhold(folder, arguments).output().expect("the tool starts"))
}

/// Ports below those that systems give to outgoing connections, and to whoever asks for any.
const PORTS: Range<u16> = 12_000..32_000;

/// Ports that were free a moment ago, public and private. No other call gets them: a box takes its time until it listens,
/// and others start meanwhile.
pub(crate) fn free_addresses() -> [SocketAddr; 2] {
    [(); 2].map(|()| free_address())
}

fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    // Test programs that run beside each other begin elsewhere.
    let first = std::process::id().wrapping_mul(677);
    let ports = (0..count).map(|_| {
        let number = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count;
        PORTS.start + u16::try_from(number).expect("it is less than there are")
    });
    // Some boxes listen at all addresses.
    let mut free = ports.filter(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok());
    (Ipv4Addr::LOCALHOST, free.next().expect("a port is free")).into()
}

/// A served box.
pub(crate) struct Up {
    pub(crate) process: Child,
    pub(crate) private: SocketAddr,
    pub(crate) greeting: String,
}

impl Up {
    /// On free ports, given as variables so that the arguments can be those of an example.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        let [public, private] = free_addresses();
        let mut process = foxhold(folder, arguments)
            .env("FOXHOLD_LISTEN", public.to_string())
            .env("FOXHOLD_PRIVATE_LISTEN", private.to_string())
            .spawn()
            .expect("the tool starts");
        let mut greeting = String::new();
        for line in BufReader::new(process.stdout.as_mut().expect("it is piped")).lines() {
            greeting.push_str(&line.expect("it is text"));
            greeting.push('\n');
            if greeting.contains("Ctrl-C") {
                return Self {
                    process,
                    private,
                    greeting,
                };
            }
        }
        let ended = Ran::of(process.wait_with_output().expect("it ends"));
        panic!("{arguments:?} did not come up:\n{greeting}{}", ended.err);
    }

    /// Where it is open.
    pub(crate) fn address(&self) -> String {
        let mut lines = self.greeting.lines();
        let root = lines.find_map(|line| line.trim().strip_prefix("open"));
        let root = root.expect("the greeting names the address").trim();
        root.replace("http://localhost", "127.0.0.1")
    }

    /// As Ctrl-C does.
    pub(crate) fn interrupt(self) -> Ran {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status();
        assert!(sent.expect("kill starts").success());
        Ran::of(self.process.wait_with_output().expect("it ends"))
    }
}

/// The lines below `Examples:` of a help text, as words.
pub(crate) fn examples(folder: &Path, command: &[&str]) -> Vec<Vec<String>> {
    let help = run(folder, &[command, &["--help"]].concat()).out;
    let below = help.split_once("Examples:\n").map(|(_, below)| below);
    let below = below.unwrap_or_else(|| panic!("no examples in the help of {command:?}"));
    let lines = below.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect()
}
