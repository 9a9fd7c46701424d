use serde_json::json;

use crate::{
    actor::{Actor, Answer, Connection, in_room},
    server::on_both,
};

const PROFILE: &str = "/_matrix/client/v3/profile/@alice:sealpost.test";

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_seen_by_all_and_stands_in_the_memberships() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = alice.create_room().await;
        let field = |name: &str| format!("{PROFILE}/{name}");
        alice.put(&field("displayname"), json!({ "displayname": "Alice" })).await.ok();
        alice.put(&field("avatar_url"), json!({ "avatar_url": "mxc://a.test/1" })).await.ok();

        let expected = json!({ "displayname": "Alice", "avatar_url": "mxc://a.test/1" });
        let stranger = server.stranger();
        assert_eq!(stranger.get(PROFILE).await.ok(), expected);
        let name = stranger.get(&field("displayname")).await.ok();
        assert_eq!(name, json!({ "displayname": "Alice" }));
        let membership = in_room(&room, "state/m.room.member/@alice:sealpost.test");
        let content = alice.get(&membership).await.ok();
        assert_eq!(content["membership"], "join");
        assert_eq!(content["displayname"], "Alice");
        assert_eq!(content["avatar_url"], "mxc://a.test/1");

        alice.put(&field("displayname"), json!({ "displayname": "" })).await.ok();
        let none = stranger.get(&field("displayname")).await;
        assert_eq!(none.error(), (404, "M_NOT_FOUND"));
        assert!(alice.get(&membership).await.ok().get("displayname").is_none());

        let other = bob.put(&field("displayname"), json!({ "displayname": "Mallory" })).await;
        assert_eq!(other.error(), (403, "M_FORBIDDEN"));
        let long =
            alice.put(&field("displayname"), json!({ "displayname": "a".repeat(257) })).await;
        assert_eq!(long.error(), (400, "M_INVALID_PARAM"));
        let nul = alice.put(&field("displayname"), json!({ "displayname": "a\u{0}" })).await;
        assert_eq!(nul.error(), (400, "M_INVALID_PARAM"));
        let nobody = stranger.get("/_matrix/client/v3/profile/@nobody:sealpost.test").await;
        assert_eq!(nobody.error(), (404, "M_NOT_FOUND"));
    })
    .await;
}

async fn delete(actor: &Actor, path: &str) -> Answer {
    Connection::send(actor.request(reqwest::Method::DELETE, path)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_holds_fields_of_any_name_and_shape() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let field = |name: &str| format!("{PROFILE}/{name}");
        alice.put(&field("m.tz"), json!({ "m.tz": "Europe/London" })).await.ok();
        let shape = json!({ "a": [1, null, "\u{0}"] });
        alice.put(&field("org.test.own"), json!({ "org.test.own": shape })).await.ok();
        alice.put(&field("org.test.null"), json!({ "org.test.null": null })).await.ok();
        let stranger = server.stranger();
        let expected = json!({
            "m.tz": "Europe/London", "org.test.own": shape, "org.test.null": null,
        });
        assert_eq!(stranger.get(PROFILE).await.ok(), expected);
        let zone = stranger.get(&field("m.tz")).await.ok();
        assert_eq!(zone, json!({ "m.tz": "Europe/London" }));
        delete(&alice, &field("m.tz")).await.ok();
        delete(&alice, &field("m.tz")).await.ok();
        assert_eq!(stranger.get(&field("m.tz")).await.error(), (404, "M_NOT_FOUND"));

        let put = async |name: &str, body| {
            let answer = alice.put(&field(name), body).await;
            let (status, code) = answer.error();
            (status, code.to_owned())
        };
        let refused = |code: &str| (400, code.to_owned());
        assert_eq!(put("m.tz", json!({})).await, refused("M_MISSING_PARAM"));
        assert_eq!(put("m.tz", json!([])).await, refused("M_BAD_JSON"));
        assert_eq!(put("nonsense", json!({ "nonsense": 1 })).await, refused("M_INVALID_PARAM"));
        let name = format!("m.{}", "a".repeat(254));
        assert_eq!(put(&name, json!({ &name: 1 })).await, refused("M_KEY_TOO_LARGE"));
        let large = json!({ "org.test.large": "a".repeat(65_500) });
        assert_eq!(put("org.test.large", large).await, refused("M_PROFILE_TOO_LARGE"));
        assert_eq!(stranger.get(PROFILE).await.ok().as_object().unwrap().len(), 2);
        assert_eq!(put("displayname", json!({ "displayname": 7 })).await, refused("M_BAD_JSON"));
        let bob = server.register("bob").await;
        let other = bob.put(&field("m.tz"), json!({ "m.tz": "x" })).await;
        assert_eq!(other.error(), (403, "M_FORBIDDEN"));
        assert_eq!(delete(&bob, &field("org.test.own")).await.error(), (403, "M_FORBIDDEN"));
        let capabilities = alice.get("/_matrix/client/v3/capabilities").await.ok();
        let fields = &capabilities["capabilities"]["m.profile_fields"];
        assert_eq!(fields, &json!({ "enabled": true }));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_name_reaches_those_who_wait_in_the_rooms() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let mut rooms = Vec::new();
        for _ in 0..5 {
            let room = alice.create_room().await;
            bob.join(&room).await;
            rooms.push(room);
        }
        let since = bob.sync(None, "").await["next_batch"].as_str().unwrap().to_owned();
        let name = format!("{PROFILE}/displayname");
        let (one, two) = tokio::join!(
            alice.put(&name, json!({ "displayname": "One" })),
            alice.put(&name, json!({ "displayname": "Two" })),
        );
        one.ok();
        two.ok();
        let last = alice.get(&name).await.ok()["displayname"].clone();
        let sync = bob.sync(Some(&since), "").await;
        for room in &rooms {
            let events = sync["rooms"]["join"][room]["timeline"]["events"].as_array().unwrap();
            assert_eq!(events.last().unwrap()["content"]["displayname"], last, "{sync}");
        }
    })
    .await;
}
