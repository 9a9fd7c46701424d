//! What a room is, without a database, a network or a clock: events, the rules of room versions, who may do
//! what, who may see what, and how forks are made one again.
//!
//! # Checks performed on receipt of a PDU
//!
//! In the order of the [specification], each with the function that makes it:
//!
//! 1. Is a valid event, otherwise it is dropped: [`check::format`].
//! 2. Passes signature checks, otherwise it is dropped: [`check::receive`], with keys that were valid at the
//!    event's `origin_server_ts`; [`check::required_servers`] says whose.
//! 3. Passes hash checks, otherwise it is redacted before being processed further: [`check::receive`].
//! 4. Passes authorisation rules based on the event's auth events, otherwise it is rejected:
//!    [`auth::check_auth_events`], then [`auth::authorise`] over those events.
//! 5. Passes authorisation rules based on the state before the event, otherwise it is rejected:
//!    [`auth::authorise`] over that state, which after a fork is made by [`resolve::resolve`].
//! 6. Passes authorisation rules based on the current state of the room, otherwise it is "soft failed":
//!    [`auth::authorise`] over the current state.
//! 7. Is validated by the policy server, if the room uses one, otherwise it is "soft failed".
//!
//! An event of our own is made by [`build::build`] and passes 4 to 6 like any other.
//!
//! To add a room version, see [`version`].
//!
//! [specification]: https://spec.matrix.org/latest/server-server-api/#checks-performed-on-receipt-of-a-pdu

pub mod auth;
pub mod build;
pub mod check;
pub mod dag;
pub mod event;
pub mod policy;
pub mod power;
pub mod redact;
pub mod relation;
pub mod resolve;
mod resolve_v1;
pub mod server_acl;
pub mod version;
pub mod visibility;

pub use self::event::Pdu;

#[cfg(test)]
pub(crate) mod tests;
