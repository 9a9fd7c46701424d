//! Messages to devices.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    actor::{Actor, Connection, nothing_new},
    server::{TestServer, on_both},
};

const UNSTABLE: &str = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";
const V4: &str = "/_matrix/client/v4/sync";

async fn send(from: &Actor, transaction: &str, messages: Value) {
    let path = format!("/_matrix/client/v3/sendToDevice/m.test/{transaction}");
    from.put(&path, json!({ "messages": messages })).await.ok();
}

/// A message with a number for one device.
async fn send_one(from: &Actor, to: &Actor, number: usize) {
    let message = json!({ &to.user_id: { &to.device_id: { "n": number } } });
    send(from, &format!("{number}-{}", to.device_id), message).await;
}

/// Another device of a user.
async fn log_in(server: &TestServer, user: &Actor, name: &str) -> Actor {
    let login = json!({
        "type": "m.login.password",
        "identifier": { "type": "m.id.user", "user": user.user_id },
        "password": name,
    });
    let answer = server.stranger().post("/_matrix/client/v3/login", login).await.ok();
    Actor::new(server.stranger(), &answer)
}

fn numbers(events: &Value) -> Vec<u64> {
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    events.iter().map(|event| event["content"]["n"].as_u64().unwrap()).collect()
}

fn got(sync: &Value) -> Vec<u64> {
    numbers(&sync["to_device"]["events"])
}

fn token(sync: &Value) -> String {
    sync["next_batch"].as_str().unwrap().to_owned()
}

/// Waits for what is written in the background: writes stand in one queue.
async fn all_is_written(actor: &Actor) {
    let path = format!("/_matrix/client/v3/user/{}/account_data/m.test", actor.user_id);
    actor.put(&path, json!({})).await.ok();
}

