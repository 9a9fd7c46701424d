//! Profiles (client-server API, "Profiles"): of this server's users kept here, of others' asked for.
//!
//! A change of name or avatar also stands in the user's membership of each room. That is a job with a row of
//! its own in the change's commit, so that it goes on after a restart; the request waits for it a while.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use ruma::{OwnedUserId, UserId, api::error::ErrorKind};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::{
    remote::{Remote, locks::Locks},
    rooms::Rooms,
    sessions::Session,
    timeline::Context,
};
use crate::{
    error::{Error, Result},
    storage::{Conn, UserNid, accounts, profiles},
};

const DISPLAYNAME: &str = "displayname";
const AVATAR_URL: &str = "avatar_url";
const DISPLAYNAME_LENGTH: usize = 256;
const AVATAR_URL_LENGTH: usize = 1000;
const KEY_LENGTH: usize = 255;
/// All of a profile, names and values.
const LARGEST: usize = 64 * 1024;
/// How long a change waits for the rooms to be told.
const PATIENCE: Duration = Duration::from_secs(2);

pub struct Profiles {
    context: Arc<Context>,
    rooms: Arc<Rooms>,
    remote: Arc<Remote>,
    updating: Locks<UserNid>,
}

impl Profiles {
    pub fn new(rooms: Arc<Rooms>, remote: Arc<Remote>) -> Self {
        let context = rooms.context().clone();
        Self { context, rooms, remote, updating: Locks::default() }
    }

    /// All of a user's profile, or one field of it; 404 if there is none.
    pub async fn profile(
        &self,
        user_id: &UserId,
        field: Option<&str>,
    ) -> Result<Map<String, Value>> {
        let mut profile = if user_id.server_name() == self.context.server_name {
            let user_id = user_id.to_owned();
            self.context.store.read(move |conn| of_local(conn, &user_id)).await?
        } else {
            self.remote.profile_of(user_id, field).await?
        };
        if let Some(field) = field {
            profile.retain(|name, _| name == field);
            if profile.is_empty() {
                return Err(Error::not_found("The profile has no such field"));
            }
        }
        Ok(profile)
    }

    /// Sets a field of the caller's profile, or (`None`) takes it away.
    pub async fn set(
        self: &Arc<Self>,
        caller: &Session,
        field: String,
        value: Option<Value>,
    ) -> Result<()> {
        check_name(&field)?;
        let is_shown = field == DISPLAYNAME || field == AVATAR_URL;
        let value = if is_shown { text(&field, value)?.map(Value::from) } else { value };
        let user = caller.user_nid;
        let write = self.context.store.write(move |tx| {
            let text = value.as_ref().and_then(Value::as_str);
            match (field.as_str(), &value) {
                (DISPLAYNAME, _) => accounts::set_displayname(tx, user, text)?,
                (AVATAR_URL, _) => accounts::set_avatar_url(tx, user, text)?,
                (name, Some(value)) => profiles::set_field(tx, user, name, &value.to_string())?,
                (name, None) => profiles::delete_field(tx, user, name)?,
            }
            if value.is_some() && size(tx, user)? > LARGEST {
                let message = "The profile would be too large";
                let kind = ErrorKind::ProfileTooLarge;
                return Err(Error::matrix(StatusCode::BAD_REQUEST, kind, message));
            }
            if is_shown {
                profiles::queue_update(tx, user)?;
            }
            Ok(())
        });
        write.await?;
        if is_shown {
            let profiles = self.clone();
            let update = tokio::spawn(async move { profiles.update(user).await });
            if let Ok(Ok(Err(error))) = timeout(PATIENCE, update).await {
                tracing::warn!(%error, "a changed profile is told to rooms later");
            }
        }
        Ok(())
    }

    /// Goes on with what was not finished when the server stopped.
    pub async fn update_queued(&self) -> Result<()> {
        for user in self.context.store.read(profiles::queued_users).await? {
            self.update(user).await?;
        }
        Ok(())
    }

