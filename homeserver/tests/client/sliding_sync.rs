//! Sliding sync, in both dialects.

use serde_json::{Value, json};

use super::{
    actor::{Actor, Answer, in_room},
    server::on_both,
};

pub const UNSTABLE: &str = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";
pub const V4: &str = "/_matrix/client/v4/sync";

async fn ask(actor: &Actor, pos: Option<&str>, timeout: u64, body: Value) -> Answer {
    let pos = pos.map(|pos| format!("&pos={pos}")).unwrap_or_default();
    actor.post(&format!("{UNSTABLE}?timeout={timeout}{pos}"), body).await
}

async fn sync(actor: &Actor, pos: Option<&str>, body: &Value) -> Value {
    ask(actor, pos, 0, body.clone()).await.ok()
}

fn pos(sync: &Value) -> &str {
    sync["pos"].as_str().unwrap()
}

/// One list of all rooms.
fn all(timeline_limit: u64, required_state: Value) -> Value {
    json!({ "lists": { "all": {
        "ranges": [[0, 99]], "timeline_limit": timeline_limit, "required_state": required_state,
    } } })
}

fn bodies(room: &Value) -> Vec<&str> {
    let events = room["timeline"].as_array().map(Vec::as_slice).unwrap_or_default();
    events.iter().filter_map(|event| event["content"]["body"].as_str()).collect()
}