async fn commits(server: &TestServer) -> String {
    let metrics = Connection::new(format!("http://{}", server.metrics_address()));
    let figures = metrics.get("/metrics").await.body;
    let line = figures.as_str().unwrap().lines().find(|line| line.starts_with("sealpost_commits"));
    line.unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_wakes_its_device_and_comes_until_it_is_acknowledged() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let phone = log_in(server, &alice, "alice").await;
        let bob = server.register("bob").await;
        let first = token(&alice.sync(None, "").await);
        let other = token(&phone.sync(None, "").await);
        let waiting = {
            let (alice, since) = (alice.clone(), first.clone());
            tokio::spawn(async move { alice.sync(Some(&since), "timeout=30000").await })
        };
        server.has_begun("/_matrix/client/v3/sync").await;
        send_one(&bob, &alice, 1).await;
        let sync = waiting.await.unwrap();
        let message = json!({ "content": { "n": 1 }, "sender": bob.user_id, "type": "m.test" });
        assert_eq!(sync["to_device"]["events"], json!([message]));

        let quiet = phone.sync(Some(&other), "timeout=0").await;
        assert_eq!(quiet, nothing_new(&token(&quiet)), "of another device");
        assert_eq!(got(&alice.sync(Some(&first), "").await), [1], "the same token again");
        send_one(&bob, &alice, 2).await;
        assert_eq!(got(&alice.sync(Some(&first), "").await), [1, 2]);
        assert_eq!(got(&alice.sync(None, "").await), [1, 2]);
        let second = alice.sync(Some(&token(&sync)), "").await;
        assert_eq!(got(&second), [2]);

        server.stop().await;
        server.start_again().await;
        let alice = Actor::at(&alice, server.stranger());
        assert_eq!(got(&alice.sync(None, "").await), [2], "what was acknowledged is gone");
        let third = alice.sync(Some(&token(&second)), "").await;
        assert_eq!(got(&third), [0_u64; 0]);
        all_is_written(&Actor::at(&bob, server.stranger())).await;
        let before = commits(server).await;
        let last = alice.sync(Some(&token(&third)), "timeout=0").await;
        assert_eq!(last, nothing_new(&token(&last)));
        assert_eq!(
            commits(server).await,
            before,
            "nothing is to be deleted, so nothing is written"
        );
        assert_eq!(got(&alice.sync(None, "").await), [0_u64; 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_come_at_once_and_nothing_is_skipped() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = alice.create_room().await;
        let mut since = token(&alice.sync(None, "").await);
        for n in 0..120 {
            send_one(&bob, &alice, n).await;
        }
        alice.say(&room, "once").await;
        let sync = alice.sync(Some(&since), "").await;
        assert_eq!(got(&sync), (0..100).collect::<Vec<_>>());
        assert!(sync["rooms"]["join"][&room].is_object());
        since = token(&sync);
        send_one(&bob, &alice, 120).await;
        let rest = alice.sync(Some(&since), "timeout=30000").await;
        assert_eq!(got(&rest), (100..=120).collect::<Vec<_>>());
        assert!(rest.get("rooms").is_none(), "the room is not told twice: {rest}");
        let quiet = alice.sync(Some(&token(&rest)), "timeout=0").await;
        assert_eq!(quiet, nothing_new(&token(&quiet)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_done_once_for_all_the_devices_it_names() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let phone = log_in(server, &alice, "alice").await;
        let messages = json!({
            &alice.user_id: { "*": { "n": 1 }, &phone.device_id: { "n": 2 }, "none": { "n": 3 } },
            "@nobody:sealpost.test": { "*": { "n": 4 }, "\u{0}": { "n": 5 } },
            &bob.user_id: { "*": { "n": 6 } },
        });
        for _ in 0..2 {
            send(&bob, "the same", messages.clone()).await;
        }
        assert_eq!(got(&alice.sync(None, "").await), [1]);
        assert_eq!(got(&phone.sync(None, "").await), [2], "the one that names it");
        assert_eq!(got(&bob.sync(None, "").await), [6]);
        let old = "/_matrix/client/r0/sendToDevice/m.other/the%20same";
        bob.put(old, json!({ "messages": { &alice.user_id: { "*": { "n": 7 } } } })).await.ok();
        assert_eq!(got(&alice.sync(None, "").await), [1, 7], "another type is another endpoint");

        Connection::send(phone.request(Method::POST, "/_matrix/client/v3/logout")).await.ok();
        let login = json!({
            "type": "m.login.password", "device_id": phone.device_id, "password": "alice",
            "identifier": { "type": "m.id.user", "user": "alice" },
        });
        let answer = server.stranger().post("/_matrix/client/v3/login", login).await.ok();
        let again = Actor::new(server.stranger(), &answer);
        assert_eq!(again.device_id, phone.device_id);
        assert_eq!(got(&again.sync(None, "").await), [0_u64; 0], "they went with the device");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_malformed_is_refused_whole() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let path = "/_matrix/client/v3/sendToDevice/m.test/1";
        let put = async |body: Value| {
            let answer = alice.put(path, body).await;
            let (status, code) = answer.error();
            (status, code.to_owned())
        };
        let to_me = |content: Value| json!({ "messages": { &alice.user_id: { "*": content } } });
        let bad = (400, "M_BAD_JSON".to_owned());
        assert_eq!(put(json!({})).await, bad);
        assert_eq!(put(json!({ "messages": { "nobody": {} } })).await, bad);
        assert_eq!(put(to_me(json!([]))).await, bad);
        let large = (413, "M_TOO_LARGE".to_owned());
        assert_eq!(put(to_me(json!({ "a": "a".repeat(65_000) }))).await, large);
        let many = (0..5_001).map(|n| (n.to_string(), json!({})));
        let many: serde_json::Map<_, _> = many.collect();
        assert_eq!(put(json!({ "messages": { &alice.user_id: many } })).await, large);
        let long = format!("/_matrix/client/v3/sendToDevice/{}/1", "a".repeat(256));
        let refused = alice.put(&long, json!({ "messages": {} })).await;
        assert_eq!(refused.error(), (400, "M_INVALID_PARAM"));
        assert_eq!(got(&alice.sync(None, "").await), [0_u64; 0]);
        alice.put(path, to_me(json!({ "n": 1 }))).await.ok();
        assert_eq!(got(&alice.sync(None, "").await), [1]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sliding_sync_tells_messages_in_both_dialects() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        for (dialect, first) in [(UNSTABLE, 0), (V4, 10)] {
            let ask = async |pos: &str, timeout: u32, extension: Value| {
                let mut body = json!({ "extensions": { "to_device": extension } });
                if dialect == V4 {
                    body["timeout"] = json!(timeout);
                    if !pos.is_empty() {
                        body["pos"] = json!(pos);
                    }
                    return alice.post(V4, body).await;
                }
                let pos = if pos.is_empty() { String::new() } else { format!("&pos={pos}") };
                alice.post(&format!("{UNSTABLE}?timeout={timeout}{pos}"), body).await
            };
            let begun = ask("", 0, json!({ "enabled": true })).await.ok();
            let mut pos = begun["pos"].as_str().unwrap().to_owned();
            let told = &begun["extensions"]["to_device"];
            assert_eq!(told["events"].as_array().map_or(0, Vec::len), 0, "{told}");
            let since = told["next_batch"].as_str().unwrap().to_owned();
            let wanted = json!({ "enabled": true, "since": since });
            let waiting = ask(&pos, 30_000, wanted.clone());
            let sending = async {
                server.has_begun_with("POST", dialect).await;
                send_one(&bob, &alice, first).await;
            };
            let (answer, ()) = tokio::join!(waiting, sending);
            let answer = answer.ok();
            let block = &answer["extensions"]["to_device"];
            assert_eq!(numbers(&block["events"]), [first as u64]);
            pos = answer["pos"].as_str().unwrap().to_owned();
            for n in 1..4 {
                send_one(&bob, &alice, first + n).await;
            }
            let first = first as u64;
            let again = ask(&pos, 0, wanted).await.ok();
            let block = &again["extensions"]["to_device"];
            assert_eq!(numbers(&block["events"]), [first, first + 1, first + 2, first + 3]);
            let next = answer["extensions"]["to_device"]["next_batch"].as_str().unwrap();
            let two = json!({ "enabled": true, "since": next, "limit": 2 });
            let cut = ask(&pos, 0, two).await.ok();
            let block = &cut["extensions"]["to_device"];
            assert_eq!(numbers(&block["events"]), [first + 1, first + 2]);
            let rest = json!({ "enabled": true, "since": block["next_batch"], "limit": 2 });
            let rest = ask(cut["pos"].as_str().unwrap(), 30_000, rest).await.ok();
            let block = &rest["extensions"]["to_device"];
            assert_eq!(numbers(&block["events"]), [first + 3]);
            let done = json!({ "enabled": true, "since": block["next_batch"] });
            let quiet = ask(rest["pos"].as_str().unwrap(), 0, done.clone()).await.ok();
            let quiet = ask(quiet["pos"].as_str().unwrap(), 0, done).await.ok();
            assert_eq!(quiet["extensions"], json!({}));
            let foreign = ask(&pos, 0, json!({ "enabled": true, "since": "x" })).await;
            assert_eq!(foreign.error(), (400, "M_INVALID_PARAM"));
            // What is not acknowledged comes without `since` too.
            let fresh = ask("", 0, json!({ "enabled": true })).await.ok();
            assert_eq!(numbers(&fresh["extensions"]["to_device"]["events"]), [0_u64; 0]);
        }
    })
    .await;
}
