//! Loops beside the requests, each until its cancellation token is cancelled. To add one:
//! `worker/<name>.rs`, started in `boot.rs`.

pub mod cleanup;
pub mod command_socket;
pub mod departures;
pub mod device_updates;
pub mod federation_sender;
pub mod guests;
pub mod held_events;
mod lanes;
mod marks;
pub mod partial_rooms;
pub mod postponed_events;
pub mod presence;
pub mod profile_updates;
pub mod upgrades;