/// Type and state key of the state that is told.
fn state(room: &Value) -> Vec<(&str, &str)> {
    let events = room["required_state"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut places: Vec<(&str, &str)> = events
        .iter()
        .map(|event| (event["type"].as_str().unwrap(), event["state_key"].as_str().unwrap()))
        .collect();
    places.sort_unstable();
    places
}

fn rooms(sync: &Value) -> Vec<&str> {
    sync["rooms"].as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_room_is_told_whole_once_and_then_what_is_new() {
    on_both(async |server| {
        let versions = server.stranger().get("/_matrix/client/versions").await.ok();
        assert_eq!(versions["unstable_features"]["org.matrix.simplified_msc3575"], true);
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = alice.create_room_with(json!({ "preset": "public_chat", "name": "Den" })).await;
        bob.join(&room).await;
        for n in 0..5 {
            bob.say(&room, &n.to_string()).await;
        }
        let body = all(2, json!([["m.room.create", ""], ["m.room.name", ""]]));
        let first = sync(&alice, None, &body).await;
        assert_eq!(first["lists"]["all"]["count"], 1);
        let shown = &first["rooms"][&room];
        assert_eq!(bodies(shown), ["3", "4"]);
        assert_eq!(state(shown), [("m.room.create", ""), ("m.room.name", "")]);
        for (field, expected) in [
            ("initial", json!(true)),
            ("limited", json!(true)),
            ("name", json!("Den")),
            ("joined_count", json!(2)),
            ("invited_count", json!(0)),
            ("num_live", json!(0)),
            ("notification_count", json!(5)),
        ] {
            assert_eq!(shown[field], expected, "{field} of {shown}");
        }
        assert!(shown.get("heroes").is_none(), "it has a name");
        let bump = shown["bump_stamp"].as_i64().unwrap();
        let before = shown["prev_batch"].as_str().unwrap();
        let page = in_room(&room, &format!("messages?dir=b&limit=1&from={before}"));
        assert_eq!(alice.get(&page).await.ok()["chunk"][0]["content"]["body"], "2");

        let nothing = sync(&alice, Some(pos(&first)), &body).await;
        assert_eq!(nothing["rooms"], json!({}));
        assert_eq!(nothing["lists"]["all"]["count"], 1);

        bob.say(&room, "5").await;
        let second = sync(&alice, Some(pos(&nothing)), &body).await;
        let again = sync(&alice, Some(pos(&nothing)), &body).await;
        for answer in [&second, &again] {
            let shown = &answer["rooms"][&room];
            assert_eq!(bodies(shown), ["5"], "also when it is repeated");
            assert!(shown.get("initial").is_none() && shown.get("name").is_none(), "{shown}");
            assert_eq!(shown["num_live"], 1);
            assert!(shown["bump_stamp"].as_i64().unwrap() > bump);
        }
        assert_ne!(pos(&second), pos(&again));

        alice.put(&in_room(&room, "state/m.room.name/"), json!({ "name": "Lair" })).await.ok();
        alice.put(&in_room(&room, "state/m.room.topic/"), json!({ "topic": "?" })).await.ok();
        let third = sync(&alice, Some(pos(&second)), &body).await;
        let shown = &third["rooms"][&room];
        assert_eq!(shown["name"], "Lair");
        assert_eq!(state(shown), [("m.room.name", "")], "of the state only what is asked for");
        assert!(shown.get("joined_count").is_none());

        // A position serves as a token elsewhere.
        let page = in_room(&room, &format!("messages?dir=b&limit=1&from={}", pos(&second)));
        assert_eq!(alice.get(&page).await.ok()["chunk"][0]["content"]["body"], "5");
    })
    .await;
}

#[tokio::test]
async fn a_position_that_is_not_the_connections_is_unknown() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        alice.create_room().await;
        let body = all(1, json!([]));
        let first = sync(&alice, None, &body).await;
        let second = sync(&alice, Some(pos(&first)), &body).await;
        let unknown = (400, "M_UNKNOWN_POS");
        let mut other = body.clone();
        other["conn_id"] = json!("other");
        assert_eq!(ask(&bob, Some(pos(&first)), 0, body.clone()).await.error(), unknown);
        assert_eq!(ask(&alice, Some(pos(&first)), 0, other.clone()).await.error(), unknown);
        assert_eq!(ask(&alice, Some("s1_1~1"), 0, body.clone()).await.error(), unknown);
        assert_eq!(ask(&alice, Some("nonsense"), 0, body.clone()).await.error(), unknown);
        assert_eq!(pos(&second), pos(&first), "nothing happened");

        // Two connections do not know of each other; too many push out the one used last.
        let beside = sync(&alice, None, &other).await;
        assert_eq!(rooms(&beside).len(), 1);
        sync(&alice, Some(pos(&second)), &body).await;
        for n in 0..8 {
            let mut more = body.clone();
            more["conn_id"] = json!(format!("more {n}"));
            sync(&alice, None, &more).await;
        }
        assert_eq!(ask(&alice, Some(pos(&second)), 0, body.clone()).await.error(), unknown);

        let position = pos(&sync(&alice, None, &body).await).to_owned();
        server.stop().await;
        server.start_again().await;
        let device = json!({
            "user_id": alice.user_id, "device_id": alice.device_id,
            "access_token": alice.access_token,
        });
        let alice = Actor::new(server.stranger(), &device);
        assert_eq!(ask(&alice, Some(&position), 0, body).await.error(), unknown);
    })
    .await;
}

#[tokio::test]
async fn a_poll_waits_for_news() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        let body = all(1, json!([]));
        let first = sync(&alice, None, &body).await;
        let waiting = {
            let (alice, position, body) = (alice.clone(), pos(&first).to_owned(), body.clone());
            tokio::spawn(async move { ask(&alice, Some(&position), 30_000, body).await.ok() })
        };
        server.has_begun_with("POST", UNSTABLE).await;
        alice.say(&room, "now").await;
        let sync = waiting.await.unwrap();
        assert_eq!(bodies(&sync["rooms"][&room]), ["now"]);
    })
    .await;
}

