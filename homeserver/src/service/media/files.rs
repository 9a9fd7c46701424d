//! Content in files named by their SHA-256, through `object_store`.
//!
//! ```text
//! ab/ab12…           content
//! incoming/…         a large upload on its way: renamed when its hash is known
//! thumbnails/ab/ab12…-96x96-crop
//! ```
//!
//! A small upload is gathered in memory and written at once; a large one goes to `incoming/` in parts. File and
//! folder are synced before [`Files::keep`] returns.

use std::{ops::Range, path::Path as FilePath, pin::Pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use object_store::{
    GetResultPayload, MultipartUpload, ObjectStoreExt as _, PutPayload, local::LocalFileSystem,
    path::Path,
};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::{RwLock, RwLockReadGuard},
    time::timeout,
};

use super::{super::random, too_large};
use crate::error::{Error, Result};

pub type Hash = [u8; 32];

/// Bytes on their way out.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// What an upload holds in memory at most.
const PART: usize = 1024 * 1024;
/// A download reads so much at once.
const PIECE: u64 = 256 * 1024;
/// Smaller chunks are gathered, so that many of them do not take more memory than their bytes.
const SMALL_CHUNK: usize = 4096;
/// The next bytes of an upload must come within this time.
const NEXT_CHUNK_WITHIN: Duration = Duration::from_secs(30);

pub const INCOMING: &str = "incoming";
pub const THUMBNAILS: &str = "thumbnails";

pub struct Files {
    store: Arc<LocalFileSystem>,
    pub(super) folder: Arc<FilePath>,
    /// Held shared from the file's being there to its row's; the sweeper holds it alone while it decides that a
    /// file has no row.
    pub(super) sweeping: RwLock<()>,
}

/// A body that was read, with what is not in a file yet.
pub struct Received {
    hash: Hash,
    size: u64,
    part: Part,
    upload: Option<Incoming>,
}

struct Incoming {
    path: Path,
    upload: Box<dyn MultipartUpload>,
}

/// A file that is there to stay, if a row is written while this is held.
pub struct Stored<'a> {
    pub hash: Hash,
    pub size: u64,
    _not_swept: RwLockReadGuard<'a, ()>,
}

