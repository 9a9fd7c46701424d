//! A user uploads cross-signing keys. The first come as they are; others only with the password.

use ruma::api::{client::keys::upload_signing_keys::v3::Request, error::ErrorKind};

use super::{
    Keys,
    signed::{self, CrossSigningKey, MASTER, SELF_SIGNING, USER_SIGNING},
};
use crate::{
    error::{Error, Result},
    service::{device_lists::Changed, sessions::Session},
    storage::{
        Conn, UserNid,
        cross_signing::{self, CrossSigningRow},
        devices,
    },
};

/// Whether the caller has proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Given,
    None,
}

/// The keys of a request that are not there yet, by usage.
type New = Vec<(&'static str, CrossSigningKey)>;

impl Keys {
    /// Whether an upload would replace keys, or add to them.
    pub async fn needs_proof(&self, caller: &Session, request: &Request) -> Result<bool> {
        let given = parse(caller, request)?;
        let user = caller.user_nid;
        let read = self.context.store.read(move |conn| {
            let has_master = cross_signing::get(conn, user, MASTER)?.is_some();
            Ok(has_master && !new(conn, user, given)?.is_empty())
        });
        read.await
    }

    /// Keeps cross-signing keys.
    pub async fn upload_signing_keys(
        &self,
        caller: &Session,
        request: &Request,
        proof: Proof,
    ) -> Result<()> {
        let _one_at_a_time = self.signing.lock(&caller.user_nid).await;
        let given = parse(caller, request)?;
        let (user, user_id) = (caller.user_nid, caller.user_id.clone());
        let read = self.context.store.read(move |conn| {
            let stored = cross_signing::get(conn, user, MASTER)?;
            let stored = stored.map(|row| CrossSigningKey::parse(&row.json, &user_id, MASTER));
            let stored = stored.transpose()?;
            let given_master = given.iter().find(|(usage, _)| *usage == MASTER);
            let Some(master) = given_master.map(|(_, key)| key).or(stored.as_ref()) else {
                let message = "There is no master key";
                return Err(Error::matrix(
                    http::StatusCode::BAD_REQUEST,
                    ErrorKind::MissingParam,
                    message,
                ));
            };
            for (usage, key) in given.iter().filter(|(usage, _)| *usage != MASTER) {
                if !master.has_signed(&key.object, &user_id) {
                    let message = format!("The {usage} key is not signed by the master key");
                    return Err(Error::invalid_signature(message));
                }
            }
            let replaces_master =
                stored.as_ref().is_some_and(|stored| stored.public_key != master.public_key);
            let has_master = stored.is_some();
            Ok((new(conn, user, given)?, has_master, replaces_master))
        });
        let (new, has_master, replaces_master) = read.await?;
        if new.is_empty() {
            return Ok(());
        }
        if has_master && proof == Proof::None {
            return Err(Error::forbidden("Replacing cross-signing keys takes a password"));
        }
        self.write_signing_keys(user, new, replaces_master).await
    }

    async fn write_signing_keys(
        &self,
        user: UserNid,
        new: New,
        replaces_master: bool,
    ) -> Result<()> {
        let lists = self.device_lists.clone();
        let rows: Vec<CrossSigningRow> = new
            .into_iter()
            .map(|(usage, key)| {
                let json = signed::to_string(&key.object)?;
                let usage = usage.to_owned();
                Ok(CrossSigningRow { user_nid: user, usage, public_key: key.public_key, json })
            })
            .collect::<Result<_>>()?;
        let write = self.context.store.write(move |tx| {
            for row in &rows {
                if devices::find(tx, user, &row.public_key)?.is_some() {
                    return Err(Error::forbidden("Key ID in use: a device has it"));
                }
            }
            if replaces_master {
                // What the old one signed is worth nothing.
                cross_signing::delete(tx, user, SELF_SIGNING)?;
                cross_signing::delete(tx, user, USER_SIGNING)?;
            }
            for row in &rows {
                cross_signing::set(tx, row)?;
            }
            if rows.iter().any(|row| row.usage != USER_SIGNING) {
                lists.changed(tx, user, &[Changed::CrossSigning])
            } else {
                lists.changed_for(tx, user, &[user])
            }
        });
        write.await
    }
}

fn parse(caller: &Session, request: &Request) -> Result<New> {
    let given = [
        (MASTER, &request.master_key),
        (SELF_SIGNING, &request.self_signing_key),
        (USER_SIGNING, &request.user_signing_key),
    ];
    let given = given.into_iter().filter_map(|(usage, key)| Some((usage, key.as_ref()?)));
    given
        .map(|(usage, key)| {
            Ok((usage, CrossSigningKey::parse(key.json().get(), &caller.user_id, usage)?))
        })
        .collect()
}

/// Those of `given` that differ from what is stored.
fn new(conn: &mut Conn, user: UserNid, given: New) -> Result<New> {
    let mut new = New::new();
    for (usage, key) in given {
        let known = cross_signing::get(conn, user, usage)?;
        let known = known.map(|row| signed::stored(&row.json)).transpose()?;
        if known.is_none_or(|known| !signed::is_same(&known, &key.object)) {
            new.push((usage, key));
        }
    }
    Ok(new)
}
