//! `sealpost registration-token …`

use std::path::Path;

use clap::Subcommand;

use super::{Failure, command, date};
use crate::service::commands::{Command, Outcome, Token};

#[derive(Subcommand)]
pub enum RegistrationToken {
    /// Make a token.
    Create {
        /// How many accounts may be made with it; any number when absent.
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
        uses: Option<i64>,
        /// The day (UTC) from which it is no longer good, such as 2027-01-31.
        #[arg(long, value_name = "DATE", value_parser = date::parse)]
        expires: Option<i64>,
    },
    /// Show all tokens.
    List,
    /// Make a token worthless.
    Revoke { token: String },
}

impl RegistrationToken {
    pub fn run(self, config: &Path) -> Result<(), Failure> {
        let is_list = matches!(self, Self::List);
        let outcome = command(
            config,
            match self {
                Self::Create { uses, expires } => {
                    Command::CreateRegistrationToken { uses_allowed: uses, expires_at: expires }
                }
                Self::List => Command::ListRegistrationTokens,
                Self::Revoke { token } => Command::RevokeRegistrationToken { token },
            },
        )?;
        match outcome {
            Outcome::RegistrationTokens { tokens } if is_list => {
                tokens.iter().for_each(|token| println!("{}", line(token)));
            }
            Outcome::RegistrationTokens { tokens } => {
                tokens.iter().for_each(|token| println!("{}", token.token));
            }
            _ => println!("Revoked."),
        }
        Ok(())
    }
}

fn line(token: &Token) -> String {
    let uses = match token.uses_allowed {
        Some(allowed) => format!("used {} of {allowed}", token.uses_completed),
        None => format!("used {}", token.uses_completed),
    };
    match token.expires_at {
        Some(at) => format!("{}  {uses}, until {}", token.token, date::format(at)),
        None => format!("{}  {uses}", token.token),
    }
}
