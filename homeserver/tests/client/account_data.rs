//! What users keep about themselves.

use serde_json::{Value, json};

use super::{
    actor::{Actor, Connection, nothing_new},
    server::on_both,
};

fn own(actor: &Actor, rest: &str) -> String {
    format!("/_matrix/client/v3/user/{}/{rest}", actor.user_id)
}

fn of_room(actor: &Actor, room: &str, rest: &str) -> String {
    own(actor, &format!("rooms/{}/{rest}", room.replace('!', "%21").replace(':', "%3A")))
}

fn content<'a>(block: &'a Value, event_type: &str) -> &'a Value {
    let events = block["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = events.iter().find(|event| event["type"] == event_type);
    found.map_or(&Value::Null, |event| &event["content"])
}

fn token(sync: &Value) -> String {
    sync["next_batch"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn account_data_is_kept_and_reaches_the_other_devices_at_once() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        let path = own(&alice, "account_data/org.test");
        assert_eq!(alice.get(&path).await.error(), (404, "M_NOT_FOUND"));
        let since = token(&alice.sync(None, "").await);
        let waiting = {
            let (alice, since) = (alice.clone(), since.clone());
            tokio::spawn(async move { alice.sync(Some(&since), "timeout=30000").await })
        };
        server.has_begun("/_matrix/client/v3/sync").await;
        alice.put(&path, json!({ "a": "\u{0}", "n": 1 })).await.ok();
        let sync = waiting.await.unwrap();
        let expected = json!({ "a": "\u{0}", "n": 1 });
        assert_eq!(content(&sync["account_data"], "org.test"), &expected);
        assert_eq!(alice.get(&path).await.ok(), expected);

        let in_room = of_room(&alice, &room, "account_data/org.test");
        assert_eq!(alice.get(&in_room).await.error(), (404, "M_NOT_FOUND"));
        alice.put(&in_room, json!({ "b": 2 })).await.ok();
        alice.put(&in_room, json!({ "b": 3 })).await.ok();
        assert_eq!(alice.get(&in_room).await.ok(), json!({ "b": 3 }));
        let next = alice.sync(Some(&token(&sync)), "timeout=30000").await;
        assert!(next.get("account_data").is_none(), "{next}");
        let shown = &next["rooms"]["join"][&room];
        assert_eq!(content(&shown["account_data"], "org.test"), &json!({ "b": 3 }));
        assert!(shown.get("timeline").is_none(), "{shown}");
        let quiet = alice.sync(Some(&token(&next)), "timeout=0").await;
        assert_eq!(quiet, nothing_new(&token(&next)));

        let all = alice.sync(None, "").await;
        assert_eq!(content(&all["account_data"], "org.test"), &expected);
        let shown = &all["rooms"]["join"][&room]["account_data"];
        assert_eq!(content(shown, "org.test"), &json!({ "b": 3 }));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn account_data_of_others_and_of_the_server_is_refused() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let path = own(&alice, "account_data/org.test");
        assert_eq!(bob.put(&path, json!({})).await.error(), (403, "M_FORBIDDEN"));
        assert_eq!(bob.get(&path).await.error(), (403, "M_FORBIDDEN"));
        let tags = of_room(&alice, "!a:b", "tags");
        assert_eq!(bob.get(&tags).await.error(), (403, "M_FORBIDDEN"));
        for kept in ["m.push_rules", "m.fully_read"] {
            let path = own(&alice, &format!("account_data/{kept}"));
            assert_eq!(alice.put(&path, json!({})).await.error(), (405, "M_BAD_JSON"));
            let path = of_room(&alice, "!a:b", &format!("account_data/{kept}"));
            assert_eq!(alice.put(&path, json!({})).await.error(), (405, "M_BAD_JSON"));
        }
        assert_eq!(alice.put(&path, json!([])).await.error(), (400, "M_BAD_JSON"));
        let broken = alice.request(reqwest::Method::PUT, &path).body("{");
        assert_eq!(Connection::send(broken).await.error(), (400, "M_NOT_JSON"));
        let no_room = own(&alice, "rooms/nonsense/account_data/org.test");
        assert_eq!(alice.put(&no_room, json!({})).await.error(), (400, "M_INVALID_PARAM"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_set_listed_deleted_and_synced() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        let tags = of_room(&alice, &room, "tags");
        assert_eq!(alice.get(&tags).await.ok(), json!({ "tags": {} }));
        let since = token(&alice.sync(None, "").await);
        alice.put(&format!("{tags}/m.favourite"), json!({ "order": 0.5 })).await.ok();
        alice.put(&format!("{tags}/u.work"), json!({})).await.ok();
        let both = json!({ "tags": { "m.favourite": { "order": 0.5 }, "u.work": {} } });
        assert_eq!(alice.get(&tags).await.ok(), both);
        let sync = alice.sync(Some(&since), "").await;
        let shown = &sync["rooms"]["join"][&room]["account_data"];
        assert_eq!(content(shown, "m.tag"), &both);
        let work = alice.request(reqwest::Method::DELETE, &format!("{tags}/u.work"));
        Connection::send(work).await.ok();
        let one = json!({ "tags": { "m.favourite": { "order": 0.5 } } });
        assert_eq!(alice.get(&tags).await.ok(), one);
        let sync = alice.sync(Some(&token(&sync)), "").await;
        let shown = &sync["rooms"]["join"][&room]["account_data"];
        assert_eq!(content(shown, "m.tag"), &one);
        let long = alice.put(&format!("{tags}/{}", "a".repeat(256)), json!({})).await;
        assert_eq!(long.error(), (400, "M_INVALID_PARAM"));
    })
    .await;
}
