//! The use-cases: what a request means, over the storage. Services are built in order by `boot` and handed
//! what they use.
//!
//! To add one: `service/<noun>.rs` with a struct, built in `boot.rs`, and a field in `http/app.rs` if handlers
//! call it. Each table is written by one service.

pub mod account_data;
pub mod accounts;
pub mod cleanup;
pub mod commands;
pub mod dehydrated_devices;
pub mod departures;
pub mod device_lists;
pub mod devices;
pub mod erased_users;
pub mod erasure;
pub mod event;
pub mod events;
pub mod filters;
pub mod gaps;
pub mod ignored_users;
pub mod invite_permission;
pub mod joins;
pub mod key_backup;
pub mod keys;
pub mod media;
pub mod moderation;
pub mod notifier;
pub mod partial_rooms;
pub mod passwords;
pub mod presence;
pub mod profiles;
pub mod push;
pub mod random;
pub mod receipts;
pub mod registration;
pub mod relations;
pub mod remote;
pub mod restricted;
pub mod room_digest;
pub mod room_info;
pub mod rooms;
pub mod sender_keys;
pub mod sessions;
pub mod signing_keys;
pub mod space;
pub mod states;
pub mod sync;
pub mod thread;
pub mod timeline;
pub mod to_device;
pub mod turn;
pub mod typing;
pub mod uia;
pub mod user_directory;
pub mod user_rooms;
