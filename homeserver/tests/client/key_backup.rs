//! Backups of the keys of encrypted sessions.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    actor::{Actor, Answer, Connection},
    server::on_both,
};

const VERSION: &str = "/_matrix/client/v3/room_keys/version";
const KEYS: &str = "/_matrix/client/v3/room_keys/keys";

fn algorithm(public_key: &str) -> Value {
    json!({
        "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2",
        "auth_data": { "public_key": public_key, "signatures": {} },
    })
}

fn key(is_verified: bool, first_message_index: u32, forwarded_count: u32) -> Value {
    json!({
        "is_verified": is_verified,
        "first_message_index": first_message_index,
        "forwarded_count": forwarded_count,
        "session_data": { "ephemeral": "YQ", "ciphertext": "Yg", "mac": "Yw" },
    })
}

async fn create(actor: &Actor, public_key: &str) -> String {
    let answer = actor.post(VERSION, algorithm(public_key)).await.ok();
    answer["version"].as_str().unwrap().to_owned()
}

async fn delete(actor: &Actor, path: &str) -> Answer {
    Connection::send(actor.request(Method::DELETE, path)).await
}

fn of(path: &str, version: &str) -> String {
    format!("{KEYS}{path}?version={version}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_has_versions_of_which_the_last_is_current() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        assert_eq!(alice.get(VERSION).await.error(), (404, "M_NOT_FOUND"));
        let first = create(&alice, "b25l").await;
        let mut expected = algorithm("b25l");
        expected["version"] = json!(first);
        expected["etag"] = json!("0");
        expected["count"] = json!(0);
        assert_eq!(alice.get(VERSION).await.ok(), expected);
        let second = create(&alice, "dHdv").await;
        assert_eq!(alice.get(VERSION).await.ok()["version"], json!(second));
        let path = |version: &str| format!("{VERSION}/{version}");
        assert_eq!(alice.get(&path(&first)).await.ok(), expected);
        assert_eq!(bob.get(&path(&first)).await.error(), (404, "M_NOT_FOUND"));

        alice.put(&path(&first), algorithm("bmV3")).await.ok();
        assert_eq!(alice.get(&path(&first)).await.ok()["auth_data"]["public_key"], "bmV3");
        let mut other = algorithm("bmV3");
        other["version"] = json!(second);
        assert_eq!(alice.put(&path(&first), other).await.error(), (400, "M_INVALID_PARAM"));
        let mut other = algorithm("bmV3");
        other["algorithm"] = json!("org.test");
        assert_eq!(alice.put(&path(&first), other.clone()).await.error(), (400, "M_INVALID_PARAM"));
        other["auth_data"] = json!("text");
        other["algorithm"] = json!("m.text");
        let as_text = alice.post(VERSION, other.clone()).await.ok()["version"].clone();
        let as_text = path(as_text.as_str().unwrap());
        assert_eq!(alice.get(&as_text).await.ok()["auth_data"], "text");
        delete(&alice, &as_text).await.ok();
        other["auth_data"] = json!(5);
        assert_eq!(alice.post(VERSION, other).await.error(), (400, "M_BAD_JSON"));

        delete(&alice, &path(&second)).await.ok();
        assert_eq!(alice.get(VERSION).await.ok()["version"], json!(first));
        delete(&alice, &path(&second)).await.ok();
        assert_eq!(alice.get(&path(&second)).await.error(), (404, "M_NOT_FOUND"));
        assert_eq!(alice.put(&path(&second), algorithm("")).await.error(), (404, "M_NOT_FOUND"));
        for none in ["9", "none", "01"] {
            assert_eq!(delete(&alice, &path(none)).await.error(), (404, "M_NOT_FOUND"));
        }
        assert_ne!(create(&alice, "dGhyZWU").await, second);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_put_in_listed_and_deleted_at_each_level() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let version = create(&alice, "b25l").await;
        assert_eq!(alice.get(&of("", &version)).await.ok(), json!({ "rooms": {} }));
        assert_eq!(alice.get(&of("/!a:b", &version)).await.ok(), json!({ "sessions": {} }));
        let one = alice.put(&of("/!a:b/one", &version), key(false, 1, 1)).await.ok();
        assert_eq!(one, json!({ "etag": "1", "count": 1 }));
        let two = json!({ "sessions": { "one": key(false, 1, 1), "two\"": key(true, 2, 2) } });
        let two = alice.put(&of("/!a:b", &version), two).await.ok();
        assert_eq!(two, json!({ "etag": "2", "count": 2 }));
        let rooms = json!({ "rooms": {
            "!a:b": { "sessions": { "one": key(true, 0, 0) } },
            "!c:d": { "sessions": { "one": key(false, 3, 3) } },
        } });
        let three = alice.put(&of("", &version), rooms.clone()).await.ok();
        assert_eq!(three, json!({ "etag": "3", "count": 3 }));
        let again = alice.put(&of("", &version), rooms).await.ok();
        assert_eq!(again, three, "nothing is better");
        let info = alice.get(VERSION).await.ok();
        assert_eq!((&info["etag"], &info["count"]), (&json!("3"), &json!(3)));

        let of_room = json!({ "one": key(true, 0, 0), "two\"": key(true, 2, 2) });
        let all = alice.get(&of("", &version)).await.ok();
        let other = json!({ "sessions": { "one": key(false, 3, 3) } });
        assert_eq!(all, json!({ "rooms": { "!a:b": { "sessions": of_room }, "!c:d": other } }));
        assert_eq!(alice.get(&of("/!a:b", &version)).await.ok(), json!({ "sessions": of_room }));
        assert_eq!(alice.get(&of("/!a:b/two%22", &version)).await.ok(), key(true, 2, 2));
        let none = alice.get(&of("/!a:b/none", &version)).await;
        assert_eq!(none.error(), (404, "M_NOT_FOUND"));

        let gone = delete(&alice, &of("/!a:b/one", &version)).await.ok();
        assert_eq!(gone, json!({ "etag": "4", "count": 2 }));
        assert_eq!(delete(&alice, &of("/!a:b/one", &version)).await.ok(), gone);
        let gone = delete(&alice, &of("/!a:b", &version)).await.ok();
        assert_eq!(gone, json!({ "etag": "5", "count": 1 }));
        let gone = delete(&alice, &of("", &version)).await.ok();
        assert_eq!(gone, json!({ "etag": "6", "count": 0 }));
        assert_eq!(delete(&alice, &of("", "9")).await.error(), (404, "M_NOT_FOUND"));
        assert_eq!(alice.get(&of("", "9")).await.error(), (404, "M_NOT_FOUND"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_go_into_the_current_version_only_and_must_be_whole() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let none = alice.put(&of("/!a:b/one", "1"), key(false, 1, 1)).await;
        assert_eq!(none.error(), (404, "M_NOT_FOUND"));
        let first = create(&alice, "b25l").await;
        let second = create(&alice, "dHdv").await;
        let old = alice.put(&of("/!a:b/one", &first), key(false, 1, 1)).await;
        assert_eq!(old.error(), (403, "M_WRONG_ROOM_KEYS_VERSION"));
        assert_eq!(old.body["current_version"], json!(second));

        let put = async |session: &str, key: Value| {
            let path = of("/!a:b", &second);
            let answer = alice.put(&path, json!({ "sessions": { session: key } })).await;
            let (status, code) = answer.error();
            (status, code.to_owned())
        };
        let bad = (400, "M_BAD_JSON".to_owned());
        for field in ["is_verified", "first_message_index", "forwarded_count", "session_data"] {
            let mut less = key(false, 1, 1);
            less.as_object_mut().unwrap().remove(field);
            assert_eq!(put("one", less).await, bad, "{field}");
        }
        let mut wrong = key(false, 1, 1);
        wrong["first_message_index"] = json!(-1);
        assert_eq!(put("one", wrong).await, bad);
        let invalid = (400, "M_INVALID_PARAM".to_owned());
        assert_eq!(put("\u{0}", key(false, 1, 1)).await, invalid);
        assert_eq!(put(&"a".repeat(256), key(false, 1, 1)).await, invalid);
        assert_eq!(alice.get(VERSION).await.ok()["count"], 0);
        let other = json!({
            "is_verified": false, "first_message_index": 0, "forwarded_count": 0,
            "session_data": "of another algorithm",
        });
        alice.put(&of("/!a:b/one", &second), other.clone()).await.ok();
        assert_eq!(alice.get(&of("/!a:b/one", &second)).await.ok(), other);
    })
    .await;
}
