//! What is left of an account that was closed, and who reads what an erased user sent.

use std::path::Path;

use sealpost_homeserver::storage::{
    DatabaseUrl, Store, StoreOptions, account_data, accounts, cross_signing, device_keys,
    key_backup, profiles, to_device,
};
use serde_json::{Value, json};

use super::{
    account::{DEACTIVATE, with_password},
    actor::{Actor, in_room},
    server::{TestServer, on_both},
};

const MASTER: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The content of an event, as one reads it by each path.
async fn contents(reader: &Actor, room: &str, event_id: &str) -> Vec<Value> {
    let content = |events: &Value| {
        let events = events.as_array().unwrap();
        let event = events.iter().find(|event| event["event_id"] == event_id);
        event.unwrap_or_else(|| panic!("{events:?}"))["content"].clone()
    };
    let id = event_id.replace('$', "%24");
    let event = reader.get(&in_room(room, &format!("event/{id}"))).await.ok();
    let messages = reader.get(&in_room(room, "messages?dir=b&limit=50")).await.ok();
    let context = reader.get(&in_room(room, &format!("context/{id}?limit=2"))).await.ok();
    let filter = "filter=%7B%22room%22%3A%7B%22timeline%22%3A%7B%22limit%22%3A50%7D%7D%7D";
    let sync = reader.sync(None, filter).await;
    vec![
        event["content"].clone(),
        content(&messages["chunk"]),
        context["event"]["content"].clone(),
        content(&sync["rooms"]["join"][room]["timeline"]["events"]),
    ]
}

/// Keys, a backup, a profile, account data, a message that waits.
async fn settle_in(user: &Actor) {
    let device = &user.device_id;
    let keys = json!({ "device_keys": {
        "user_id": user.user_id, "device_id": device, "algorithms": ["a"],
        "keys": { format!("ed25519:{device}"): "k" }, "signatures": {},
    }});
    user.post("/_matrix/client/v3/keys/upload", keys).await.ok();
    let master = json!({ "master_key": {
        "user_id": user.user_id, "usage": ["master"], "keys": { format!("ed25519:{MASTER}"): MASTER },
    }});
    user.post("/_matrix/client/v3/keys/device_signing/upload", master).await.ok();
    let backup = json!({ "algorithm": "a", "auth_data": {} });
    let version = user.post("/_matrix/client/v3/room_keys/version", backup).await.ok();
    let key = json!({
        "is_verified": true, "first_message_index": 0, "forwarded_count": 0, "session_data": {},
    });
    let path = format!(
        "/_matrix/client/v3/room_keys/keys/%21a/b?version={}",
        version["version"].as_str().unwrap()
    );
    user.put(&path, key).await.ok();
    for (path, body) in [
        (format!("user/{}/account_data/m.secret", user.user_id), json!({ "a": 1 })),
        (format!("profile/{}/m.tz", user.user_id), json!({ "m.tz": "Europe/London" })),
        ("sendToDevice/m.test/1".to_owned(), json!({ "messages": { &user.user_id: { "*": {} } } })),
    ] {
        user.put(&format!("/_matrix/client/v3/{path}"), body).await.ok();
    }
}

/// Whether the server has done all that follows when a user was deactivated; then nothing of theirs is left.
async fn nothing_is_left(server: &TestServer, user: &Actor) -> bool {
    let url = DatabaseUrl::parse(server.database_url(), Path::new("/")).unwrap();
    let (user_id, device) = (user.user_id.clone(), user.device_id.clone());
    let look = move || {
        let store = Store::open(StoreOptions::new(url)).unwrap();
        let looked = store.read_blocking(move |conn| {
            if !accounts::departing(conn)?.is_empty() {
                return Ok(false);
            }
            let nid = accounts::find_by_id(conn, &user_id)?.unwrap().user_nid;
            assert_eq!(key_backup::current(conn, nid)?, None);
            assert_eq!(device_keys::get(conn, nid, &device)?, None);
            assert_eq!(to_device::span(conn, (nid, &device))?, None);
            assert!(cross_signing::of_users(conn, &[nid])?.is_empty());
            assert!(account_data::of_type(conn, nid, "m.secret")?.is_empty());
            assert!(profiles::fields(conn, nid)?.is_empty());
            Ok(true)
        });
        store.close_blocking();
        looked.unwrap()
    };
    tokio::task::spawn_blocking(look).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_erased_user_sent_is_read_by_those_alone_who_were_there() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let (bob, carol) = (server.register("bob").await, server.register("carol").await);
        let room = bob.create_room().await;
        alice.join(&room).await;
        let before = alice.say(&room, "secret").await;
        let root = bob.say(&room, "root").await;
        let content = json!({
            "msgtype": "m.text", "body": "in a thread",
            "m.relates_to": { "rel_type": "m.thread", "event_id": root },
        });
        alice.put(&in_room(&room, "send/m.room.message/t"), content).await.ok();
        settle_in(&alice).await;
        with_password(&alice, DEACTIVATE, json!({ "erase": true }), "alice").await.ok();
        carol.join(&room).await;

        let secret = json!({ "msgtype": "m.text", "body": "secret" });
        let check = async |bob: &Actor, carol: &Actor| {
            assert_eq!(contents(bob, &room, &before).await, vec![secret.clone(); 4]);
            assert_eq!(contents(carol, &room, &before).await, vec![json!({}); 4]);
            let path = in_room(&room, "threads").replace("/v3/", "/v1/");
            for (reader, read) in [(bob, "in a thread".into()), (carol, Value::Null)] {
                let threads = reader.get(&path).await.ok();
                let thread = &threads["chunk"][0]["unsigned"]["m.relations"]["m.thread"];
                assert_eq!(thread["latest_event"]["content"]["body"], read, "{thread}");
                assert_eq!(thread["count"], 1);
            }
        };
        check(&bob, &carol).await;
        let query = json!({ "device_keys": { &alice.user_id: [] } });
        let keys = bob.post("/_matrix/client/v3/keys/query", query).await.ok();
        assert_eq!(keys["device_keys"][&alice.user_id], json!({}));
        assert_eq!(keys["master_keys"].as_object().map_or(0, |keys| keys.len()), 0);

        loop {
            server.stop().await;
            let done = nothing_is_left(server, &alice).await;
            server.start_again().await;
            if done {
                break;
            }
        }
        let [bob, carol] = [&bob, &carol].map(|reader| Actor::at(reader, server.stranger()));
        check(&bob, &carol).await;
    })
    .await;
}
