//! Removes files that no row names: what a crash or a broken connection left behind, and thumbnails of it.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Media, files::INCOMING};
use crate::{
    error::{Error, Result},
    storage::{media, remote_media},
};

/// Younger files may still get their row.
const LEFT_ALONE_FOR: Duration = Duration::from_secs(60 * 60);
/// Hashes looked up, and files removed, at once; uploads wait meanwhile.
const CHUNK: usize = 200;
const HASH_LENGTH: usize = 64;

impl Media {
    /// Removes orphans that are old enough; returns how many.
    pub async fn sweep(&self) -> Result<usize> {
        let folder = Arc::clone(&self.files.folder);
        let now = Duration::from_millis(self.clock.now_ms().try_into().unwrap_or_default());
        let before = SystemTime::UNIX_EPOCH + now.saturating_sub(LEFT_ALONE_FOR);
        let found = tokio::task::spawn_blocking(move || old_files(&folder, before))
            .await
            .map_err(|_| Error::internal("looking for orphans panicked"))??;
        let mut removed = remove(found.unfinished).await?;
        let mut by_hash: Vec<_> = found.by_hash.into_iter().collect();
        while !by_hash.is_empty() {
            let chunk = by_hash.split_off(by_hash.len().saturating_sub(CHUNK));
            removed += self.sweep_chunk(chunk, before).await?;
        }
        Ok(removed)
    }

    async fn sweep_chunk(
        &self,
        chunk: Vec<(Vec<u8>, Vec<PathBuf>)>,
        before: SystemTime,
    ) -> Result<usize> {
        let _alone = self.files.sweeping.write().await;
        let hashes: Vec<_> = chunk.iter().map(|(hash, _)| hash.clone()).collect();
        let known = self.store.read(move |conn| {
            Ok(&media::known(conn, &hashes)? | &remote_media::known(conn, &hashes)?)
        });
        let known = known.await?;
        let orphans = chunk.into_iter().filter(|(hash, _)| !known.contains(hash));
        // One that was uploaded again meanwhile is young again.
        let orphans = orphans.flat_map(|(_, files)| files).filter(|file| {
            fs::metadata(file).and_then(|file| file.modified()).is_ok_and(|at| at <= before)
        });
        remove(orphans.collect()).await
    }
}

#[derive(Default)]
struct Found {
    /// Written half, and left.
    unfinished: Vec<PathBuf>,
    /// Content and thumbnails, by the hash in their names.
    by_hash: HashMap<Vec<u8>, Vec<PathBuf>>,
}

fn old_files(folder: &Path, before: SystemTime) -> io::Result<Found> {
    let mut found = Found::default();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            let path = entry.path();
            if about.is_dir() {
                folders.push(path);
            } else if about.modified()? <= before {
                found.add(path);
            }
        }
    }
    Ok(found)
}

impl Found {
    fn add(&mut self, path: PathBuf) {
        let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        let name = path.file_name().and_then(|name| name.to_str());
        let (Some(folder), Some(name)) = (folder, name) else { return };
        // Files that are not ours stay.
        let ours = folder == INCOMING || (folder.len() == 2 && name.starts_with(folder));
        let hash = name.get(..HASH_LENGTH).and_then(unhex);
        match hash {
            _ if !ours => {}
            _ if folder == INCOMING || name.contains('#') => self.unfinished.push(path),
            Some(hash) => self.by_hash.entry(hash).or_default().push(path),
            None => {}
        }
    }
}

async fn remove(files: Vec<PathBuf>) -> Result<usize> {
    let count = files.len();
    tokio::task::spawn_blocking(move || {
        for file in files {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                Ok(()) | Err(_) => tracing::info!(file = %file.display(), "removed an orphan"),
            }
        }
        Ok(count)
    })
    .await
    .map_err(|_| Error::internal("removing orphans panicked"))?
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    hex.as_bytes()
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
            _ => None,
        })
        .collect()
}
