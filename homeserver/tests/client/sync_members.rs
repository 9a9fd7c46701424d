//! Members in a sync: lazily loaded, counted, and the room named after them.

use serde_json::{Value, json};

use super::{
    actor::{Actor, in_room},
    server::on_both,
};

/// A filter in the query.
fn filter(filter: Value) -> String {
    let filter = filter.to_string();
    let encoded = filter.replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
    format!("filter={encoded}")
}

fn lazy() -> String {
    filter(json!({ "room": {
        "state": { "lazy_load_members": true },
        "timeline": { "limit": 1 },
    } }))
}

/// Whose member events are in a block.
fn members(block: &Value) -> Vec<&str> {
    let events = block["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let members = events.iter().filter(|event| event["type"] == "m.room.member");
    let mut members: Vec<&str> = members.map(|e| e["state_key"].as_str().unwrap()).collect();
    members.sort_unstable();
    members
}

fn token(sync: &Value) -> String {
    sync["next_batch"].as_str().unwrap().to_owned()
}

async fn rename(actor: &Actor, name: &str) {
    let path = format!("/_matrix/client/v3/profile/{}/displayname", actor.user_id);
    actor.put(&path, json!({ "displayname": name })).await.ok();
}

#[tokio::test]
async fn lazy_members_are_those_one_sees_and_each_is_sent_once() {
    on_both(async |server| {
        let [alice, bob, carol, dave] = [
            server.register("alice").await,
            server.register("bob").await,
            server.register("carol").await,
            server.register("dave").await,
        ];
        // A name, so that nobody is a hero.
        let room =
            alice.create_room_with(json!({ "preset": "public_chat", "name": "Named" })).await;
        for actor in [&bob, &carol, &dave] {
            actor.join(&room).await;
        }
        bob.say(&room, "one").await;
        let first = alice.sync(None, &lazy()).await;
        let shown = &first["rooms"]["join"][&room];
        let both = [alice.user_id.as_str(), bob.user_id.as_str()];
        assert_eq!(members(&shown["state"]), both);
        assert_eq!(
            shown["summary"],
            json!({
                "m.joined_member_count": 4, "m.invited_member_count": 0,
            })
        );

        carol.say(&room, "two").await;
        let second = alice.sync(Some(&token(&first)), &lazy()).await;
        let again = alice.sync(Some(&token(&first)), &lazy()).await;
        for sync in [&second, &again] {
            let shown = &sync["rooms"]["join"][&room];
            assert_eq!(members(&shown["state"]), [&carol.user_id], "also when it is repeated");
            assert!(shown.get("summary").is_none(), "nothing of it changed: {shown}");
        }

        carol.say(&room, "three").await;
        let third = alice.sync(Some(&token(&second)), &lazy()).await;
        assert!(third["rooms"]["join"][&room].get("state").is_none(), "she is known: {third}");
        let redundant = filter(json!({ "room": {
            "state": { "lazy_load_members": true, "include_redundant_members": true },
        } }));
        let third = alice.sync(Some(&token(&second)), &redundant).await;
        assert_eq!(members(&third["rooms"]["join"][&room]["state"]), [&carol.user_id]);

        // What changed in a gap is told of everybody.
        rename(&dave, "David").await;
        carol.say(&room, "four").await;
        let fourth = alice.sync(Some(&token(&third)), &lazy()).await;
        assert_eq!(members(&fourth["rooms"]["join"][&room]["state"]), [&dave.user_id]);
    })
    .await;
}

#[tokio::test]
async fn a_room_without_a_name_is_named_after_its_heroes() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let carol = server.register("carol").await;
        let room = alice.create_room().await;
        bob.join(&room).await;
        alice.invite(&room, &carol).await;
        alice.say(&room, "hello").await;
        let first = alice.sync(None, &lazy()).await;
        let shown = &first["rooms"]["join"][&room];
        assert_eq!(
            shown["summary"],
            json!({
                "m.heroes": [bob.user_id, carol.user_id],
                "m.joined_member_count": 2,
                "m.invited_member_count": 1,
            })
        );
        let all = [alice.user_id.as_str(), bob.user_id.as_str(), carol.user_id.as_str()];
        assert_eq!(members(&shown["state"]), all);

        bob.leave(&room).await;
        carol.leave(&room).await;
        let alone = alice.sync(Some(&token(&first)), &lazy()).await;
        let summary = &alone["rooms"]["join"][&room]["summary"];
        assert_eq!(summary["m.heroes"], json!([bob.user_id, carol.user_id]), "who were there");
        assert_eq!(summary["m.joined_member_count"], 1);

        alice.put(&in_room(&room, "state/m.room.name/"), json!({ "name": "Mine" })).await.ok();
        let named = alice.sync(Some(&token(&alone)), &lazy()).await;
        let summary = &named["rooms"]["join"][&room]["summary"];
        assert!(summary.get("m.heroes").is_none(), "{summary}");
    })
    .await;
}

