//! Joining, leaving, inviting, removing.

use std::sync::Arc;

use http::StatusCode;
use ruma::{
    OwnedRoomId, OwnedServerName, OwnedUserId, RoomAliasId, RoomId, UserId, api::error::ErrorKind,
};
use serde_json::{Value, json};

use super::{Rooms, guests::guests_may_join, send::member};
use crate::{
    error::{Error, Result},
    service::{
        event::Event,
        remote::join::Joiner,
        restricted::{Admission, admission},
        room_info::RoomInfo,
        sessions::Session,
        timeline::LocalEvent,
    },
    storage::{
        accounts::{self, Account},
        members, rooms as room_rows,
    },
};

/// What somebody does to the membership of somebody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MemberChange {
    Invite,
    Leave,
    Kick,
    Ban,
    Unban,
}

/// Whose membership, and why.
pub struct Target {
    pub user_id: OwnedUserId,
    pub reason: Option<String>,
}

/// What became of a join without another server's help.
pub enum LocalJoin {
    Joined(Arc<RoomInfo>),
    /// The room has no members here, or none that could vouch for the join; these servers may be able to.
    Elsewhere(Vec<OwnedServerName>),
}

impl Rooms {
    /// The room that a local alias points to.
    pub async fn by_alias(&self, alias: &RoomAliasId) -> Result<Option<OwnedRoomId>> {
        let (context, alias) = (self.context.clone(), alias.to_string());
        let read = self.context.store.read(move |conn| {
            let Some(nid) = room_rows::by_alias(conn, &alias)? else { return Ok(None) };
            Ok(Some(context.rooms.by_nid(conn, nid)?.id.clone()))
        });
        read.await
    }

    /// Joins a room that has members on this server.
    pub async fn join_local(
        &self,
        caller: &Session,
        room_id: &RoomId,
        reason: Option<String>,
    ) -> Result<LocalJoin> {
        self.wait_unless_joined(caller, room_id).await?;
        let (context, id) = (self.context.clone(), room_id.to_owned());
        let (user_nid, user_id) = (caller.user_nid, caller.user_id.clone());
        let guest = caller.check_not_guest().err();
        let read = self.context.store.read(move |conn| {
            let Some(info) = context.rooms.by_id(conn, &id)? else { return Ok(None) };
            if !members::is_resident(conn, info.nid)? {
                return Ok(None);
            }
            if let Some(refusal) = guest
                && !guests_may_join(&context, conn, &info)?
            {
                return Err(refusal);
            }
            let own = members::get(conn, info.nid, user_nid)?;
            let already = own.is_some_and(|row| row.membership == "join");
            let admission = match already {
                true => Admission::Unaided,
                false => admission(&context, conn, &info, &user_id)?,
            };
            let profile = accounts::find(conn, user_nid)?;
            Ok(Some((info, already, admission, profile)))
        });
        let Some((info, already, admission, profile)) = read.await? else {
            return Ok(LocalJoin::Elsewhere(Vec::new()));
        };
        if already {
            return Ok(LocalJoin::Joined(info));
        }
        let authoriser = match admission {
            Admission::Unaided => None,
            Admission::By(user) => Some(user),
            Admission::Elsewhere(servers) => return Ok(LocalJoin::Elsewhere(servers)),
        };
        let mut content = membership_content("join", reason);
        set_profile(&mut content, profile);
        set(
            &mut content,
            "join_authorised_via_users_server",
            authoriser.map(|user| user.to_string()),
        );
        self.set_membership(caller, &info, &caller.user_id, &content).await?;
        Ok(LocalJoin::Joined(info))
    }

