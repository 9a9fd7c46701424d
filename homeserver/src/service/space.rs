//! Children of spaces, as `m.space.child` names them.

use ruma::{
    OwnedRoomId, OwnedServerName, events::space::child::HierarchySpaceChildEvent, serde::Raw,
};

/// More children of one space are not looked at.
const CHILDREN_MAX: usize = 1_000;
/// How many servers are kept as ways to a child.
const VIA_MAX: usize = 5;

/// A child of a space.
#[derive(Clone, Debug)]
pub struct Child {
    pub room_id: OwnedRoomId,
    pub via: Vec<OwnedServerName>,
    pub suggested: bool,
}

/// The valid children among events, each with what came with its event, in the order of the specification:
/// by `order`, then by time, then by room id.
pub fn children<T>(
    events: impl IntoIterator<Item = (Raw<HierarchySpaceChildEvent>, T)>,
) -> Vec<(Child, T)> {
    let mut found: Vec<(HierarchySpaceChildEvent, T)> = events
        .into_iter()
        .filter_map(|(event, with)| Some((event.deserialize().ok()?, with)))
        .filter(|(event, _)| !event.content.via.is_empty())
        .collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found.truncate(CHILDREN_MAX);
    let child = |event: HierarchySpaceChildEvent| {
        let (mut via, suggested) = (event.content.via, event.content.suggested);
        via.truncate(VIA_MAX);
        Child { room_id: event.state_key, via, suggested }
    };
    found.into_iter().map(|(event, with)| (child(event), with)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(room: &str, time: i64, content: Value) -> (Raw<HierarchySpaceChildEvent>, ()) {
        let event = json!({
            "type": "m.space.child", "state_key": room, "sender": "@a:a.test",
            "origin_server_ts": time, "content": content,
        });
        (Raw::from_json(serde_json::value::to_raw_value(&event).unwrap()), ())
    }

    #[test]
    fn valid_children_come_by_order_then_time_then_id() {
        let via = json!(["a.test"]);
        let events = [
            event("!later:a.test", 9, json!({ "via": via })),
            event("!tie2:a.test", 5, json!({ "via": via })),
            event("!tie1:a.test", 5, json!({ "via": via, "order": "\u{7f}" })),
            event("!second:a.test", 1, json!({ "via": via, "order": "b" })),
            event("!first:a.test", 8, json!({ "via": via, "order": "a", "suggested": true })),
            event("!removed:a.test", 1, json!({})),
            event("!empty:a.test", 1, json!({ "via": [] })),
            event("!wrong:a.test", 1, json!({ "via": "a.test" })),
            event("no room id", 1, json!({ "via": via })),
        ];
        let found = children(events);
        let ids: Vec<_> = found.iter().map(|(child, ())| child.room_id.as_str()).collect();
        let expected =
            ["!first:a.test", "!second:a.test", "!tie1:a.test", "!tie2:a.test", "!later:a.test"];
        assert_eq!(ids, expected);
        assert!(found[0].0.suggested && !found[1].0.suggested);
    }
}
