//! The use-cases: what a request means, over the storage. Services are built in order by `boot` and handed
//! what they use.

pub mod event;
pub mod events;
pub mod notifier;
pub mod room_info;
pub mod states;
pub mod timeline;
pub mod user_rooms;
