//! What has been read, and who is typing.

use serde_json::{Value, json};

use super::{
    actor::{Actor, in_room, nothing_new},
    server::on_both,
};

fn token(sync: &Value) -> String {
    sync["next_batch"].as_str().unwrap().to_owned()
}

/// The contents of a room's ephemeral events of a type.
fn ephemeral<'a>(sync: &'a Value, room: &str, event_type: &str) -> Vec<&'a Value> {
    let events = sync["rooms"]["join"][room]["ephemeral"]["events"].as_array();
    let events = events.map(Vec::as_slice).unwrap_or_default();
    events.iter().filter(|e| e["type"] == event_type).map(|e| &e["content"]).collect()
}

async fn receipt(actor: &Actor, room: &str, kind: &str, event: &str, body: Value) {
    actor.post(&in_room(room, &format!("receipt/{kind}/{event}")), body).await.ok();
}

async fn in_thread(actor: &Actor, room: &str, root: &str, text: &str) -> String {
    let content = json!({
        "msgtype": "m.text", "body": text,
        "m.relates_to": { "rel_type": "m.thread", "event_id": root },
    });
    let path = in_room(room, &format!("send/m.room.message/{}", rand::random::<u64>()));
    actor.put(&path, content).await.ok()["event_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_reach_all_and_private_ones_only_oneself() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = alice.create_room().await;
        bob.join(&room).await;
        let (first, second) = (alice.say(&room, "1").await, alice.say(&room, "2").await);
        let since = token(&alice.sync(None, "").await);
        let waiting = {
            let (alice, since) = (alice.clone(), since.clone());
            tokio::spawn(async move { alice.sync(Some(&since), "timeout=30000").await })
        };
        server.has_begun("/_matrix/client/v3/sync").await;
        receipt(&bob, &room, "m.read", &first, json!({})).await;
        let sync = waiting.await.unwrap();
        let shown = ephemeral(&sync, &room, "m.receipt");
        let ts = &shown[0][&first]["m.read"][&bob.user_id]["ts"];
        assert!(ts.as_i64().unwrap() > 0, "{sync}");
        assert!(shown[0][&first]["m.read"][&bob.user_id].get("thread_id").is_none());

        receipt(&bob, &room, "m.read.private", &second, json!({})).await;
        let quiet = alice.sync(Some(&token(&sync)), "timeout=0").await;
        assert!(quiet.get("rooms").is_none(), "{quiet}");
        for bobs in [bob.sync(Some(&since), "").await, bob.sync(None, "").await] {
            let own = ephemeral(&bobs, &room, "m.receipt");
            assert!(own[0][&second]["m.read.private"][&bob.user_id]["ts"].is_i64(), "{bobs}");
        }
        let all = alice.sync(None, "").await;
        assert!(!ephemeral(&all, &room, "m.receipt")[0].to_string().contains("private"));

        // Receipts never go back.
        receipt(&bob, &room, "m.read", &second, json!({})).await;
        receipt(&bob, &room, "m.read", &first, json!({})).await;
        let all = alice.sync(None, "").await;
        let shown = ephemeral(&all, &room, "m.receipt");
        assert_eq!(shown.len(), 1, "in one event");
        assert!(shown[0][&second]["m.read"][&bob.user_id].is_object(), "{all}");
        assert!(shown[0].get(&first).is_none(), "{all}");
        let filter = "filter=%7B%22room%22:%7B%22ephemeral%22:%7B%22types%22:%5B%5D%7D%7D%7D";
        let none = alice.sync(None, filter).await;
        assert_eq!(ephemeral(&none, &room, "m.receipt"), Vec::<&Value>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_count_for_a_thread_or_for_all() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = alice.create_room().await;
        bob.join(&room).await;
        let root = alice.say(&room, "root").await;
        let reply = in_thread(&alice, &room, &root, "reply").await;
        receipt(&bob, &room, "m.read", &root, json!({ "thread_id": "main" })).await;
        receipt(&bob, &room, "m.read", &root, json!({})).await;
        receipt(&bob, &room, "m.read", &reply, json!({ "thread_id": root })).await;
        let sync = alice.sync(None, "").await;
        let shown: Vec<Value> = ephemeral(&sync, &room, "m.receipt").into_iter().cloned().collect();
        let thread_of = |event: &str| -> Vec<Value> {
            let found = shown.iter().filter_map(|content| content.get(event));
            found.map(|types| types["m.read"][&bob.user_id]["thread_id"].clone()).collect()
        };
        let mut of_root = thread_of(&root);
        of_root.sort_by_key(ToString::to_string);
        assert_eq!(of_root, [json!("main"), Value::Null]);
        assert_eq!(thread_of(&reply), [json!(root)]);

        let send = async |kind: &str, event: &str, body: Value| {
            let path = in_room(&room, &format!("receipt/{kind}/{event}"));
            let answer = bob.post(&path, body).await;
            let (status, code) = answer.error();
            (status, code.to_owned())
        };
        let invalid = (400, "M_INVALID_PARAM".to_owned());
        assert_eq!(send("m.read", &reply, json!({ "thread_id": "main" })).await, invalid);
        assert_eq!(send("m.read", &reply, json!({ "thread_id": reply })).await.0, 200);
        let other = alice.say(&room, "other").await;
        assert_eq!(send("m.read", &other, json!({ "thread_id": root })).await, invalid);
        assert_eq!(send("m.read", &other, json!({ "thread_id": "" })).await, invalid);
        assert_eq!(send("m.fully_read", &other, json!({ "thread_id": "main" })).await, invalid);
        assert_eq!(send("m.nonsense", &other, json!({})).await, invalid);
        let unknown = send("m.read", "$unknown", json!({})).await;
        assert_eq!(unknown, (404, "M_NOT_FOUND".to_owned()));
        let wrong = send("m.read", &other, json!({ "thread_id": 7 })).await;
        assert_eq!(wrong, (400, "M_BAD_JSON".to_owned()));
        let elsewhere = alice.create_room_with(json!({})).await;
        let path = in_room(&elsewhere, &format!("receipt/m.read/{other}"));
        assert_eq!(bob.post(&path, json!({})).await.error(), (403, "M_FORBIDDEN"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn markers_move_together_and_the_fully_read_one_is_account_data() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        let (first, second) = (alice.say(&room, "1").await, alice.say(&room, "2").await);
        let since = token(&alice.sync(None, "").await);
        let markers = json!({
            "m.fully_read": first, "m.read": second, "m.read.private": second,
        });
        alice.post(&in_room(&room, "read_markers"), markers).await.ok();
        let sync = alice.sync(Some(&since), "").await;
        let shown = ephemeral(&sync, &room, "m.receipt");
        assert!(shown[0][&second]["m.read"][&alice.user_id].is_object(), "{sync}");
        assert!(shown[0][&second]["m.read.private"][&alice.user_id].is_object(), "{sync}");
        let own = &sync["rooms"]["join"][&room]["account_data"]["events"];
        let marker = json!({ "type": "m.fully_read", "content": { "event_id": first } });
        assert_eq!(own, &json!([marker]));
        receipt(&alice, &room, "m.fully_read", &second, json!({})).await;
        let back = json!({ "m.fully_read": first });
        alice.post(&in_room(&room, "read_markers"), back).await.ok();
        let path = format!(
            "/_matrix/client/v3/user/{}/rooms/{}/account_data/m.fully_read",
            alice.user_id,
            room.replace('!', "%21").replace(':', "%3A")
        );
        assert_eq!(alice.get(&path).await.ok(), json!({ "event_id": second }));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_is_told_at_once_and_ends_by_itself() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = alice.create_room().await;
        bob.join(&room).await;
        let typing = in_room(&room, &format!("typing/{}", bob.user_id));
        let initial = alice.sync(None, "").await;
        assert_eq!(ephemeral(&initial, &room, "m.typing"), Vec::<&Value>::new());
        let wait = |since: String| {
            let alice = alice.clone();
            tokio::spawn(async move { alice.sync(Some(&since), "timeout=30000").await })
        };
        let waiting = wait(token(&initial));
        server.has_begun("/_matrix/client/v3/sync").await;
        bob.put(&typing, json!({ "typing": true, "timeout": 30000 })).await.ok();
        let sync = waiting.await.unwrap();
        let bob_types = json!({ "user_ids": [bob.user_id] });
        let nobody = json!({ "user_ids": [] });
        assert_eq!(ephemeral(&sync, &room, "m.typing"), [&bob_types]);
        assert!(sync["rooms"]["join"][&room].get("timeline").is_none(), "{sync}");
        let all = alice.sync(None, "").await;
        assert_eq!(ephemeral(&all, &room, "m.typing"), [&bob_types]);
        let quiet = alice.sync(Some(&token(&sync)), "timeout=0").await;
        assert_eq!(quiet, nothing_new(&token(&sync)));

        bob.put(&typing, json!({ "typing": false })).await.ok();
        let sync = alice.sync(Some(&token(&sync)), "timeout=30000").await;
        assert_eq!(ephemeral(&sync, &room, "m.typing"), [&nobody]);
        bob.put(&typing, json!({ "typing": true, "timeout": 200 })).await.ok();
        let sync = alice.sync(Some(&token(&sync)), "timeout=30000").await;
        assert_eq!(ephemeral(&sync, &room, "m.typing"), [&bob_types]);
        let sync = alice.sync(Some(&token(&sync)), "timeout=30000").await;
        assert_eq!(ephemeral(&sync, &room, "m.typing"), [&nobody]);

        let answer = alice.put(&typing, json!({ "typing": false })).await;
        assert_eq!(answer.error(), (403, "M_FORBIDDEN"));
        let elsewhere = alice.create_room_with(json!({})).await;
        let typing = in_room(&elsewhere, &format!("typing/{}", bob.user_id));
        let answer = bob.put(&typing, json!({ "typing": true, "timeout": 1 })).await;
        assert_eq!(answer.error(), (403, "M_FORBIDDEN"));
    })
    .await;
}