    /// Puts a user's name and avatar into their memberships.
    async fn update(&self, user: UserNid) -> Result<()> {
        let _one_at_a_time = self.updating.lock(&user).await;
        loop {
            let context = self.context.clone();
            let read = self.context.store.read(move |conn| {
                let Some(changes) = profiles::queued_changes(conn, user)? else { return Ok(None) };
                let Some(user_id) = context.store.users().key(conn, user)? else { return Ok(None) };
                let account = accounts::find(conn, user)?;
                let memberships = context.user_rooms.get(conn, user)?;
                let rooms: Vec<_> = memberships.joined().map(|row| row.room_nid).collect();
                Ok(account.map(|account| (changes, user_id, account, rooms)))
            });
            let Some((changes, user_id, account, rooms)) = read.await? else { return Ok(()) };
            let user_id = OwnedUserId::try_from(&*user_id)
                .map_err(|error| Error::internal(format!("a stored user id: {error}")))?;
            let shown = [(DISPLAYNAME, account.displayname), (AVATAR_URL, account.avatar_url)];
            for room in rooms {
                match self.rooms.update_profile(room, (user, &user_id), &shown).await {
                    Err(error @ (Error::Stopping | Error::DiskFull)) => return Err(error),
                    Err(error) => tracing::info!(%user_id, %error, "a room refused a profile"),
                    Ok(()) => {}
                }
            }
            let finish =
                self.context.store.write(move |tx| profiles::finish_update(tx, user, changes));
            finish.await?;
        }
    }
}

/// The profile of a user of this server, or 404.
pub(super) fn of_local(conn: &mut Conn, user_id: &UserId) -> Result<Map<String, Value>> {
    let account = accounts::find_by_id(conn, user_id.as_str())?
        .filter(|account| account.deactivated_at.is_none())
        .ok_or_else(|| Error::not_found("There is no such profile here"))?;
    let mut profile = Map::new();
    for (name, value) in [(DISPLAYNAME, account.displayname), (AVATAR_URL, account.avatar_url)] {
        profile.extend(value.map(|value| (name.to_owned(), value.into())));
    }
    for (name, value) in profiles::fields(conn, account.user_nid)? {
        let value = serde_json::from_str(&value)
            .map_err(|error| Error::internal(format!("a stored profile field: {error}")))?;
        profile.insert(name, value);
    }
    Ok(profile)
}

fn size(conn: &mut Conn, user: UserNid) -> Result<usize> {
    let fields = profiles::fields(conn, user)?;
    let account = accounts::find(conn, user)?;
    let shown = account.map(|account| [account.displayname, account.avatar_url]);
    let shown: usize = shown.into_iter().flatten().flatten().map(|value| value.len() + 16).sum();
    Ok(shown + fields.iter().map(|(name, value)| name.len() + value.len() + 6).sum::<usize>())
}

/// A display name or avatar; the empty one is none.
fn text(field: &str, value: Option<Value>) -> Result<Option<String>> {
    let longest = if field == DISPLAYNAME { DISPLAYNAME_LENGTH } else { AVATAR_URL_LENGTH };
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text.len() > longest || text.contains('\0') => {
            Err(Error::invalid_param("The profile field is too long, or contains NUL"))
        }
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::bad_json(format!("{field} is not a string"))),
    }
}

/// The Common Namespaced Identifier Grammar, and the two names that are older.
fn check_name(name: &str) -> Result<()> {
    if name.len() > KEY_LENGTH {
        let message = "The name of the field has more than 255 bytes";
        return Err(Error::matrix(StatusCode::BAD_REQUEST, ErrorKind::KeyTooLarge, message));
    }
    let is_allowed = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    let is_namespaced = name.contains('.')
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(is_allowed);
    if is_namespaced || name == DISPLAYNAME || name == AVATAR_URL {
        return Ok(());
    }
    Err(Error::invalid_param("This can't be the name of a profile field"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_are_namespaced() {
        for name in ["displayname", "avatar_url", "m.tz", "org.example.my_field", "a.b-c.d1"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "tz", "M.tz", ".tz", "m.t z", "1.a", "m.\u{e4}"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