#[tokio::test]
async fn a_list_is_a_window_on_the_most_active_rooms() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let mut ids = Vec::new();
        for n in 0..4 {
            ids.push(alice.create_room_with(json!({ "name": n.to_string() })).await);
        }
        let window = |last: u64| {
            json!({ "lists": { "top": {
                "ranges": [[0, last]], "timeline_limit": 1, "required_state": [],
            } } })
        };
        let first = sync(&alice, None, &window(1)).await;
        assert_eq!(first["lists"]["top"]["count"], 4);
        let mut newest = [ids[2].as_str(), ids[3].as_str()];
        newest.sort_unstable();
        assert_eq!(rooms(&first), newest);
        // A larger window brings the others only.
        let second = sync(&alice, Some(pos(&first)), &window(3)).await;
        assert_eq!(rooms(&second).len(), 2);
        assert!(rooms(&second).contains(&&*ids[0]));
        // What happened outside of the window comes when the room moves into it.
        alice.say(&ids[0], "up").await;
        let third = sync(&alice, Some(pos(&second)), &window(0)).await;
        assert_eq!(rooms(&third), [&ids[0]]);
        alice.say(&ids[1], "one").await;
        alice.say(&ids[0], "two").await;
        let fourth = sync(&alice, Some(pos(&third)), &window(0)).await;
        assert_eq!(rooms(&fourth), [&ids[0]]);
        let fifth = sync(&alice, Some(pos(&fourth)), &window(1)).await;
        assert_eq!(rooms(&fifth), [&ids[1]]);
        assert_eq!(bodies(&fifth["rooms"][&ids[1]]), ["one"]);
        let backward = json!({ "lists": { "top": { "ranges": [[2, 1]], "timeline_limit": 1 } } });
        assert_eq!(ask(&alice, None, 0, backward).await.error(), (400, "M_INVALID_PARAM"));
    })
    .await;
}

#[tokio::test]
async fn asking_for_more_of_a_room_brings_more_of_it() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room_with(json!({ "name": "Name" })).await;
        for n in 0..4 {
            alice.say(&room, &n.to_string()).await;
        }
        let first = sync(&alice, None, &all(1, json!([]))).await;
        assert_eq!(bodies(&first["rooms"][&room]), ["3"]);
        assert!(state(&first["rooms"][&room]).is_empty());
        let mut subscribed = all(1, json!([]));
        subscribed["room_subscriptions"] = json!({
            &room: { "timeline_limit": 3, "required_state": [["m.room.name", ""]] },
            "!nowhere:nowhere": { "timeline_limit": 3 },
            "nonsense": {},
        });
        let second = sync(&alice, Some(pos(&first)), &subscribed).await;
        let shown = &second["rooms"][&room];
        assert_eq!(bodies(shown), ["1", "2", "3"]);
        assert_eq!(shown["unstable_expanded_timeline"], true);
        assert_eq!(shown["num_live"], 0);
        assert!(shown.get("initial").is_none());
        assert_eq!(state(shown), [("m.room.name", "")]);
        let third = sync(&alice, Some(pos(&second)), &subscribed).await;
        assert!(rooms(&third).is_empty());
    })
    .await;
}

#[tokio::test]
async fn members_come_as_one_meets_them() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let carol = server.register("carol").await;
        let room = alice.create_room_with(json!({ "preset": "public_chat", "name": "N" })).await;
        bob.join(&room).await;
        carol.join(&room).await;
        bob.say(&room, "hello").await;
        let body = all(1, json!([["m.room.member", "$LAZY"], ["m.room.member", "$ME"]]));
        let member = |actor: &Actor| ("m.room.member".to_owned(), actor.user_id.clone());
        let owned = |room: &Value| -> Vec<(String, String)> {
            state(room).into_iter().map(|(t, k)| (t.to_owned(), k.to_owned())).collect()
        };
        let first = sync(&alice, None, &body).await;
        assert_eq!(owned(&first["rooms"][&room]), [member(&alice), member(&bob)]);
        bob.say(&room, "again").await;
        let second = sync(&alice, Some(pos(&first)), &body).await;
        assert!(state(&second["rooms"][&room]).is_empty(), "he is known");
        carol.say(&room, "me too").await;
        let third = sync(&alice, Some(pos(&second)), &body).await;
        assert_eq!(owned(&third["rooms"][&room]), [member(&carol)]);
        let everything = all(1, json!([["*", "*"]]));
        let fresh = sync(&alice, None, &everything).await;
        let shown = state(&fresh["rooms"][&room]);
        assert_eq!(shown.iter().filter(|(kind, _)| *kind == "m.room.member").count(), 3);
        assert!(shown.contains(&("m.room.power_levels", "")));
    })
    .await;
}

