//! Who may read what of a room: each read path for each history visibility.

use serde_json::json;

use super::{
    actor::{Actor, in_room},
    server::on_both,
};

/// Which of the room's three messages a reader finds: before their invitation, between it and their
/// joining, and while they are in the room.
async fn seen(reader: &Actor, room: &str, events: &[String; 3]) -> [bool; 3] {
    let page = reader.get(&in_room(room, "messages?dir=b&limit=100")).await.ok().to_string();
    let forward = reader.get(&in_room(room, "messages?dir=f&limit=100")).await.ok().to_string();
    let include = "filter=%7B%22room%22:%7B%22include_leave%22:true,%22timeline%22:%7B%22limit%22:100%7D%7D%7D";
    let sync = reader.sync(None, include).await.to_string();
    let mut seen = [false; 3];
    for (at, event) in events.iter().enumerate() {
        let one = in_room(room, &format!("event/{}", event.replace('$', "%24")));
        let one = reader.get(&one).await;
        seen[at] = one.status.is_success();
        if !seen[at] {
            assert_eq!(one.error(), (404, "M_NOT_FOUND"));
        }
        assert_eq!(page.contains(event), seen[at], "messages backward, {at}");
        assert_eq!(forward.contains(event), seen[at], "messages forward, {at}");
        assert_eq!(sync.contains(event), seen[at], "sync, {at}");
    }
    seen
}

#[tokio::test]
async fn history_is_as_visible_as_the_room_says() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        for (visibility, expected) in [
            ("world_readable", [true, true, true]),
            ("shared", [true, true, true]),
            ("invited", [false, true, true]),
            ("joined", [false, false, true]),
        ] {
            let reader = server.register(&visibility.replace('_', "-")).await;
            let content = json!({ "history_visibility": visibility });
            let room = alice
                .create_room_with(json!({
                    "initial_state": [{ "type": "m.room.history_visibility", "content": content }],
                }))
                .await;
            let before = alice.say(&room, "before the invitation").await;
            alice.invite(&room, &reader).await;
            let between = alice.say(&room, "before the join").await;
            reader.join(&room).await;
            let inside = alice.say(&room, "inside").await;
            let events = [before, between, inside];
            assert_eq!(seen(&reader, &room, &events).await, expected, "{visibility}, joined");
            reader.leave(&room).await;
            let outside = alice.say(&room, "outside").await;
            assert_eq!(seen(&reader, &room, &events).await, expected, "{visibility}, left");
            let late = in_room(&room, &format!("event/{}", outside.replace('$', "%24")));
            let readable = visibility == "world_readable";
            assert_eq!(reader.get(&late).await.status.is_success(), readable, "{visibility}");
            let page = reader.get(&in_room(&room, "messages?dir=b")).await.ok().to_string();
            assert!(!page.contains(&outside), "a left room ends at the leaving");
        }
    })
    .await;
}

#[tokio::test]
async fn a_stranger_reads_only_what_is_world_readable() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let stranger = server.register("stranger").await;
        for (visibility, readable) in [("shared", false), ("world_readable", true)] {
            let content = json!({ "history_visibility": visibility });
            let room = alice
                .create_room_with(json!({
                    "initial_state": [{ "type": "m.room.history_visibility", "content": content }],
                }))
                .await;
            alice.say(&room, "hello").await;
            for path in ["messages?dir=b", "state", "state/m.room.create/", "members"] {
                let answer = stranger.get(&in_room(&room, path)).await;
                assert_eq!(answer.status.is_success(), readable, "{visibility} {path}");
                if !readable {
                    assert_eq!(answer.error(), (403, "M_FORBIDDEN"), "{path}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn who_left_sees_the_state_as_it_was_then() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = alice.create_room_with(json!({ "preset": "public_chat", "name": "Then" })).await;
        bob.join(&room).await;
        bob.leave(&room).await;
        alice.put(&in_room(&room, "state/m.room.name/"), json!({ "name": "Now" })).await.ok();
        let name = bob.get(&in_room(&room, "state/m.room.name/")).await.ok();
        assert_eq!(name["name"], "Then");
        let send = bob.put(&in_room(&room, "send/m.room.message/1"), json!({ "body": "?" })).await;
        assert_eq!(send.error(), (403, "M_FORBIDDEN"));
    })
    .await;
}
