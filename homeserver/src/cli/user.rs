//! `sealpost user …`

use std::{io, path::Path};

use clap::Subcommand;

use super::{Failure, command};
use crate::service::commands::{Command, Outcome};

#[derive(Subcommand)]
pub enum User {
    /// Make an account; asks for its password.
    Create {
        /// Its name: what stands before the colon in the user id.
        name: String,
        /// It may administer the server.
        #[arg(long)]
        admin: bool,
        /// Read the password from standard input, a line, instead of asking.
        #[arg(long)]
        password_stdin: bool,
    },
}

impl User {
    pub fn run(self, config: &Path) -> Result<(), Failure> {
        let Self::Create { name, admin, password_stdin } = self;
        // A faulty configuration should not cost the typing of a password.
        super::load(config)?;
        let password = if password_stdin { read_line()? } else { ask()? };
        if password.is_empty() {
            return Err(Failure::new("the password is empty"));
        }
        let outcome =
            command(config, Command::CreateUser { localpart: name, password, is_admin: admin })?;
        if let Outcome::UserCreated { user_id } = outcome {
            println!("Created {user_id}.");
        }
        Ok(())
    }
}

fn read_line() -> Result<String, Failure> {
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(|error| Failure::new(format!("password: {error}")))?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

fn ask() -> Result<String, Failure> {
    let prompt = |text| {
        rpassword::prompt_password(text).map_err(|error| Failure::new(format!("password: {error}")))
    };
    let password = prompt("Password: ")?;
    if prompt("Once more: ")? == password {
        Ok(password)
    } else {
        Err(Failure::new("the two passwords differ"))
    }
}
