//! The blocks of a sync that are not rooms' timelines, one file each; both kinds of sync use them.

use std::sync::Arc;

use crate::service::typing;

pub mod account_data;
pub mod ephemeral;
pub mod invites;
pub mod unread;

/// What is not read from the database.
pub struct Streams {
    pub typing: Arc<typing::Rooms>,
}
