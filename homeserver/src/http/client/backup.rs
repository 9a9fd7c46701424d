//! `ruma::api::client::backup`: backups of the keys of encrypted sessions.

use ruma::{
    OwnedRoomId, UInt,
    api::client::backup::{
        KeyBackupData, add_backup_keys, add_backup_keys_for_room, add_backup_keys_for_session,
        create_backup_version, delete_backup_keys, delete_backup_keys_for_room,
        delete_backup_keys_for_session, delete_backup_version, get_backup_info, get_backup_keys,
        get_backup_keys_for_room, get_backup_keys_for_session, get_latest_backup_info,
        update_backup_version,
    },
    serde::Raw,
};

use crate::{
    error::Result,
    http::ruma::{Ctx, Json, Ruma},
    service::{
        key_backup::{Contents, Named, Version, Which},
        sessions::Session,
    },
};

/// `POST /_matrix/client/v3/room_keys/version`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3room_keysversion))
pub async fn create_backup_version(
    ctx: Ctx,
    request: Ruma<create_backup_version::v3::Request>,
) -> Result<create_backup_version::v3::Response> {
    let version = ctx.key_backup.create(&request.caller, &request.algorithm).await?;
    Ok(create_backup_version::v3::Response::new(version.to_string()))
}

/// `GET /_matrix/client/v3/room_keys/version`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3room_keysversion))
pub async fn get_latest_backup_info(
    ctx: Ctx,
    request: Ruma<get_latest_backup_info::v3::Request>,
) -> Result<get_latest_backup_info::v3::Response> {
    let Version { number, algorithm, contents } =
        ctx.key_backup.version(&request.caller, None).await?;
    let (etag, count) = told(contents);
    let number = number.to_string();
    Ok(get_latest_backup_info::v3::Response::new(algorithm, count, etag, number))
}

/// `GET /_matrix/client/v3/room_keys/version/{version}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3room_keysversionversion))
pub async fn get_backup_info(
    ctx: Ctx,
    request: Ruma<get_backup_info::v3::Request>,
) -> Result<get_backup_info::v3::Response> {
    let Version { number, algorithm, contents } =
        ctx.key_backup.version(&request.caller, Some(&request.version)).await?;
    let (etag, count) = told(contents);
    Ok(get_backup_info::v3::Response::new(algorithm, count, etag, number.to_string()))
}

/// `PUT /_matrix/client/v3/room_keys/version/{version}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3room_keysversionversion))
pub async fn update_backup_version(
    ctx: Ctx,
    request: Ruma<update_backup_version::v3::Request>,
) -> Result<update_backup_version::v3::Response> {
    ctx.key_backup.update(&request.caller, &request.version, &request.algorithm).await?;
    Ok(update_backup_version::v3::Response::new())
}

/// `DELETE /_matrix/client/v3/room_keys/version/{version}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3room_keysversionversion))
pub async fn delete_backup_version(
    ctx: Ctx,
    request: Ruma<delete_backup_version::v3::Request>,
) -> Result<delete_backup_version::v3::Response> {
    ctx.key_backup.delete(&request.caller, &request.version).await?;
    Ok(delete_backup_version::v3::Response::new())
}

/// `PUT /_matrix/client/v3/room_keys/keys`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3room_keyskeys))
pub async fn add_backup_keys(
    ctx: Ctx,
    request: Ruma<add_backup_keys::v3::Request>,
) -> Result<add_backup_keys::v3::Response> {
    let rooms = request.rooms.iter();
    let keys = rooms.flat_map(|(room_id, room)| named(room_id, &room.sessions));
    let contents = ctx.key_backup.put_keys(&request.caller, &request.version, keys).await?;
    let (etag, count) = told(contents);
    Ok(add_backup_keys::v3::Response::new(etag, count))
}

/// `PUT /_matrix/client/v3/room_keys/keys/{roomId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3room_keyskeysroomid))
pub async fn add_backup_keys_for_room(
    ctx: Ctx,
    request: Ruma<add_backup_keys_for_room::v3::Request>,
) -> Result<add_backup_keys_for_room::v3::Response> {
    let keys = named(&request.room_id, &request.sessions);
    let contents = ctx.key_backup.put_keys(&request.caller, &request.version, keys).await?;
    let (etag, count) = told(contents);
    Ok(add_backup_keys_for_room::v3::Response::new(etag, count))
}

