//! `ruma::api::client::threads`: the threads of a room.

use ruma::{
    api::client::threads::get_threads::{self, v1::IncludeThreads},
    serde::Raw,
};

use super::viewer;
use crate::{
    error::{Error, Result},
    http::ruma::{Ctx, Ruma},
    service::rooms::ThreadsRequest,
};

/// `GET /_matrix/client/v1/rooms/{roomId}/threads`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidthreads))
pub async fn get_threads(
    ctx: Ctx,
    request: Ruma<get_threads::v1::Request>,
) -> Result<get_threads::v1::Response> {
    let Ruma { request, caller } = request;
    let limit = request.limit.map(|limit| usize::try_from(u64::from(limit)).unwrap_or(usize::MAX));
    if limit == Some(0) {
        return Err(Error::invalid_param("The limit must be greater than zero"));
    }
    let only_participated = match request.include {
        IncludeThreads::All => false,
        IncludeThreads::Participated => true,
        _ => return Err(Error::invalid_param("The threads to include are all or participated")),
    };
    let asked = ThreadsRequest { from: request.from, limit, only_participated };
    let found = ctx.rooms.threads(&caller, &request.room_id, asked).await?;
    let viewer = viewer(&caller).at(ctx.clock.now_ms());
    let roots = found.roots.iter().map(|root| root.for_client(viewer).map(Raw::from_json));
    let mut response = get_threads::v1::Response::new(roots.collect::<Result<_>>()?);
    response.next_batch = found.end;
    Ok(response)
}
