//! Media: content that users upload, under ids that they name in events.
//!
//! ```text
//! body ──► files.rs: hash, file and folder synced ──► row in `media` ──► 200
//!                    a crash between the two leaves an orphan, which sweep.rs removes
//! ```
//!
//! The same content is stored once, however many ids it has.

mod files;
mod remote;
mod sweep;
mod thumbnail;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::Stream;
use ruma::{
    OwnedServerName,
    api::error::{ErrorKind, LimitExceededErrorData},
};
use tokio::{
    sync::{Semaphore, broadcast},
    time::timeout_at,
};
use tokio_util::sync::CancellationToken;

use self::files::{Files, Stored};
pub use self::{
    files::{Hash, Pieces},
    thumbnail::{Animation, Method, Thumbnail, Wanted},
};
use super::{
    random,
    remote::{Remote, locks::Locks},
    sessions::Session,
};
use crate::{
    clock::Clock,
    error::{Error, Result},
    storage::{
        Store,
        media::{self, Upload},
    },
};

/// How long an id waits for its content, as the specification recommends, in milliseconds.
const PENDING_FOR: i64 = 24 * 60 * 60 * 1_000;
/// How many ids of one user may wait at once.
const PENDING_PER_USER: i64 = 100;
/// A client that names no time waits so long for content that is still to be uploaded, and none longer than
/// the other.
const WAIT: Duration = Duration::from_secs(20);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// 24 letters and digits: 142 bits, not to be guessed.
const ID_LENGTH: usize = 24;
const NAME_LENGTH: usize = 512;
const TYPE_LENGTH: usize = 255;

/// How much may be uploaded, in bytes, and how long it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub file: u64,
    pub user: Option<u64>,
    /// How long content of other servers is kept.
    pub keep_remote_days: u32,
    /// How much of it is kept, in bytes.
    pub keep_remote_bytes: u64,
}

/// Whether content of another server is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Here,
    Everywhere,
}

/// What a client says of its upload.
#[derive(Clone, Debug, Default)]
pub struct Described {
    pub content_type: Option<String>,
    pub filename: Option<String>,
    /// How long the body is, when it says so.
    pub length: Option<u64>,
}

/// Content that is there.
#[derive(Clone, Debug)]
pub struct Content {
    pub hash: Hash,
    pub size: u64,
    pub content_type: Option<String>,
    pub filename: Option<String>,
}

impl Content {
    /// Its hash in hexadecimal: the same bytes, the same text.
    pub fn hash_text(&self) -> String {
        files::hex(&self.hash)
    }
}

/// An id that waits for its content.
#[derive(Clone, Debug)]
pub struct Pending {
    pub uri: String,
    pub expires_at: i64,
}

pub struct Media {
    store: Store,
    clock: Clock,
    server_name: OwnedServerName,
    limits: Limits,
    files: Files,
    /// Says which pending ids got their content.
    uploaded: broadcast::Sender<Arc<str>>,
    /// Who makes thumbnails; each takes memory for a decoded image.
    thumbnailers: Semaphore,
    remote: Arc<Remote>,
    /// Content of another server is fetched once at a time.
    fetching: Locks<(OwnedServerName, String)>,
    /// What one other server may have us do at once.
    shares: Locks<(OwnedServerName, u8)>,
    fetchers: Semaphore,
    stopping: CancellationToken,
}

/// What [`Media`] is built from.
pub struct Parts<'a> {
    pub store: Store,
    pub clock: Clock,
    pub server_name: OwnedServerName,
    pub folder: &'a Path,
    pub limits: Limits,
    pub remote: Arc<Remote>,
    pub stopping: CancellationToken,
}

impl Media {
    pub fn new(parts: Parts<'_>) -> Result<Self> {
        let Parts { store, clock, server_name, folder, limits, remote, stopping } = parts;
        Ok(Self {
            files: Files::open(folder)?,
            uploaded: broadcast::Sender::new(64),
            thumbnailers: Semaphore::new(thumbnail::AT_ONCE),
            remote,
            fetching: Locks::default(),
            shares: Locks::default(),
            fetchers: Semaphore::new(remote::AT_ONCE),
            store,
            clock,
            server_name,
            limits,
            stopping,
        })
    }

    /// The largest file that may be uploaded, in bytes.
    pub fn largest(&self) -> u64 {
        self.limits.file
    }

