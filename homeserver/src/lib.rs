//! The Sealpost homeserver. The layers, imports only to the right:
//!
//! ```text
//! { main, cli } → boot → { http, worker } → service → storage → room → error
//! ```
//!
//! `config` and `clock` serve all but `room`. `ARCHITECTURE.md` says what belongs where.

pub mod boot;
pub mod cli;
pub mod clock;
pub mod config;
pub mod error;
pub mod http;
pub mod room;
pub mod service;
pub mod storage;
pub mod worker;
