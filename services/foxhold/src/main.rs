//! `foxhold`: the single box and the operator's tool.

mod cli;
mod commands;
mod data_folder;
mod failure;
mod key_files;
mod single_box;

use std::process::ExitCode;

use clap::Parser;

use cli::{CertificatesCommand, Cli, Command, KeyCommand};

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Up(arguments) => commands::up::run(&arguments),
        Command::Key(KeyCommand::Create(arguments)) => commands::key::create(&arguments),
        Command::Certificates(CertificatesCommand::Create(arguments)) => {
            commands::certificates::run(arguments)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
