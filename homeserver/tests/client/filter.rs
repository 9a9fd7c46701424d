use serde_json::json;

use crate::server::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_filter_is_read_back_by_its_owner_only() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let path = "/_matrix/client/v3/user/@alice:sealpost.test/filter";
        let filter = json!({ "room": { "timeline": { "limit": 3, "types": ["m.room.message"] } } });
        let id = alice.post(path, filter.clone()).await.ok()["filter_id"].clone();
        let id = id.as_str().unwrap();
        assert_eq!(alice.get(&format!("{path}/{id}")).await.ok(), filter);
        assert_eq!(alice.post(path, filter.clone()).await.ok()["filter_id"], id);

        let other = json!({ "event_fields": ["content"] });
        assert_ne!(alice.post(path, other).await.ok()["filter_id"], id);
        assert_eq!(alice.get(&format!("{path}/99")).await.error(), (404, "M_NOT_FOUND"));
        assert_eq!(bob.get(&format!("{path}/{id}")).await.error(), (403, "M_FORBIDDEN"));
        assert_eq!(bob.post(path, filter).await.error(), (403, "M_FORBIDDEN"));

        let sync = |filter: &str| format!("/_matrix/client/v3/sync?timeout=0&filter={filter}");
        let faulty = alice.get(&sync("%7B%22room%22:3%7D")).await;
        assert_eq!(faulty.error(), (400, "M_BAD_JSON"));
        assert_eq!(alice.get(&sync("99")).await.error(), (404, "M_NOT_FOUND"));
    })
    .await;
}
