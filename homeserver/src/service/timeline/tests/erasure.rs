//! What becomes of the content of a redacted event.

use serde_json::json;

use super::everywhere;
use crate::{
    service::erasure::Erasure,
    storage::{EventNid, events, relations},
};

const DAY: i64 = 24 * 60 * 60 * 1_000;

#[test]
fn the_content_of_a_redacted_event_is_erased_after_its_days() {
    everywhere(async |fixture, version| {
        let room = fixture.room(version).await;
        let kept = fixture.message(&fixture.alice, "kept");
        let secret = fixture.message(&fixture.alice, "secret");
        let sent = fixture.timeline.append_local(room.nid, vec![kept, secret]).await.unwrap();
        let parent = sent[0].pdu.event_id.clone();
        let content = json!({
            "body": "secret", "m.relates_to": { "rel_type": "m.thread", "event_id": parent },
        });
        let reply = fixture.event(&fixture.alice, "m.room.message", None, content);
        let reply = fixture.timeline.append_local(room.nid, vec![reply]).await.unwrap();
        let targets = [sent[1].clone(), reply[0].clone()];
        for target in &targets {
            let mut redaction = fixture.event(&fixture.alice, "m.room.redaction", None, json!({}));
            redaction.draft.redacts = Some(target.pdu.event_id.clone());
            fixture.timeline.append_local(room.nid, vec![redaction]).await.unwrap();
        }

        let stored = async |nid: EventNid| {
            let read = fixture.context.store.read(move |conn| events::by_nid(conn, nid));
            read.await.unwrap().unwrap().json
        };
        let shown = async |nid: EventNid| {
            let context = fixture.context.clone();
            let read = fixture.context.store.read(move |conn| context.events.get(conn, nid));
            read.await.unwrap()
        };
        let erasure = Erasure::new(fixture.context.clone(), 7);
        let redacted_at = fixture.context.clock.now_ms();
        assert_eq!(erasure.run(redacted_at + 7 * DAY).await.unwrap(), 0, "not yet");
        let before = [shown(targets[0].nid).await, shown(targets[1].nid).await];
        for (target, event) in targets.iter().zip(&before) {
            assert!(stored(target.nid).await.contains("secret"));
            assert!(!event.pdu.json.contains("secret"), "only the pruned form is read");
        }
        let root = sent[0].nid;
        let read = fixture.context.store.read(move |conn| {
            relations::bundled(conn, &[root], crate::storage::Position(i64::MAX), 1)
        });
        assert!(read.await.unwrap().is_empty(), "its relation is forgotten at once");

        assert_eq!(erasure.run(redacted_at + 7 * DAY + 1).await.unwrap(), 2);
        for (target, event) in targets.iter().zip(&before) {
            assert_eq!(stored(target.nid).await, &*event.pdu.json);
            fixture.context.events.forget(target.nid);
            let again = shown(target.nid).await;
            assert_eq!(again.pdu.json, event.pdu.json);
            assert_eq!(again.pdu.event_id, target.pdu.event_id);
            assert!(again.redacted_because.is_some());
        }
        assert!(stored(sent[0].nid).await.contains("kept"));
        assert_eq!(erasure.run(redacted_at + 99 * DAY).await.unwrap(), 0, "once");
    });
}

/// A topic that is redacted is not told as what the next one replaced, either.
#[test]
fn redacted_state_is_told_pruned_as_what_was_replaced() {
    everywhere(async |fixture, version| {
        let room = fixture.room(version).await;
        let topic = |text: &str| {
            let content = json!({ "topic": text });
            fixture.event(&fixture.alice, "m.room.topic", Some(""), content)
        };
        let topics = vec![topic("secret"), topic("new")];
        let topics = fixture.timeline.append_local(room.nid, topics).await.unwrap();
        let mut redaction = fixture.event(&fixture.alice, "m.room.redaction", None, json!({}));
        redaction.draft.redacts = Some(topics[0].pdu.event_id.clone());
        fixture.timeline.append_local(room.nid, vec![redaction]).await.unwrap();
        let (context, nid) = (fixture.context.clone(), topics[1].nid);
        let new = fixture.context.store.read(move |conn| context.events.get(conn, nid)).await;
        assert_eq!(new.unwrap().replaces.as_ref().unwrap().content.get(), "{}");
    });
}
