//! Making rooms, and who may do what in them.

use serde_json::{Value, json};

use super::{
    actor::{Actor, in_room},
    server::{on_both, on_both_with},
};

async fn state(actor: &Actor, room: &str, key: &str) -> Value {
    actor.get(&in_room(room, &format!("state/{key}"))).await.ok()
}

#[tokio::test]
async fn every_version_and_preset_makes_a_room_with_its_state() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        for version in ["10", "11", "12"] {
            for (preset, join_rule, guests) in [
                ("private_chat", "invite", "can_join"),
                ("trusted_private_chat", "invite", "can_join"),
                ("public_chat", "public", "forbidden"),
            ] {
                let room = alice
                    .create_room_with(json!({
                        "room_version": version,
                        "preset": preset,
                        "name": "Name",
                        "topic": "Topic",
                        "invite": [bob.user_id],
                        "initial_state": [
                            { "type": "org.example", "state_key": "a/b", "content": { "x": 1 } },
                        ],
                    }))
                    .await;
                let create = state(&alice, &room, "m.room.create/").await;
                assert_eq!(create["room_version"], version);
                assert_eq!(state(&alice, &room, "m.room.name").await["name"], "Name");
                assert_eq!(state(&alice, &room, "m.room.topic/").await["topic"], "Topic");
                assert_eq!(state(&alice, &room, "org.example/a%2Fb").await["x"], 1);
                let rules = state(&alice, &room, "m.room.join_rules/").await;
                assert_eq!(rules["join_rule"], join_rule);
                let access = state(&alice, &room, "m.room.guest_access/").await;
                assert_eq!(access["guest_access"], guests);
                let levels = state(&alice, &room, "m.room.power_levels/").await;
                let trusted = preset == "trusted_private_chat";
                if version == "12" {
                    assert!(!room.contains(':'), "the room id is a hash: {room}");
                    assert_eq!(levels["users"], json!({}));
                    let additional = create["additional_creators"].as_array();
                    assert_eq!(additional.is_some(), trusted);
                } else {
                    assert_eq!(levels["users"][&alice.user_id], 100);
                    assert_eq!(levels["users"].get(&bob.user_id).is_some(), trusted);
                }
                bob.join(&room).await;
                let renamed = json!({ "name": "By Bob" });
                let renamed = bob.put(&in_room(&room, "state/m.room.name/"), renamed).await;
                assert_eq!(renamed.status.is_success(), trusted, "{}", renamed.body);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_room_that_cannot_be_made_is_refused_with_its_reason() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let create = async |body: Value| alice.post("/_matrix/client/v3/createRoom", body).await;
        let unknown = create(json!({ "room_version": "elsewhere.1" })).await;
        assert_eq!(unknown.error(), (400, "M_UNSUPPORTED_ROOM_VERSION"));
        alice.create_room_with(json!({ "room_alias_name": "taken" })).await;
        let taken = create(json!({ "room_alias_name": "taken" })).await;
        assert_eq!(taken.error(), (400, "M_ROOM_IN_USE"));
        let large = create(json!({ "name": "x".repeat(70_000) })).await;
        assert_eq!(large.status.as_u16(), 413, "{}", large.body);
        let preset = create(json!({ "preset": "org.example.none" })).await;
        assert_eq!(preset.error(), (400, "M_INVALID_PARAM"));
        let creators = json!({ "creation_content": { "additional_creators": "not a list" } });
        assert_eq!(create(creators).await.status.as_u16(), 400);
        let rooms = alice.get("/_matrix/client/v3/joined_rooms").await.ok();
        assert_eq!(rooms["joined_rooms"].as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn the_default_version_is_what_the_configuration_says() {
    on_both_with("rooms.default_version = \"11\"", async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        assert_eq!(state(&alice, &room, "m.room.create/").await["room_version"], "11");
    })
    .await;
}

#[tokio::test]
async fn a_private_room_is_entered_by_invitation_only() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let carol = server.register("carol").await;
        let room = alice.create_room_with(json!({ "preset": "private_chat" })).await;
        let join = async |actor: &Actor| actor.post(&in_room(&room, "join"), json!({})).await;
        assert_eq!(join(&bob).await.error(), (403, "M_FORBIDDEN"));
        alice.invite(&room, &bob).await;
        join(&bob).await.ok();
        join(&bob).await.ok();
        let invite = json!({ "user_id": carol.user_id });
        let again = json!({ "user_id": bob.user_id });
        let already = alice.post(&in_room(&room, "invite"), again).await;
        assert_eq!(already.error(), (403, "M_FORBIDDEN"));
        bob.leave(&room).await;
        let outside = bob.post(&in_room(&room, "invite"), invite).await;
        assert_eq!(outside.error(), (403, "M_FORBIDDEN"));
        assert_eq!(join(&bob).await.error(), (403, "M_FORBIDDEN"));
        alice.invite(&room, &carol).await;
        carol.leave(&room).await;
        assert_eq!(join(&carol).await.error(), (403, "M_FORBIDDEN"));
    })
    .await;
}

