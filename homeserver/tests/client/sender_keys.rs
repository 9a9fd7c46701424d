//! Our own resource for distributions of sender keys.

use serde_json::{Map, Value, json};

use super::{actor::Actor, keys::another_device, server::on_both};

const LABEL: &str = "org.sealpost.deposit";

fn path(room: &str, rest: &str) -> String {
    let room = room.replace('!', "%21").replace(':', "%3A");
    format!("/_matrix/client/unstable/org.sealpost/rooms/{room}/sender-keys{rest}")
}

/// A deposit for each device.
fn deposits(of: &[(&Actor, &str)]) -> Value {
    let mut messages = json!({});
    for (actor, ciphertext) in of {
        messages[&actor.user_id][&actor.device_id] = json!({ "ciphertext": ciphertext });
    }
    json!({ "messages": messages })
}

async fn deposit(by: &Actor, room: &str, of: &[(&Actor, &str)]) -> Value {
    by.post(&path(room, ""), deposits(of)).await.ok()["left_out"].clone()
}

async fn waiting(actor: &Actor, room: &str) -> Vec<Value> {
    let answer = actor.get(&path(room, "")).await.ok();
    answer["events"].as_array().unwrap().clone()
}

fn texts(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["content"]["ciphertext"].as_str().unwrap()).collect()
}

