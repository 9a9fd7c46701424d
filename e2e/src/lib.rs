//! Sealpost's end-to-end encryption: what a client needs so that only the reader opens a letter.
//!
//! No I/O, no clock, no ambient randomness: bytes, times and random numbers are arguments, so every
//! function can be tested with known answers and builds for `wasm32-unknown-unknown`.
//!
//! | module | what it is for |
//! |---|---|
//! | [`safety_number`] | sixty digits that two people compare aloud |

#![forbid(unsafe_code)]
#![deny(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod safety_number;

pub use safety_number::{Identity, SafetyNumber};
