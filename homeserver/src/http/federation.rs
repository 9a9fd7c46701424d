//! The server-server API. Each file mirrors the module of the same name in `ruma::api::federation`.

pub mod authorization;
pub mod backfill;
pub mod device;
pub mod directory;
pub mod discovery;
pub mod event;
pub mod keys;
pub mod media;
pub mod membership;
pub mod openid;
pub mod query;
pub mod space;
pub mod thirdparty;
pub mod transactions;
