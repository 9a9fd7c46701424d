//! `sealpost init NAME`: the files of a new server.

use std::{fs::OpenOptions, io::Write as _, path::Path};

use clap::Args;

use super::Failure;
use crate::{
    boot,
    config::{Config, example},
};

#[derive(Args)]
pub struct Init {
    /// The server's name, such as example.org: what stands behind the colon in user ids.
    name: String,
}

impl Init {
    pub fn run(&self, file: &Path) -> Result<(), Failure> {
        let text = example(&self.name);
        let folder = file.parent().unwrap_or(Path::new(""));
        let config = Config::parse(&text, folder)
            .map_err(|error| Failure { code: 2, message: error.to_string() })?;
        let key_file = &config.server.signing_key_file;
        if let Some(there) = [file, key_file.as_path()].into_iter().find(|path| path.exists()) {
            return Err(Failure::new(format!("{} is there already", there.display())));
        }
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(file)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
        boot::create_signing_key(key_file)?;

        let (file, key_file) = (file.display(), key_file.display());
        println!(
            "Wrote {file} and {key_file}. Keep a copy of the key: it is the server's identity."
        );
        println!("Next:");
        println!("  sealpost --config {file} user create YOUR_NAME --admin");
        println!("  sealpost --config {file}");
        Ok(())
    }
}