#[tokio::test]
async fn kick_ban_and_unban_need_power_and_work() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = alice.create_room().await;
        bob.join(&room).await;
        let change = async |actor: &Actor, what: &str, whom: &Actor| {
            let body = json!({ "user_id": whom.user_id, "reason": "because" });
            actor.post(&in_room(&room, what), body).await
        };
        assert_eq!(change(&bob, "kick", &alice).await.error(), (403, "M_FORBIDDEN"));
        change(&alice, "kick", &bob).await.ok();
        bob.join(&room).await;
        change(&alice, "ban", &bob).await.ok();
        let join = bob.post(&in_room(&room, "join"), json!({})).await;
        assert_eq!(join.error(), (403, "M_FORBIDDEN"));
        change(&alice, "unban", &bob).await.ok();
        assert_eq!(change(&alice, "unban", &bob).await.error(), (403, "M_FORBIDDEN"));
        bob.join(&room).await;
        let member = format!("m.room.member/{}", bob.user_id);
        assert_eq!(state(&alice, &room, &member).await["membership"], "join");
    })
    .await;
}

#[tokio::test]
async fn a_restricted_room_lets_the_members_of_another_in() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let carol = server.register("carol").await;
        let club = alice.create_room().await;
        bob.join(&club).await;
        let allow = json!([{ "type": "m.room_membership", "room_id": club }]);
        let rules = json!({ "join_rule": "restricted", "allow": allow });
        let room = alice
            .create_room_with(json!({
                "initial_state": [{ "type": "m.room.join_rules", "content": rules }],
            }))
            .await;
        bob.join(&room).await;
        let refused = carol.post(&in_room(&room, "join"), json!({})).await;
        assert_eq!(refused.error(), (403, "M_FORBIDDEN"));
    })
    .await;
}

#[tokio::test]
async fn an_alias_leads_into_its_room() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let body = json!({ "preset": "public_chat", "room_alias_name": "lounge" });
        let room = alice.create_room_with(body).await;
        let joined = bob.post("/_matrix/client/v3/join/%23lounge:sealpost.test", json!({})).await;
        assert_eq!(joined.ok()["room_id"], room);
        let nowhere = bob.post("/_matrix/client/v3/join/%23no:sealpost.test", json!({})).await;
        assert_eq!(nowhere.error(), (404, "M_NOT_FOUND"));
    })
    .await;
}

#[tokio::test]
async fn a_left_room_can_be_forgotten_and_a_joined_one_cannot() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = alice.create_room().await;
        bob.join(&room).await;
        let forget = async || bob.post(&in_room(&room, "forget"), json!({})).await;
        assert_eq!(forget().await.error(), (400, "M_UNKNOWN"));
        bob.leave(&room).await;
        forget().await.ok();
        let filter = "filter=%7B%22room%22:%7B%22include_leave%22:true%7D%7D";
        let sync = bob.sync(None, filter).await;
        assert!(sync["rooms"]["leave"].get(&room).is_none(), "{sync}");
    })
    .await;
}

#[tokio::test]
async fn a_redaction_takes_the_content_from_every_read_path() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        for version in ["10", "11", "12"] {
            let body = json!({ "preset": "public_chat", "room_version": version });
            let room = alice.create_room_with(body).await;
            bob.join(&room).await;
            let event = bob.say(&room, "regretted").await;
            let path = in_room(&room, &format!("redact/{}/1", event.replace('$', "%24")));
            alice.put(&path, json!({ "reason": "rude" })).await.ok();
            let read = in_room(&room, &format!("event/{}", event.replace('$', "%24")));
            let read = bob.get(&read).await.ok();
            assert_eq!(read["content"], json!({}));
            let because = &read["unsigned"]["redacted_because"];
            assert_eq!(because["content"]["reason"], "rude", "{read}");
            let page = bob.get(&in_room(&room, "messages?dir=b&limit=10")).await.ok();
            assert!(!page.to_string().contains("regretted"));
            assert!(!bob.sync(None, "").await.to_string().contains("regretted"));
        }
    })
    .await;
}

