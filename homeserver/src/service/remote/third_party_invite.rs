//! Invites of people by what they are elsewhere (an e-mail address): the room holds a token with the keys of an
//! identity server, and whom that has signed a token for may be invited in the name of who left it there.
//!
//! 1. The user shows us the signed token when joining (`third_party_signed`).
//! 2. A room that we are in: we make the invite ourselves, whoever left the token.
//! 3. Another: the server of who left the token is asked (`exchange_third_party_invite`), then those that may help;
//!    one of them makes the invite and has us sign it, like any other.
//!
//! The authorisation rules check the signature.
//! <https://spec.matrix.org/v1.19/server-server-api/#third-party-invites>

use std::{collections::HashSet, sync::Arc};

use ruma::{
    OwnedServerName, OwnedUserId, RoomId, ServerName, UserId,
    api::{client::membership::ThirdPartySigned, federation::thirdparty::exchange_invite},
    events::{StateEventType, TimelineEventType},
    serde::Raw,
};
use sealpost_federation::client::Limits;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Remote, join::Refusals, refused};
use crate::{
    error::{Error, Result},
    room::build::Draft,
    service::{
        room_info::RoomInfo,
        rooms::state_event,
        timeline::{Outcome, RemoteEvent},
    },
    storage::{members, rooms},
};

/// The partial event of a request.
#[derive(Deserialize)]
struct Content {
    membership: String,
    third_party_invite: ThirdPartyInvite,
}

#[derive(Deserialize)]
struct ThirdPartyInvite {
    signed: Map<String, Value>,
}

impl Remote {
    /// Invites a user of `origin` for whom an identity server has signed a token that a user of ours left in a
    /// room.
    pub async fn exchange_third_party_invite(
        &self,
        origin: &ServerName,
        request: exchange_invite::v1::Request,
    ) -> Result<()> {
        let exchange_invite::v1::Request { room_id, kind, sender, state_key, content, .. } =
            request;
        self.check_sender(origin, &state_key)?;
        let content: Content = serde_json::from_str(content.json().get())
            .map_err(|error| Error::bad_json(error.to_string()))?;
        if kind != StateEventType::RoomMember || content.membership != "invite" {
            return Err(Error::invalid_param("The event is not an invite"));
        }
        let info = self.resident_room(origin, &room_id).await?;
        if sender.server_name() != self.context.server_name {
            return Err(Error::forbidden("The user who left the token is not of this server"));
        }
        let invite =
            Invite { sender, invited: state_key, signed: content.third_party_invite.signed };
        let invited = invite.invited.clone();
        match self.draft_of(&info, invite).await? {
            Some(draft) => self.invite(&info, &invited, draft).await.map(drop),
            None => Err(Error::forbidden("The user is in this room, or may enter it, already")),
        }
    }

    /// Has a user of ours invited who shows a signed token. `via` are servers that may help.
    pub async fn accept_third_party_invite(
        &self,
        room_id: &RoomId,
        via: &[OwnedServerName],
        user: &UserId,
        signed: ThirdPartySigned,
    ) -> Result<()> {
        if signed.mxid != user {
            return Err(Error::forbidden("The token is signed for another user"));
        }
        let sender = signed.sender.clone();
        let malformed = |error: serde_json::Error| Error::bad_json(error.to_string());
        let signed: Map<String, Value> =
            serde_json::to_value(&signed).and_then(serde_json::from_value).map_err(malformed)?;
        let known = match self.room(room_id).await {
            Ok(info) => Some(info),
            Err(Error::Matrix { .. }) => None,
            Err(error) => return Err(error),
        };
        let invite = Invite { sender, invited: user.to_owned(), signed };
        if let Some(info) = known
            && self.is_resident(&info).await?
        {
            return self.invite_ourselves(&info, invite).await;
        }
        let content = Raw::new(&invite.content(None)).map_err(malformed)?.cast_unchecked();
        let mut refusals = Refusals::default();
        let servers = who_may_invite(room_id, via, &invite);
        for server in self.helpers(&servers) {
            if let Err(error) = self.check_policy(server) {
                refusals.add(server, error);
                continue;
            }
            let request = exchange_invite::v1::Request::new(
                room_id.to_owned(),
                invite.sender.clone(),
                invite.invited.clone(),
                content.clone(),
            );
            match self.client.send(server, request, Limits::SMALL).await {
                Ok(_) => {
                    return Ok(());
                }
                Err(error) => refusals.add(server, refused(server, error)),
            }
        }
        Err(refusals.into_error())
    }

