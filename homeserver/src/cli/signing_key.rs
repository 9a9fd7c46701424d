//! `sealpost signing-key …`

use std::path::Path;

use clap::Subcommand;

use super::{Failure, command};
use crate::service::commands::{Command, Outcome};

#[derive(Subcommand)]
pub enum SigningKey {
    /// Sign with a new key from here on. The old one stays known for what was signed with it.
    Rotate,
}

impl SigningKey {
    pub fn run(self, config: &Path) -> Result<(), Failure> {
        match self {
            Self::Rotate => {
                if let Outcome::SigningKeyRotated { old, new } =
                    command(config, Command::RotateSigningKey)?
                {
                    println!("Signing with {new}; {old} is an old key now.");
                }
            }
        }
        Ok(())
    }
}
