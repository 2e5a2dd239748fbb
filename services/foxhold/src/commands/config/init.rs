//! `foxhold config init`: a file to begin with.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::Context as _;
use clap::Args;

use super::role::RoleName;
use crate::{
    commands::{Exists, NoSuchFile},
    data_folder::write_new,
};

/// What is made.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Whose configuration.
    #[arg(long, value_enum, value_name = "ROLE", default_value_t)]
    role: RoleName,
    /// Where to write it; to standard output when absent.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Carries the command out.
pub(super) fn run(arguments: &InitArgs) -> anyhow::Result<()> {
    let text = arguments.role.sample();
    let Some(path) = &arguments.out else {
        return Ok(io::stdout().lock().write_all(text.as_bytes())?);
    };
    NoSuchFile::check_folder_of(path)?;
    match write_new(path, text.as_bytes(), 0o600) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Exists {
            what: "the file",
            fix: "give another with --out; nothing is overwritten",
        }
        .into()),
        written => written.with_context(|| format!("writing {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use foxhold_runtime::config::{Reading, Sources};

    use super::*;

    #[test]
    fn what_is_made_is_short_and_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        for &role in RoleName::value_variants() {
            let out = folder.path().join(role.name());
            let arguments = InitArgs {
                role,
                out: Some(out.clone()),
            };
            run(&arguments).unwrap();
            let text = std::fs::read_to_string(&out).unwrap();
            let is_live = |line: &&str| !line.is_empty() && !line.starts_with('#');
            assert!(text.lines().filter(is_live).count() < 30, "{role:?}");
            assert!(text.lines().any(|line| line.starts_with("# ")), "{role:?}");
            let files = vec![out];
            let reading = Reading::of(&Sources {
                files,
                ..Sources::default()
            });
            assert!(role.role().resolved(&reading).is_ok(), "{role:?}");
            assert!(run(&arguments).unwrap_err().is::<Exists>(), "{role:?}");
        }
    }
}
