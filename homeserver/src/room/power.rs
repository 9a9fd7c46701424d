//! Power levels: what a user may do, and what an action takes.

use std::collections::{BTreeMap, HashSet};

use ruma::{
    Int, OwnedUserId, UserId,
    events::{TimelineEventType, room::power_levels::UserPowerLevel},
    room_version_rules::{AuthorizationRules, RoomVersionRules},
    state_res::events::{RoomCreateEvent, RoomPowerLevelsEvent, RoomPowerLevelsIntField as Field},
};

use super::{auth::Unauthorised, event::Pdu};

/// The power levels of a room at some point, with what the create event adds to them.
#[derive(Debug, Clone)]
pub struct Power {
    creators: HashSet<OwnedUserId>,
    creators_are_infinite: bool,
    users: BTreeMap<OwnedUserId, Int>,
    users_default: Int,
    events: BTreeMap<TimelineEventType, Int>,
    events_default: Int,
    state_default: Int,
    pub ban: Int,
    pub kick: Int,
    pub invite: Int,
    pub redact: Int,
}

/// A creator's level while the room has no power levels, in versions where it is a number.
const DEFAULT_CREATOR: i32 = 100;

impl Power {
    /// `levels`: the room's `m.room.power_levels`, when it has one.
    pub fn new(
        create: &Pdu,
        levels: Option<&Pdu>,
        rules: &RoomVersionRules,
    ) -> Result<Self, Unauthorised> {
        Self::read(create, levels, &rules.authorization).map_err(Unauthorised)
    }

    fn read(
        create: &Pdu,
        levels: Option<&Pdu>,
        rules: &AuthorizationRules,
    ) -> Result<Self, String> {
        let creators = RoomCreateEvent::new(create).creators(rules)?;
        let creators_are_infinite = rules.explicitly_privilege_room_creators;
        let Some(levels) = levels.map(RoomPowerLevelsEvent::new) else {
            let users = match creators_are_infinite {
                true => BTreeMap::new(),
                false => creators.iter().map(|id| (id.clone(), DEFAULT_CREATOR.into())).collect(),
            };
            return Ok(Self {
                creators,
                creators_are_infinite,
                users,
                users_default: Field::UsersDefault.default_value(),
                events: BTreeMap::new(),
                events_default: Field::EventsDefault.default_value(),
                state_default: Field::StateDefault.default_value(),
                ban: Field::Ban.default_value(),
                kick: Field::Kick.default_value(),
                invite: Field::Invite.default_value(),
                redact: Field::Redact.default_value(),
            });
        };
        let int = |field| levels.get_as_int_or_default(field, rules);
        Ok(Self {
            creators,
            creators_are_infinite,
            users: levels.users(rules)?.cloned().unwrap_or_default(),
            users_default: int(Field::UsersDefault)?,
            events: levels.events(rules)?.unwrap_or_default(),
            events_default: int(Field::EventsDefault)?,
            state_default: int(Field::StateDefault)?,
            ban: int(Field::Ban)?,
            kick: int(Field::Kick)?,
            invite: int(Field::Invite)?,
            redact: int(Field::Redact)?,
        })
    }

    pub fn of(&self, user_id: &UserId) -> UserPowerLevel {
        if self.creators_are_infinite && self.creators.contains(user_id) {
            return UserPowerLevel::Infinite;
        }
        self.users.get(user_id).copied().unwrap_or(self.users_default).into()
    }

    /// What sending an event of the type takes.
    pub fn to_send(&self, event_type: &TimelineEventType, is_state: bool) -> Int {
        let default = if is_state { self.state_default } else { self.events_default };
        self.events.get(event_type).copied().unwrap_or(default)
    }

    pub fn may_send(
        &self,
        user_id: &UserId,
        event_type: &TimelineEventType,
        is_state: bool,
    ) -> bool {
        self.of(user_id) >= self.to_send(event_type, is_state)
    }

    pub fn may_invite(&self, user_id: &UserId) -> bool {
        self.of(user_id) >= self.invite
    }

    pub fn creators(&self) -> impl Iterator<Item = &UserId> {
        self.creators.iter().map(|user| &**user)
    }

    /// The users who have a level of their own.
    pub fn named(&self) -> impl Iterator<Item = &UserId> {
        self.creators.iter().chain(self.users.keys()).map(|user| &**user)
    }

    pub fn may_redact_others(&self, user_id: &UserId) -> bool {
        self.of(user_id) >= self.redact
    }
}
