//! Directories of other servers.

use std::time::Duration;

use ruma::{
    ServerName, UInt,
    api::federation::directory::{get_public_rooms, get_public_rooms_filtered},
    directory::{Filter, RoomNetwork},
};
use sealpost_federation::client::Limits;

use super::{Remote, refused};
use crate::{error::Result, service::rooms::DirectoryPage};

/// Somebody waits for the answer.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(15), max_bytes: 8 << 20 };

/// What is asked of a directory.
pub struct DirectoryQuery {
    pub limit: Option<UInt>,
    pub since: Option<String>,
    pub filter: Filter,
    pub network: RoomNetwork,
}

impl Remote {
    /// A page of another server's directory.
    pub async fn public_rooms_of(
        &self,
        server: &ServerName,
        query: DirectoryQuery,
    ) -> Result<DirectoryPage> {
        self.check_policy(server)?;
        let failed = |error| refused(server, error);
        let DirectoryQuery { limit, since, filter, network } = query;
        let (rooms, next_batch, prev_batch, total) = if filter.is_empty() {
            let mut request = get_public_rooms::v1::Request::new();
            (request.limit, request.since, request.room_network) = (limit, since, network);
            let page = self.ask(server, request, LIMITS).await.map_err(failed)?;
            (page.chunk, page.next_batch, page.prev_batch, page.total_room_count_estimate)
        } else {
            let mut request = get_public_rooms_filtered::v1::Request::new();
            (request.limit, request.since, request.room_network) = (limit, since, network);
            request.filter = filter;
            let page = self.ask(server, request, LIMITS).await.map_err(failed)?;
            (page.chunk, page.next_batch, page.prev_batch, page.total_room_count_estimate)
        };
        let total = total.and_then(|total| usize::try_from(u64::from(total)).ok());
        let total = total.unwrap_or(rooms.len());
        Ok(DirectoryPage { rooms, next_batch, prev_batch, total })
    }
}
