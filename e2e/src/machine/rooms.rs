//! Which rooms are encrypted, and who is in them.
//!
//! A room is pinned as encrypted by its state or by the first event of our family that authenticates, and no state
//! undoes that.

use serde::Serialize;
use serde_json::Value;

use super::{
    Work, check_id, pins,
    rows::{Member, Room},
    text,
};
use crate::{
    Error,
    canonical_json::sorted,
    ratchet, sender_key,
    store::{Transaction, key},
};

/// What is known of a room.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RoomView {
    /// Everything that is sent in it is sealed.
    pub is_encrypted: bool,
    /// What its state last named; another one than ours: nothing can be sent unless it is pinned.
    pub algorithm: Option<String>,
    /// All members are known.
    pub is_whole: bool,
}

pub(super) fn view(tx: &Transaction<'_>, room_id: &str) -> Result<RoomView, Error> {
    let room = tx.get::<Room>(room_id.as_bytes())?.unwrap_or_default();
    Ok(RoomView {
        is_encrypted: room.is_pinned,
        algorithm: room.algorithm,
        is_whole: room.is_whole,
    })
}

/// Those that are pinned as encrypted.
pub(super) fn encrypted(tx: &Transaction<'_>) -> Result<Vec<String>, Error> {
    let pinned = tx.scan::<Room>(&[])?.into_iter().filter(|(_, room)| room.is_pinned);
    pinned.map(|(at, _)| String::from_utf8(at).map_err(|_| Error::Store)).collect()
}

/// Whether an algorithm is of our family.
pub(super) fn is_ours(algorithm: &str) -> bool {
    algorithm == ratchet::ALGORITHM || algorithm == sender_key::ALGORITHM
}

impl Work<'_> {
    pub(super) fn push_state(
        &mut self,
        room_id: &str,
        events: &[Value],
        is_whole: bool,
    ) -> Result<RoomView, Error> {
        check_id(room_id)?;
        let mut room = self.room(room_id)?;
        let was_pinned = room.is_pinned;
        let of_type = |wanted: &'static str| {
            events.iter().filter(move |event| text(event, "type") == Some(wanted))
        };
        let content = |event: &Value, key: &str| {
            event.get("content").and_then(|content| text(content, key)).map(str::to_owned)
        };
        for event in of_type("m.room.encryption") {
            let algorithm = content(event, "algorithm");
            if algorithm != room.algorithm {
                room.settings += 1;
            }
            room.is_pinned |= algorithm.as_deref().is_some_and(is_ours);
            room.algorithm = algorithm;
        }
        for event in of_type("m.room.history_visibility") {
            let visibility = content(event, "history_visibility").unwrap_or_default();
            if visibility != room.history_visibility {
                room.settings += 1;
                room.history_visibility = visibility;
            }
        }
        if room.is_pinned {
            room.is_whole |= is_whole;
            let mut seen = Vec::new();
            for event in of_type("m.room.member") {
                let user_id = text(event, "state_key").filter(|id| check_id(id).is_ok());
                let (Some(user_id), Some(membership)) = (user_id, content(event, "membership"))
                else {
                    continue;
                };
                seen.push(user_id);
                if matches!(membership.as_str(), "join" | "invite") {
                    self.track(user_id)?;
                }
                let since = event.get("origin_server_ts").and_then(Value::as_i64);
                let member = Member { membership, since: since.unwrap_or(self.now) };
                self.tx.put(&key(&[room_id.as_bytes(), user_id.as_bytes()]), &member);
            }
            if is_whole {
                let seen = sorted(seen.into_iter());
                for (at, mut member) in self.members(room_id)? {
                    if seen.binary_search(&at.as_str()).is_err() && member.membership != "leave" {
                        (member.membership, member.since) = ("leave".to_owned(), self.now);
                        self.tx.put(&key(&[room_id.as_bytes(), at.as_bytes()]), &member);
                    }
                }
            }
        }
        if room.is_pinned && !was_pinned {
            self.unsaved(pins::ROOM, room_id.as_bytes());
        }
        if room.is_pinned || room.algorithm.is_some() || was_pinned {
            self.tx.put(room_id.as_bytes(), &room);
        }
        view(&self.tx, room_id)
    }

    pub(super) fn forget_members(&mut self, room_id: &str) -> Result<(), Error> {
        let Some(mut room) = self.tx.get::<Room>(room_id.as_bytes())? else { return Ok(()) };
        room.is_whole = false;
        self.tx.put(room_id.as_bytes(), &room);
        Ok(())
    }

    pub(super) fn set_gap(&mut self, room_id: &str, is_open: bool) -> Result<(), Error> {
        let Some(mut room) = self.tx.get::<Room>(room_id.as_bytes())? else { return Ok(()) };
        let has_gap = is_open.then_some(true);
        if room.has_gap != has_gap {
            room.has_gap = has_gap;
            self.tx.put(room_id.as_bytes(), &room);
        }
        Ok(())
    }

    /// Rooms in which something is still to be fetched.
    pub(super) fn rooms_with_gaps(&self) -> Result<Vec<Vec<u8>>, Error> {
        let rooms = self.tx.scan::<Room>(&[])?.into_iter();
        Ok(rooms.filter(|(_, room)| room.has_gap.is_some()).map(|(at, _)| at).collect())
    }

    pub(super) fn room(&self, room_id: &str) -> Result<Room, Error> {
        Ok(self.tx.get(room_id.as_bytes())?.unwrap_or_default())
    }

    /// Members of a room by user.
    pub(super) fn members(&self, room_id: &str) -> Result<Vec<(String, Member)>, Error> {
        let prefix = key(&[room_id.as_bytes(), &[]]);
        let rows = self.tx.scan::<Member>(&prefix)?.into_iter();
        rows.map(|(at, member)| {
            let user = at.get(prefix.len()..).ok_or(Error::Store)?.to_vec();
            Ok((String::from_utf8(user).map_err(|_| Error::Store)?, member))
        })
        .collect()
    }
}
