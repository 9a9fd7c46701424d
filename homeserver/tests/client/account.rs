//! What a user may do with their account, and what becomes of it.

use serde_json::{Value, json};

use crate::{
    actor::{Actor, Answer, in_room},
    server::{TestServer, on_both, on_both_with},
};

const PASSWORD: &str = "/_matrix/client/v3/account/password";
pub const DEACTIVATE: &str = "/_matrix/client/v3/account/deactivate";
const GET_TOKEN: &str = "/_matrix/client/v1/login/get_token";
const LOGIN: &str = "/_matrix/client/v3/login";
const REFRESH: &str = "/_matrix/client/v3/refresh";
const WHOAMI: &str = "/_matrix/client/v3/account/whoami";

fn auth(name: &str, password: &str, session: &Value) -> Value {
    json!({
        "type": "m.login.password",
        "identifier": { "type": "m.id.user", "user": name },
        "password": password,
        "session": session,
    })
}

/// Repeats a request with the password that it asks for.
pub async fn with_password(who: &Actor, path: &str, mut body: Value, password: &str) -> Answer {
    let challenge = who.post(path, body.clone()).await;
    assert_eq!(challenge.status, 401, "{}", challenge.body);
    assert_eq!(challenge.body["flows"], json!([{ "stages": ["m.login.password"] }]));
    body["auth"] = auth(&who.user_id, password, &challenge.body["session"]);
    who.post(path, body).await
}