    /// Changes the membership of `target` as `change` says.
    pub async fn change_membership(
        &self,
        caller: &Session,
        room_id: &RoomId,
        target: Target,
        change: MemberChange,
    ) -> Result<Arc<Event>> {
        match change {
            MemberChange::Leave => self.wait_unless_joined(caller, room_id).await?,
            _ => self.wait_for_members(room_id).await?,
        }
        let (context, id, user) =
            (self.context.clone(), room_id.to_owned(), target.user_id.clone());
        let read = self.context.store.read(move |conn| {
            let info = super::known(&context, conn, &id)?;
            let target = context.store.users().find(conn, &*user)?;
            let before = match target {
                Some(nid) => members::get(conn, info.nid, nid)?.map(|row| row.membership),
                None => None,
            };
            let profile = match target {
                Some(nid) => accounts::find(conn, nid)?,
                None => None,
            };
            let resident = members::is_resident(conn, info.nid)?;
            Ok((info, before, profile, resident))
        });
        let (info, before, profile, resident) = read.await?;
        let before = before.as_deref().unwrap_or("leave");
        let refusal = match change {
            MemberChange::Leave if !matches!(before, "join" | "invite" | "knock") => {
                Some("You are not in this room")
            }
            MemberChange::Kick if !matches!(before, "join" | "invite" | "knock") => {
                Some("The user is not in this room")
            }
            MemberChange::Unban if before != "ban" => Some("The user is not banned"),
            MemberChange::Invite if before == "join" => Some("The user is already in this room"),
            _ => None,
        };
        if let Some(refusal) = refusal {
            return Err(Error::forbidden(refusal));
        }
        let membership = match change {
            MemberChange::Invite => "invite",
            MemberChange::Ban => "ban",
            MemberChange::Leave | MemberChange::Kick | MemberChange::Unban => "leave",
        };
        let mut content = membership_content(membership, target.reason);
        if change == MemberChange::Invite {
            set_profile(&mut content, profile);
        }
        if change == MemberChange::Invite
            && target.user_id.server_name() != self.context.server_name
        {
            let draft = self.draft(caller.user_id.clone(), member(&target.user_id, &content)?);
            return self.remote.invite(&info, &target.user_id, draft).await;
        }
        if change == MemberChange::Leave && !resident {
            let mut content = content.as_object().cloned().unwrap_or_default();
            content.remove("membership");
            let leaver = Joiner { user_id: caller.user_id.clone(), content };
            return self.remote.decline(&info, caller.user_nid, &leaver).await;
        }
        self.set_membership(caller, &info, &target.user_id, &content).await
    }

    /// No longer shows a room that the caller left.
    pub async fn forget(&self, caller: &Session, room_id: &RoomId) -> Result<()> {
        let (context, id, user) = (self.context.clone(), room_id.to_owned(), caller.user_nid);
        let info = self.known(&id).await?;
        let write = self.context.store.write(move |tx| {
            let row = members::get(tx, info.nid, user)?;
            if row.is_some_and(|row| matches!(&*row.membership, "join" | "invite" | "knock")) {
                let message = "You can't forget a room that you are in";
                return Err(Error::matrix(StatusCode::BAD_REQUEST, ErrorKind::Unknown, message));
            }
            members::set_forgotten(tx, info.nid, user)?;
            let context = context.clone();
            tx.after_commit(move || context.user_rooms.forget(user));
            Ok(())
        });
        write.await
    }

    pub(super) async fn set_membership(
        &self,
        caller: &Session,
        info: &RoomInfo,
        target: &UserId,
        content: &Value,
    ) -> Result<Arc<Event>> {
        let event = LocalEvent {
            draft: self.draft(caller.user_id.clone(), member(target, content)?),
            sender_nid: caller.user_nid,
            signed: None,
            transaction: None,
        };
        self.append_one(info.nid, event).await
    }
}

pub(super) fn membership_content(membership: &str, reason: Option<String>) -> Value {
    let mut content = json!({ "membership": membership });
    set(&mut content, "reason", reason);
    content
}

/// Name and picture of an account, where there is one here.
pub(super) fn set_profile(content: &mut Value, profile: Option<Account>) {
    if let Some(profile) = profile {
        set(content, "displayname", profile.displayname);
        set(content, "avatar_url", profile.avatar_url);
    }
}

fn set(content: &mut Value, key: &str, value: Option<String>) {
    if let (Some(value), Some(content)) = (value, content.as_object_mut()) {
        content.insert(key.to_owned(), value.into());
    }
}
