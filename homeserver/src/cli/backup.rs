//! `sealpost backup DIR`

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, load};
use crate::boot;

#[derive(Args)]
pub struct Backup {
    /// The folder to make; it must not be there yet, or be empty.
    dir: PathBuf,
}

impl Backup {
    pub fn run(self, file: &Path) -> Result<(), Failure> {
        let config = load(file)?;
        boot::back_up(&config, file, &self.dir, |text| println!("{text}"))?;
        let dir = self.dir.display();
        println!("Done: {dir}. It holds secrets: keep it where only you can read it.");
        Ok(())
    }
}
