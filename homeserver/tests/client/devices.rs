//! The devices of a user.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    actor::{Actor, Answer, Connection},
    keys::another_device,
    server::on_both,
};

const DEVICES: &str = "/_matrix/client/v3/devices";

fn path(device: &Actor) -> String {
    format!("{DEVICES}/{}", device.device_id)
}

async fn delete(by: &Actor, path: &str, body: Value) -> Answer {
    Connection::send(by.request(Method::DELETE, path).body(body.to_string())).await
}

fn password(of: &Actor, password: &str, session: &Value) -> Value {
    json!({
        "type": "m.login.password", "password": password, "session": session,
        "identifier": { "type": "m.id.user", "user": of.user_id },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_listed_named_and_deleted_with_a_password() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let phone = another_device(server, &alice, "alice").await;
        let tablet = another_device(server, &alice, "alice").await;
        phone.put(&path(&phone), json!({ "display_name": "Phone" })).await.ok();
        phone.put(&path(&phone), json!({})).await.ok();
        let shown = alice.get(&path(&phone)).await.ok();
        assert_eq!(shown["display_name"], "Phone");
        assert_eq!(shown["last_seen_ip"], "127.0.0.1");
        assert!(shown["last_seen_ts"].as_i64().unwrap() > 0);
        let all = alice.get(DEVICES).await.ok();
        assert_eq!(all["devices"].as_array().unwrap().len(), 3);
        assert!(all["devices"].as_array().unwrap().contains(&shown));

        assert_eq!(bob.get(&path(&phone)).await.error(), (404, "M_NOT_FOUND"));
        let renamed = bob.put(&path(&phone), json!({ "display_name": "mine" })).await;
        assert_eq!(renamed.error(), (404, "M_NOT_FOUND"));
        let long = phone.put(&path(&phone), json!({ "display_name": "x".repeat(2_000) })).await;
        assert_eq!(long.error(), (400, "M_INVALID_PARAM"));

        // One, with what proves who asks; the proof is good for that device only.
        let challenge = delete(&alice, &path(&phone), json!({})).await;
        assert_eq!(challenge.status.as_u16(), 401);
        assert_eq!(challenge.body["flows"][0]["stages"], json!(["m.login.password"]));
        let session = &challenge.body["session"];
        let wrong = json!({ "auth": password(&alice, "wrong", session) });
        assert_eq!(delete(&alice, &path(&phone), wrong).await.error(), (401, "M_FORBIDDEN"));
        let of_bob = json!({ "auth": password(&bob, "bob", session) });
        assert_eq!(delete(&alice, &path(&phone), of_bob).await.status.as_u16(), 401);
        let right = json!({ "auth": password(&alice, "alice", session) });
        delete(&alice, &path(&phone), right).await.ok();
        let only_session = json!({ "auth": { "session": session } });
        let other = delete(&alice, &path(&tablet), only_session).await;
        assert_eq!(other.status.as_u16(), 401);
        assert_eq!(phone.get(DEVICES).await.error(), (401, "M_UNKNOWN_TOKEN"));

        // Several, of which one is gone already.
        let mut body = json!({ "devices": [tablet.device_id, phone.device_id] });
        let path = "/_matrix/client/v3/delete_devices";
        let challenge = alice.post(path, body.clone()).await;
        assert_eq!(challenge.status.as_u16(), 401);
        // Old clients name the user like this.
        body["auth"] = json!({
            "type": "m.login.password", "user": alice.user_id, "password": "alice",
            "session": challenge.body["session"],
        });
        alice.post(path, body).await.ok();
        assert_eq!(tablet.get(DEVICES).await.error(), (401, "M_UNKNOWN_TOKEN"));
        let left = alice.get(DEVICES).await.ok();
        assert_eq!(left["devices"].as_array().unwrap().len(), 1);
    })
    .await;
}
