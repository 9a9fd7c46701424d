//! What administrators do about users, and what users tell them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha1::Sha1;

use crate::{
    actor::{Actor, in_room},
    server::{TestServer, on_both, on_both_with},
};

const SECRET: &str = "registration.shared_secret = \"secret\"";
const WHOAMI: &str = "/_matrix/client/v3/account/whoami";

async fn register_admin(server: &TestServer) -> Actor {
    let path = "/_synapse/admin/v1/register";
    let nonce = server.stranger().get(path).await.ok()["nonce"].as_str().unwrap().to_owned();
    let mut mac = Hmac::<Sha1>::new_from_slice(b"secret").unwrap();
    mac.update(format!("{nonce}\0admin\0admin\0admin").as_bytes());
    let mac: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let body = json!({ "nonce": nonce, "username": "admin", "password": "admin", "admin": true,
        "mac": mac });
    Actor::new(server.stranger(), &server.stranger().post(path, body).await.ok())
}

fn path(what: &str, who: &Actor) -> String {
    format!("/_matrix/client/v1/admin/{what}/{}", who.user_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_user_can_only_log_out() {
    on_both_with(SECRET, async |server| {
        let (admin, alice) = (register_admin(server).await, server.register("alice").await);
        let since = alice.sync(None, "timeout=0").await["next_batch"].as_str().unwrap().to_owned();
        let waiting = {
            let alice = alice.clone();
            let path = format!("/_matrix/client/v3/sync?timeout=30000&since={since}");
            tokio::spawn(async move { alice.get(&path).await })
        };
        server.has_begun("/_matrix/client/v3/sync").await;
        assert_eq!(admin.get(&path("lock", &alice)).await.ok(), json!({ "locked": false }));
        admin.put(&path("lock", &alice), json!({ "locked": true })).await.ok();
        let ended = waiting.await.unwrap();
        assert_eq!(ended.error(), (401, "M_USER_LOCKED"));
        assert_eq!(ended.body["soft_logout"], true);
        assert_eq!(alice.get(WHOAMI).await.error(), (401, "M_USER_LOCKED"));
        let login = json!({ "type": "m.login.password", "password": "alice",
            "identifier": { "type": "m.id.user", "user": "alice" } });
        let answer = server.stranger().post("/_matrix/client/v3/login", login).await;
        assert_eq!(answer.error(), (401, "M_USER_LOCKED"));

        admin.put(&path("lock", &alice), json!({ "locked": false })).await.ok();
        alice.get(WHOAMI).await.ok();
        admin.put(&path("lock", &alice), json!({ "locked": true })).await.ok();
        alice.post("/_matrix/client/v3/logout", json!({})).await.ok();

        let bob = server.register("bob").await;
        let refused = bob.put(&path("lock", &alice), json!({ "locked": false })).await;
        assert_eq!(refused.error(), (403, "M_FORBIDDEN"));
        let own = admin.put(&path("lock", &admin), json!({ "locked": true })).await;
        assert_eq!(own.error(), (403, "M_FORBIDDEN"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_user_reads_and_is_silent() {
    on_both_with(SECRET, async |server| {
        let (admin, alice) = (register_admin(server).await, server.register("alice").await);
        let room = alice.create_room().await;
        let own = alice.say(&room, "hello").await;
        admin.join(&room).await;
        let other = admin.say(&room, "hi").await;
        admin.put(&path("suspend", &alice), json!({ "suspended": true })).await.ok();
        assert_eq!(admin.get(&path("suspend", &alice)).await.ok()["suspended"], true);

        alice.sync(None, "timeout=0").await;
        let message = json!({ "msgtype": "m.text", "body": "x" });
        let send = alice.put(&in_room(&room, "send/m.room.message/1"), message).await;
        assert_eq!(send.error(), (403, "M_USER_SUSPENDED"));
        let create = alice.post("/_matrix/client/v3/createRoom", json!({})).await;
        assert_eq!(create.error(), (403, "M_USER_SUSPENDED"));
        let profile = format!("/_matrix/client/v3/profile/{}/displayname", alice.user_id);
        let name = alice.put(&profile, json!({ "displayname": "A" })).await;
        assert_eq!(name.error(), (403, "M_USER_SUSPENDED"));
        let redact = |event: &str| in_room(&room, &format!("redact/{event}/{event}"));
        let refused = alice.put(&redact(&other), json!({})).await;
        assert_eq!(refused.error(), (403, "M_USER_SUSPENDED"));
        alice.put(&redact(&own), json!({})).await.ok();
        alice.leave(&room).await;

        admin.put(&path("suspend", &alice), json!({ "suspended": false })).await.ok();
        alice.create_room().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whois_tells_administrators_and_oneself() {
    on_both_with(SECRET, async |server| {
        let (admin, alice) = (register_admin(server).await, server.register("alice").await);
        let whois = |who: &Actor| format!("/_matrix/client/v3/admin/whois/{}", who.user_id);
        for asker in [&admin, &alice] {
            let answer = asker.get(&whois(&alice)).await.ok();
            assert_eq!(answer["user_id"], alice.user_id);
            assert!(answer["devices"][&alice.device_id]["sessions"].is_array(), "{answer}");
        }
        assert_eq!(alice.get(&whois(&admin)).await.error(), (403, "M_FORBIDDEN"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_report_what_they_can_see() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = alice.create_room().await;
        let event = alice.say(&room, "spam").await;
        let report = in_room(&room, &format!("report/{event}"));
        let body = json!({ "reason": "spam", "score": -100 });
        assert_eq!(bob.post(&report, body.clone()).await.error(), (404, "M_NOT_FOUND"));
        bob.join(&room).await;
        bob.post(&report, body).await.ok();
        bob.post(&in_room(&room, "report"), json!({ "reason": "bad room" })).await.ok();
        let unknown = bob.post(&in_room("!none:x", "report"), json!({ "reason": "" })).await;
        assert_eq!(unknown.error(), (404, "M_NOT_FOUND"));
        let user = |user: &str| format!("/_matrix/client/v3/users/{user}/report");
        bob.post(&user(&alice.user_id), json!({ "reason": "rude" })).await.ok();
        bob.post(&user("@nobody:sealpost.test"), json!({ "reason": "rude" })).await.ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_finds_whom_one_could_meet() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let carol = server.register("carol_100").await;
        let name = format!("/_matrix/client/v3/profile/{}/displayname", bob.user_id);
        bob.put(&name, json!({ "displayname": "Bobby Tables" })).await.ok();
        let search = async |who: &Actor, term: &str| {
            let path = "/_matrix/client/v3/user_directory/search";
            let answer = who.post(path, json!({ "search_term": term })).await.ok();
            let ids = answer["results"].as_array().unwrap().iter();
            ids.map(|user| user["user_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(search(&alice, "tables").await, [""; 0]);
        let private = bob.create_room_with(json!({ "preset": "private_chat" })).await;
        bob.invite(&private, &alice).await;
        assert_eq!(search(&alice, "tables").await, [""; 0]);
        alice.join(&private).await;
        assert_eq!(search(&alice, "TABLES bob").await, [bob.user_id.as_str()]);
        assert_eq!(search(&alice, "tables xyz").await, [""; 0]);
        assert_eq!(search(&carol, "tables").await, [""; 0]);
        bob.create_room_with(json!({ "visibility": "public", "preset": "public_chat" })).await;
        assert_eq!(search(&carol, "tables").await, [bob.user_id.as_str()]);
        assert_eq!(search(&carol, "%").await, [""; 0]);

        let mutual = |of: &Actor| format!("/_matrix/client/v1/mutual_rooms?user_id={}", of.user_id);
        let rooms = alice.get(&mutual(&bob)).await.ok();
        assert_eq!(rooms, json!({ "count": 1, "joined": [private] }));
        assert_eq!(alice.get(&mutual(&carol)).await.ok(), json!({ "count": 0, "joined": [] }));
        let own = alice.get(&mutual(&alice)).await;
        assert_eq!(own.error(), (400, "M_INVALID_PARAM"));
    })
    .await;
}
