//! `foxhold`: the single box and the operator's tool.

mod admin_client;
mod cli;
mod commands;
mod confirm;
mod data_folder;
mod failure;
mod fleet;
mod key_files;
mod output;
mod probes;
mod progress;
mod record_file;
mod single_box;
#[cfg(test)]
mod texts;
mod values;

use std::process::ExitCode;

use clap::Parser;

use cli::{CertificatesCommand, Cli, Command, KeyCommand};

fn main() -> ExitCode {
    foxhold_runtime::crypto_provider::install();
    let done = match Cli::parse().command {
        Command::Up(arguments) => commands::up::run(&arguments),
        Command::Config(command) => commands::config::run(&command),
        Command::Completions(arguments) => commands::completions::run(&arguments),
        Command::Man(arguments) => commands::man::run(&arguments),
        Command::Key(KeyCommand::Create(arguments)) => commands::key::create(&arguments),
        Command::Key(KeyCommand::List(arguments)) => commands::key::provider::list(&arguments),
        Command::Key(KeyCommand::Rotate(arguments)) => commands::key::provider::rotate(&arguments),
        Command::Certificates(CertificatesCommand::Create(arguments)) => {
            commands::certificates::run(arguments)
        }
        Command::Token(command) => commands::token::run(&command),
        Command::Doctor(arguments) => commands::doctor::run(&arguments),
        Command::Firefox(command) => commands::firefox::run(&command),
        Command::Mail(command) => commands::mail::run(&command),
        Command::Template(command) => commands::template::run(&command),
        Command::Schema(command) => commands::schema::run(&command),
        Command::Region(command) => commands::region::run(&command),
        Command::Audit(command) => commands::audit::run(&command),
        Command::Service(command) => commands::service::run(&command),
        Command::Client(command) => commands::client::run(&command),
        Command::Node(command) => commands::node::run(&command),
        Command::Account(command) => commands::account::run(&command),
        Command::Invite(command) => commands::invite::run(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
