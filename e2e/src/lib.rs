//! Sealpost's end-to-end encryption: what a client needs so that only the reader opens a letter.
//!
//! No I/O, no clock, no ambient randomness: bytes, times and random numbers are arguments, so every
//! function can be tested with known answers and builds for `wasm32-unknown-unknown`. States are values: an
//! operation returns its result and the new state, and on an error nothing has changed.
//!
//! | module | what it is for |
//! |---|---|
//! | [`primitives`] | X25519, Ed25519, ML-KEM-768, derivations, authenticated encryption |
//! | [`encoding`], [`canonical_json`] | the one form of each message and of each signed object |
//! | [`identity`] | devices and their long-lived keys |
//! | [`prekeys`] | what a device publishes so that others can write to it |
//! | [`handshake`] | PQXDH: the first secret of two devices |
//! | [`ratchet`] | the Double Ratchet with a post-quantum re-key |
//! | [`session`], [`envelope`] | the sessions of two devices, which of them to write in; what travels |
//! | [`room_message`], [`content`] | what a room's message is bound to, and its padding |
//! | [`direct`] | messages of two people, one content key each |
//! | [`inside`] | what a ratchet message holds |
//! | [`sender_key`] | one sealing for all devices of a group |
//! | [`attachment`] | files, sealed in chunks |
//! | [`audience`] | whom a message is sealed for |
//! | [`machine`] | the front that applications use: what came in, what goes out, what to write |
//! | [`changes`], [`store`] | what an operation changed, and where it is kept |
//! | [`json`], [`signed_json`] | JSON as text; signatures of objects |
//! | [`sas`], [`qr`] | emoji that two people compare; codes that one scans |
//! | [`pins`] | what own devices tell each other of whom they believe |
//! | [`secret_storage`], [`backup`] | the recovery key, and what it opens |
//! | [`passphrase`], [`export`] | keys from passphrases; keys in a file |
//! | [`safety_number`] | sixty digits that two people compare aloud |
//!
//! Byte-exact formats: `docs/protocol.md`.

#![forbid(unsafe_code)]
#![deny(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
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

pub mod attachment;
pub mod audience;
pub mod backup;
pub mod canonical_json;
pub mod changes;
pub mod content;
pub mod direct;
pub mod encoding;
pub mod envelope;
pub mod error;
pub mod export;
pub mod handshake;
pub mod identity;
pub mod inside;
pub mod json;
pub mod machine;
pub mod passphrase;
pub mod pins;
pub mod prekeys;
pub mod primitives;
pub mod qr;
pub mod ratchet;
pub mod room_message;
pub mod safety_number;
pub mod sas;
pub mod secret_storage;
pub mod sender_key;
pub mod session;
pub mod signed_json;
pub mod store;

pub use error::Error;
pub use safety_number::{Identity, SafetyNumber};

#[cfg(test)]
pub(crate) mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    use crate::identity::OwnDevice;

    /// The same numbers in every run.
    pub fn rng(seed: u64) -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(seed)
    }

    /// A device whose keys follow from its name.
    pub fn device(user_id: &str, device_id: &str) -> OwnDevice {
        let seed = user_id
            .bytes()
            .chain(device_id.bytes())
            .fold(0, |seed, byte| u64::wrapping_mul(seed, 31) ^ u64::from(byte));
        OwnDevice::generate(user_id, device_id, &mut rng(seed))
    }
}
