//! `m.presence`: who is there on another server (server-server API, "Presence").

use ruma::{
    api::federation::transactions::edu::{Edu, PresenceContent, PresenceUpdate},
    serde::Raw,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// An EDU of this kind, read with patience: servers leave out when somebody was active who never was, and what one
/// says of many users is not all lost for one of them. `None` for another kind.
pub(super) fn lenient(edu: &Raw<Edu>) -> Option<Edu> {
    #[derive(Deserialize)]
    struct Lenient {
        content: Content,
    }
    #[derive(Deserialize)]
    struct Content {
        push: Vec<Value>,
    }
    if edu.get_field::<String>("edu_type").ok()?? != "m.presence" {
        return None;
    }
    let Lenient { content } = serde_json::from_str(edu.json().get()).ok()?;
    let updates = content.push.into_iter().filter_map(|mut update| {
        update.as_object_mut()?.entry("last_active_ago").or_insert_with(|| json!(0));
        serde_json::from_value::<PresenceUpdate>(update).ok()
    });
    Some(Edu::Presence(PresenceContent::new(updates.collect())))
}
