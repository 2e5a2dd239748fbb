//! A box that was started once and stopped, and the tool on it.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::{Ran, Up, run};

pub(super) const HOME: &str = "https://sync.example.org";
pub(super) const SYNC_2: &str = "https://sync-2.example.org";
pub(super) const SYNC_3: &str = "https://sync-3.example.org";
pub(super) const USER: &str = "a1b2@example.org";

const UP: [&str; 5] = ["up", "--public-url", HOME, "--mail", "log"];

pub(super) struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// With a box as the first start leaves it.
    pub(super) fn new() -> Self {
        let bench = Self {
            folder: tempfile::tempdir().expect("there is a place for it"),
        };
        bench.start_and_stop();
        bench
    }

    pub(super) fn start_and_stop(&self) {
        let ended = self.up().interrupt();
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }

    pub(super) fn up(&self) -> Up {
        Up::start(self.path(), &UP)
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("it can be written");
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Ran {
        run(self.path(), arguments)
    }

    /// With an end that is good.
    pub(super) fn done(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.err);
        ran
    }

    /// The same, as scripts read it.
    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.done(&[arguments, &["--output", "json"]].concat());
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", ran.out))
    }

    /// A box just like it.
    pub(super) fn copy(&self) -> Self {
        let copy = Self {
            folder: tempfile::tempdir().expect("there is a place for it"),
        };
        copy_folder(self.path(), copy.path());
        copy
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("it can be made");
    for entry in fs::read_dir(from).expect("it is a folder") {
        let entry = entry.expect("it can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("it is there").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            // Takes the mode along.
            fs::copy(entry.path(), target).expect("it can be copied");
        }
    }
}
