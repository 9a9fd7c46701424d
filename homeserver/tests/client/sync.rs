//! Staying in sync.

use serde_json::{Value, json};

use super::{
    actor::{Actor, in_room, nothing_new},
    server::on_both,
};

fn token(sync: &Value) -> String {
    sync["next_batch"].as_str().unwrap().to_owned()
}

fn bodies(events: &Value) -> Vec<&str> {
    let events = events["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    events.iter().filter_map(|event| event["content"]["body"].as_str()).collect()
}

fn types(block: &Value) -> Vec<&str> {
    let events = block["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn state_and_timeline_together_are_the_whole_room() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room_with(json!({ "name": "Name" })).await;
        for n in 0..15 {
            alice.say(&room, &n.to_string()).await;
        }
        let sync = alice.sync(None, "").await;
        let shown = &sync["rooms"]["join"][&room];
        assert_eq!(shown["timeline"]["limited"], true);
        assert_eq!(
            bodies(&shown["timeline"]),
            ["5", "6", "7", "8", "9", "10", "11", "12", "13", "14"]
        );
        let state = types(&shown["state"]);
        for expected in ["m.room.create", "m.room.member", "m.room.power_levels", "m.room.name"] {
            assert!(state.contains(&expected), "{expected} is not in {state:?}");
        }
        let before = shown["timeline"]["prev_batch"].as_str().unwrap();
        let page =
            alice.get(&in_room(&room, &format!("messages?dir=b&limit=5&from={before}"))).await;
        let page = page.ok();
        let earlier: Vec<_> = page["chunk"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["content"]["body"].clone())
            .collect();
        assert_eq!(earlier, ["4", "3", "2", "1", "0"]);
    })
    .await;
}

#[tokio::test]
async fn an_event_is_in_every_waiting_sync_at_once() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = alice.create_room().await;
        bob.join(&room).await;
        let wait = |actor: &Actor, since: String| {
            let actor = actor.clone();
            tokio::spawn(async move { actor.sync(Some(&since), "timeout=30000").await })
        };
        let since = token(&alice.sync(None, "").await);
        let waiting = [wait(&alice, since.clone()), wait(&bob, since)];
        server.has_begun("/_matrix/client/v3/sync").await;
        alice.say(&room, "now").await;
        for sync in waiting {
            let sync = sync.await.unwrap();
            assert_eq!(bodies(&sync["rooms"]["join"][&room]["timeline"]), ["now"]);
        }
    })
    .await;
}

#[tokio::test]
async fn only_the_sending_device_learns_the_transaction_id() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = alice.create_room().await;
        bob.join(&room).await;
        let message = json!({ "msgtype": "m.text", "body": "hello" });
        let path = in_room(&room, "send/m.room.message/mine");
        let first = alice.put(&path, message.clone()).await.ok();
        assert_eq!(alice.put(&path, message.clone()).await.ok(), first, "once per transaction id");
        let other = bob.put(&path, message).await.ok();
        assert_ne!(other, first, "but per device");
        let transaction = async |actor: &Actor| {
            let sync = actor.sync(None, "").await;
            let events =
                sync["rooms"]["join"][&room]["timeline"]["events"].as_array().unwrap().clone();
            let sent = events.iter().find(|event| event["event_id"] == first["event_id"]).unwrap();
            sent["unsigned"]["transaction_id"].clone()
        };
        assert_eq!(transaction(&alice).await, "mine");
        assert_eq!(transaction(&bob).await, Value::Null);
    })
    .await;
}

#[tokio::test]
async fn a_gap_is_marked_and_its_state_changes_are_told() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        let since = token(&alice.sync(None, "").await);
        alice.put(&in_room(&room, "state/m.room.name/"), json!({ "name": "First" })).await.ok();
        for n in 0..12 {
            alice.say(&room, &n.to_string()).await;
        }
        alice.put(&in_room(&room, "state/m.room.topic/"), json!({ "topic": "Late" })).await.ok();
        let sync = alice.sync(Some(&since), "").await;
        let shown = &sync["rooms"]["join"][&room];
        assert_eq!(shown["timeline"]["limited"], true);
        assert_eq!(types(&shown["state"]), ["m.room.name"]);
        assert!(types(&shown["timeline"]).contains(&"m.room.topic"));
        let after = alice.sync(Some(&since), "use_state_after=true").await;
        let after = &after["rooms"]["join"][&room]["state_after"];
        assert_eq!(types(after), ["m.room.name", "m.room.topic"]);
        let quiet = alice.sync(Some(&token(&sync)), "timeout=0").await;
        assert_eq!(quiet, nothing_new(&token(&sync)));
        let full = alice.sync(Some(&token(&sync)), "full_state=true").await;
        let full = types(&full["rooms"]["join"][&room]["state"]).len();
        assert!(full >= 7, "{full}");
    })
    .await;
}

