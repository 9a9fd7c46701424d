use serde_json::json;

use crate::server::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_answers_waiting_polls_at_once() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let since = alice.sync(None, "timeout=0").await["next_batch"].as_str().unwrap().to_owned();
        let poll = tokio::spawn(async move {
            alice.get(&format!("/_matrix/client/v3/sync?timeout=300000&since={since}")).await
        });
        server.has_begun("/_matrix/client/v3/sync").await;
        server.stop().await;
        assert!(poll.await.unwrap().ok()["next_batch"].is_string());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_stop_is_there_after_it() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        let event = alice.say(&room, "before").await;
        let token = alice.access_token;
        server.stop().await;
        server.start_again().await;
        let alice = server.stranger().with_token(&token);
        let path = crate::actor::in_room(&room, &format!("event/{}", event.replace('$', "%24")));
        let found = alice.get(&path).await.ok();
        assert_eq!(found["content"], json!({ "msgtype": "m.text", "body": "before" }));
    })
    .await;
}
