//! Finding users: those of this server's public rooms and those whom one shares a room with (client-server
//! API, "User directory"); and the rooms that one shares with somebody.

use ruma::{OwnedRoomId, OwnedUserId, UserId};

use super::sessions::Session;
use crate::{
    error::{Error, Result},
    storage::{Store, members, user_directory},
};

/// How many rooms one page has.
const ROOMS_MAX: usize = 100;
/// No search gives more.
const RESULTS_MAX: i64 = 50;

pub struct UserDirectory {
    store: Store,
}

pub struct FoundUser {
    pub user_id: OwnedUserId,
    pub display_name: Option<String>,
    pub avatar_url: Option<String>,
}

/// Rooms that two users share: how many there are, a page of them, and the token of the next one.
pub struct MutualRooms {
    pub count: u64,
    pub rooms: Vec<OwnedRoomId>,
    pub next: Option<String>,
}

impl UserDirectory {
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Users whose id or display name contains all words of `term`, and whether there are more.
    pub async fn search(
        &self,
        caller: &Session,
        term: &str,
        limit: u64,
    ) -> Result<(Vec<FoundUser>, bool)> {
        let limit = i64::try_from(limit).unwrap_or(RESULTS_MAX).clamp(1, RESULTS_MAX);
        let words: Vec<String> = term.split_whitespace().take(8).map(str::to_lowercase).collect();
        if words.is_empty() {
            return Ok((Vec::new(), false));
        }
        let user_nid = caller.user_nid;
        let rows = self
            .store
            .read(move |conn| user_directory::search(conn, user_nid, &words, limit + 1))
            .await?;
        let limited = rows.len() as i64 > limit;
        let found = rows.into_iter().take(limit as usize).filter_map(|row| {
            Some(FoundUser {
                user_id: OwnedUserId::try_from(row.user_id).ok()?,
                display_name: row.displayname,
                avatar_url: row.avatar_url,
            })
        });
        Ok((found.collect(), limited))
    }

    /// A page of the rooms that the caller and another user are both in, from a token.
    pub async fn mutual_rooms(
        &self,
        caller: &Session,
        other: &UserId,
        from: Option<&str>,
    ) -> Result<MutualRooms> {
        if caller.user_id == *other {
            return Err(Error::invalid_param("Rooms in common with oneself are all one's rooms"));
        }
        let unknown = |_| Error::invalid_param("Unknown token in `from`");
        let after = from.map(str::parse).transpose().map_err(unknown)?.map_or(0, |nid: i64| nid);
        let (user_nid, other) = (caller.user_nid, other.to_owned());
        let users = self.store.users().clone();
        let all = self
            .store
            .read(move |conn| match users.find(conn, &*other)? {
                Some(other) => members::mutual(conn, user_nid, other),
                None => Ok(Vec::new()),
            })
            .await?;
        let mut rooms: Vec<_> = all.iter().filter(|(nid, _)| nid.0 > after).collect();
        let more = rooms.len() > ROOMS_MAX;
        rooms.truncate(ROOMS_MAX);
        Ok(MutualRooms {
            count: all.len() as u64,
            next: rooms.last().filter(|_| more).map(|(nid, _)| nid.to_string()),
            rooms: rooms.into_iter().map(|(_, id)| id.clone()).collect(),
        })
    }
}
