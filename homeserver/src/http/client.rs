//! The client-server API: one file for each module of `ruma::api::client`.

pub mod account;
pub mod capabilities;
pub mod discovery;
pub mod filter;
pub mod profile;
pub mod push;
pub mod register;
pub mod session;