    /// In a room that we are in. The invite needs no signature but that of the token: it may be ours, whoever
    /// invites.
    async fn invite_ourselves(&self, info: &Arc<RoomInfo>, invite: Invite) -> Result<()> {
        let Some(draft) = self.draft_of(info, invite).await? else { return Ok(()) };
        let pdu = self.proposed(info.nid, draft).await?;
        let event = RemoteEvent { relay: true, ..RemoteEvent::new(pdu) };
        match self.append(&self.context.server_name, info, event).await? {
            Outcome::Accepted(_) | Outcome::Known(_) => Ok(()),
            Outcome::SoftFailed(_) => {
                Err(Error::forbidden("The room no longer allows this invite"))
            }
            outcome => Err(outcome.into_refusal()),
        }
    }

    /// The invite, named as the token in the room is; nothing where the user is in the room or invited already.
    async fn draft_of(&self, info: &RoomInfo, invite: Invite) -> Result<Option<Draft>> {
        let (context, room, now) = (self.context.clone(), info.nid, self.timestamp());
        let read = self.context.store.read(move |conn| {
            if let Some(user) = context.store.users().find(conn, &*invite.invited)? {
                let own = members::get(conn, room, user)?.map(|row| row.membership);
                if own.is_some_and(|membership| matches!(&*membership, "join" | "invite")) {
                    return Ok(None);
                }
            }
            let token = invite.signed.get("token").and_then(Value::as_str);
            let token = token.ok_or_else(|| Error::invalid_param("`signed` has no token"))?;
            let state = rooms::state_nid(conn, room)?;
            let state = context.states.get(conn, state)?;
            let kind = StateEventType::RoomThirdPartyInvite;
            let left = state_event(&context, conn, &state, &kind, token)?;
            let left =
                left.ok_or_else(|| Error::forbidden("There is no such token in this room"))?;
            let name = left.pdu.content_as::<Value>().unwrap_or_default();
            let name = name["display_name"].as_str().unwrap_or_default();
            let content = serde_json::value::to_raw_value(&invite.content(Some(name)))
                .map_err(|error| Error::internal(error.to_string()))?;
            Ok(Some(Draft {
                event_type: TimelineEventType::RoomMember,
                state_key: Some(invite.invited.to_string()),
                content,
                redacts: None,
                sender: invite.sender,
                origin_server_ts: now,
            }))
        });
        read.await
    }
}

/// Whom to ask for an invite, each once.
fn who_may_invite(
    room_id: &RoomId,
    via: &[OwnedServerName],
    invite: &Invite,
) -> Vec<OwnedServerName> {
    let mut servers = vec![invite.sender.server_name().to_owned()];
    servers.extend_from_slice(via);
    servers.extend(room_id.server_name().map(ToOwned::to_owned));
    let mut seen = HashSet::new();
    servers.retain(|server| seen.insert(server.clone()));
    servers
}

/// A token that an identity server has signed for somebody.
struct Invite {
    /// Who left it in the room.
    sender: OwnedUserId,
    invited: OwnedUserId,
    signed: Map<String, Value>,
}

impl Invite {
    fn content(&self, name: Option<&str>) -> Value {
        let invite = json!({ "display_name": name.unwrap_or_default(), "signed": self.signed });
        json!({ "membership": "invite", "third_party_invite": invite })
    }
}
