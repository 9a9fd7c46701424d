//! The client-server API, spoken to whole servers in this process, on both databases.

#[path = "support/actor.rs"]
mod actor;
#[path = "support/database.rs"]
mod database;
#[path = "support/server.rs"]
mod server;

#[path = "client/account.rs"]
mod account;
#[path = "client/account_data.rs"]
mod account_data;
#[path = "client/admin.rs"]
mod admin;
#[path = "client/backup.rs"]
mod backup;
#[path = "client/commands.rs"]
mod commands;
#[path = "client/conversation.rs"]
mod conversation;
#[path = "client/cross_signing.rs"]
mod cross_signing;
#[path = "client/dehydrated_device.rs"]
mod dehydrated_device;
#[path = "client/device_lists.rs"]
mod device_lists;
#[path = "client/devices.rs"]
mod devices;
#[path = "client/directory.rs"]
mod directory;
#[path = "client/erasure.rs"]
mod erasure;
#[path = "client/filter.rs"]
mod filter;
#[path = "client/ignored_users.rs"]
mod ignored_users;
#[path = "client/key_backup.rs"]
mod key_backup;
#[path = "client/keys.rs"]
mod keys;
#[path = "client/knock.rs"]
mod knock;
#[path = "client/listeners.rs"]
mod listeners;
#[path = "client/media.rs"]
mod media;
#[path = "client/paths.rs"]
mod paths;
#[path = "client/peeking.rs"]
mod peeking;
#[path = "client/prekeys.rs"]
mod prekeys;
#[path = "client/presence.rs"]
mod presence;
#[path = "client/profile.rs"]
mod profile;
#[path = "client/push.rs"]
mod push;
#[path = "client/reading.rs"]
mod reading;
#[path = "client/receipts.rs"]
mod receipts;
#[path = "client/register.rs"]
mod register;
#[path = "client/relations.rs"]
mod relations;
#[path = "client/room.rs"]
mod room;
#[path = "client/room_versions.rs"]
mod room_versions;
#[path = "client/sender_keys.rs"]
mod sender_keys;
#[path = "client/session.rs"]
mod session;
#[path = "client/sliding_sync.rs"]
mod sliding_sync;
#[path = "client/space.rs"]
mod space;
#[path = "client/stop.rs"]
mod stop;
#[path = "client/sync.rs"]
mod sync;
#[path = "client/sync_members.rs"]
mod sync_members;
#[path = "client/threads.rs"]
mod threads;
#[path = "client/to_device.rs"]
mod to_device;
#[path = "client/unread.rs"]
mod unread;
#[path = "client/upgrade.rs"]
mod upgrade;
#[path = "client/visibility.rs"]
mod visibility;
