use serde_json::{Value, json};

use crate::{actor::in_room, server::on_both};

fn texts(events: &Value) -> Vec<&str> {
    let events = events.as_array().unwrap();
    events.iter().filter_map(|event| event["content"]["body"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_meet_talk_and_part() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = alice.create_room_with(json!({ "preset": "private_chat" })).await;
        assert_eq!(
            bob.post(&in_room(&room, "join"), json!({})).await.error(),
            (403, "M_FORBIDDEN")
        );
        alice.invite(&room, &bob).await;
        let invited = bob.sync(None, "timeout=0").await;
        assert!(invited["rooms"]["invite"][&room].is_object());
        bob.join(&room).await;

        alice.say(&room, "hello").await;
        bob.say(&room, "hello yourself").await;
        let since = invited["next_batch"].as_str();
        let news = bob.sync(since, "timeout=0").await;
        let timeline = &news["rooms"]["join"][&room]["timeline"]["events"];
        assert_eq!(texts(timeline), ["hello", "hello yourself"]);
        let own = timeline.as_array().unwrap().last().unwrap();
        assert_eq!(own["sender"], bob.user_id);
        assert!(own["unsigned"]["transaction_id"].is_string());

        bob.leave(&room).await;
        alice.say(&room, "gone?").await;
        let history = bob.get(&in_room(&room, "messages?dir=b&limit=50")).await.ok();
        assert_eq!(texts(&history["chunk"]), ["hello yourself", "hello"]);
        let whoami = alice.get("/_matrix/client/v3/account/whoami").await.ok();
        assert_eq!(whoami["device_id"], alice.device_id);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_poll_gets_a_message_as_it_is_sent() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = alice.create_room().await;
        bob.join(&room).await;
        let since = bob.sync(None, "timeout=0").await["next_batch"].as_str().unwrap().to_owned();
        let poll = tokio::spawn(async move { bob.sync(Some(&since), "timeout=300000").await });
        server.has_begun("/_matrix/client/v3/sync").await;
        alice.say(&room, "now").await;
        let news = poll.await.unwrap();
        assert_eq!(texts(&news["rooms"]["join"][&room]["timeline"]["events"]), ["now"]);
    })
    .await;
}
