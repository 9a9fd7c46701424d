//! `ruma::api::client::membership`: joining, leaving, inviting, removing, and who is there.

use std::collections::BTreeMap;

use ruma::{
    OwnedServerName, RoomOrAliasId,
    api::client::membership::{
        ban_user, forget_room, get_member_events, invite_user, join_room_by_id,
        join_room_by_id_or_alias, joined_members, joined_rooms, kick_user, leave_room, unban_user,
    },
};

use super::viewer;
use crate::{
    error::{Error, Result},
    http::ruma::{Ctx, Json, Ruma},
    service::{
        event::Extra,
        rooms::{MemberChange, Target},
    },
};

/// `POST /_matrix/client/v3/rooms/{roomId}/join`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidjoin))
pub async fn join_room_by_id(
    ctx: Ctx,
    request: Ruma<join_room_by_id::v3::Request>,
) -> Result<join_room_by_id::v3::Response> {
    let Ruma { request, caller } = request;
    let room = <&RoomOrAliasId>::from(&*request.room_id);
    let signed = request.third_party_signed;
    let joined = ctx.joins.join(&caller, room, Vec::new(), request.reason, signed).await?;
    ctx.presence.moved(&caller);
    Ok(join_room_by_id::v3::Response::new(joined))
}

/// `POST /_matrix/client/v3/join/{roomIdOrAlias}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3joinroomidoralias))
pub async fn join_room_by_id_or_alias(
    ctx: Ctx,
    request: Ruma<join_room_by_id_or_alias::v3::Request>,
) -> Result<join_room_by_id_or_alias::v3::Response> {
    let Ruma { request, caller } = request;
    let via: Vec<OwnedServerName> = request.via;
    let (room, signed) = (&request.room_id_or_alias, request.third_party_signed);
    let joined = ctx.joins.join(&caller, room, via, request.reason, signed).await?;
    ctx.presence.moved(&caller);
    Ok(join_room_by_id_or_alias::v3::Response::new(joined))
}

/// `POST /_matrix/client/v3/rooms/{roomId}/invite`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidinvite))
pub async fn invite_user(
    ctx: Ctx,
    request: Ruma<invite_user::v3::Request>,
) -> Result<invite_user::v3::Response> {
    let Ruma { request, caller } = request;
    let invite_user::v3::InvitationRecipient::UserId(user) = request.recipient else {
        return Err(Error::invalid_param("Invitations by e-mail are not supported yet"));
    };
    let target = Target { user_id: user.user_id, reason: user.reason };
    ctx.rooms.change_membership(&caller, &request.room_id, target, MemberChange::Invite).await?;
    Ok(invite_user::v3::Response::new())
}

/// `POST /_matrix/client/v3/rooms/{roomId}/leave`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidleave))
pub async fn leave_room(
    ctx: Ctx,
    request: Ruma<leave_room::v3::Request>,
) -> Result<leave_room::v3::Response> {
    let Ruma { request, caller } = request;
    let target = Target { user_id: caller.user_id.clone(), reason: request.reason };
    ctx.rooms.change_membership(&caller, &request.room_id, target, MemberChange::Leave).await?;
    Ok(leave_room::v3::Response::new())
}

/// `POST /_matrix/client/v3/rooms/{roomId}/kick`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidkick))
pub async fn kick_user(
    ctx: Ctx,
    request: Ruma<kick_user::v3::Request>,
) -> Result<kick_user::v3::Response> {
    let Ruma { request, caller } = request;
    let target = Target { user_id: request.user_id, reason: request.reason };
    ctx.rooms.change_membership(&caller, &request.room_id, target, MemberChange::Kick).await?;
    Ok(kick_user::v3::Response::new())
}

/// `POST /_matrix/client/v3/rooms/{roomId}/ban`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidban))
pub async fn ban_user(
    ctx: Ctx,
    request: Ruma<ban_user::v3::Request>,
) -> Result<ban_user::v3::Response> {
    let Ruma { request, caller } = request;
    let target = Target { user_id: request.user_id, reason: request.reason };
    ctx.rooms.change_membership(&caller, &request.room_id, target, MemberChange::Ban).await?;
    Ok(ban_user::v3::Response::new())
}

/// `POST /_matrix/client/v3/rooms/{roomId}/unban`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidunban))
pub async fn unban_user(
    ctx: Ctx,
    request: Ruma<unban_user::v3::Request>,
) -> Result<unban_user::v3::Response> {
    let Ruma { request, caller } = request;
    let target = Target { user_id: request.user_id, reason: request.reason };
    ctx.rooms.change_membership(&caller, &request.room_id, target, MemberChange::Unban).await?;
    Ok(unban_user::v3::Response::new())
}

/// `POST /_matrix/client/v3/rooms/{roomId}/forget`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidforget))
pub async fn forget_room(
    ctx: Ctx,
    request: Ruma<forget_room::v3::Request>,
) -> Result<forget_room::v3::Response> {
    ctx.rooms.forget(&request.caller, &request.room_id).await?;
    Ok(forget_room::v3::Response::new())
}

/// `GET /_matrix/client/v3/rooms/{roomId}/members`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidmembers))
pub async fn get_member_events(
    ctx: Ctx,
    request: Ruma<get_member_events::v3::Request>,
) -> Result<Json> {
    let Ruma { request, caller } = request;
    let mut members = ctx.rooms.members(&caller, &request.room_id, request.at.as_deref()).await?;
    let (only, not) = (request.membership, request.not_membership);
    if only.is_some() || not.is_some() {
        members.retain(|event| {
            let content = event.pdu.content_as::<Membership>().ok();
            let membership = content.map(|content| content.membership);
            (only.is_none() || membership == only) && (not.is_none() || membership != not)
        });
    }
    let viewer = viewer(&caller).at(ctx.clock.now_ms());
    let mut json = String::from(r#"{"chunk":["#);
    for event in &members {
        event.write_for_client(&mut json, viewer, Extra::default())?;
        json.push(',');
    }
    if !members.is_empty() {
        json.pop();
    }
    json.push_str("]}");
    Ok(Json(json.into()))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/joined_members`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidjoined_members))
pub async fn joined_members(
    ctx: Ctx,
    request: Ruma<joined_members::v3::Request>,
) -> Result<joined_members::v3::Response> {
    let members = ctx.rooms.joined_members(&request.caller, &request.room_id).await?;
    let joined: BTreeMap<_, _> = members
        .into_iter()
        .map(|member| {
            let mut shown = joined_members::v3::RoomMember::new();
            shown.display_name = member.displayname;
            shown.avatar_url = member.avatar_url.map(Into::into);
            (member.user_id, shown)
        })
        .collect();
    Ok(joined_members::v3::Response::new(joined))
}

/// `GET /_matrix/client/v3/joined_rooms`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3joined_rooms))
pub async fn joined_rooms(
    ctx: Ctx,
    request: Ruma<joined_rooms::v3::Request>,
) -> Result<joined_rooms::v3::Response> {
    Ok(joined_rooms::v3::Response::new(ctx.rooms.joined_rooms(&request.caller).await?))
}

#[derive(serde::Deserialize)]
struct Membership {
    membership: ruma::events::room::member::MembershipState,
}