async fn acknowledge(actor: &Actor, room: &str, events: &[Value]) {
    let ids: Vec<&Value> = events.iter().map(|event| &event["content"][LABEL]["id"]).collect();
    actor.post(&path(room, "/ack"), json!({ "ids": ids })).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_comes_with_sync_and_waits_until_it_is_acknowledged() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let (phone, carol) =
            (another_device(server, &bob, "bob").await, server.register("carol").await);
        let room = alice.create_room().await;
        bob.join(&room).await;
        let other = alice.create_room().await;
        bob.join(&other).await;
        let since = bob.sync(None, "").await;
        let left_out =
            deposit(&alice, &room, &[(&bob, "to bob"), (&phone, "to phone"), (&carol, "x")]).await;
        assert_eq!(left_out, json!([carol.user_id]));

        let sync = bob.sync(since["next_batch"].as_str(), "timeout=30000").await;
        let events = sync["to_device"]["events"].as_array().unwrap().clone();
        let [event] = &events[..] else { panic!("{events:?}") };
        let label = &event["content"][LABEL];
        assert_eq!(label["room_id"], room.as_str());
        let content = json!({ "ciphertext": "to bob", LABEL: label });
        let whole =
            json!({ "type": "m.room.encrypted", "sender": alice.user_id, "content": content });
        assert_eq!(*event, whole);

        // It is there beside, through all syncs and a restart, for this device and room alone.
        bob.sync(sync["next_batch"].as_str(), "timeout=0").await;
        server.stop().await;
        server.start_again().await;
        let at = |actor: &Actor| actor.at(server.stranger());
        let (alice, bob, phone, carol) = (at(&alice), at(&bob), at(&phone), at(&carol));
        assert_eq!(waiting(&bob, &room).await, events);
        assert_eq!(texts(&waiting(&phone, &room).await), ["to phone"]);
        assert!(waiting(&bob, &other).await.is_empty());
        assert_eq!(carol.get(&path(&room, "")).await.error(), (403, "M_FORBIDDEN"));

        // Another's id is of no use, nor is one for another room.
        acknowledge(&phone, &room, &events).await;
        bob.post(&path(&other, "/ack"), json!({ "ids": [label["id"]] })).await.ok();
        assert_eq!(waiting(&bob, &room).await, events);
        acknowledge(&bob, &room, &events).await;
        acknowledge(&bob, &room, &events).await;
        assert!(waiting(&bob, &room).await.is_empty());
        assert_eq!(texts(&waiting(&phone, &room).await), ["to phone"]);

        // Invited people get them too; whoever left does not, and deposits none.
        alice.invite(&room, &carol).await;
        assert_eq!(deposit(&alice, &room, &[(&carol, "welcome")]).await, json!([]));
        assert_eq!(texts(&waiting(&carol, &room).await), ["welcome"]);
        bob.leave(&room).await;
        let left_out = deposit(&alice, &room, &[(&bob, "late")]).await;
        assert_eq!(left_out, json!([bob.user_id]));
        for actor in [&bob, &carol] {
            let refused = actor.post(&path(&room, ""), deposits(&[(&alice, "x")])).await;
            assert_eq!(refused.error(), (403, "M_FORBIDDEN"));
        }
        // What was given before is the device's own.
        assert_eq!(texts(&waiting(&phone, &room).await), ["to phone"]);
        phone.post("/_matrix/client/v3/logout", json!({})).await.ok();
        assert_eq!(deposit(&alice, &other, &[(&phone, "gone"), (&bob, "there")]).await, json!([]));
        assert_eq!(texts(&waiting(&bob, &other).await), ["there"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deposits_come_in_pages_and_once_per_transaction() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        let mut body = deposits(&[(&alice, "0")]);
        body["transaction_id"] = "same".into();
        for _ in 0..2 {
            alice.post(&path(&room, ""), body.clone()).await.ok();
        }
        assert_eq!(waiting(&alice, &room).await.len(), 1);
        for n in 1..=100 {
            deposit(&alice, &room, &[(&alice, &n.to_string())]).await;
        }
        let first = alice.get(&path(&room, "")).await.ok();
        let page = first["events"].as_array().unwrap();
        assert_eq!((page.len(), texts(page)[0]), (100, "0"));
        let from = first["next_batch"].as_str().unwrap();
        let second = alice.get(&path(&room, &format!("?from={from}"))).await.ok();
        assert_eq!(texts(second["events"].as_array().unwrap()), ["100"]);
        assert!(second.get("next_batch").is_none());
        acknowledge(&alice, &room, page).await;
        assert_eq!(texts(&waiting(&alice, &room).await), ["100"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deposits_that_cannot_be_are_refused() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        let of = |device: &str, content: Value| {
            json!({ "messages": { &alice.user_id: { device: content } } })
        };
        let many: Map<String, Value> = (0..101).map(|n| (n.to_string(), json!({}))).collect();
        for (body, error) in [
            (json!({}), (400, "M_BAD_JSON")),
            (json!({ "messages": { "nobody": {} } }), (400, "M_BAD_JSON")),
            (of("D", json!("text")), (400, "M_BAD_JSON")),
            (of("*", json!({})), (400, "M_INVALID_PARAM")),
            (of("D", json!({ "x": "x".repeat(16 * 1024) })), (413, "M_TOO_LARGE")),
            (json!({ "messages": { &alice.user_id: many } }), (413, "M_TOO_LARGE")),
            (json!({ "messages": {}, "transaction_id": "t".repeat(256) }), (400, "M_INVALID_PARAM")),
        ] {
            let answer = alice.post(&path(&room, ""), body).await;
            assert_eq!(answer.error(), error, "{}", answer.body);
        }
        // Nobody has such a device; the label is the server's alone.
        alice.post(&path(&room, ""), of("D\0", json!({}))).await.ok();
        let forged = of(&alice.device_id, json!({ "ciphertext": "c", LABEL: "forged" }));
        alice.post(&path(&room, ""), forged).await.ok();
        let [event] = &waiting(&alice, &room).await[..] else { panic!("one") };
        assert_eq!(event["content"][LABEL]["room_id"], room.as_str());
        for (rest, body, error) in [
            ("/ack", json!({ "ids": vec!["i"; 1_001] }), (400, "M_INVALID_PARAM")),
            ("/ack", json!({ "ids": ["\0"] }), (400, "M_INVALID_PARAM")),
            ("/ack", json!({ "ids": 1 }), (400, "M_BAD_JSON")),
        ] {
            assert_eq!(alice.post(&path(&room, rest), body).await.error(), error);
        }
        let refused = alice.get(&path(&room, "?from=x")).await;
        assert_eq!(refused.error(), (400, "M_INVALID_PARAM"));
        let refused = alice.get(&path("!no:sealpost.test", "")).await;
        assert_eq!(refused.error(), (403, "M_FORBIDDEN"));
        let refused = alice.get(&path("no", "")).await;
        assert_eq!(refused.error(), (400, "M_INVALID_PARAM"));
    })
    .await;
}
