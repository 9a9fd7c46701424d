//! Copies all that a server is made of: database, media, signing key, configuration.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use super::StartError;
use crate::{config::Config, storage::backup};

/// Something is said after so many files.
const TELL_EVERY: usize = 1_000;

/// Copies into `dir`, which must be empty or not be there; `tell` hears how far it is. `file` is the
/// configuration. Blocks.
pub fn back_up(
    config: &Config,
    file: &Path,
    dir: &Path,
    tell: impl Fn(&str),
) -> Result<(), StartError> {
    let database = config.database()?;
    make_empty(dir).map_err(failed(dir))?;
    tell("Copying the database …");
    // Before the media: a file that the copied database knows of is there already.
    backup::copy(&database, dir)?;
    let copied = copy_folder(&config.media.path, &dir.join("media"), &tell)?;
    tell(&format!("Copied {copied} files of media."));
    let key = config.server.signing_key_file.as_path();
    for (from, name) in [(key, "signing.key"), (file, "sealpost.toml")] {
        let to = dir.join(name);
        if from.is_file() {
            copy_private(from, &to).map_err(failed(&to))?;
        }
    }
    sync_folder(dir).map_err(failed(dir))
}

fn make_empty(dir: &Path) -> io::Result<()> {
    if dir.exists() {
        if fs::read_dir(dir)?.next().is_some() {
            return Err(io::Error::other("is there already and not empty"));
        }
    } else {
        fs::create_dir_all(dir)?;
    }
    fs::set_permissions(dir, Permissions::from_mode(0o700))
}

/// Copies all files below a folder; how many there were.
fn copy_folder(from: &Path, to: &Path, tell: impl Fn(&str)) -> Result<usize, StartError> {
    let mut copied = 0;
    let mut folders = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = folders.pop() {
        fs::create_dir_all(&to).map_err(failed(&to))?;
        let entries = match fs::read_dir(&from) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(&from)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed(&from))?;
            let (path, target) = (entry.path(), to.join(entry.file_name()));
            if path.is_dir() {
                folders.push((path, target));
                continue;
            }
            match copy_private(&path, &target) {
                Ok(()) => copied += 1,
                // A running server has put an upload in its place, or taken away what nobody knows of.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(&path)(error)),
            }
            if copied % TELL_EVERY == 0 {
                tell(&format!("{copied} files of media …"));
            }
        }
        sync_folder(&to).map_err(failed(&to))?;
    }
    Ok(copied)
}

fn copy_private(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = File::open(from)?;
    let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut from, &mut copy)?;
    copy.sync_all()
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> StartError {
    StartError::io(path.display().to_string())
}
