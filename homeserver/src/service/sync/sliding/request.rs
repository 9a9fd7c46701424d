//! What a client asks for in sliding sync, whichever of the two dialects it speaks.

use std::{collections::BTreeMap, time::Duration};

use ruma::OwnedRoomId;

use crate::{
    error::{Error, Result},
    storage::Position,
};

/// The two ways to say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// As clients spoke it before the specification had it.
    Unstable,
    /// As it was merged.
    V4,
}

pub struct Request {
    pub dialect: Dialect,
    pub conn_id: String,
    pub pos: Option<String>,
    pub txn_id: Option<String>,
    pub timeout: Duration,
    pub wanted: Wanted,
}

/// What stays the same from one request to the next while the client is content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub lists: BTreeMap<String, List>,
    pub subscriptions: BTreeMap<OwnedRoomId, RoomConfig>,
    pub extensions: Extensions,
}

/// A window on the user's rooms, the most active first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// First and last, counted from 0.
    pub ranges: Vec<(usize, usize)>,
    pub config: RoomConfig,
    pub filters: Filters,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    pub is_dm: Option<bool>,
    pub spaces: Option<Vec<String>>,
    pub is_encrypted: Option<bool>,
    pub is_invite: Option<bool>,
    /// `None` inside is a room without a type.
    pub room_types: Option<Vec<Option<String>>>,
    pub not_room_types: Option<Vec<Option<String>>>,
    pub room_name_like: Option<String>,
    pub tags: Option<Vec<String>>,
    pub not_tags: Option<Vec<String>>,
}

/// What is told of a room. Several are combined into what satisfies each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomConfig {
    pub timeline_limit: usize,
    pub required_state: Vec<RequiredState>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequiredState {
    pub include: Vec<Pattern>,
    pub exclude: Vec<Pattern>,
    pub lazy_members: bool,
}

/// Places in a room's state; what is `None` may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    pub event_type: Option<String>,
    pub state_key: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    pub to_device: Option<ToDevice>,
    pub e2ee: bool,
    pub account_data: Option<OfRooms>,
    pub receipts: Option<OfRooms>,
    pub typing: Option<OfRooms>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToDevice {
    pub limit: Option<usize>,
    /// Up to where all has come.
    pub since: Option<Position>,
}

impl ToDevice {
    /// `since` as a client brings it back.
    pub fn new(limit: Option<usize>, since: Option<&str>) -> Result<Self> {
        let position = since.map(|since| since.parse().map(Position)).transpose();
        let since = position
            .map_err(|_| Error::invalid_param("since of to_device is not one of this server's"))?;
        Ok(Self { limit, since })
    }

    pub fn since(&self) -> Position {
        self.since.unwrap_or(Position(0))
    }
}

/// Which rooms an extension is about; `None` is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfRooms {
    pub lists: Option<Vec<String>>,
    /// `*` stands for all that are subscribed to.
    pub rooms: Option<Vec<String>>,
}

impl Wanted {
    /// Whether two requests differ in nothing but what is acknowledged.
    pub fn same_as(&self, other: &Self) -> bool {
        self.lists == other.lists
            && self.subscriptions == other.subscriptions
            && self.extensions.e2ee == other.extensions.e2ee
            && self.extensions.account_data == other.extensions.account_data
            && self.extensions.receipts == other.extensions.receipts
            && self.extensions.typing == other.extensions.typing
    }
}

impl RoomConfig {
    pub fn combine(&mut self, other: &Self) {
        self.timeline_limit = self.timeline_limit.max(other.timeline_limit);
        for required in &other.required_state {
            if !self.required_state.contains(required) {
                self.required_state.push(required.clone());
            }
        }
    }

    /// Whether what holds this place is wanted, whoever is in the timeline.
    pub fn wants(&self, event_type: &str, state_key: &str) -> bool {
        self.required_state.iter().any(|required| required.wants(event_type, state_key))
    }

    pub fn is_lazy(&self) -> bool {
        self.required_state.iter().any(|required| required.lazy_members)
    }

    /// The places wanted, if all are told by name.
    pub fn places(&self) -> Option<Vec<(&str, &str)>> {
        let patterns = self.required_state.iter().flat_map(|required| &required.include);
        patterns
            .map(|pattern| Some((pattern.event_type.as_deref()?, pattern.state_key.as_deref()?)))
            .collect()
    }
}

impl RequiredState {
    fn wants(&self, event_type: &str, state_key: &str) -> bool {
        let is_member = event_type == "m.room.member";
        let included = self.include.iter().any(|pattern| {
            pattern.matches(event_type, state_key)
                && !(self.lazy_members && is_member && pattern.state_key.is_none())
        });
        included && !self.exclude.iter().any(|pattern| pattern.matches(event_type, state_key))
    }
}

impl Pattern {
    fn matches(&self, event_type: &str, state_key: &str) -> bool {
        self.event_type.as_ref().is_none_or(|wanted| wanted == event_type)
            && self.state_key.as_ref().is_none_or(|wanted| wanted == state_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(event_type: &str, state_key: &str) -> Pattern {
        let any = |text: &str| (text != "*").then(|| text.to_owned());
        Pattern { event_type: any(event_type), state_key: any(state_key) }
    }

    fn required(include: &[(&str, &str)], lazy_members: bool) -> RoomConfig {
        let include = include.iter().map(|(t, k)| pattern(t, k)).collect();
        let required = RequiredState { include, exclude: Vec::new(), lazy_members };
        RoomConfig { timeline_limit: 1, required_state: vec![required] }
    }

    #[test]
    fn lazy_members_are_left_out_of_wildcards_but_not_when_named() {
        let all = required(&[("*", "*")], false);
        assert!(all.wants("m.room.member", "@a:b"));
        let mut lazy = required(&[("*", "*"), ("m.room.member", "@me:b")], true);
        assert!(!lazy.wants("m.room.member", "@a:b"));
        assert!(lazy.wants("m.room.member", "@me:b"));
        assert!(lazy.wants("m.room.name", ""));
        lazy.combine(&all);
        assert!(lazy.wants("m.room.member", "@a:b"), "a combination satisfies each");
    }

    #[test]
    fn what_is_excluded_is_left_out_of_its_own_config_only() {
        let mut config = required(&[("*", "*")], false);
        config.required_state[0].exclude.push(pattern("m.room.create", ""));
        assert!(!config.wants("m.room.create", ""));
        config.combine(&required(&[("m.room.create", "")], false));
        assert!(config.wants("m.room.create", ""));
        assert!(config.places().is_none());
        let named = required(&[("m.room.create", ""), ("m.room.name", "")], false);
        assert_eq!(named.places().unwrap(), [("m.room.create", ""), ("m.room.name", "")]);
    }
}
