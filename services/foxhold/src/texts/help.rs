//! The help of every command and of every role's program; and that the examples in it are commands.

use clap::{Command, CommandFactory as _, Parser as _};
use foxhold_dbwriter::process::DbwriterProcess;
use foxhold_keysigner::process::KeysignerProcess;
use foxhold_ops::process::OpsProcess;
use foxhold_runtime::process::command;
use foxhold_stretcher::process::StretcherProcess;
use foxhold_sync_node::process::SyncNodeProcess;
use foxhold_webhead::process::WebheadProcess;

use super::{SNAPSHOTS, compare};
use crate::cli::Cli;

/// The same whatever the terminal, the version and the environment of the test are.
fn tool() -> Command {
    let mut command = plain(Cli::command());
    command.build();
    command
}

fn plain(command: Command) -> Command {
    command
        .version("VERSION")
        .disable_help_subcommand(true)
        .mut_args(|argument| argument.hide_env_values(true))
        .mut_subcommands(plain)
}

/// The help texts of a command and of all below it.
fn texts(command: &Command) -> String {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let help = command.clone().render_long_help().to_string();
    let lines: Vec<_> = help.lines().map(str::trim_end).collect();
    let mut text = format!("==> {name} --help\n{}\n\n", lines.join("\n").trim_end());
    command
        .get_subcommands()
        .for_each(|below| text.push_str(&texts(below)));
    text
}

#[test]
fn the_help_of_the_tool_is_as_agreed() {
    compare(&format!("{SNAPSHOTS}/help/foxhold.txt"), &texts(&tool()));
}

#[test]
fn the_help_of_every_role_is_as_agreed() {
    let programs = [
        command::<WebheadProcess>("VERSION"),
        command::<KeysignerProcess>("VERSION"),
        command::<DbwriterProcess>("VERSION"),
        command::<OpsProcess>("VERSION"),
        command::<StretcherProcess>("VERSION"),
        command::<SyncNodeProcess>("VERSION"),
    ];
    for program in programs {
        let program = plain(program);
        let help = program.clone().render_long_help().to_string();
        compare(&format!("{SNAPSHOTS}/help/{}.txt", program.get_name()), &help);
    }
}

/// Each command without commands below it, by its words.
fn leaves(command: &Command, words: &str, found: &mut Vec<(String, Command)>) {
    if command.has_subcommands() {
        for below in command.get_subcommands() {
            leaves(below, &format!("{words} {}", below.get_name()), found);
        }
    } else {
        found.push((words.to_owned(), command.clone()));
    }
}

/// The words of a line, as a shell takes quotes.
fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (' ', None) => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words
}

#[test]
fn every_command_has_examples_and_they_are_commands() {
    let mut commands = Vec::new();
    leaves(&tool(), "foxhold", &mut commands);
    assert!(commands.len() > 40, "{}", commands.len());
    for (words, command) in commands {
        let after = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let below = after.split_once("Examples:\n").map_or("", |(_, below)| below);
        let examples: Vec<&str> = below
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        assert!(examples.len() >= 2, "{words} has fewer than two examples");
        for example in examples {
            assert!(example.starts_with(&words), "{words}: {example}");
            let parsed = Cli::try_parse_from(split(example));
            assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
        }
    }
}
