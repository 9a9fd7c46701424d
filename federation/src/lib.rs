//! Matrix federation without a database: what two homeservers need to find, believe and reach each other.
//!
//! | module | what it is for |
//! |---|---|
//! | [`canonical`] | canonical JSON, also with the numbers of old room versions; hashes, signing |
//! | [`event`] | which servers and keys an event must be signed by, and the check of those signatures |
//! | [`signing_key`] | this server's Ed25519 key and its file |
//! | [`own_keys`] | the key in use and those before it |
//! | [`policy`] | whom this server talks to |
//! | [`request_auth`] | `X-Matrix`: authenticate a request that came in |
//! | [`keyring`] | other servers' keys: known, fetched, asked of notaries, remembered as long as they are valid |
//! | [`discovery`] | from a server name to an address, as the specification orders the steps |
//! | [`client`] | signed requests to other servers |
//! | [`media`] | content of other servers, streamed |
//! | [`state_answer`] | answers with a room's state, read piece by piece |
//! | [`transaction`] | what goes into one transaction, and the limits of one that came in |
//! | [`destination`] | when to send to a server that may be down |
//!
//! The library holds no state that outlives the process: what must, goes through [`keyring::KeyStore`]
//! and the caller's own outbox. It reads no clock for what is stored; times are milliseconds since the
//! Unix epoch, handed in.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "a test may fail loudly"
    )
)]

pub mod canonical;
pub mod client;
pub mod destination;
pub mod discovery;
pub mod error;
pub mod event;
pub mod keyring;
pub mod media;
pub mod own_keys;
pub mod policy;
pub mod request_auth;
pub mod signing_key;
pub mod state_answer;
pub mod transaction;

pub use self::{
    client::Client, error::Error, keyring::Keyring, own_keys::OwnKeys, policy::Policy,
    signing_key::SigningKey,
};
