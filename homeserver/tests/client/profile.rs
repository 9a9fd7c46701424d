use serde_json::json;

use crate::{actor::in_room, server::on_both};

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
        assert_eq!(stranger.get(&field("displayname")).await.ok(), json!({}));
        assert!(alice.get(&membership).await.ok().get("displayname").is_none());

        let other = bob.put(&field("displayname"), json!({ "displayname": "Mallory" })).await;
        assert_eq!(other.error(), (403, "M_FORBIDDEN"));
        let long =
            alice.put(&field("displayname"), json!({ "displayname": "a".repeat(257) })).await;
        assert_eq!(long.error(), (400, "M_INVALID_PARAM"));
        let nobody = stranger.get("/_matrix/client/v3/profile/@nobody:sealpost.test").await;
        assert_eq!(nobody.error(), (404, "M_NOT_FOUND"));
    })
    .await;
}
