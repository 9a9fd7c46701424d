//! Telling other servers of changes of our users' devices and cross-signing keys: one EDU for each server that has a
//! user in a room with ours. The change itself left a row (`service/device_lists.rs`); here it becomes rows of the
//! outbox, away from whoever made the change.

use std::{collections::BTreeSet, sync::Arc};

use ruma::OwnedServerName;
use serde_json::{Map, Value, json};

use super::{Remote, others::OtherServers, outbox::Seen};
use crate::{
    error::{Error, Result},
    service::{
        keys::signed::{MASTER, SELF_SIGNING},
        notifier::Subject,
        timeline::Context,
    },
    storage::{
        Conn, Position, UserNid, cross_signing, device_keys,
        device_lists::{self, UpdateRow},
        devices, members,
        outbox::{self, Worth},
    },
};

/// How many changes are read at once, and how many rows are written in one commit.
const UPDATES_AT_ONCE: i64 = 50;
const ROWS_AT_ONCE: usize = 500;

/// An EDU and whom it is for.
struct Announcement {
    update: Position,
    edu: Arc<str>,
    servers: Vec<OwnedServerName>,
}

impl Remote {
    /// Puts all that is to be told into the outbox. Answers up to where it has looked.
    pub async fn announce_devices(&self) -> Result<Seen> {
        let _one_at_a_time = self.announcing.lock().await;
        loop {
            let seen = Seen(self.context.notifier.position());
            let (context, others) = (self.context.clone(), self.others.clone());
            let read = self.context.store.read(move |conn| {
                let updates = device_lists::updates(conn, UPDATES_AT_ONCE)?;
                let announce = |update| announcement(&context, conn, &others, update);
                updates.into_iter().map(announce).collect::<Result<Vec<_>>>()
            });
            let announcements = read.await?;
            if announcements.is_empty() {
                return Ok(seen);
            }
            self.queue_announcements(announcements).await?;
        }
    }

    /// Waits until devices of anybody change.
    pub async fn devices_changed(&self, seen: Seen) {
        self.context.notifier.changed(seen.0, &[Subject::DeviceLists]).await;
    }

    async fn queue_announcements(&self, announcements: Vec<Announcement>) -> Result<()> {
        let mut rows = Vec::new();
        for Announcement { update, edu, servers } in announcements {
            rows.extend(servers.into_iter().map(|server| (update, Some((server, edu.clone())))));
            rows.push((update, None));
        }
        for rows in rows.chunks(ROWS_AT_ONCE) {
            let (context, rows) = (self.context.clone(), rows.to_vec());
            let now = context.clock.now_ms();
            let write = self.context.store.write(move |tx| {
                let mut last = None;
                for (update, row) in &rows {
                    let Some((server, edu)) = row else {
                        device_lists::delete_update(tx, *update)?;
                        continue;
                    };
                    let position = match last {
                        Some((of, position)) if of == *update => position,
                        _ => tx.next_position()?,
                    };
                    last = Some((*update, position));
                    outbox::insert_edu(tx, server, position, edu, (Worth::Month, now))?;
                }
                if let Some((_, position)) = last {
                    let context = context.clone();
                    tx.after_commit(move || {
                        context.notifier.advance(position, [Subject::Outbox]);
                    });
                }
                Ok(())
            });
            write.await?;
        }
        Ok(())
    }
}

fn announcement(
    context: &Context,
    conn: &mut Conn,
    others: &OtherServers,
    update: UpdateRow,
) -> Result<Announcement> {
    let user = update.user_nid;
    let mut names = BTreeSet::new();
    for room in members::joined_rooms(conn, user)? {
        names.extend(others.in_room(context, conn, room)?.iter().cloned());
    }
    let mut edu = String::new();
    if !names.is_empty() {
        let user_id = context.store.users().key(conn, user)?;
        let user_id = user_id.ok_or_else(|| Error::internal("a changed device without a user"))?;
        edu = match &update.device_id {
            Some(device_id) => device(conn, (user, &user_id), device_id, &update)?,
            None => signing_keys(conn, (user, &user_id))?,
        };
    }
    let servers = names.into_iter().collect();
    Ok(Announcement { update: update.position, edu: edu.into(), servers })
}

/// The EDU of a device as it is now. Names are not told.
fn device(
    conn: &mut Conn,
    (user, user_id): (UserNid, &str),
    device_id: &str,
    update: &UpdateRow,
) -> Result<String> {
    let mut content = Map::from_iter([
        ("user_id".to_owned(), user_id.into()),
        ("device_id".to_owned(), device_id.into()),
        ("stream_id".to_owned(), update.position.0.into()),
    ]);
    if let Some(previous) = update.previous {
        content.insert("prev_id".to_owned(), json!([previous.0]));
    }
    if devices::find(conn, user, device_id)?.is_none() {
        content.insert("deleted".to_owned(), true.into());
    } else if let Some(keys) = device_keys::get(conn, user, device_id)? {
        content.insert("keys".to_owned(), parse(&keys)?);
    }
    Ok(json!({ "edu_type": "m.device_list_update", "content": content }).to_string())
}

fn signing_keys(conn: &mut Conn, (user, user_id): (UserNid, &str)) -> Result<String> {
    let mut content = Map::from_iter([("user_id".to_owned(), user_id.into())]);
    for usage in [MASTER, SELF_SIGNING] {
        if let Some(key) = cross_signing::get(conn, user, usage)? {
            content.insert(format!("{usage}_key"), parse(&key.json)?);
        }
    }
    Ok(json!({ "edu_type": "m.signing_key_update", "content": content }).to_string())
}

fn parse(json: &str) -> Result<Value> {
    serde_json::from_str(json).map_err(|error| Error::internal(format!("stored keys: {error}")))
}
