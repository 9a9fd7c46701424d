//! Joins by membership of another room (client-server API, "Restricted rooms"): who may have one, and which
//! user of this server vouches for it.

use ruma::{
    OwnedServerName, OwnedUserId, UserId,
    api::error::ErrorKind,
    events::{StateEventType, room::member::MembershipState},
    room::{AllowRule, JoinRule},
};
use serde::Deserialize;

use http::StatusCode;

use super::{
    room_info::RoomInfo,
    rooms::{power, state_event},
    timeline::Context,
};
use crate::{
    error::{Error, Result},
    room::power::Power,
    storage::{Conn, members, rooms as room_rows},
};

/// How many other servers are named as able to vouch.
const SERVERS_MAX: usize = 10;

/// What a user's join needs besides the event itself.
#[derive(Debug, Eq, PartialEq)]
pub enum Admission {
    /// Nothing: the room's rules alone decide.
    Unaided,
    /// The name of this user of ours, who may invite.
    By(OwnedUserId),
    /// The help of one of these servers: no user of this one may invite.
    Elsewhere(Vec<OwnedServerName>),
}

/// What the join of `user` to a room that this server is in needs. 403 where they are in none of the rooms
/// whose members may join; 400 where this server cannot tell.
pub fn admission(
    context: &Context,
    conn: &mut Conn,
    info: &RoomInfo,
    user: &UserId,
) -> Result<Admission> {
    #[derive(Deserialize)]
    struct Member {
        membership: MembershipState,
    }
    let nid = room_rows::state_nid(conn, info.nid)?;
    let state = &context.states.get(conn, nid)?;
    let rules = state_event(context, conn, state, &StateEventType::RoomJoinRules, "")?
        .and_then(|event| event.pdu.content_as::<JoinRule>().ok());
    let supports = &info.rules.authorization;
    let allow = match rules {
        Some(JoinRule::Restricted(rule)) if supports.restricted_join_rule => rule.allow,
        Some(JoinRule::KnockRestricted(rule)) if supports.knock_restricted_join_rule => rule.allow,
        _ => return Ok(Admission::Unaided),
    };
    let own = state_event(context, conn, state, &StateEventType::RoomMember, user.as_str())?
        .and_then(|event| event.pdu.content_as::<Member>().ok())
        .map(|member| member.membership);
    let decided = [MembershipState::Invite, MembershipState::Join, MembershipState::Ban];
    if own.is_some_and(|own| decided.contains(&own)) {
        return Ok(Admission::Unaided);
    }
    check_allowed(context, conn, &allow, user)?;
    let power = power(context, conn, info)?;
    authoriser(context, conn, info, &power)
}

/// An error unless a user is in one of the rooms whose members may join.
fn check_allowed(
    context: &Context,
    conn: &mut Conn,
    allow: &[AllowRule],
    user: &UserId,
) -> Result<()> {
    // Where users of this server are is always known here.
    let local = user.server_name() == context.server_name;
    let nid = context.store.users().find(conn, user)?;
    let mut can_tell = true;
    for rule in allow {
        let AllowRule::RoomMembership(room) = rule else { continue };
        let room = context.rooms.by_id(conn, &room.room_id)?;
        let resident = match &room {
            Some(room) => local || members::is_resident(conn, room.nid)?,
            None => local,
        };
        can_tell &= resident;
        if let (Some(room), Some(nid), true) = (room, nid, resident)
            && members::get(conn, room.nid, nid)?.is_some_and(|row| row.membership == "join")
        {
            return Ok(());
        }
    }
    if can_tell {
        return Err(Error::forbidden("You are in none of the rooms whose members may join"));
    }
    Err(Error::matrix(
        StatusCode::BAD_REQUEST,
        ErrorKind::UnableToAuthorizeJoin,
        "This server can't tell whether you are in one of the rooms whose members may join",
    ))
}

/// Somebody who is joined and may invite.
fn authoriser(
    context: &Context,
    conn: &mut Conn,
    info: &RoomInfo,
    power: &Power,
) -> Result<Admission> {
    let mut elsewhere: Vec<OwnedServerName> = Vec::new();
    for user in power.named().filter(|user| power.may_invite(user)) {
        let Some(nid) = context.store.users().find(conn, user)? else { continue };
        let joined = members::get(conn, info.nid, nid)?.is_some_and(|row| row.membership == "join");
        if !joined {
            continue;
        }
        let server = user.server_name();
        if server == context.server_name {
            return Ok(Admission::By(user.to_owned()));
        }
        if elsewhere.len() < SERVERS_MAX && !elsewhere.iter().any(|known| known == server) {
            elsewhere.push(server.to_owned());
        }
    }
    // Anybody else has the default.
    if let Some(user) = members::resident(conn, info.nid)?
        && let Ok(user) = OwnedUserId::try_from(user)
        && power.may_invite(&user)
    {
        return Ok(Admission::By(user));
    }
    Ok(Admission::Elsewhere(elsewhere))
}

/// What a server is told that should ask another one.
pub fn unable_to_grant() -> Error {
    Error::matrix(
        StatusCode::BAD_REQUEST,
        ErrorKind::UnableToGrantJoin,
        "No user of this server may invite",
    )
}
