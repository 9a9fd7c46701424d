//! What handlers reach through their [`Ctx`](super::ruma::Ctx): configuration and services.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::limits::RateLimits;
use crate::{
    clock::Clock,
    config::Config,
    service::{
        account_data::AccountData, accounts::Accounts, dehydrated_devices::DehydratedDevices,
        devices::Devices, filters::Filters, joins::Joins, key_backup::KeyBackup, keys::Keys,
        media::Media, moderation::Moderation, presence::Presence, profiles::Profiles, push::Push,
        receipts::Receipts, registration::Registration, remote::Remote, rooms::Rooms,
        sender_keys::SenderKeys, sessions::Sessions, sync::Sync, to_device::ToDevice,
        typing::Typing, uia::Uia, user_directory::UserDirectory,
    },
};

pub struct App {
    pub config: Arc<Config>,
    pub clock: Clock,
    /// Cancelled when the server stops: whoever waits answers at once.
    pub stopping: CancellationToken,
    pub rate_limits: RateLimits,
    pub sessions: Arc<Sessions>,
    pub accounts: Arc<Accounts>,
    pub registration: Arc<Registration>,
    pub uia: Arc<Uia>,
    pub dehydrated_devices: DehydratedDevices,
    pub devices: Devices,
    pub filters: Filters,
    pub rooms: Arc<Rooms>,
    pub joins: Joins,
    pub key_backup: KeyBackup,
    pub keys: Keys,
    pub media: Arc<Media>,
    pub moderation: Arc<Moderation>,
    pub remote: Arc<Remote>,
    pub account_data: AccountData,
    pub profiles: Arc<Profiles>,
    pub presence: Arc<Presence>,
    pub push: Push,
    pub receipts: Receipts,
    pub sender_keys: SenderKeys,
    pub sync: Sync,
    pub to_device: ToDevice,
    pub typing: Typing,
    pub user_directory: UserDirectory,
}