#[tokio::test]
async fn invitations_joins_and_leaves_move_a_room_between_sections() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let since = token(&bob.sync(None, "").await);
        let room = alice.create_room_with(json!({ "name": "Den" })).await;
        alice.say(&room, "before Bob").await;
        alice.invite(&room, &bob).await;
        let invited = bob.sync(Some(&since), "timeout=30000").await;
        let stripped = &invited["rooms"]["invite"][&room]["invite_state"];
        for expected in ["m.room.create", "m.room.name", "m.room.member", "m.room.join_rules"] {
            assert!(types(stripped).contains(&expected), "{expected} in {stripped}");
        }
        bob.join(&room).await;
        let joined = bob.sync(Some(&token(&invited)), "timeout=30000").await;
        assert!(joined["rooms"]["invite"].get(&room).is_none());
        let shown = &joined["rooms"]["join"][&room];
        assert_eq!(bodies(&shown["timeline"]), ["before Bob"], "history is shared");
        bob.leave(&room).await;
        alice.say(&room, "after Bob").await;
        let left = bob.sync(Some(&token(&joined)), "timeout=30000").await;
        assert!(left["rooms"]["join"].get(&room).is_none());
        let shown = &left["rooms"]["leave"][&room]["timeline"];
        assert_eq!(types(shown), ["m.room.member"], "{left}");
        let quiet = bob.sync(Some(&token(&left)), "timeout=0").await;
        assert!(quiet.get("rooms").is_none(), "{quiet}");
        assert!(bob.sync(None, "").await.get("rooms").is_none(), "left rooms are not listed");
    })
    .await;
}

#[tokio::test]
async fn a_filter_chooses_events_and_rooms() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        let other = alice.create_room().await;
        for n in 0..3 {
            alice.say(&room, &n.to_string()).await;
            alice
                .put(&in_room(&room, "state/m.room.name/"), json!({ "name": n.to_string() }))
                .await;
        }
        let sync = async |filter: Value| {
            let filter =
                filter.to_string().replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
            alice.sync(None, &format!("filter={filter}")).await
        };
        let messages = json!({ "types": ["m.room.mess*"], "limit": 2 });
        let shown = sync(json!({ "room": { "timeline": messages } })).await;
        let timeline = &shown["rooms"]["join"][&room]["timeline"];
        assert_eq!(bodies(timeline), ["1", "2"]);
        assert_eq!(timeline["limited"], true);
        let shown = sync(json!({ "room": { "not_rooms": [other] } })).await;
        assert_eq!(shown["rooms"]["join"].as_object().unwrap().len(), 1);
        let nobody = json!({ "senders": [] });
        let shown = sync(json!({ "room": { "timeline": nobody, "rooms": [room] } })).await;
        assert_eq!(types(&shown["rooms"]["join"][&room]["timeline"]), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_token_of_another_database_starts_anew() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        let sync = alice.sync(Some("s999999999"), "timeout=30000").await;
        assert!(sync["rooms"]["join"].get(&room).is_some());
        let broken = alice.get("/_matrix/client/v3/sync?since=nonsense").await;
        assert_eq!(broken.error(), (400, "M_INVALID_PARAM"));
    })
    .await;
}

#[tokio::test]
async fn a_sync_survives_the_restart_of_its_server() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        let since = token(&alice.sync(None, "").await);
        alice.say(&room, "before").await;
        server.stop().await;
        server.start_again().await;
        let alice = Actor::new(
            server.stranger(),
            &json!({
                "user_id": alice.user_id,
                "device_id": alice.device_id,
                "access_token": alice.access_token,
            }),
        );
        alice.say(&room, "after").await;
        let sync = alice.sync(Some(&since), "").await;
        assert_eq!(bodies(&sync["rooms"]["join"][&room]["timeline"]), ["before", "after"]);
    })
    .await;
}
