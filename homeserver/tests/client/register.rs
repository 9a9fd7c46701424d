use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::server::{TestServer, on_both, on_both_with};

const REGISTER: &str = "/_matrix/client/v3/register";

#[tokio::test(flavor = "multi_thread")]
async fn one_request_with_the_dummy_stage_registers_and_logs_in() {
    on_both(async |server| {
        let answer =
            server.try_register(json!({ "username": "alice", "password": "x" })).await.ok();
        assert_eq!(answer["user_id"], "@alice:sealpost.test");
        assert!(answer["access_token"].is_string() && answer["device_id"].is_string());

        let body = json!({ "auth": { "type": "m.login.dummy" }, "device_id": "PHONE" });
        let old = server.stranger().post("/_matrix/client/r0/register", body).await.ok();
        assert_eq!(old["device_id"], "PHONE");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_stage_the_flows_are_told_and_the_session_goes_on() {
    on_both(async |server| {
        let stranger = server.stranger();
        let begun = stranger.post(REGISTER, json!({ "username": "alice" })).await;
        assert_eq!(begun.status, 401);
        assert_eq!(begun.body["flows"], json!([{ "stages": ["m.login.dummy"] }]));
        let auth = json!({ "type": "m.login.dummy", "session": begun.body["session"] });
        let body = json!({ "username": "alice", "auth": auth });
        assert_eq!(stranger.post(REGISTER, body).await.ok()["user_id"], "@alice:sealpost.test");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inhibit_login_makes_an_account_and_no_device() {
    on_both(async |server| {
        let body = json!({ "username": "alice", "password": "x", "inhibit_login": true });
        let answer = server.try_register(body).await.ok();
        assert_eq!(answer["user_id"], "@alice:sealpost.test");
        assert!(answer.get("access_token").is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_taken_or_malformed_are_refused() {
    on_both(async |server| {
        server.register("alice").await;
        let taken = server.try_register(json!({ "username": "alice" })).await;
        assert_eq!(taken.error(), (400, "M_USER_IN_USE"));
        for name in ["Alice", "a b", "ä", "", "a:b", &"a".repeat(256)] {
            let answer = server.try_register(json!({ "username": name })).await;
            assert_eq!(answer.error(), (400, "M_INVALID_USERNAME"), "{name}");
        }

        let available = |name: &str| format!("{REGISTER}/available?username={name}");
        let stranger = server.stranger();
        assert_eq!(stranger.get(&available("bob")).await.ok()["available"], true);
        assert_eq!(stranger.get(&available("alice")).await.error(), (400, "M_USER_IN_USE"));
        assert_eq!(stranger.get(&available("Bob")).await.error(), (400, "M_INVALID_USERNAME"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_registration_lets_nobody_in() {
    on_both_with("registration.enabled = false", async |server| {
        let answer = server.try_register(json!({ "username": "alice" })).await;
        assert_eq!(answer.error(), (403, "M_FORBIDDEN"));
        let guest =
            server.stranger().post("/_matrix/client/v3/register?kind=guest", json!({})).await;
        assert_eq!(guest.error(), (403, "M_GUEST_ACCESS_FORBIDDEN"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_token_is_good_for_as_many_accounts_as_it_says() {
    on_both_with("registration.tokens_required = true", async |server| {
        let token = super::commands::registration_token(server, Some(1));
        let stranger = server.stranger();
        let validity = |token: &str| {
            format!("/_matrix/client/v1/register/m.login.registration_token/validity?token={token}")
        };
        assert_eq!(stranger.get(&validity(&token)).await.ok()["valid"], true);
        assert_eq!(stranger.get(&validity("other")).await.ok()["valid"], false);

        let register = async |name: &str, token: &str| {
            let auth = json!({ "type": "m.login.registration_token", "token": token });
            let body = json!({ "username": name, "auth": auth });
            server.stranger().post(REGISTER, body).await
        };
        let refused = register("alice", "other").await;
        assert_eq!(refused.error(), (401, "M_UNAUTHORIZED"));
        assert_eq!(refused.body["flows"], json!([{ "stages": ["m.login.registration_token"] }]));
        let dummy = server.try_register(json!({ "username": "alice" })).await;
        assert_eq!(dummy.status, 401);

        register("alice", &token).await.ok();
        assert_eq!(register("bob", &token).await.error(), (401, "M_UNAUTHORIZED"));
        assert_eq!(stranger.get(&validity(&token)).await.ok()["valid"], false);
    })
    .await;
}

async fn with_shared_secret(server: &TestServer, secret: &str, name: &str) -> crate::actor::Answer {
    let stranger = server.stranger();
    let path = "/_synapse/admin/v1/register";
    let nonce = stranger.get(path).await.ok()["nonce"].as_str().unwrap().to_owned();
    let body = proof(secret, &nonce, name);
    let answer = stranger.post(path, body.clone()).await;
    assert_eq!(stranger.post(path, body).await.status, 400, "the nonce was used twice");
    answer
}

fn proof(secret: &str, nonce: &str, name: &str) -> Value {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{nonce}\0{name}\0hush\0notadmin").as_bytes());
    let mac: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    json!({ "nonce": nonce, "username": name, "password": "hush", "admin": false, "mac": mac })
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_know_the_shared_secret_make_accounts() {
    let closed = "registration = { enabled = false, shared_secret = \"the secret\" }";
    on_both_with(closed, async |server| {
        let answer = with_shared_secret(server, "the secret", "alice").await.ok();
        assert_eq!(answer["user_id"], "@alice:sealpost.test");
        assert_eq!(answer["home_server"], "sealpost.test");
        let wrong = with_shared_secret(server, "a guess", "bob").await;
        assert_eq!(wrong.error(), (403, "M_FORBIDDEN"));
    })
    .await;
}