impl Files {
    pub fn open(folder: &FilePath) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(failed)?.with_fsync(true);
        Ok(Self { store: Arc::new(store), folder: folder.into(), sweeping: RwLock::new(()) })
    }

    /// Reads a body and hashes it; 413 `M_TOO_LARGE` when it is larger than `largest`.
    pub async fn receive(
        &self,
        mut body: impl Stream<Item = Result<Bytes>> + Unpin,
        largest: u64,
    ) -> Result<Received> {
        let mut hasher = Sha256::new();
        let (mut size, mut part, mut upload) = (0, Part::default(), None);
        loop {
            let chunk = timeout(NEXT_CHUNK_WITHIN, body.next())
                .await
                .map_err(|_| Error::bad_json("The request's body came too slowly"))?;
            let Some(chunk) = chunk.transpose()? else { break };
            size += chunk.len() as u64;
            if size > largest {
                return Err(too_large());
            }
            hasher.update(&chunk);
            if part.length + chunk.len() > PART {
                let Incoming { upload, .. } = match &mut upload {
                    Some(upload) => upload,
                    none => none.insert(self.begin().await?),
                };
                upload.put_part(part.take()).await.map_err(failed)?;
            }
            part.push(chunk);
        }
        Ok(Received { hash: hasher.finalize().into(), size, part, upload })
    }

    /// Makes a file of what was received, and sees that it stays.
    pub async fn keep(&self, received: Received) -> Result<Stored<'_>> {
        let Received { hash, size, mut part, upload } = received;
        let path = content_path(&hash);
        match upload {
            None => {
                let not_swept = self.sweeping.read().await;
                self.store.put(&path, part.take()).await.map_err(failed)?;
                Ok(Stored { hash, size, _not_swept: not_swept })
            }
            Some(Incoming { path: incoming, mut upload }) => {
                upload.put_part(part.take()).await.map_err(failed)?;
                upload.complete().await.map_err(failed)?;
                let not_swept = self.sweeping.read().await;
                self.store.rename(&incoming, &path).await.map_err(failed)?;
                Ok(Stored { hash, size, _not_swept: not_swept })
            }
        }
    }

    /// Writes a small file.
    pub async fn put(&self, path: &Path, bytes: Vec<Bytes>) -> Result<()> {
        self.store.put(path, PutPayload::from_iter(bytes)).await.map(drop).map_err(failed)
    }

    /// All of a small file, if it is there.
    pub async fn bytes(&self, path: &Path) -> Result<Option<Bytes>> {
        match self.store.get(path).await {
            Ok(found) => found.bytes().await.map(Some).map_err(failed),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// A part of a file, in pieces.
    pub async fn read(&self, path: &Path, range: Range<u64>) -> Result<Pieces> {
        let found = self.store.get(path).await.map_err(failed)?;
        let GetResultPayload::File(file, _) = found.payload else {
            return Err(Error::internal("a local file is not a file"));
        };
        let file = Arc::new(file);
        Ok(Box::pin(stream::try_unfold(range, move |mut left| {
            let file = Arc::clone(&file);
            async move {
                if left.is_empty() {
                    return Ok(None);
                }
                let start = left.start;
                let length = PIECE.min(left.end - start) as usize;
                let piece = tokio::task::spawn_blocking(move || read_piece(&file, start, length))
                    .await
                    .map_err(|_| Error::internal("reading a file panicked"))??;
                left.start += length as u64;
                Ok(Some((piece, left)))
            }
        })))
    }

    async fn begin(&self) -> Result<Incoming> {
        let name = random::letters_and_digits(16, &mut rand::rng());
        let path = Path::from_iter([INCOMING, &name]);
        let upload = self.store.put_multipart(&path).await.map_err(failed)?;
        Ok(Incoming { path, upload })
    }
}

/// The pieces of a file are read one after the other.
fn read_piece(mut file: &std::fs::File, start: u64, length: usize) -> Result<Bytes> {
    use std::io::{Error, ErrorKind, Read as _, Seek as _, SeekFrom};

    // Into memory that is not filled with zeros first.
    let mut piece = Vec::with_capacity(length);
    file.seek(SeekFrom::Start(start))?;
    file.take(length as u64).read_to_end(&mut piece)?;
    if piece.len() < length {
        return Err(Error::from(ErrorKind::UnexpectedEof).into());
    }
    Ok(piece.into())
}

/// Chunks of a body, as they came.
#[derive(Default)]
struct Part {
    chunks: Vec<Bytes>,
    small: BytesMut,
    length: usize,
}

impl Part {
    fn push(&mut self, chunk: Bytes) {
        self.length += chunk.len();
        if chunk.len() < SMALL_CHUNK {
            self.small.extend_from_slice(&chunk);
        } else {
            self.end_small();
            self.chunks.push(chunk);
        }
    }

    fn end_small(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push(self.small.split().freeze());
        }
    }

    fn take(&mut self) -> PutPayload {
        self.end_small();
        self.length = 0;
        PutPayload::from_iter(std::mem::take(&mut self.chunks))
    }
}

/// Where content is.
pub fn content_path(hash: &Hash) -> Path {
    let name = hex(hash);
    Path::from_iter([name.get(..2).unwrap_or_default(), &name])
}

pub fn hex(hash: &Hash) -> String {
    use std::fmt::Write as _;

    hash.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn failed(error: object_store::Error) -> Error {
    let mut source: Option<&dyn std::error::Error> = Some(&error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::StorageFull
        {
            return Error::DiskFull;
        }
        source = cause.source();
    }
    Error::internal(format!("files of media: {error}"))
}
