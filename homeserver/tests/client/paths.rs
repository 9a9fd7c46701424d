use reqwest::Method;
use serde_json::json;

use crate::{
    actor::{Connection, in_room},
    server::on_both,
};

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_told_apart() {
    on_both(async |server| {
        let stranger = server.stranger();
        for path in
            ["/_matrix/client/v3/nothing", "/_matrix/nothing", "/.well-known/matrix/nothing"]
        {
            assert_eq!(stranger.get(path).await.error(), (404, "M_UNRECOGNIZED"), "{path}");
        }
        let login = stranger.request(Method::DELETE, "/_matrix/client/v3/login");
        assert_eq!(Connection::send(login).await.error(), (405, "M_UNRECOGNIZED"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_allows_other_origins() {
    on_both(async |server| {
        let stranger = server.stranger();
        for (method, path) in [
            (Method::OPTIONS, "/_matrix/client/v3/login"),
            (Method::OPTIONS, "/_matrix/client/v3/nothing"),
            (Method::GET, "/_matrix/client/versions"),
            (Method::GET, "/_matrix/client/v3/nothing"),
            (Method::GET, "/_matrix/client/v3/account/whoami"),
            (Method::GET, "/.well-known/matrix/client"),
            (Method::GET, "/.well-known/matrix/support"),
        ] {
            let response = stranger.request(method.clone(), path).send().await.unwrap();
            let headers = response.headers();
            assert_eq!(headers["access-control-allow-origin"], "*", "{method} {path}");
            assert!(headers.contains_key("access-control-allow-headers"), "{method} {path}");
            if method == Method::OPTIONS {
                assert_eq!(response.status(), 200);
            } else {
                assert_eq!(headers["content-type"], "application/json", "{method} {path}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_key_may_hold_slashes_and_be_empty() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        let state = |key: &str| in_room(&room, &format!("state/test.state{key}"));
        alice.put(&state("/a%2Fb%2Bc"), json!({ "is": "a/b+c" })).await.ok();
        assert_eq!(alice.get(&state("/a%2Fb%2Bc")).await.ok()["is"], "a/b+c");
        assert_eq!(alice.get(&state("/a%2Fb")).await.error(), (404, "M_NOT_FOUND"));
        assert_eq!(alice.get(&state("/a/b+c")).await.error(), (404, "M_UNRECOGNIZED"));

        for (put, is) in [("", "without slash"), ("/", "with slash")] {
            alice.put(&state(put), json!({ "is": is })).await.ok();
            for get in ["", "/"] {
                assert_eq!(alice.get(&state(get)).await.ok()["is"], is);
            }
        }
        let old = state("").replace("/v3/", "/r0/");
        assert_eq!(alice.get(&old).await.ok()["is"], "with slash");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_id_may_hold_slashes() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        // As rooms of version 3 have them: known as a path, unknown as an event.
        let id = "%24acR1l0raoZnm60CBwAVgqbZqoO%2FmYU81xysh1u7%2BcJk";
        let answer = alice.get(&in_room(&room, &format!("event/{id}"))).await;
        assert_eq!(answer.error(), (404, "M_NOT_FOUND"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_in_size_and_depth() {
    on_both(async |server| {
        let login = |body: String| {
            let request = server.stranger().request(Method::POST, "/_matrix/client/v3/login");
            Connection::send(request.body(body))
        };
        assert_eq!(login("{".to_owned()).await.error(), (400, "M_NOT_JSON"));
        assert_eq!(login("[]".to_owned()).await.error(), (400, "M_BAD_JSON"));
        assert_eq!(login("[".repeat(5000)).await.error(), (400, "M_BAD_JSON"));
        let large = format!("{{\"a\":\"{}\"}}", "a".repeat(3 * 1024 * 1024));
        assert_eq!(login(large).await.error(), (413, "M_TOO_LARGE"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_tells_what_is_configured() {
    let known = "public_base_url = \"https://matrix.sealpost.test/\"
        [well_known]
        server = \"matrix.sealpost.test:443\"
        support_email = \"admin@sealpost.test\"";
    crate::server::on_both_with(known, async |server| {
        let stranger = server.stranger();
        assert_eq!(
            stranger.get("/.well-known/matrix/client").await.ok()["m.homeserver"],
            json!({ "base_url": "https://matrix.sealpost.test" })
        );
        assert_eq!(
            stranger.get("/.well-known/matrix/server").await.ok(),
            json!({ "m.server": "matrix.sealpost.test:443" })
        );
        assert_eq!(
            stranger.get("/.well-known/matrix/support").await.ok(),
            json!({ "contacts": [{ "role": "m.role.admin", "email_address": "admin@sealpost.test" }] })
        );
        assert_eq!(stranger.get("/health").await.body, "OK");
        let versions = stranger.get("/_matrix/client/versions").await.ok();
        assert!(versions["versions"].as_array().unwrap().contains(&json!("v1.11")));
        let alice = server.register("alice").await;
        let can = alice.get("/_matrix/client/v3/capabilities").await.ok();
        let versions = &can["capabilities"]["m.room_versions"];
        assert_eq!(versions["default"], "12");
        let stable = (1..=12).map(|version| (version.to_string(), json!("stable")));
        assert_eq!(versions["available"], serde_json::Value::Object(stable.collect()));
    })
    .await;
}
