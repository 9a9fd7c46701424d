//! What an event says of its relation to another (client-server API, "Forming relationships between events").
//! What does not match the schema is no relation.

use ruma::OwnedEventId;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::check::is_text;

/// A type longer than this is none: no more than for types of events.
const REL_TYPE_MAX: usize = 255;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    pub rel_type: String,
    pub parent: OwnedEventId,
    /// Of an annotation.
    pub key: Option<String>,
}

impl Relation {
    /// The relation that an event's content tells of.
    pub fn of(content: &RawValue) -> Option<Self> {
        #[derive(Deserialize)]
        struct Content<'a> {
            #[serde(borrow, rename = "m.relates_to")]
            relates_to: RelatesTo<'a>,
        }
        #[derive(Deserialize)]
        struct RelatesTo<'a> {
            rel_type: String,
            event_id: OwnedEventId,
            #[serde(borrow)]
            key: Option<&'a RawValue>,
        }
        // Most events have none: don't parse those.
        if !content.get().contains("m.relates_to") {
            return None;
        }
        let RelatesTo { rel_type, event_id, key } =
            serde_json::from_str::<Content<'_>>(content.get()).ok()?.relates_to;
        if rel_type.len() > REL_TYPE_MAX || !is_text(&rel_type) || !is_text(event_id.as_str()) {
            return None;
        }
        let key = key.filter(|_| rel_type == "m.annotation");
        let key = key.and_then(|key| serde_json::from_str(key.get()).ok());
        Some(Self { rel_type, parent: event_id, key: key.filter(|key: &String| is_text(key)) })
    }

    /// Whether the event whose relation this is may be bundled with its parent, as far as it says itself.
    pub fn is_bundled(&self, event_type: &str, is_state: bool, content: &RawValue) -> bool {
        match self.rel_type.as_str() {
            "m.replace" => !is_state && (event_type == "m.room.encrypted" || replaces(content)),
            "m.thread" => !is_state,
            "m.reference" => true,
            _ => false,
        }
    }
}

/// Whether a thread can begin at an event of this content: it relates to no other itself.
pub fn may_have_thread(content: &RawValue) -> bool {
    Relation::of(content).is_none()
}

/// Whether there is a `m.new_content`.
fn replaces(content: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Content {
        #[serde(rename = "m.new_content")]
        new_content: Option<IgnoredAny>,
    }
    serde_json::from_str::<Content>(content.get())
        .is_ok_and(|content| content.new_content.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(content: &str) -> Option<Relation> {
        Relation::of(&RawValue::from_string(content.to_owned()).unwrap())
    }

    #[test]
    fn what_does_not_match_the_schema_is_no_relation() {
        let whole = relation(
            r#"{"m.relates_to":{"rel_type":"m.annotation","event_id":"$a","key":"\ud83d\udc4d"}}"#,
        );
        let whole = whole.unwrap();
        assert_eq!((&*whole.rel_type, whole.parent.as_str()), ("m.annotation", "$a"));
        assert_eq!(whole.key.as_deref(), Some("👍"));
        let odd_key = r#"{"m.relates_to":{"rel_type":"m.annotation","event_id":"$a","key":1}}"#;
        assert_eq!(relation(odd_key).unwrap().key, None);
        let long = "x".repeat(256);
        for none in [
            "{}",
            r#"{"m.relates_to":1}"#,
            r#"{"m.relates_to":{"m.in_reply_to":{"event_id":"$a"}}}"#,
            r#"{"m.relates_to":{"rel_type":"m.thread","event_id":"a"}}"#,
            r#"{"m.relates_to":{"rel_type":"m.\u0000","event_id":"$a"}}"#,
            r#"{"m.relates_to":{"rel_type":"m.thread"}}"#,
            &format!(r#"{{"m.relates_to":{{"rel_type":"{long}","event_id":"$a"}}}}"#),
        ] {
            assert_eq!(relation(none), None, "{none}");
        }
    }

    #[test]
    fn an_edit_brings_new_content_unless_it_is_encrypted() {
        let edit = r#"{"m.relates_to":{"rel_type":"m.replace","event_id":"$a"}}"#;
        let edit = RawValue::from_string(edit.to_owned()).unwrap();
        let relation = Relation::of(&edit).unwrap();
        assert!(!relation.is_bundled("m.room.message", false, &edit));
        assert!(relation.is_bundled("m.room.encrypted", false, &edit));
        let whole = r#"{"m.new_content":{}}"#.to_owned();
        let whole = RawValue::from_string(whole).unwrap();
        assert!(relation.is_bundled("m.room.message", false, &whole));
        assert!(!relation.is_bundled("m.room.message", true, &whole));
    }
}