#[tokio::test]
async fn an_event_tells_its_age_and_the_membership_of_who_looks() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = alice.create_room().await;
        alice.say(&room, "before").await;
        bob.join(&room).await;
        alice.say(&room, "after").await;
        let sync = bob.sync(None, "").await;
        let timeline = sync["rooms"]["join"][&room]["timeline"]["events"].as_array().unwrap();
        let found = |body: &str| {
            let found = timeline.iter().find(|event| event["content"]["body"] == body);
            found.unwrap()["unsigned"].clone()
        };
        assert_eq!(found("before")["membership"], "leave");
        assert_eq!(found("after")["membership"], "join");
        let age = found("after")["age"].as_i64().unwrap();
        assert!((0..60_000).contains(&age), "{age}");
        let join = timeline.iter().find(|event| event["state_key"] == *bob.user_id).unwrap();
        assert_eq!(join["unsigned"]["membership"], "join", "as of the event, itself included");
    })
    .await;
}

#[tokio::test]
async fn a_filter_chooses_the_fields_and_the_format_of_events() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        alice.say(&room, "hello").await;
        let fields = filter(json!({
            "event_fields": ["content.body", "type"], "room": { "timeline": { "limit": 1 } },
        }));
        let sync = alice.sync(None, &fields).await;
        assert_eq!(
            sync["rooms"]["join"][&room]["timeline"]["events"],
            json!([{ "content": { "body": "hello" }, "type": "m.room.message" }])
        );
        let federation = filter(json!({
            "event_format": "federation", "room": { "timeline": { "limit": 1 } },
        }));
        let sync = alice.sync(None, &federation).await;
        let event = &sync["rooms"]["join"][&room]["timeline"]["events"][0];
        assert!(event["auth_events"].is_array() && event["hashes"].is_object(), "{event}");
    })
    .await;
}

#[tokio::test]
async fn members_are_listed_by_membership_and_as_of_a_token() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = alice.create_room().await;
        let before = token(&alice.sync(None, "").await);
        bob.join(&room).await;
        alice.say(&room, "hello").await;
        let listed = async |query: &str| {
            let answer = alice.get(&in_room(&room, &format!("members{query}"))).await.ok();
            let block = json!({ "events": answer["chunk"] });
            assert!(answer["chunk"].as_array().unwrap().iter().all(|e| e["room_id"] == *room));
            members(&block).len()
        };
        assert_eq!(listed("").await, 2);
        assert_eq!(listed(&format!("?at={before}")).await, 1);
        assert_eq!(listed("?membership=leave").await, 0);
        assert_eq!(listed("?not_membership=join").await, 0);
        bob.leave(&room).await;
        assert_eq!(listed("?membership=leave").await, 1);
        assert_eq!(listed("?not_membership=leave").await, 1);
    })
    .await;
}
