//! Content of other servers: fetched when it is first asked for, kept for a time.

use std::time::Duration;

use futures_util::StreamExt as _;
use http::StatusCode;
use ruma::{OwnedServerName, ServerName, api::error::ErrorKind};

use super::{Content, Media, Reach, files::Stored};
use crate::{
    error::{Error, Result},
    storage::{
        Tx,
        remote_media::{self, RemoteMedia},
    },
};

/// Fetched at once; more wait.
pub const AT_ONCE: usize = 16;
/// Fetched at once from one server, so that a slow one leaves something for the others.
const OF_ONE_SERVER: u8 = 4;
const ID_LENGTH: usize = 255;
const DAY: i64 = 24 * 60 * 60 * 1_000;

impl Media {
    pub(super) async fn content_elsewhere(
        &self,
        (server_name, media_id): (&str, &str),
        wait: Duration,
        reach: Reach,
    ) -> Result<Content> {
        let not_found = || Error::not_found("There is no such content");
        let server = ServerName::parse(server_name).map_err(|_| not_found())?;
        if server == self.server_name || media_id.len() > ID_LENGTH || !super::is_id(media_id) {
            return Err(not_found());
        }
        if let Some(kept) = self.kept(&server, media_id).await? {
            return Ok(kept);
        }
        if reach == Reach::Here {
            return Err(not_found());
        }
        // Who asks for the same meanwhile waits, and finds it kept.
        let key = (server.clone(), media_id.to_owned());
        let _alone = self.fetching.lock(&key).await;
        if let Some(kept) = self.kept(&server, media_id).await? {
            return Ok(kept);
        }
        let fetched = async {
            let share = media_id.bytes().fold(0, u8::wrapping_add) % OF_ONE_SERVER;
            let _share = self.shares.lock(&(server.clone(), share)).await;
            let _permit = self.fetchers.acquire().await.map_err(|_| Error::Stopping)?;
            self.fetch(server, media_id, wait).await
        };
        tokio::select! {
            fetched = fetched => fetched,
            () = self.stopping.cancelled() => Err(Error::Stopping),
        }
    }

    async fn fetch(
        &self,
        server: OwnedServerName,
        media_id: &str,
        wait: Duration,
    ) -> Result<Content> {
        let found = self.remote.content(&server, media_id, wait).await?;
        let body = found.body.map(|chunk| chunk.map_err(|error| broken_off(&server, &error)));
        let received = self.files.receive(body, self.limits.file).await.map_err(too_large)?;
        let stored: Stored<'_> = self.files.keep(received).await?;
        let row = RemoteMedia {
            server_name: server.to_string(),
            media_id: media_id.to_owned(),
            fetched_at: self.clock.now_ms(),
            sha256: stored.hash.to_vec(),
            size: i64::try_from(stored.size).unwrap_or(i64::MAX),
            content_type: found.content_type.filter(|kind| kind.len() <= super::TYPE_LENGTH),
            filename: found
                .filename
                .filter(|name| name.len() <= super::NAME_LENGTH && !name.contains('\0')),
        };
        let kept = row.clone();
        self.store.write(move |tx| remote_media::insert(tx, &kept)).await?;
        drop(stored);
        content(row)
    }

    async fn kept(&self, server: &ServerName, media_id: &str) -> Result<Option<Content>> {
        let (server, media_id) = (server.to_string(), media_id.to_owned());
        let row = self.store.read(move |conn| remote_media::find(conn, &server, &media_id)).await?;
        row.map(content).transpose()
    }

    /// Forgets content of other servers whose time is over or that is too much, at most so much; returns how much.
    pub async fn forget_remote(&self, at_most: i64) -> Result<usize> {
        let before = self.clock.now_ms() - i64::from(self.limits.keep_remote_days) * DAY;
        let most = i64::try_from(self.limits.keep_remote_bytes).unwrap_or(i64::MAX);
        let delete =
            move |tx: &mut Tx<'_>| remote_media::delete_fetched_before(tx, before, at_most);
        let deleted = self.store.write(delete).await?;
        if deleted > 0 {
            return Ok(deleted);
        }
        // Added up where nobody waits for the writer meanwhile.
        let too_much = self.store.read(remote_media::total_size).await? - most;
        if too_much <= 0 {
            return Ok(0);
        }
        self.store.write(move |tx| remote_media::delete_oldest(tx, too_much, at_most)).await
    }
}

fn content(row: RemoteMedia) -> Result<Content> {
    let malformed = || Error::internal("a row of remote_media is malformed");
    Ok(Content {
        hash: row.sha256.try_into().map_err(|_| malformed())?,
        size: row.size.try_into().map_err(|_| malformed())?,
        content_type: row.content_type,
        filename: row.filename,
    })
}

fn broken_off(server: &ServerName, error: &sealpost_federation::Error) -> Error {
    Error::matrix(StatusCode::BAD_GATEWAY, ErrorKind::Unknown, format!("{server}: {error}"))
}

/// What another server has is not the caller's fault: 502.
fn too_large(error: Error) -> Error {
    match error {
        Error::Matrix { kind: ErrorKind::TooLarge, message, .. } => {
            Error::matrix(StatusCode::BAD_GATEWAY, ErrorKind::TooLarge, message)
        }
        error => error,
    }
}