#[tokio::test]
async fn members_are_listed_as_asked() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let carol = server.register("carol").await;
        let room = alice.create_room().await;
        bob.join(&room).await;
        carol.join(&room).await;
        carol.leave(&room).await;
        let members = async |query: &str| {
            let answer = alice.get(&in_room(&room, &format!("members{query}"))).await.ok();
            answer["chunk"].as_array().unwrap().len()
        };
        assert_eq!(members("").await, 3);
        assert_eq!(members("?membership=join").await, 2);
        assert_eq!(members("?not_membership=join").await, 1);
        let joined = alice.get(&in_room(&room, "joined_members")).await.ok();
        let joined = joined["joined"].as_object().unwrap();
        assert_eq!(joined.len(), 2);
        assert!(joined.contains_key(&bob.user_id));
        let outside = carol.get(&in_room(&room, "joined_members")).await;
        assert_eq!(outside.error(), (403, "M_FORBIDDEN"));
    })
    .await;
}

#[tokio::test]
async fn rooms_made_alike_at_once_are_different_rooms() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let rooms: Vec<_> = (0..16)
            .map(|_| {
                let alice = alice.clone();
                tokio::spawn(async move { alice.create_room().await })
            })
            .collect();
        let mut ids = Vec::new();
        for room in rooms {
            ids.push(room.await.unwrap());
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 16);
    })
    .await;
}

#[tokio::test]
async fn what_no_database_can_hold_is_refused() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        let path = alice.put(&in_room(&room, "state/org.example/a%00b"), json!({})).await;
        assert_eq!(path.error(), (400, "M_INVALID_PARAM"));
        let initial = json!([{ "type": "org.example", "state_key": "a\u{0}b", "content": {} }]);
        let body = json!({ "initial_state": initial });
        let body = alice.post("/_matrix/client/v3/createRoom", body).await;
        assert_eq!(body.error(), (400, "M_BAD_JSON"));
        let message = json!({ "body": "a\u{0}b" });
        alice.put(&in_room(&room, "send/m.room.message/1"), message).await.ok();
    })
    .await;
}

#[tokio::test]
async fn state_that_is_set_again_makes_no_event() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let power = json!({ "users": { &alice.user_id: 100, &bob.user_id: 100 } });
        let body = json!({ "room_version": "11", "power_level_content_override": power });
        let room = alice.create_room_with(body).await;
        alice.invite(&room, &bob).await;
        bob.join(&room).await;
        let set = async |actor: &Actor, content: Value| {
            let answer = actor.put(&in_room(&room, "state/org.example.note/a"), content).await;
            answer.ok()["event_id"].clone()
        };
        let first = set(&alice, json!({ "a": 1, "b": [2] })).await;
        assert_eq!(set(&alice, json!({ "b": [2], "a": 1 })).await, first);
        assert_ne!(set(&alice, json!({ "a": 2 })).await, first);
        let back = set(&alice, json!({ "a": 1, "b": [2] })).await;
        assert_ne!(back, first, "it was something else in between");
        assert_ne!(set(&bob, json!({ "a": 1, "b": [2] })).await, back, "another says it");
    })
    .await;
}

#[tokio::test]
async fn whoever_is_invited_with_the_room_is_shown_with_their_profile() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let path = format!("/_matrix/client/v3/profile/{}/displayname", bob.user_id);
        bob.put(&path, json!({ "displayname": "Bob" })).await.ok();
        let room = alice.create_room_with(json!({ "invite": [bob.user_id] })).await;
        let member = state(&alice, &room, &format!("m.room.member/{}", bob.user_id)).await;
        assert_eq!(
            (&member["membership"], &member["displayname"]),
            (&json!("invite"), &json!("Bob"))
        );
    })
    .await;
}

#[tokio::test]
async fn a_ban_that_is_lifted_is_the_last_that_is_told() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = alice.create_room_with(json!({ "preset": "public_chat" })).await;
        bob.join(&room).await;
        let since = bob.sync(None, "").await["next_batch"].as_str().unwrap().to_owned();
        for change in ["ban", "unban"] {
            let body = json!({ "user_id": bob.user_id });
            alice.post(&in_room(&room, change), body).await.ok();
        }
        let sync = bob.sync(Some(&since), "timeout=0").await;
        let left = &sync["rooms"]["leave"][&room];
        let timeline = left["timeline"]["events"].as_array().unwrap().iter();
        let told: Vec<_> = timeline.map(|event| &event["content"]["membership"]).collect();
        assert_eq!(told, ["ban", "leave"], "{left}");
        assert!(left.get("state").is_none(), "nothing before it: {left}");
    })
    .await;
}