    /// Stores a file and returns its `mxc:` address.
    pub async fn upload(
        &self,
        caller: &Session,
        described: Described,
        body: impl Stream<Item = Result<Bytes>> + Unpin,
    ) -> Result<String> {
        self.check(caller, &described).await?;
        let received = self.files.receive(body, self.limits.file).await?;
        let (media_id, user_nid, now) = (new_id(), caller.user_nid, self.clock.now_ms());
        let uri = self.uri(&media_id);
        let stored = self.files.keep(received).await?;
        let upload = row(&stored, described);
        self.store.write(move |tx| media::insert(tx, &media_id, user_nid, now, &upload)).await?;
        drop(stored);
        Ok(uri)
    }

    /// Makes an id whose content comes later.
    pub async fn create(&self, caller: &Session) -> Result<Pending> {
        let (media_id, user_nid, now) = (new_id(), caller.user_nid, self.clock.now_ms());
        let expires_at = now + PENDING_FOR;
        let uri = self.uri(&media_id);
        self.store
            .write(move |tx| {
                if media::count_pending(tx, user_nid, now)? >= PENDING_PER_USER {
                    return Err(Error::matrix(
                        http::StatusCode::TOO_MANY_REQUESTS,
                        ErrorKind::LimitExceeded(LimitExceededErrorData::new()),
                        "Too many ids wait for their content",
                    ));
                }
                media::insert_pending(tx, &media_id, user_nid, now, expires_at)
            })
            .await?;
        Ok(Pending { uri, expires_at })
    }

    /// Gives an id of [`Media::create`] its content.
    pub async fn upload_to(
        &self,
        caller: &Session,
        (server_name, media_id): (&str, &str),
        described: Described,
        body: impl Stream<Item = Result<Bytes>> + Unpin,
    ) -> Result<()> {
        let now = self.clock.now_ms();
        let found = match *server_name == *self.server_name && is_id(media_id) {
            true => self.find(media_id).await?,
            false => None,
        };
        let found = found.ok_or_else(unknown_id)?;
        if found.user_nid != caller.user_nid {
            return Err(Error::forbidden("Another user has made this id"));
        }
        match found.expires_at {
            None => return Err(cannot_overwrite()),
            Some(expires_at) if expires_at <= now => return Err(unknown_id()),
            Some(_) => {}
        }
        self.check(caller, &described).await?;
        let received = self.files.receive(body, self.limits.file).await?;
        let stored = self.files.keep(received).await?;
        let upload = row(&stored, described);
        let media_id: Arc<str> = media_id.into();
        let uploaded = self.uploaded.clone();
        self.store
            .write(move |tx| {
                if !media::complete(tx, &media_id, &upload)? {
                    return Err(cannot_overwrite());
                }
                let (uploaded, media_id) = (uploaded.clone(), Arc::clone(&media_id));
                tx.after_commit(move || drop(uploaded.send(media_id)));
                Ok(())
            })
            .await
    }

    /// Content at an address; waits for it when it is still to be uploaded. 404 `M_NOT_FOUND` where there is
    /// none, 504 `M_NOT_YET_UPLOADED` where it did not come.
    pub async fn content(
        &self,
        address: (&str, &str),
        wait: Option<Duration>,
        reach: Reach,
    ) -> Result<Content> {
        if *address.0 == *self.server_name {
            return self.own_content(address.1, wait).await;
        }
        let wait = wait.unwrap_or(WAIT).min(LONGEST_WAIT);
        self.content_elsewhere(address, wait, reach).await
    }

    /// [`Media::content`] of this server.
    pub async fn own_content(&self, media_id: &str, wait: Option<Duration>) -> Result<Content> {
        let not_found = || Error::not_found("There is no such content here");
        if !is_id(media_id) {
            return Err(not_found());
        }
        let until = Instant::now() + wait.unwrap_or(WAIT).min(LONGEST_WAIT);
        let mut uploads = self.uploaded.subscribe();
        loop {
            let found = self.find(media_id).await?.ok_or_else(not_found)?;
            if let Some(expires_at) = found.expires_at
                && expires_at <= self.clock.now_ms()
            {
                return Err(not_found());
            }
            if found.expires_at.is_none() {
                return content(found.upload);
            }
            let ours = async {
                // Who lags behind looks again.
                while let Ok(uploaded) = uploads.recv().await
                    && *uploaded != *media_id
                {}
            };
            tokio::select! {
                waited = timeout_at(until.into(), ours) => {
                    waited.map_err(|_| not_yet_uploaded())?;
                }
                () = self.stopping.cancelled() => return Err(Error::Stopping),
            }
        }
    }

    /// The bytes of content, from `range.start` to before `range.end`, in pieces.
    pub async fn read(&self, hash: &Hash, range: std::ops::Range<u64>) -> Result<Pieces> {
        self.files.read(&files::content_path(hash), range).await
    }

