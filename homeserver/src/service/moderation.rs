//! What administrators do about users, and what users tell them.

use std::sync::Arc;

use ruma::{EventId, OwnedUserId, RoomId, UserId};

use super::sessions::{Session, Sessions};
use crate::{
    clock::Clock,
    error::{Error, Result},
    storage::{
        Conn, Store, UserNid,
        accounts::{self, Account, Listed},
        devices::{self, Device},
        events, members,
        reports::{self, Report},
        rooms,
    },
};

/// The longest reason that is kept, in bytes.
const REASON_LENGTH: usize = 10_000;

pub struct Moderation {
    store: Store,
    clock: Clock,
    sessions: Arc<Sessions>,
}

/// What an administrator may take from a user, and give back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Restriction {
    /// Nothing is answered but a logout (client-server API, "Account locking").
    Lock,
    /// Reading goes on, speaking does not ("Account suspension").
    Suspension,
}

impl Moderation {
    pub fn new(store: Store, clock: Clock, sessions: Arc<Sessions>) -> Self {
        Self { store, clock, sessions }
    }

    /// Whether a user of this server is restricted; 404 if there is none.
    pub async fn is_restricted(&self, user_id: &UserId, what: Restriction) -> Result<bool> {
        let user_id = user_id.to_owned();
        self.store
            .read(move |conn| {
                let account = account(conn, &user_id)?;
                let (locked, suspended) = accounts::standing(conn, account.user_nid)?;
                Ok(match what {
                    Restriction::Lock => locked.is_some(),
                    Restriction::Suspension => suspended.is_some(),
                })
            })
            .await
    }

    /// Restricts a user or ends it.
    pub async fn restrict(&self, user_id: &UserId, what: Restriction, on: bool) -> Result<()> {
        let (user_id, now) = (user_id.to_owned(), self.clock.now_ms());
        let sessions = Arc::clone(&self.sessions);
        self.store
            .write(move |tx| {
                let account = account(tx, &user_id)?;
                if on && account.is_admin {
                    return Err(Error::forbidden("An administrator cannot be restricted"));
                }
                let since = on.then_some(now);
                match what {
                    Restriction::Lock => accounts::set_locked(tx, account.user_nid, since)?,
                    Restriction::Suspension => {
                        accounts::set_suspended(tx, account.user_nid, since)?
                    }
                }
                sessions.reload(tx, account.user_nid, on && what == Restriction::Lock);
                Ok(())
            })
            .await
    }

    /// Makes a user an administrator, or no longer.
    pub async fn set_admin(&self, user_id: &UserId, is_admin: bool) -> Result<()> {
        let user_id = user_id.to_owned();
        let sessions = Arc::clone(&self.sessions);
        self.store
            .write(move |tx| {
                let account = account(tx, &user_id)?;
                accounts::set_admin(tx, account.user_nid, is_admin)?;
                sessions.reload(tx, account.user_nid, false);
                Ok(())
            })
            .await
    }

    /// The account of a user of this server, or 404.
    pub async fn account(&self, user_id: &UserId) -> Result<Account> {
        let user_id = user_id.to_owned();
        self.store.read(move |conn| account(conn, &user_id)).await
    }

    pub async fn accounts(&self) -> Result<Vec<Listed>> {
        self.store.read(accounts::all).await
    }

    /// The devices of a user, with when and where they were last seen.
    pub async fn devices(&self, user_id: &UserId) -> Result<Vec<Device>> {
        let user_id = user_id.to_owned();
        self.store
            .read(move |conn| {
                let account = account(conn, &user_id)?;
                devices::of_user(conn, account.user_nid)
            })
            .await
    }

    /// Reports an event that the caller can see the room of; 404 otherwise.
    pub async fn report_event(
        &self,
        caller: &Session,
        room_id: &RoomId,
        event_id: &EventId,
        reason: String,
    ) -> Result<()> {
        let (room, event, user_nid) = (room_id.to_owned(), event_id.to_owned(), caller.user_nid);
        let found = self
            .store
            .read(move |conn| {
                let Some(room) = rooms::by_id(conn, &room)? else { return Ok(false) };
                let own = members::get(conn, room.room_nid, user_nid)?;
                if own.is_none_or(|own| own.membership != "join") {
                    return Ok(false);
                }
                let Some(nid) = events::nid(conn, &event)? else { return Ok(false) };
                Ok(events::by_nid(conn, nid)?.is_some_and(|row| row.room_nid == room.room_nid))
            })
            .await?;
        if !found {
            return Err(Error::not_found("There is no such event in a room that you are in"));
        }
        let report = Report {
            room_id: Some(room_id.to_string()),
            event_id: Some(event_id.to_string()),
            ..self.report(reason)?
        };
        self.keep(caller.user_nid, report).await
    }

    /// Reports a room, whether the caller is in it or not; 404 if it is not known.
    pub async fn report_room(&self, caller: &Session, room: &RoomId, reason: String) -> Result<()> {
        let id = room.to_owned();
        if self.store.read(move |conn| rooms::by_id(conn, &id)).await?.is_none() {
            return Err(Error::not_found("There is no such room here"));
        }
        let report = Report { room_id: Some(room.to_string()), ..self.report(reason)? };
        self.keep(caller.user_nid, report).await
    }

    /// Reports a user. That there is none is not told, so that nobody can ask that way.
    pub async fn report_user(&self, caller: &Session, user: &UserId, reason: String) -> Result<()> {
        let id = user.to_owned();
        let users = self.store.users().clone();
        if self.store.read(move |conn| users.find(conn, &*id)).await?.is_none() {
            return Ok(());
        }
        let report = Report { user_id: Some(user.to_string()), ..self.report(reason)? };
        self.keep(caller.user_nid, report).await
    }

    /// The newest reports, with those who made them.
    pub async fn reports(&self, limit: i64) -> Result<Vec<(String, Report)>> {
        self.store.read(move |conn| reports::newest(conn, limit)).await
    }

    fn report(&self, reason: String) -> Result<Report> {
        if reason.len() > REASON_LENGTH || reason.contains('\0') {
            return Err(Error::invalid_param("The reason is too long or holds a NUL character"));
        }
        Ok(Report { reason, created_at: self.clock.now_ms(), ..Report::default() })
    }

    async fn keep(&self, reporter: UserNid, report: Report) -> Result<()> {
        self.store.write(move |tx| reports::insert(tx, reporter, &report)).await
    }
}

fn account(conn: &mut Conn, user_id: &OwnedUserId) -> Result<Account> {
    accounts::find_by_id(conn, user_id.as_str())?
        .ok_or_else(|| Error::not_found("There is no such user here"))
}