/// `PUT /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3room_keyskeysroomidsessionid))
pub async fn add_backup_keys_for_session(
    ctx: Ctx,
    request: Ruma<add_backup_keys_for_session::v3::Request>,
) -> Result<add_backup_keys_for_session::v3::Response> {
    let key = (request.room_id.as_str(), request.session_id.as_str(), &request.session_data);
    let keys = [key].into_iter();
    let contents = ctx.key_backup.put_keys(&request.caller, &request.version, keys).await?;
    let (etag, count) = told(contents);
    Ok(add_backup_keys_for_session::v3::Response::new(etag, count))
}

/// `GET /_matrix/client/v3/room_keys/keys`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3room_keyskeys))
pub async fn get_backup_keys(
    ctx: Ctx,
    request: Ruma<get_backup_keys::v3::Request>,
) -> Result<Json> {
    keys(&ctx, &request.caller, &request.version, Which::default()).await
}

/// `GET /_matrix/client/v3/room_keys/keys/{roomId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3room_keyskeysroomid))
pub async fn get_backup_keys_for_room(
    ctx: Ctx,
    request: Ruma<get_backup_keys_for_room::v3::Request>,
) -> Result<Json> {
    let which = of_room(&request.room_id);
    keys(&ctx, &request.caller, &request.version, which).await
}

/// `GET /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3room_keyskeysroomidsessionid))
pub async fn get_backup_keys_for_session(
    ctx: Ctx,
    request: Ruma<get_backup_keys_for_session::v3::Request>,
) -> Result<Json> {
    let session_id = Some(request.session_id.clone());
    let which = Which { session_id, ..of_room(&request.room_id) };
    keys(&ctx, &request.caller, &request.version, which).await
}

/// `DELETE /_matrix/client/v3/room_keys/keys`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3room_keyskeys))
pub async fn delete_backup_keys(
    ctx: Ctx,
    request: Ruma<delete_backup_keys::v3::Request>,
) -> Result<delete_backup_keys::v3::Response> {
    let which = Which::default();
    let contents = ctx.key_backup.delete_keys(&request.caller, &request.version, which).await?;
    let (etag, count) = told(contents);
    Ok(delete_backup_keys::v3::Response::new(etag, count))
}

/// `DELETE /_matrix/client/v3/room_keys/keys/{roomId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3room_keyskeysroomid))
pub async fn delete_backup_keys_for_room(
    ctx: Ctx,
    request: Ruma<delete_backup_keys_for_room::v3::Request>,
) -> Result<delete_backup_keys_for_room::v3::Response> {
    let which = of_room(&request.room_id);
    let contents = ctx.key_backup.delete_keys(&request.caller, &request.version, which).await?;
    let (etag, count) = told(contents);
    Ok(delete_backup_keys_for_room::v3::Response::new(etag, count))
}

/// `DELETE /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3room_keyskeysroomidsessionid))
pub async fn delete_backup_keys_for_session(
    ctx: Ctx,
    request: Ruma<delete_backup_keys_for_session::v3::Request>,
) -> Result<delete_backup_keys_for_session::v3::Response> {
    let session_id = Some(request.session_id.clone());
    let which = Which { session_id, ..of_room(&request.room_id) };
    let contents = ctx.key_backup.delete_keys(&request.caller, &request.version, which).await?;
    let (etag, count) = told(contents);
    Ok(delete_backup_keys_for_session::v3::Response::new(etag, count))
}

async fn keys(ctx: &Ctx, caller: &Session, version: &str, which: Which) -> Result<Json> {
    Ok(Json(ctx.key_backup.keys(caller, version, which).await?.into()))
}

fn named<'a>(
    room_id: &'a OwnedRoomId,
    sessions: impl IntoIterator<Item = (&'a String, &'a Raw<KeyBackupData>)>,
) -> impl Iterator<Item = Named<'a>> {
    sessions.into_iter().map(|(session_id, data)| (room_id.as_str(), session_id.as_str(), data))
}

fn of_room(room_id: &OwnedRoomId) -> Which {
    Which { room_id: Some(room_id.to_string()), session_id: None }
}

fn told(contents: Contents) -> (String, UInt) {
    let count = u64::try_from(contents.count).unwrap_or(0);
    (contents.etag.to_string(), UInt::new_saturating(count))
}