    /// A smaller picture of content, made now or before.
    pub async fn thumbnail(&self, content: &Content, wanted: Wanted) -> Result<Thumbnail> {
        let cached = wanted.cached_path(&content.hash);
        if let Some(bytes) = self.cached(cached.as_ref()).await? {
            return Thumbnail::sniffed(bytes);
        }
        let _permit = tokio::select! {
            permit = self.thumbnailers.acquire() => permit.map_err(|_| Error::Stopping)?,
            () = self.stopping.cancelled() => return Err(Error::Stopping),
        };
        // Another may have made it meanwhile.
        if let Some(bytes) = self.cached(cached.as_ref()).await? {
            return Thumbnail::sniffed(bytes);
        }
        if content.size > thumbnail::LARGEST_FILE {
            return Err(thumbnail::too_large());
        }
        let original = self.files.bytes(&files::content_path(&content.hash)).await?;
        let original = original.ok_or_else(|| Error::internal("a file of content is absent"))?;
        let made = tokio::task::spawn_blocking(move || thumbnail::make(&original, wanted))
            .await
            .map_err(|_| thumbnail::impossible())??;
        if let (Some(path), false) = (cached, made.is_original) {
            self.files.put(&path, vec![made.bytes.clone()]).await?;
        }
        Ok(made)
    }

    /// Forgets ids whose time is over, at most so many; returns how many.
    pub async fn forget_expired(&self, at_most: i64) -> Result<usize> {
        let now = self.clock.now_ms();
        self.store.write(move |tx| media::delete_expired(tx, now, at_most)).await
    }

    async fn cached(&self, path: Option<&object_store::path::Path>) -> Result<Option<Bytes>> {
        match path {
            Some(path) => self.files.bytes(path).await,
            None => Ok(None),
        }
    }

    async fn find(&self, media_id: &str) -> Result<Option<media::Media>> {
        let media_id = media_id.to_owned();
        self.store.read(move |conn| media::find(conn, &media_id)).await
    }

    fn uri(&self, media_id: &str) -> String {
        format!("mxc://{}/{media_id}", self.server_name)
    }

    /// What can be refused before the body is read.
    async fn check(&self, caller: &Session, described: &Described) -> Result<()> {
        let length = described.length.unwrap_or_default();
        if length > self.limits.file {
            return Err(too_large());
        }
        if described.filename.as_ref().is_some_and(|name| name.len() > NAME_LENGTH) {
            return Err(Error::invalid_param("The file name is too long"));
        }
        if described.content_type.as_ref().is_some_and(|kind| kind.len() > TYPE_LENGTH) {
            return Err(Error::invalid_param("The content type is too long"));
        }
        let Some(most) = self.limits.user else { return Ok(()) };
        let user_nid = caller.user_nid;
        let used = self.store.read(move |conn| media::bytes_of(conn, user_nid)).await?;
        let used = u64::try_from(used).unwrap_or_default();
        if used.saturating_add(length.max(1)) > most {
            return Err(Error::forbidden("You have uploaded as much as you may"));
        }
        Ok(())
    }
}

/// As the specification has media ids: nothing in them leads anywhere.
fn is_id(media_id: &str) -> bool {
    media_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn new_id() -> String {
    random::letters_and_digits(ID_LENGTH, &mut rand::rng())
}

fn row(stored: &Stored<'_>, described: Described) -> Upload {
    Upload {
        sha256: Some(stored.hash.to_vec()),
        size: i64::try_from(stored.size).ok(),
        content_type: described.content_type,
        filename: described.filename,
    }
}

fn content(upload: Upload) -> Result<Content> {
    let malformed = || Error::internal("a row of media is malformed");
    let hash = upload.sha256.and_then(|hash| hash.try_into().ok()).ok_or_else(malformed)?;
    let size = upload.size.and_then(|size| size.try_into().ok()).ok_or_else(malformed)?;
    Ok(Content { hash, size, content_type: upload.content_type, filename: upload.filename })
}

/// 413 `M_TOO_LARGE`.
fn too_large() -> Error {
    Error::matrix(
        http::StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::TooLarge,
        "The file is larger than this server takes",
    )
}

fn unknown_id() -> Error {
    Error::not_found("There is no such id, or its time is over")
}

fn cannot_overwrite() -> Error {
    Error::matrix(
        http::StatusCode::CONFLICT,
        ErrorKind::CannotOverwriteMedia,
        "The id has its content already",
    )
}

fn not_yet_uploaded() -> Error {
    Error::matrix(
        http::StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::NotYetUploaded,
        "The content has not been uploaded yet",
    )
}
