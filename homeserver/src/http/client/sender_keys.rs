//! Our own resource for distributions of sender keys (`docs/protocol.md`, section 11).

use actix_web::HttpResponse;
use ruma::{
    OwnedRoomId,
    api::{auth_scheme::AccessToken, client::to_device::send_event_to_device::v3::Messages},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    prekeys::uncached,
    room_id_of,
    sliding_sync::{in_query, json},
};
use crate::{
    error::Result,
    http::{
        auth::Scheme as _,
        ruma::{Call, Ctx},
    },
};

pub const SENDER_KEYS: &str = "/_matrix/client/unstable/org.sealpost/rooms/{room_id}/sender-keys";
pub const ACKNOWLEDGE: &str =
    "/_matrix/client/unstable/org.sealpost/rooms/{room_id}/sender-keys/ack";

#[derive(Deserialize)]
struct Deposits {
    messages: Messages,
    transaction_id: Option<String>,
}

#[derive(Deserialize)]
struct Acknowledged {
    ids: Vec<String>,
}

/// `POST /_matrix/client/unstable/org.sealpost/rooms/{roomId}/sender-keys`
pub async fn deposit(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let caller = AccessToken::caller(&ctx, &call.http, &mut call.body).await?;
    let room_id = room(&call)?;
    let Deposits { messages, transaction_id } = json(&mut call).await?;
    let left_out = ctx.sender_keys.deposit(&caller, &room_id, messages, transaction_id).await?;
    uncached(&json!({ "left_out": left_out }))
}

/// `GET /_matrix/client/unstable/org.sealpost/rooms/{roomId}/sender-keys`
pub async fn waiting(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let caller = AccessToken::caller(&ctx, &call.http, &mut call.body).await?;
    let room_id = room(&call)?;
    let from = in_query(&call, "from")?;
    uncached(&ctx.sender_keys.waiting(&caller, &room_id, from.as_deref()).await?)
}

/// `POST /_matrix/client/unstable/org.sealpost/rooms/{roomId}/sender-keys/ack`
pub async fn acknowledge(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let caller = AccessToken::caller(&ctx, &call.http, &mut call.body).await?;
    let room_id = room(&call)?;
    let Acknowledged { ids } = json(&mut call).await?;
    ctx.sender_keys.acknowledge(&caller, &room_id, ids).await?;
    uncached(&json!({}))
}

fn room(call: &Call) -> Result<OwnedRoomId> {
    let [room_id] = call.decoded::<1>()?;
    room_id_of(room_id)
}
