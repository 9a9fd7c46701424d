//! `sealpost user …`

use std::{io, path::Path};

use clap::Subcommand;

use super::{Failure, command, date};
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
    /// Show all accounts.
    List,
    /// Give an account another password and log all its devices out; asks for it.
    ResetPassword {
        /// A user name or user id.
        user: String,
        /// Read the password from standard input, a line, instead of asking.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Let a user administer the server.
    MakeAdmin {
        /// A user name or user id.
        user: String,
        /// Take it from them instead.
        #[arg(long)]
        revoke: bool,
    },
    /// Keep a user from using their account, until it is unlocked.
    Lock {
        /// A user name or user id.
        user: String,
    },
    /// Let a locked user use their account again.
    Unlock {
        /// A user name or user id.
        user: String,
    },
    /// Close an account for good: it leaves all rooms, and its name is not given out again.
    Deactivate {
        /// A user name or user id.
        user: String,
        /// Show what it sent to those alone who were in the room then.
        #[arg(long)]
        erase: bool,
        /// Don't ask whether this is meant.
        #[arg(long)]
        yes: bool,
    },
}

impl User {
    pub fn run(self, config: &Path) -> Result<(), Failure> {
        // A faulty configuration should not cost the typing of a password.
        super::load(config)?;
        match self {
            Self::Create { name, admin, password_stdin } => {
                let password = password(password_stdin)?;
                let create = Command::CreateUser { localpart: name, password, is_admin: admin };
                if let Outcome::UserCreated { user_id } = command(config, create)? {
                    println!("Created {user_id}.");
                }
            }
            Self::List => {
                if let Outcome::Users { users } = command(config, Command::ListUsers)? {
                    users.iter().for_each(|user| println!("{}", line(user)));
                }
            }
            Self::ResetPassword { user, password_stdin } => {
                let password = password(password_stdin)?;
                command(config, Command::ResetPassword { user, password })?;
                println!("Changed. All devices are logged out.");
            }
            Self::MakeAdmin { user, revoke } => {
                command(config, Command::SetAdmin { user, is_admin: !revoke })?;
                println!("Done.");
            }
            Self::Lock { user } => {
                command(config, Command::Lock { user, locked: true })?;
                println!("Locked.");
            }
            Self::Unlock { user } => {
                command(config, Command::Lock { user, locked: false })?;
                println!("Unlocked.");
            }
            Self::Deactivate { user, erase, yes } => {
                if !yes && !agreed(&user)? {
                    return Err(Failure::new("nothing was done"));
                }
                command(config, Command::Deactivate { user, erase })?;
                println!(
                    "Deactivated. A running server leaves the rooms now, others at their start."
                );
            }
        }
        Ok(())
    }
}

fn password(from_stdin: bool) -> Result<String, Failure> {
    let password = if from_stdin { read_line()? } else { ask()? };
    if password.is_empty() { Err(Failure::new("the password is empty")) } else { Ok(password) }
}

fn agreed(user: &str) -> Result<bool, Failure> {
    println!("Deactivating {user} cannot be undone. Type the name again to go on:");
    Ok(read_line()? == user)
}

fn line(user: &crate::service::commands::User) -> String {
    let mut line = format!("{}  since {}", user.user_id, date::format(user.created_at));
    let marks = [
        (user.is_admin, "administrator"),
        (user.is_guest, "guest"),
        (user.locked, "locked"),
        (user.suspended, "suspended"),
        (user.deactivated, "deactivated"),
    ];
    for (_, mark) in marks.iter().filter(|(is_so, _)| *is_so) {
        line.push_str(", ");
        line.push_str(mark);
    }
    line
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
