//! `ruma::api::client::typing`: who is typing. The body is our own: in ruma's a timeout has to be given.

use std::time::Duration;

use actix_web::HttpResponse;
use ruma::{
    UserId,
    api::{auth_scheme::AccessToken, client::typing::create_typing_event::v3::Response},
};
use serde::Deserialize;

use super::{config::own, room_id_of, sliding_sync::json};
use crate::{
    error::{Error, Result},
    http::{
        auth::Scheme as _,
        ruma::{Answer as _, Call, Ctx},
    },
};

pub const TYPING: [&str; 2] = [
    "/_matrix/client/r0/rooms/{room_id}/typing/{user_id}",
    "/_matrix/client/v3/rooms/{room_id}/typing/{user_id}",
];

/// For how long, where a client does not say.
const TIMEOUT: u64 = 30_000;

#[derive(Deserialize)]
struct Body {
    typing: bool,
    /// Milliseconds.
    timeout: Option<u64>,
}

/// `PUT /_matrix/client/v3/rooms/{roomId}/typing/{userId}`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidtypinguserid>
pub async fn create_typing_event(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let caller = AccessToken::caller(&ctx, &call.http, &mut call.body).await?;
    let [room_id, user_id] = call.decoded::<2>()?;
    let room_id = room_id_of(room_id)?;
    let user_id =
        UserId::parse(user_id).map_err(|_| Error::invalid_param("The user id is malformed"))?;
    own(&caller, &user_id)?;
    let body: Body = json(&mut call).await?;
    let timeout = body.typing.then(|| Duration::from_millis(body.timeout.unwrap_or(TIMEOUT)));
    ctx.typing.set(&caller, &room_id, timeout).await?;
    Response::new().into_response()
}
