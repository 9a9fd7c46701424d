//! The command line: `sealpost --config FILE` runs the server; the subcommands have a file each.
//!
//! Exit codes: 0 done, 1 failed, 2 the configuration or the arguments are faulty.

mod backup;
mod date;
mod init;
mod log;
mod registration_token;
mod report;
mod signing_key;
mod user;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    boot::{self, Core, StartError},
    clock::Clock,
    config::Config,
    service::commands::{Command, Outcome},
    worker::command_socket,
};

#[derive(Parser)]
#[command(name = "sealpost", version, about = "A Matrix homeserver")]
struct Arguments {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "sealpost.toml")]
    config: PathBuf,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// Write a commented configuration and the signing key of a new server.
    Init(init::Init),
    /// Accounts.
    #[command(subcommand)]
    User(user::User),
    /// Tokens that let their holder make an account.
    #[command(subcommand)]
    RegistrationToken(registration_token::RegistrationToken),
    /// Copy the database as of one instant, the media, the signing key and the configuration.
    Backup(backup::Backup),
    /// What users have reported.
    #[command(subcommand)]
    Report(report::Report),
    /// The key that this server signs with.
    #[command(subcommand)]
    SigningKey(signing_key::SigningKey),
}

/// What went wrong, for one line on standard error.
struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let code = if matches!(error, StartError::Config(_)) { 2 } else { 1 };
        Self { code, message: error.to_string() }
    }
}

pub fn main() -> ExitCode {
    let Arguments { config, action } = Arguments::parse();
    let done = match action {
        None => serve(&config),
        Some(Action::Init(init)) => init.run(&config),
        Some(Action::User(user)) => user.run(&config),
        Some(Action::RegistrationToken(tokens)) => tokens.run(&config),
        Some(Action::Backup(backup)) => backup.run(&config),
        Some(Action::Report(report)) => report.run(&config),
        Some(Action::SigningKey(key)) => key.run(&config),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            eprintln!("sealpost: {message}");
            ExitCode::from(code)
        }
    }
}

fn serve(file: &Path) -> Result<(), Failure> {
    let config = load(file)?;
    log::start(&config.log);
    boot::run(config).map_err(|error| match error {
        StartError::Config(error) => StartError::Config(error.in_file(file)).into(),
        other => other.into(),
    })
}

fn load(file: &Path) -> Result<Config, Failure> {
    Config::load(file).map_err(|error| StartError::Config(error).into())
}

/// Runs a command: in the server that runs, or here when there is none.
fn command(file: &Path, command: Command) -> Result<Outcome, Failure> {
    let config = load(file)?;
    let socket = command_socket::path(&config.server.signing_key_file);
    let outcome = match command_socket::ask(&socket, &command) {
        Ok(Some(outcome)) => outcome,
        Ok(None) => here(config, command)?,
        Err(error) => return Err(Failure::new(format!("{}: {error}", socket.display()))),
    };
    match outcome {
        Outcome::Failed { message } => Err(Failure::new(message)),
        outcome => Ok(outcome),
    }
}

fn here(config: Config, command: Command) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(error.to_string()))?;
    let core = Core::open(config, Clock::system())?;
    Ok(runtime.block_on(async {
        let outcome = core.commands().run(command).await;
        core.store.close().await;
        outcome
    }))
}