#[tokio::test]
async fn a_room_without_a_name_has_heroes() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let name = format!("/_matrix/client/v3/profile/{}/displayname", bob.user_id);
        bob.put(&name, json!({ "displayname": "Bob" })).await.ok();
        let room = alice.create_room().await;
        bob.join(&room).await;
        let direct = json!({ bob.user_id.clone(): [&room] });
        let path = format!("/_matrix/client/v3/user/{}/account_data/m.direct", alice.user_id);
        alice.put(&path, direct).await.ok();
        let first = sync(&alice, None, &all(1, json!([]))).await;
        let shown = &first["rooms"][&room];
        assert_eq!(shown["heroes"], json!([{ "user_id": bob.user_id, "displayname": "Bob" }]));
        assert_eq!(shown["is_dm"], true);
        assert!(shown.get("name").is_none());
        alice.put(&path, json!({})).await.ok();
        let second = sync(&alice, Some(pos(&first)), &all(1, json!([]))).await;
        assert_eq!(second["rooms"][&room]["is_dm"], false);
    })
    .await;
}

#[tokio::test]
async fn filters_choose_the_rooms_of_a_list() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let space = alice
            .create_room_with(json!({ "name": "Space", "creation_content": { "type": "m.space" } }))
            .await;
        let secret = alice
            .create_room_with(json!({ "name": "Secret", "initial_state": [{
                "type": "m.room.encryption", "content": { "algorithm": "m.megolm.v1.aes-sha2" },
            }] }))
            .await;
        let plain = alice.create_room_with(json!({ "name": "Plain" })).await;
        let invited = bob.create_room_with(json!({ "name": "Bob's" })).await;
        bob.invite(&invited, &alice).await;
        let child = format!("state/m.space.child/{}", plain.replace('!', "%21"));
        alice.put(&in_room(&space, &child), json!({ "via": ["sealpost.test"] })).await.ok();
        let data =
            |kind: &str| format!("/_matrix/client/v3/user/{}/account_data/{kind}", alice.user_id);
        alice.put(&data("m.direct"), json!({ "@x:y": [&secret] })).await.ok();
        let tag =
            format!("/_matrix/client/v3/user/{}/rooms/{plain}/tags/m.favourite", alice.user_id);
        alice.put(&tag, json!({})).await.ok();
        for (filters, expected) in [
            (json!({}), vec![&space, &secret, &plain, &invited]),
            (json!({ "is_dm": true }), vec![&secret]),
            (json!({ "is_dm": false, "is_invite": false }), vec![&space, &plain]),
            (json!({ "is_invite": true }), vec![&invited]),
            (json!({ "is_encrypted": true }), vec![&secret]),
            (json!({ "room_types": ["m.space"] }), vec![&space]),
            (json!({ "room_types": [null], "is_invite": false }), vec![&secret, &plain]),
            (json!({ "not_room_types": ["m.space"], "is_invite": false }), vec![&secret, &plain]),
            (json!({ "room_name_like": "lai" }), vec![&plain]),
            (json!({ "spaces": [&space] }), vec![&plain]),
            (json!({ "tags": ["m.favourite"] }), vec![&plain]),
            (json!({ "not_tags": ["m.favourite"], "is_invite": false }), vec![&space, &secret]),
        ] {
            let mut body = all(1, json!([]));
            body["lists"]["all"]["filters"] = filters.clone();
            let answer = sync(&alice, None, &body).await;
            assert_eq!(answer["lists"]["all"]["count"], expected.len(), "{filters}");
            let mut expected: Vec<&str> = expected.into_iter().map(String::as_str).collect();
            expected.sort_unstable();
            assert_eq!(rooms(&answer), expected, "{filters}");
        }
    })
    .await;
}

