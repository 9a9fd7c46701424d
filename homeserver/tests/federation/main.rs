//! Sealpost servers that federate: in one process on a network that can be cut, and as real binaries.

mod acl;
mod backfill;
mod binaries;
mod claims;
#[path = "../support/database.rs"]
mod database;
mod devices;
mod endpoints;
mod entering;
mod ephemeral;
mod history;
mod invites;
mod joining;
mod keys;
mod large_join;
mod malice;
mod media;
mod memory;
mod network;
mod numbers;
mod omit_members;
mod partial;
mod personal;
mod policy;
mod postponed;
mod puppet;
mod refusals;
mod rooms;
mod schedules;
mod sealed;
mod silent;
mod spaces;
mod to_device;
mod told_states;
mod user;
mod visibility;
