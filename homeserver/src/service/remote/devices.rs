//! Devices and keys across servers: what others ask of ours, and what we ask of them.

use std::time::Duration;

use ruma::{
    OwnedUserId, ServerName, UInt, UserId,
    api::federation::{
        device::get_devices::v1::{Response as Devices, UserDevice},
        keys::{claim_keys, get_keys},
    },
    serde::Raw,
};
use sealpost_federation::client::Limits;

use super::{Remote, refused};
use crate::{
    error::{Error, Result},
    service::keys::{
        claim::{self, Claim, Claimed},
        query::{self, Queried, Wanted},
    },
    storage::{accounts, device_lists},
};

/// Enough for the keys of some thousand devices; somebody waits for them.
pub(super) const LIMITS: Limits = Limits { timeout: Duration::from_secs(30), max_bytes: 16 << 20 };

impl Remote {
    /// The keys of users of this server, for another.
    pub async fn serve_keys(&self, mut wanted: Wanted) -> Result<Queried> {
        wanted.retain(|user, _| self.is_own(user));
        let context = self.context.clone();
        let read = self.context.store.read(move |conn| query::local(&context, conn, None, &wanted));
        read.await
    }

    /// One-time keys of users of this server, for another.
    pub async fn serve_claim(&self, origin: &ServerName, mut claims: Claim) -> Result<Claimed> {
        claims.retain(|user, _| self.is_own(user));
        let claims = claim::list(claims);
        claim::local(&self.context, claims, (&self.shares, origin.as_str())).await
    }

    /// All devices with keys of a user of this server, and up to which change.
    pub async fn serve_devices(&self, user_id: OwnedUserId) -> Result<Devices> {
        if !self.is_own(&user_id) {
            return Err(Error::invalid_param("The user is not of this server"));
        }
        let context = self.context.clone();
        let read = self.context.store.read(move |conn| {
            let account = accounts::find_by_id(conn, user_id.as_str())?
                .ok_or_else(|| Error::not_found("There is no such user here"))?;
            let stream_id = device_lists::stream_id(conn, account.user_nid)?;
            let stream_id = stream_id.and_then(|position| UInt::try_from(position.0).ok());
            let wanted = Wanted::from([(user_id.clone(), Vec::new())]);
            let mut queried = query::local(&context, conn, None, &wanted)?;
            let mut devices = Devices::new(user_id.clone(), stream_id.unwrap_or_default());
            let keys = queried.device_keys.remove(&user_id).unwrap_or_default();
            devices.devices =
                keys.into_iter().map(|(id, keys)| UserDevice::new(id, keys)).collect();
            devices.master_key = queried.master_keys.remove(&user_id);
            devices.self_signing_key = queried.self_signing_keys.remove(&user_id);
            Ok(devices)
        });
        read.await
    }

    /// The keys of users of another server, as it tells them now.
    pub(super) async fn ask_for_keys(
        &self,
        server: &ServerName,
        wanted: Wanted,
    ) -> Result<Queried> {
        let request = get_keys::v1::Request::new(wanted.clone());
        let answer = self.ask(server, request, LIMITS).await;
        let answer = answer.map_err(|error| refused(server, error))?;
        let mut queried = Queried {
            device_keys: answer.device_keys,
            master_keys: answer.master_keys,
            self_signing_keys: answer.self_signing_keys,
            ..Queried::default()
        };
        // A server speaks for its own users only, and was asked about some of them.
        queried.device_keys.retain(|user, devices| {
            let Some(named) = wanted.get(user) else { return false };
            devices.retain(|device_id, keys| {
                is_of(keys, user)
                    && keys.get_field::<String>("device_id").ok().flatten().as_deref()
                        == Some(device_id.as_str())
                    && (named.is_empty() || named.contains(device_id))
            });
            true
        });
        let is_wanted = |user: &OwnedUserId| wanted.contains_key(user);
        queried.master_keys.retain(|user, key| is_wanted(user) && is_of(key, user));
        queried.self_signing_keys.retain(|user, key| is_wanted(user) && is_of(key, user));
        Ok(queried)
    }

    /// Claims one-time keys of users of another server.
    pub async fn claim_keys(&self, server: &ServerName, claims: Claim) -> Result<Claimed> {
        self.check_policy(server)?;
        let request = claim_keys::v1::Request::new(claims.clone());
        let answer = self.ask(server, request, LIMITS).await;
        let answer = answer.map_err(|error| refused(server, error))?;
        let mut claimed = answer.one_time_keys;
        claimed.retain(|user, devices| {
            let Some(asked) = claims.get(user) else { return false };
            devices.retain(|device_id, _| asked.contains_key(device_id));
            true
        });
        Ok(claimed)
    }

    /// Has a user of another server known here by a number.
    pub async fn remember_user(&self, user_id: &UserId) -> Result<()> {
        let (context, user_id) = (self.context.clone(), user_id.to_owned());
        let write = self.context.store.write(move |tx| {
            let user = context.store.users().find_or_reserve(tx, &*user_id)?;
            context.store.users().insert(tx, &user)
        });
        write.await
    }

    fn is_own(&self, user: &UserId) -> bool {
        user.server_name() == self.context.server_name
    }
}

/// Whether keys are what their owner's server may tell of that user.
fn is_of<T>(keys: &Raw<T>, user: &UserId) -> bool {
    keys.get_field::<String>("user_id").ok().flatten().as_deref() == Some(user.as_str())
}
