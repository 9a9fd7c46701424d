use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    actor::{Actor, Connection},
    server::{TestServer, on_both},
};

const WHOAMI: &str = "/_matrix/client/v3/account/whoami";

async fn log_in(server: &TestServer, name: &str, device: Option<&str>) -> Actor {
    let mut body = password(name, name);
    if let Some(device) = device {
        body["device_id"] = device.into();
    }
    let answer = server.stranger().post("/_matrix/client/v3/login", body).await.ok();
    Actor::new(server.stranger(), &answer)
}

fn password(name: &str, password: &str) -> Value {
    let identifier = json!({ "type": "m.id.user", "user": name });
    json!({ "type": "m.login.password", "identifier": identifier, "password": password })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_logs_in_by_name_and_by_user_id() {
    on_both(async |server| {
        server.register("alice").await;
        let flows = server.stranger().get("/_matrix/client/v3/login").await.ok();
        let token = json!({ "type": "m.login.token", "get_login_token": true });
        assert_eq!(flows["flows"], json!([{ "type": "m.login.password" }, token]));

        let alice = log_in(server, "alice", Some("PHONE")).await;
        let me = alice.get(WHOAMI).await.ok();
        assert_eq!(me, json!({ "user_id": "@alice:sealpost.test", "device_id": "PHONE" }));
        let login = "/_matrix/client/r0/login";
        let stranger = server.stranger();
        stranger.post(login, password("@alice:sealpost.test", "alice")).await.ok();
        let old = json!({ "type": "m.login.password", "user": "alice", "password": "alice" });
        stranger.post(login, old).await.ok();

        for (name, given) in
            [("alice", "wrong"), ("nobody", "alice"), ("@alice:elsewhere.test", "alice")]
        {
            let answer = stranger.post(login, password(name, given)).await;
            assert_eq!(answer.error(), (403, "M_FORBIDDEN"), "{name}");
        }
        let mut endless = password("alice", "alice");
        endless["device_id"] = "D".repeat(256).into();
        let answer = stranger.post(login, endless).await;
        assert_eq!(answer.error(), (400, "M_INVALID_PARAM"));
        let unknown = stranger.post(login, json!({ "type": "m.login.magic" })).await;
        assert_eq!(unknown.error(), (400, "M_INVALID_PARAM"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_says_nothing_is_refused_and_the_connection_stays() {
    on_both(async |server| {
        for body in
            [json!({}), json!({ "type": 1 }), json!([]), json!({ "type": "m.login.password" })]
        {
            let answer = server.stranger().post("/_matrix/client/v3/login", body.clone()).await;
            assert_eq!(answer.status, 400, "{body} {}", answer.body);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_is_taken_from_header_and_query() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        alice.get(WHOAMI).await.ok();
        let stranger = server.stranger();
        stranger.get(&format!("{WHOAMI}?access_token={}", alice.access_token)).await.ok();
        assert_eq!(stranger.get(WHOAMI).await.error(), (401, "M_MISSING_TOKEN"));
        let unknown = stranger.get(&format!("{WHOAMI}?access_token=guess")).await;
        assert_eq!(unknown.error(), (401, "M_UNKNOWN_TOKEN"));
        stranger.with_token("guess").get("/_matrix/client/versions").await.ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_worthless_after_logout() {
    on_both(async |server| {
        let phone = server.register("alice").await;
        let laptop = log_in(server, "alice", None).await;
        let desktop = log_in(server, "alice", None).await;
        for device in [&phone, &laptop, &desktop] {
            device.get(WHOAMI).await.ok();
        }
        phone.post("/_matrix/client/v3/logout", json!({})).await.ok();
        assert_eq!(phone.get(WHOAMI).await.error(), (401, "M_UNKNOWN_TOKEN"));
        laptop.get(WHOAMI).await.ok();

        // A client may send no body at all.
        let request = laptop.request(Method::POST, "/_matrix/client/v3/logout/all");
        Connection::send(request).await.ok();
        for device in [&laptop, &desktop] {
            assert_eq!(device.get(WHOAMI).await.error(), (401, "M_UNKNOWN_TOKEN"));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_in_on_a_device_again_revokes_its_old_token() {
    on_both(async |server| {
        server.register("alice").await;
        let first = log_in(server, "alice", Some("PHONE")).await;
        first.get(WHOAMI).await.ok();
        let second = log_in(server, "alice", Some("PHONE")).await;
        assert_eq!(first.get(WHOAMI).await.error(), (401, "M_UNKNOWN_TOKEN"));
        second.get(WHOAMI).await.ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_accounts_survive_a_restart() {
    on_both(async |server| {
        let token = server.register("alice").await.access_token;
        server.stop().await;
        server.start_again().await;
        let me = server.stranger().with_token(&token).get(WHOAMI).await.ok();
        assert_eq!(me["user_id"], "@alice:sealpost.test");
        log_in(server, "alice", None).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_its_waiting_polls() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let since = alice.sync(None, "timeout=0").await["next_batch"].as_str().unwrap().to_owned();
        let waiting = alice.clone();
        let poll = tokio::spawn(async move {
            waiting.get(&format!("/_matrix/client/v3/sync?timeout=300000&since={since}")).await
        });
        server.has_begun("/_matrix/client/v3/sync").await;
        alice.post("/_matrix/client/v3/logout", json!({})).await.ok();
        assert_eq!(poll.await.unwrap().error(), (401, "M_UNKNOWN_TOKEN"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_attempts_are_told_to_wait() {
    crate::server::on_both_with("rate_limits.enabled = true", async |server| {
        let mut refused = None;
        for _ in 0..30 {
            let body = password("alice", "guess");
            let answer = server.stranger().post("/_matrix/client/v3/login", body).await;
            if answer.status == 429 {
                refused = Some(answer);
                break;
            }
        }
        let refused = refused.unwrap();
        assert_eq!(refused.error(), (429, "M_LIMIT_EXCEEDED"));
        assert!(refused.body["retry_after_ms"].as_u64().unwrap() > 0);
    })
    .await;
}
