//! `ruma::api::client::directory`: the directory of public rooms.

use actix_web::HttpResponse;
use ruma::{
    OwnedServerName, UInt,
    api::{
        auth_scheme::AccessToken,
        client::{
            directory::{
                get_public_rooms, get_public_rooms_filtered, get_room_visibility,
                set_room_visibility,
            },
            room::Visibility,
        },
    },
    directory::{Filter, RoomNetwork},
};

use crate::{
    error::{Error, Result},
    http::{
        auth::Scheme as _,
        ruma::{Call, Ctx, Ruma, call},
    },
    service::{remote::directory::DirectoryQuery, rooms::DirectoryPage},
};

/// Where the directory may be asked for without an access token, unlike by ruma's type.
pub const PUBLIC_ROOMS: [&str; 2] =
    ["/_matrix/client/r0/publicRooms", "/_matrix/client/v3/publicRooms"];

/// `GET /_matrix/client/v3/publicRooms`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3publicrooms))
pub async fn get_public_rooms(ctx: Ctx, mut request: Call) -> Result<HttpResponse> {
    if !ctx.config.room_directory.public_without_auth {
        AccessToken::caller(&ctx, &request.http, &mut request.body).await?;
    }
    call(ctx, request, async |ctx, ruma: Ruma<get_public_rooms::v3::Request>| {
        let get_public_rooms::v3::Request { limit, since, server, .. } = ruma.request;
        let (filter, network) = (Filter::new(), RoomNetwork::Matrix);
        let query = DirectoryQuery { limit, since, filter, network };
        let page = page(&ctx, server, query).await?;
        let mut response = get_public_rooms::v3::Response::new(page.rooms);
        response.next_batch = page.next_batch;
        response.prev_batch = page.prev_batch;
        response.total_room_count_estimate = Some(UInt::new_saturating(page.total as u64));
        Ok(response)
    })
    .await
}

/// `POST /_matrix/client/v3/publicRooms`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3publicrooms))
pub async fn get_public_rooms_filtered(
    ctx: Ctx,
    Ruma { request, .. }: Ruma<get_public_rooms_filtered::v3::Request>,
) -> Result<get_public_rooms_filtered::v3::Response> {
    let get_public_rooms_filtered::v3::Request { server, limit, since, filter, .. } = request;
    let query = DirectoryQuery { limit, since, filter, network: request.room_network };
    let page = page(&ctx, server, query).await?;
    let mut response = get_public_rooms_filtered::v3::Response::new();
    response.chunk = page.rooms;
    response.next_batch = page.next_batch;
    response.prev_batch = page.prev_batch;
    response.total_room_count_estimate = Some(UInt::new_saturating(page.total as u64));
    Ok(response)
}

/// `GET /_matrix/client/v3/directory/list/room/{roomId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3directorylistroomroomid))
pub async fn get_room_visibility(
    ctx: Ctx,
    Ruma { request, .. }: Ruma<get_room_visibility::v3::Request>,
) -> Result<get_room_visibility::v3::Response> {
    let visibility = match ctx.rooms.is_public(&request.room_id).await? {
        true => Visibility::Public,
        false => Visibility::Private,
    };
    Ok(get_room_visibility::v3::Response::new(visibility))
}

/// `PUT /_matrix/client/v3/directory/list/room/{roomId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3directorylistroomroomid))
pub async fn set_room_visibility(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<set_room_visibility::v3::Request>,
) -> Result<set_room_visibility::v3::Response> {
    let is_public = match request.visibility {
        Visibility::Public => true,
        Visibility::Private => false,
        _ => return Err(Error::invalid_param("visibility is neither public nor private")),
    };
    ctx.rooms.set_public(&caller, &request.room_id, is_public).await?;
    Ok(set_room_visibility::v3::Response::new())
}

async fn page(
    ctx: &Ctx,
    server: Option<OwnedServerName>,
    query: DirectoryQuery,
) -> Result<DirectoryPage> {
    let own = &ctx.rooms.context().server_name;
    if let Some(server) = server.filter(|server| server != own) {
        return ctx.remote.public_rooms_of(&server, query).await;
    }
    let limit = query.limit.and_then(|limit| usize::try_from(u64::from(limit)).ok());
    ctx.rooms.public_rooms(limit, query.since.as_deref(), query.filter).await
}
