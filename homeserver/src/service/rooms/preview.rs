//! Who may be told of a room without being in it: what `room_summary` and the hierarchy of spaces show.

use ruma::{
    OwnedServerName, RoomOrAliasId, ServerName, UserId,
    events::room::member::MembershipState,
    room::{JoinRuleSummary, RoomSummary},
};

use super::Rooms;
use crate::{
    error::{Error, Result},
    service::{room_info::RoomInfo, sessions::Session, timeline::Context},
    storage::{Conn, UserNid, members},
};

impl Rooms {
    /// What is told of a room, and what the caller is in it; 404 where there is nothing they may know.
    ///
    /// Other servers are asked only for callers who have an account.
    pub async fn room_summary(
        &self,
        caller: Option<&Session>,
        room: &RoomOrAliasId,
        mut via: Vec<OwnedServerName>,
    ) -> Result<(RoomSummary, Option<MembershipState>)> {
        let not_found = || Error::not_found("There is no such room");
        let room_id = match <&ruma::RoomAliasId>::try_from(room) {
            Ok(alias) if caller.is_none() && alias.server_name() != self.context.server_name => {
                return Err(not_found());
            }
            Ok(alias) => {
                let (room_id, servers) = self.resolve_alias(alias).await?;
                via.extend(servers);
                room_id
            }
            Err(_) => ruma::OwnedRoomId::try_from(room.to_owned())
                .map_err(|_| Error::invalid_param("The room id is malformed"))?,
        };
        let user = caller.map(|caller| caller.user_nid);
        let (context, summaries, id) =
            (self.context.clone(), self.summaries.clone(), room_id.clone());
        let read = self.context.store.read(move |conn| {
            let Some(info) = resident(&context, conn, &id)? else { return Ok(None) };
            let summary = summaries.get(&context, conn, &info)?;
            let (seen, membership) = for_user(&context, conn, &summary.room, user)?;
            Ok(Some((seen.then(|| summary.room.clone()), membership)))
        });
        let (summary, membership) = match read.await? {
            Some((summary, membership)) => (summary.ok_or_else(not_found)?, membership),
            None if user.is_none() => return Err(not_found()),
            None => {
                via.extend(room_id.server_name().map(ToOwned::to_owned));
                let found = self.remote.hierarchy_of(&room_id, &via).await;
                let summary = found.ok_or_else(not_found)?.summary.clone();
                let context = self.context.clone();
                let read = self.context.store.read(move |conn| {
                    let (seen, membership) = for_user(&context, conn, &summary, user)?;
                    Ok((seen.then_some(summary), membership))
                });
                let (summary, membership) = read.await?;
                (summary.ok_or_else(not_found)?, membership)
            }
        };
        let membership = user.map(|_| membership.map_or(MembershipState::Leave, Into::into));
        Ok((summary, membership))
    }
}

/// A room that users of this server are in: of others it does not know how they stand now.
pub(super) fn resident(
    context: &Context,
    conn: &mut Conn,
    room_id: &ruma::RoomId,
) -> Result<Option<std::sync::Arc<RoomInfo>>> {
    let Some(info) = context.rooms.by_id(conn, room_id)? else { return Ok(None) };
    Ok(members::is_resident(conn, info.nid)?.then_some(info))
}

/// Whether a user, or somebody unknown, may be told of a room; and the user's membership.
pub(super) fn for_user(
    context: &Context,
    conn: &mut Conn,
    room: &RoomSummary,
    user: Option<UserNid>,
) -> Result<(bool, Option<String>)> {
    let membership = match (user, context.rooms.by_id(conn, &room.room_id)?) {
        (Some(user), Some(info)) => members::get(conn, info.nid, user)?.map(|row| row.membership),
        _ => None,
    };
    let seen = room.world_readable
        || match (membership.as_deref(), &room.join_rule) {
            (Some("join" | "invite"), _) => true,
            (Some("ban"), _) => false,
            (_, JoinRuleSummary::Restricted(rule)) => {
                let mut joined = false;
                for allowed in &rule.allowed_room_ids {
                    let (Some(user), Some(info)) = (user, context.rooms.by_id(conn, allowed)?)
                    else {
                        continue;
                    };
                    let row = members::get(conn, info.nid, user)?;
                    joined |= row.is_some_and(|row| row.membership == "join");
                }
                joined
            }
            (_, rule) => may_be_asked(rule),
        };
    Ok((seen, membership))
}

/// Whether a server may be told of a room, for users that it has or may have there.
pub(super) fn for_server(
    context: &Context,
    conn: &mut Conn,
    info: &RoomInfo,
    room: &RoomSummary,
    server: &ServerName,
) -> Result<bool> {
    if room.world_readable
        || may_be_asked(&room.join_rule)
        || has_member(conn, info, server, &["join", "invite"])?
    {
        return Ok(true);
    }
    let JoinRuleSummary::Restricted(rule) = &room.join_rule else { return Ok(false) };
    for allowed in &rule.allowed_room_ids {
        if let Some(info) = resident(context, conn, allowed)?
            && has_member(conn, &info, server, &["join"])?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether anybody may ask to be let in.
fn may_be_asked(rule: &JoinRuleSummary) -> bool {
    use JoinRuleSummary::{Knock, KnockRestricted, Public};
    matches!(rule, Public | Knock | KnockRestricted(_))
}

fn has_member(
    conn: &mut Conn,
    info: &RoomInfo,
    server: &ServerName,
    memberships: &[&str],
) -> Result<bool> {
    let of_server =
        |user: &str| <&UserId>::try_from(user).is_ok_and(|user| user.server_name() == server);
    let users = members::of_server(conn, info.nid, server.as_str())?;
    Ok(users.iter().any(|(user, is)| memberships.contains(&&**is) && of_server(user)))
}