#[tokio::test]
async fn invites_kicks_and_leaves_are_told() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = alice.create_room_with(json!({ "name": "Den" })).await;
        let body = all(2, json!([["m.room.member", "$ME"]]));
        let start = sync(&bob, None, &body).await;
        alice.invite(&room, &bob).await;
        let invited = sync(&bob, Some(pos(&start)), &body).await;
        let shown = &invited["rooms"][&room];
        assert_eq!((&shown["initial"], &shown["name"]), (&json!(true), &json!("Den")));
        let stripped = shown["invite_state"].as_array().unwrap();
        assert!(stripped.iter().any(|event| event["content"]["name"] == "Den"));
        assert!(shown.get("timeline").is_none() && shown.get("required_state").is_none());
        bob.join(&room).await;
        let joined = sync(&bob, Some(pos(&invited)), &body).await;
        assert_eq!(joined["rooms"][&room]["initial"], true);
        assert_eq!(joined["rooms"][&room]["name"], "Den");
        let kick = json!({ "user_id": bob.user_id, "reason": "spam" });
        alice.post(&in_room(&room, "kick"), kick).await.ok();
        alice.say(&room, "gone").await;
        let kicked = sync(&bob, Some(pos(&joined)), &body).await;
        let shown = &kicked["rooms"][&room];
        assert_eq!(shown["required_state"][0]["content"]["membership"], "leave");
        assert!(bodies(shown).is_empty(), "what came after is not theirs: {shown}");
        let quiet = sync(&bob, Some(pos(&kicked)), &body).await;
        assert!(rooms(&quiet).is_empty());
        // Whoever is thrown out sees it on every device; whoever left does not.
        let mut fresh = body.clone();
        fresh["conn_id"] = json!("fresh");
        assert_eq!(rooms(&sync(&bob, None, &fresh).await), [&room]);
        alice.invite(&room, &bob).await;
        bob.join(&room).await;
        let again = sync(&bob, Some(pos(&quiet)), &body).await;
        assert_eq!(again["rooms"][&room]["initial"], true);
        bob.leave(&room).await;
        let left = sync(&bob, Some(pos(&again)), &body).await;
        assert_eq!(rooms(&left), [&room]);
        assert!(rooms(&sync(&bob, Some(pos(&left)), &body).await).is_empty());
        assert!(rooms(&sync(&bob, None, &fresh).await).is_empty());
        // A subscription shows nobody a room that is not theirs.
        let carol = server.register("carol").await;
        let peek = json!({ "room_subscriptions": { &room: { "timeline_limit": 9 } } });
        assert!(rooms(&sync(&carol, None, &peek).await).is_empty());
    })
    .await;
}

#[tokio::test]
async fn extensions_tell_the_rest() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = alice.create_room().await;
        bob.join(&room).await;
        let event = alice.say(&room, "hello").await;
        let data =
            |kind: &str| format!("/_matrix/client/v3/user/{}/account_data/{kind}", alice.user_id);
        alice.put(&data("m.test"), json!({ "n": 1 })).await.ok();
        let in_it =
            format!("/_matrix/client/v3/user/{}/rooms/{room}/account_data/m.test", alice.user_id);
        alice.put(&in_it, json!({ "n": 2 })).await.ok();
        bob.post(&in_room(&room, &format!("receipt/m.read/{event}")), json!({})).await.ok();
        let plain = all(1, json!([]));
        let mut body = plain.clone();
        body["extensions"] = json!({
            "account_data": { "enabled": true },
            "receipts": { "enabled": true },
            "typing": { "enabled": true },
        });
        let without = sync(&alice, None, &plain).await;
        assert_eq!(without["extensions"], json!({}));
        let first = sync(&alice, Some(pos(&without)), &body).await;
        let told = &first["extensions"];
        let global = told["account_data"]["global"].as_array().unwrap();
        assert!(global.iter().any(|data| data["content"]["n"] == 1), "switched on later: {told}");
        assert_eq!(told["receipts"]["rooms"][&room]["type"], "m.receipt");
        let receipts = &told["receipts"]["rooms"][&room]["content"];
        assert!(receipts[&event]["m.read"][&bob.user_id]["ts"].is_i64(), "{told}");
        let quiet = sync(&alice, Some(pos(&first)), &body).await;
        assert_eq!(quiet["extensions"], json!({}));

        let typing = format!("typing/{}", bob.user_id);
        let typing = in_room(&room, &typing);
        bob.put(&typing, json!({ "typing": true, "timeout": 30_000 })).await.ok();
        alice.put(&in_it, json!({ "n": 3 })).await.ok();
        let second = sync(&alice, Some(pos(&quiet)), &body).await;
        let told = &second["extensions"];
        assert_eq!(
            told["typing"]["rooms"][&room],
            json!({ "type": "m.typing", "content": { "user_ids": [bob.user_id] } })
        );
        assert_eq!(told["account_data"]["rooms"][&room][0]["content"]["n"], 3);
        assert!(told.get("receipts").is_none());
        assert!(rooms(&second).is_empty());

        // A room that is new to the client brings its own.
        let fresh = sync(&alice, None, &body).await;
        assert_eq!(fresh["extensions"]["account_data"]["rooms"][&room][0]["content"]["n"], 3);
        let mut none = body.clone();
        none["extensions"]["receipts"]["lists"] = json!([]);
        let fresh = sync(&alice, None, &none).await;
        assert!(fresh["extensions"].get("receipts").is_none());
    })
    .await;
}

