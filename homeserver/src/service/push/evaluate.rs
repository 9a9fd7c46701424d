//! What a user's rules say of an event.

use futures_util::FutureExt as _;
use ruma::{
    RoomId, UInt, UserId,
    events::AnySyncTimelineEvent,
    push::{
        AnyPushRuleRef, FlattenedJson, PushCondition, PushConditionPowerLevelsCtx,
        PushConditionRoomCtx, Ruleset,
    },
    serde::Raw,
};
use serde_json::value::RawValue;

use crate::{
    error::{Error, Result},
    room::event::Pdu,
    storage::push_counts::Totals,
};

/// What becomes of an event for a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub counts: Totals,
    /// JSON. Empty where the event does not notify.
    pub actions: String,
}

/// An event, prepared to be looked at through the rules of several users.
pub struct Evaluation {
    event: FlattenedJson,
    room: PushConditionRoomCtx,
    body: Option<String>,
}

impl Evaluation {
    /// `power_levels` as far as they concern the sender.
    pub fn new(
        pdu: &Pdu,
        member_count: u64,
        power_levels: Option<PushConditionPowerLevelsCtx>,
    ) -> Result<Self> {
        // As clients see it: hashes and signatures are no matter of rules.
        let json = RawValue::from_string(pdu.client_json(true, None))
            .map_err(|error| Error::internal(format!("an event: {error}")))?;
        let event = FlattenedJson::from_raw(&Raw::<AnySyncTimelineEvent>::from_json(json));
        let mut room = PushConditionRoomCtx::new(
            pdu.room_id.clone(),
            UInt::new_saturating(member_count),
            pdu.sender.clone(),
            String::new(),
        );
        room.power_levels = power_levels;
        let body = event.get_str("content.body").map(str::to_lowercase);
        Ok(Self { event, room, body })
    }

    /// What `rules` say for `user_id`; nothing for the event's sender.
    pub fn outcome(&mut self, rules: &Ruleset, user_id: &UserId, display_name: &str) -> Outcome {
        self.room.user_id = user_id.to_owned();
        display_name.clone_into(&mut self.room.user_display_name);
        if self.event.get_str("sender") == Some(user_id.as_str()) {
            return Outcome::default();
        }
        let rule = rules.iter().find(|&rule| self.may_apply(rule) && self.applies(rule));
        let actions = rule.map(AnyPushRuleRef::actions).unwrap_or_default();
        if !actions.iter().any(|action| action.should_notify()) {
            return Outcome::default();
        }
        let highlight = actions.iter().any(|action| action.is_highlight());
        Outcome {
            counts: Totals { notify: 1, highlight: highlight.into() },
            actions: serde_json::to_string(actions).unwrap_or_else(|_| "[\"notify\"]".to_owned()),
        }
    }

    fn applies(&self, rule: AnyPushRuleRef<'_>) -> bool {
        // Nothing in it waits.
        rule.applies(&self.event, &self.room).now_or_never().unwrap_or(false)
    }

    /// Whether a rule is worth a closer look: keywords are compiled to be searched for.
    fn may_apply(&self, rule: AnyPushRuleRef<'_>) -> bool {
        let AnyPushRuleRef::Content(rule) = rule else { return rule.enabled() };
        let Some(body) = &self.body else { return false };
        rule.enabled
            && (rule.pattern.contains(['*', '?']) || body.contains(&rule.pattern.to_lowercase()))
    }
}

/// Whether an ordinary message in a room notifies nobody with these rules.
pub fn is_quiet(rules: &Ruleset, room_id: &RoomId, user_id: &UserId) -> bool {
    const MESSAGE: &str =
        r#"{"type":"m.room.message","sender":"@:x","content":{"msgtype":"m.text","body":""}}"#;
    let Ok(json) = RawValue::from_string(MESSAGE.to_owned()) else { return false };
    let event = FlattenedJson::from_raw(&Raw::<AnySyncTimelineEvent>::from_json(json));
    let room =
        PushConditionRoomCtx::new(room_id.to_owned(), UInt::MAX, user_id.to_owned(), String::new());
    let mut all = rules.iter();
    let rule = all.find(|rule| rule.applies(&event, &room).now_or_never().unwrap_or(false));
    !rule.is_some_and(|rule| rule.actions().iter().any(|action| action.should_notify()))
}

/// Whether rules ask for the user's name in the room.
pub fn asks_for_display_name(rules: &Ruleset) -> bool {
    let conditions = rules.override_.iter().chain(&rules.underride).flat_map(|r| &r.conditions);
    let mut kinds = conditions.map(PushCondition::kind);
    kinds.any(|kind| kind == "contains_display_name")
}
