//! The directory of public rooms.

use std::{cmp::Reverse, sync::Arc};

use http::StatusCode;
use ruma::{
    RoomId,
    api::error::ErrorKind,
    directory::{Filter, PublicRoomsChunk, RoomTypeFilter},
    events::TimelineEventType,
    room::RoomSummary,
};

use super::{Rooms, power, summary::Summary, visibility::Access};
use crate::{
    error::{Error, Result},
    service::sessions::Session,
    storage::{RoomNid, rooms as room_rows},
};

/// How many rooms are told at once when nobody says, and at most.
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 500;

/// A part of the directory.
pub struct DirectoryPage {
    pub rooms: Vec<PublicRoomsChunk>,
    pub next_batch: Option<String>,
    pub prev_batch: Option<String>,
    pub total: usize,
}

/// A room's place in the directory: those with most members first.
type Place = (Reverse<u64>, RoomNid);

/// Where a page begins or, read backward, ends.
enum Token {
    After(Place),
    Before(Place),
}

impl Rooms {
    /// Rooms of the directory that fit `filter`.
    pub async fn public_rooms(
        &self,
        limit: Option<usize>,
        since: Option<&str>,
        filter: Filter,
    ) -> Result<DirectoryPage> {
        let since = since.filter(|since| !since.is_empty()).map(Token::parse).transpose()?;
        let limit = limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
        let (context, summaries) = (self.context.clone(), Arc::clone(&self.summaries));
        let read = self.context.store.read(move |conn| {
            let mut found: Vec<(Place, Arc<Summary>)> = Vec::new();
            for nid in room_rows::public(conn)? {
                let info = context.rooms.by_nid(conn, nid)?;
                let summary = summaries.get(&context, conn, &info)?;
                if fits(&filter, &summary.room) {
                    let joined = u64::from(summary.room.num_joined_members);
                    found.push(((Reverse(joined), nid), summary));
                }
            }
            found.sort_unstable_by_key(|(place, _)| *place);
            let (from, to) = match since {
                None => (0, limit),
                Some(Token::After(place)) => {
                    let from = found.partition_point(|(other, _)| *other <= place);
                    (from, from + limit)
                }
                Some(Token::Before(place)) => {
                    let to = found.partition_point(|(other, _)| *other < place);
                    (to.saturating_sub(limit), to)
                }
            };
            let to = to.min(found.len());
            let page = found.get(from..to).unwrap_or_default();
            let next = page.last().filter(|_| to < found.len()).map(|last| Token::After(last.0));
            let previous = page.first().filter(|_| from > 0).map(|first| Token::Before(first.0));
            Ok(DirectoryPage {
                rooms: page.iter().map(|(_, summary)| summary.room.clone().into()).collect(),
                next_batch: next.map(|token| token.to_string()),
                prev_batch: previous.map(|token| token.to_string()),
                total: found.len(),
            })
        });
        read.await
    }

    /// Whether a room is in the directory; 404 for rooms that are not known here.
    pub async fn is_public(&self, room_id: &RoomId) -> Result<bool> {
        let room_id = room_id.to_owned();
        let read = self.context.store.read(move |conn| room_rows::by_id(conn, &room_id));
        let row = read.await?.ok_or_else(|| Error::not_found("There is no such room"))?;
        Ok(row.is_public)
    }

    /// Puts a room into the directory, or takes it out of it. For those who may set its aliases, and for
    /// administrators of the server.
    pub async fn set_public(
        &self,
        caller: &Session,
        room_id: &RoomId,
        is_public: bool,
    ) -> Result<()> {
        let (context, room_id) = (self.context.clone(), room_id.to_owned());
        let (user_nid, user_id) = (caller.user_nid, caller.user_id.clone());
        let above_all = caller.is_admin || (is_public && self.anyone_may_publish);
        let read = self.context.store.read(move |conn| {
            let Some(info) = context.rooms.by_id(conn, &room_id)? else {
                return Err(Error::not_found("There is no such room"));
            };
            let access = Access::load(&context, conn, &room_id, user_nid)?;
            let allowed = above_all && access.is_joined()
                || access.is_joined()
                    && power(&context, conn, &info)?.may_send(
                        &user_id,
                        &TimelineEventType::RoomCanonicalAlias,
                        true,
                    );
            Ok((info, allowed))
        });
        let (info, allowed) = read.await?;
        if !allowed && !caller.is_admin {
            return Err(Error::forbidden("You may not change whether the room is listed"));
        }
        self.context.store.write(move |tx| room_rows::set_public(tx, info.nid, is_public)).await
    }
}

fn fits(filter: &Filter, room: &RoomSummary) -> bool {
    let kind = room.room_type.as_ref().map(AsRef::as_ref);
    let of_kind = |wanted: &RoomTypeFilter| wanted.as_str() == kind;
    if !filter.room_types.is_empty() && !filter.room_types.iter().any(of_kind) {
        return false;
    }
    let Some(term) = filter.generic_search_term.as_ref().filter(|term| !term.is_empty()) else {
        return true;
    };
    let term = term.to_lowercase();
    let alias = room.canonical_alias.as_ref().map(|alias| alias.as_str());
    let texts = [room.name.as_deref(), room.topic.as_deref(), alias];
    texts.into_iter().flatten().any(|text| text.to_lowercase().contains(&term))
}

impl Token {
    fn parse(token: &str) -> Result<Self> {
        let place = |text: &str| {
            let (joined, room) = text.split_once('_')?;
            Some((Reverse(joined.parse().ok()?), RoomNid(room.parse().ok()?)))
        };
        let parsed = match token.split_at_checked(1) {
            Some(("n", rest)) => place(rest).map(Self::After),
            Some(("p", rest)) => place(rest).map(Self::Before),
            _ => None,
        };
        parsed.ok_or_else(|| {
            let message = "The token is not one of this server's";
            Error::matrix(StatusCode::BAD_REQUEST, ErrorKind::InvalidParam, message)
        })
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (letter, (Reverse(joined), room)) = match self {
            Self::After(place) => ('n', place),
            Self::Before(place) => ('p', place),
        };
        write!(formatter, "{letter}{joined}_{}", room.0)
    }
}