#[tokio::test]
async fn version_4_says_the_same_in_its_own_words() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = alice.create_room_with(json!({ "name": "Den" })).await;
        let invited = bob.create_room_with(json!({ "name": "Bob's" })).await;
        bob.invite(&invited, &alice).await;
        alice.say(&room, "hello").await;
        let body = |pos: Option<&Value>| {
            json!({
                "conn_id": "main",
                "pos": pos,
                "timeout": 0,
                "lists": { "all": {
                    "timeline_limit": 1,
                    "required_state": {
                        "include": [{}], "exclude": [{ "type": "m.room.create" }],
                        "lazy_members": true,
                    },
                } },
            })
        };
        let first = alice.post(V4, body(None)).await.ok();
        assert_eq!(first["lists"]["all"]["count"], 2);
        let shown = &first["rooms"][&room];
        assert_eq!(bodies(shown), ["hello"]);
        assert_eq!(shown["membership"], "join");
        assert_eq!(shown["lists"], json!(["all"]));
        let told = state(shown);
        assert!(told.contains(&("m.room.name", "")) && !told.contains(&("m.room.create", "")));
        assert!(told.contains(&("m.room.member", &alice.user_id)), "who spoke");
        assert!(shown.get("notification_count").is_none());
        let shown = &first["rooms"][&invited];
        assert_eq!(shown["membership"], "invite");
        assert!(shown["stripped_state"].is_array() && shown.get("invite_state").is_none());
        alice.say(&room, "again").await;
        let second = alice.post(V4, body(Some(&first["pos"]))).await.ok();
        assert_eq!(rooms(&second), [&room]);
        assert_eq!(bodies(&second["rooms"][&room]), ["again"]);
        let mut strange = body(None);
        strange["set_presence"] = json!("asleep");
        assert_eq!(alice.post(V4, strange).await.error(), (400, "M_INVALID_PARAM"));
        let foreign = bob.post(V4, body(Some(&first["pos"]))).await;
        assert_eq!(foreign.error(), (400, "M_UNKNOWN_POS"));
    })
    .await;
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        for (body, expected) in [
            (json!([]), (400, "M_BAD_JSON")),
            (json!({ "lists": 1 }), (400, "M_BAD_JSON")),
            (json!({ "lists": { "a": { "ranges": [[-1, 2]] } } }), (400, "M_BAD_JSON")),
            (json!({ "conn_id": "x".repeat(300) }), (400, "M_INVALID_PARAM")),
        ] {
            assert_eq!(ask(&alice, None, 0, body.clone()).await.error(), expected, "{body}");
        }
        let many: serde_json::Map<String, Value> =
            (0..101).map(|n| (n.to_string(), json!({ "ranges": [] }))).collect();
        let many = ask(&alice, None, 0, json!({ "lists": many })).await;
        assert_eq!(many.error(), (400, "M_INVALID_PARAM"));
        let stranger = server.stranger().post(V4, json!({})).await;
        assert_eq!(stranger.error(), (401, "M_MISSING_TOKEN"));
        assert_eq!(ask(&alice, None, 0, json!({})).await.ok()["rooms"], json!({}));
    })
    .await;
}