async fn log_in(server: &TestServer, name: &str, password: &str) -> Answer {
    let mut body = auth(name, password, &Value::Null);
    body["refresh_token"] = true.into();
    server.stranger().post(LOGIN, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_counts_and_logs_other_devices_out() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let other = Actor::new(server.stranger(), &log_in(server, "alice", "alice").await.ok());
        let wrong = with_password(&alice, PASSWORD, json!({ "new_password": "new" }), "x").await;
        assert_eq!(wrong.error(), (401, "M_FORBIDDEN"));
        with_password(&alice, PASSWORD, json!({ "new_password": "new" }), "alice").await.ok();
        alice.get(WHOAMI).await.ok();
        assert_eq!(other.get(WHOAMI).await.error(), (401, "M_UNKNOWN_TOKEN"));
        assert_eq!(log_in(server, "alice", "alice").await.error(), (403, "M_FORBIDDEN"));
        log_in(server, "alice", "new").await.ok();

        // One that was completed for a purpose is good for no other, and not for somebody else.
        let mut body = json!({ "new_password": "newer", "logout_devices": false });
        let challenge = alice.post(DEACTIVATE, json!({})).await;
        body["auth"] = json!({ "session": challenge.body["session"] });
        assert_eq!(alice.post(PASSWORD, body).await.status, 401);
        let bob = server.register("bob").await;
        let not_his = with_password(&bob, PASSWORD, json!({ "new_password": "x" }), "alice").await;
        assert_eq!(not_his.status, 401);
        let nobody = server.stranger().post(PASSWORD, json!({ "new_password": "x" })).await;
        assert_eq!(nobody.error(), (401, "M_MISSING_TOKEN"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deactivated_user_is_gone_and_the_name_stays_taken() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = bob.create_room().await;
        alice.join(&room).await;
        let private = bob.create_room_with(json!({ "preset": "private_chat" })).await;
        bob.invite(&private, &alice).await;
        with_password(&alice, DEACTIVATE, json!({}), "alice").await.ok();

        assert_eq!(alice.get(WHOAMI).await.error(), (401, "M_UNKNOWN_TOKEN"));
        assert_eq!(log_in(server, "alice", "alice").await.error(), (403, "M_USER_DEACTIVATED"));
        let again = server.try_register(json!({ "username": "alice", "password": "x" })).await;
        assert_eq!(again.error(), (400, "M_USER_IN_USE"));
        for room in [&room, &private] {
            let membership = format!("state/m.room.member/{}", alice.user_id);
            loop {
                let state = bob.get(&in_room(room, &membership)).await.ok();
                if state["membership"] == "leave" {
                    break;
                }
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_token_logs_in_once() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let token = with_password(&alice, GET_TOKEN, json!({}), "alice").await.ok();
        let body = json!({ "type": "m.login.token", "token": token["login_token"] });
        let session = server.stranger().post(LOGIN, body.clone()).await.ok();
        assert_eq!(session["user_id"], alice.user_id);
        let again = server.stranger().post(LOGIN, body).await;
        assert_eq!(again.error(), (403, "M_FORBIDDEN"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_replaces_both_tokens_once_they_are_used() {
    on_both(async |server| {
        server.register("alice").await;
        let first = log_in(server, "alice", "alice").await.ok();
        assert!(first["expires_in_ms"].as_u64().unwrap() > 0);
        let refresh = |token: &Value| {
            let body = json!({ "refresh_token": token });
            let stranger = server.stranger();
            async move { stranger.post(REFRESH, body).await }
        };
        let whoami = |token: &Value| {
            let somebody = server.stranger().with_token(token.as_str().unwrap());
            async move { somebody.get(WHOAMI).await }
        };
        // An answer that got lost: the same token gives others, and what it gave before is void.
        let lost = refresh(&first["refresh_token"]).await.ok();
        let second = refresh(&first["refresh_token"]).await.ok();
        assert_eq!(whoami(&lost["access_token"]).await.error(), (401, "M_UNKNOWN_TOKEN"));
        whoami(&first["access_token"]).await.ok();
        let me = whoami(&second["access_token"]).await.ok();
        assert_eq!(me["device_id"], first["device_id"]);
        assert_eq!(whoami(&first["access_token"]).await.error(), (401, "M_UNKNOWN_TOKEN"));
        assert_eq!(refresh(&first["refresh_token"]).await.error(), (401, "M_UNKNOWN_TOKEN"));

        let third = refresh(&second["refresh_token"]).await.ok();
        let fourth = refresh(&third["refresh_token"]).await.ok();
        assert_eq!(whoami(&second["access_token"]).await.error(), (401, "M_UNKNOWN_TOKEN"));
        let device = server.stranger().with_token(fourth["access_token"].as_str().unwrap());
        device.post("/_matrix/client/v3/logout", json!({})).await.ok();
        assert_eq!(refresh(&fourth["refresh_token"]).await.error(), (401, "M_UNKNOWN_TOKEN"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_openid_token_tells_others_who_one_is() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let path = |user: &str| format!("/_matrix/client/v3/user/{user}/openid/request_token");
        let token = alice.post(&path(&alice.user_id), json!({})).await.ok();
        assert_eq!(token["matrix_server_name"], "sealpost.test");
        let userinfo =
            |token: &str| format!("/_matrix/federation/v1/openid/userinfo?access_token={token}");
        let token = token["access_token"].as_str().unwrap();
        let found = server.stranger().get(&userinfo(token)).await.ok();
        assert_eq!(found, json!({ "sub": alice.user_id }));
        let unknown = server.stranger().get(&userinfo("x")).await;
        assert_eq!(unknown.error(), (401, "M_UNKNOWN_TOKEN"));
        let other = alice.post(&path("@bob:sealpost.test"), json!({})).await;
        assert_eq!(other.error(), (403, "M_FORBIDDEN"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_read_and_talk_where_they_are_let_in() {
    on_both_with("registration.allow_guests = true", async |server| {
        let alice = server.register("alice").await;
        let register = "/_matrix/client/v3/register?kind=guest";
        let answer = server.stranger().post(register, json!({})).await.ok();
        let guest = Actor::new(server.stranger(), &answer);
        assert_eq!(guest.get(WHOAMI).await.ok()["is_guest"], true);
        guest.sync(None, "timeout=0").await;
        let refused = guest.post("/_matrix/client/v3/createRoom", json!({})).await;
        assert_eq!(refused.error(), (403, "M_GUEST_ACCESS_FORBIDDEN"));

        let room = alice.create_room().await;
        let closed = guest.post(&in_room(&room, "join"), json!({})).await;
        assert_eq!(closed.error(), (403, "M_GUEST_ACCESS_FORBIDDEN"));
        let access = json!({ "guest_access": "can_join" });
        alice.put(&in_room(&room, "state/m.room.guest_access/"), access).await.ok();
        guest.join(&room).await;
        guest.say(&room, "hello").await;

        let access = json!({ "guest_access": "forbidden" });
        alice.put(&in_room(&room, "state/m.room.guest_access/"), access).await.ok();
        let member = in_room(&room, &format!("state/m.room.member/{}", guest.user_id));
        let member = alice.get(&member).await.ok();
        assert_eq!(member["membership"], "leave", "guests are no longer let in");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_becomes_a_user_and_keeps_name_and_session() {
    on_both_with("registration.allow_guests = true", async |server| {
        let register = "/_matrix/client/v3/register?kind=guest";
        let answer = server.stranger().post(register, json!({})).await.ok();
        let guest = Actor::new(server.stranger(), &answer);
        let name = guest.user_id.trim_start_matches('@').split(':').next().unwrap().to_owned();
        let upgrade = async |username: &str| {
            let token = &answer["access_token"];
            let body =
                json!({ "username": username, "password": "x", "guest_access_token": token });
            server.try_register(body).await
        };
        assert_eq!(upgrade("another").await.error(), (400, "M_INVALID_PARAM"));
        assert_eq!(upgrade(&name).await.ok()["user_id"], answer["user_id"]);
        assert_ne!(guest.get(WHOAMI).await.ok()["is_guest"], true);
        guest.create_room().await;
        assert_eq!(upgrade(&name).await.error(), (400, "M_INVALID_PARAM"), "no guest any more");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_refused_with_the_time_to_wait() {
    on_both_with("rate_limits.enabled = true", async |server| {
        let alice = server.register("alice").await;
        let body = json!({ "search_term": "bob" });
        let refused = loop {
            let answer = alice.post("/_matrix/client/v3/user_directory/search", body.clone()).await;
            if !answer.status.is_success() {
                break answer;
            }
        };
        assert_eq!(refused.error(), (429, "M_LIMIT_EXCEEDED"));
        assert!(refused.body["retry_after_ms"].as_u64().unwrap() > 0);
        alice.get(WHOAMI).await.ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn turn_credentials_are_made_from_the_shared_secret() {
    let turn = "turn = { uris = [\"turn:turn.test\"], secret = \"s\", ttl_seconds = 60 }";
    on_both_with(turn, async |server| {
        let alice = server.register("alice").await;
        let answer = alice.get("/_matrix/client/v3/voip/turnServer").await.ok();
        assert_eq!((&answer["uris"], &answer["ttl"]), (&json!(["turn:turn.test"]), &json!(60)));
        assert!(answer["username"].as_str().unwrap().ends_with(":@alice:sealpost.test"));
    })
    .await;
}
