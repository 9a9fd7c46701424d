//! The blocks of a sync that are not rooms' timelines, one file each; both kinds of sync use them.

use std::sync::Arc;

use super::lazy::LazyMembers;
use crate::service::{
    keys::counts::KeyCounts, presence::Board, room_digest::RoomDigests, sessions::Session,
    timeline::Context, typing,
};

pub mod account_data;
pub mod device_lists;
pub mod ephemeral;
pub mod invites;
pub mod presence;
pub mod summary;
pub mod to_device;
pub mod unread;

/// What is not read from the database.
pub struct Streams {
    pub typing: Arc<typing::Rooms>,
    pub presence: Arc<Board>,
    pub digests: RoomDigests,
    pub lazy: LazyMembers,
    pub key_counts: KeyCounts,
}

impl Streams {
    pub fn new(typing: Arc<typing::Rooms>, presence: Arc<Board>) -> Self {
        Self {
            typing,
            presence,
            digests: RoomDigests::default(),
            lazy: LazyMembers::default(),
            key_counts: KeyCounts::default(),
        }
    }
}

/// Who asks, and what is used to answer.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    pub context: &'a Context,
    pub streams: &'a Streams,
    pub caller: &'a Session,
}
