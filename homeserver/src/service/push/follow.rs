//! Push rules about a room that hold for the one that replaces it, too.

use ruma::{
    RoomId,
    push::{
        Action, EventMatchConditionData, NewConditionalPushRule, NewPushRule, NewSimplePushRule,
        PushCondition, RuleKind, Ruleset,
    },
};

use crate::error::{Error, Result};

/// Adds the rules of a user about `old` once more, about `new`. Whether there were any.
pub fn follow(rules: &mut Ruleset, old: &RoomId, new: &RoomId) -> Result<bool> {
    let mut found: Vec<(NewPushRule, bool)> = Vec::new();
    let of_room = rules.room.iter().filter(|rule| rule.rule_id == old);
    found.extend(of_room.map(|rule| {
        let actions: Vec<Action> = rule.actions.clone();
        (NewPushRule::Room(NewSimplePushRule::new(new.to_owned(), actions)), rule.enabled)
    }));
    for (kind, list) in [(true, &rules.override_), (false, &rules.underride)] {
        for rule in list.iter().filter(|rule| !rule.default) {
            let conditions = &rule.conditions;
            if !conditions.iter().any(|condition| names(condition, old)) {
                continue;
            }
            let about = |condition: &PushCondition| match condition {
                condition if names(condition, old) => PushCondition::EventMatch(
                    EventMatchConditionData::new("room_id".to_owned(), new.to_string()),
                ),
                other => other.clone(),
            };
            let rule_id = match rule.rule_id.contains(old.as_str()) {
                true => rule.rule_id.replace(old.as_str(), new.as_str()),
                false => format!("{}_{new}", rule.rule_id),
            };
            let conditions = conditions.iter().map(about).collect();
            let copy = NewConditionalPushRule::new(rule_id, conditions, rule.actions.clone());
            let copy = match kind {
                true => NewPushRule::Override(copy),
                false => NewPushRule::Underride(copy),
            };
            found.push((copy, rule.enabled));
        }
    }
    let mut changed = false;
    // Each goes to the top of its list: the last one first.
    for (rule, enabled) in found.into_iter().rev() {
        let (kind, rule_id): (RuleKind, String) = (rule.kind(), rule.rule_id().to_owned());
        if rules.get(kind.clone(), &rule_id).is_some() {
            continue;
        }
        let refused = |error: &dyn std::error::Error| Error::internal(format!("a rule: {error}"));
        rules.insert(rule, None, None).map_err(|error| refused(&error))?;
        rules.set_enabled(kind, &rule_id, enabled).map_err(|error| refused(&error))?;
        changed = true;
    }
    Ok(changed)
}

fn names(condition: &PushCondition, room: &RoomId) -> bool {
    matches!(condition, PushCondition::EventMatch(data)
        if data.key == "room_id" && data.pattern == room.as_str())
}

#[cfg(test)]
mod tests {
    use ruma::{room_id, user_id};

    use super::*;

    #[test]
    fn rules_about_a_room_are_copied_once() {
        let (old, new) = (room_id!("!old:a.test"), room_id!("!new:a.test"));
        let mut rules = Ruleset::server_default(user_id!("@a:a.test"));
        let silent = NewSimplePushRule::new(old.to_owned(), Vec::new());
        rules.insert(NewPushRule::Room(silent), None, None).unwrap();
        let about = EventMatchConditionData::new("room_id".to_owned(), old.to_string());
        let mute =
            NewConditionalPushRule::new(old.to_string(), vec![about.into()], vec![Action::Notify]);
        rules.insert(NewPushRule::Override(mute), None, None).unwrap();
        rules.set_enabled(RuleKind::Override, old.as_str(), false).unwrap();
        assert!(follow(&mut rules, old, new).unwrap());
        assert!(rules.get(RuleKind::Room, new).unwrap().actions().is_empty());
        let copy = rules.get(RuleKind::Override, new).unwrap();
        assert!(!copy.enabled());
        assert_eq!(rules.override_.iter().filter(|rule| !rule.default).count(), 2);
        assert!(!follow(&mut rules, old, new).unwrap(), "they are there");
        assert!(!follow(&mut rules, room_id!("!other:a.test"), new).unwrap());
    }
}
