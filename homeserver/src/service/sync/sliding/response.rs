//! The answer of sliding sync. Fields that only one dialect has are left out in the other.

use std::collections::BTreeMap;

use ruma::{
    OwnedRoomId, OwnedUserId, UInt,
    api::client::sync::sync_events::v5::response::Extensions,
    events::{AnyStrippedStateEvent, AnySyncStateEvent, AnySyncTimelineEvent},
    serde::Raw,
};
use serde::Serialize;

#[derive(Debug, Default, Serialize)]
pub struct Response {
    pub pos: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub txn_id: Option<String>,
    pub lists: BTreeMap<String, ListResult>,
    pub rooms: BTreeMap<OwnedRoomId, Room>,
    pub extensions: Extensions,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct ListResult {
    pub count: usize,
}

#[derive(Debug, Default, Serialize)]
pub struct Room {
    /// `Some(None)`: it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heroes: Option<Vec<Hero>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_dm: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub initial: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unstable_expanded_timeline: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub expanded_timeline: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_state: Vec<Raw<AnySyncStateEvent>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<Raw<AnySyncTimelineEvent>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev_batch: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub limited: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_live: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joined_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invited_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_count: Option<UInt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highlight_count: Option<UInt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bump_stamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite_state: Option<Vec<Raw<AnyStrippedStateEvent>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stripped_state: Option<Vec<Raw<AnyStrippedStateEvent>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub membership: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct Hero {
    pub user_id: OwnedUserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub displayname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

impl Response {
    /// Whether it tells anything besides where the client stands now.
    pub fn has_news(&self) -> bool {
        let Extensions { to_device, e2ee, account_data, receipts, typing, .. } = &self.extensions;
        !self.rooms.is_empty()
            || to_device.as_ref().is_some_and(|block| !block.events.is_empty())
            || !e2ee.device_lists.is_empty()
            || !account_data.is_empty()
            || !receipts.is_empty()
            || !typing.is_empty()
    }
}
