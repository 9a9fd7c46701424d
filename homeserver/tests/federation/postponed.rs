//! Events whose gap cannot be fetched when they come: nothing else need happen before all agree.

use std::time::Duration;

use sealpost_homeserver::storage::postponed_events;
use serde_json::json;

use crate::{
    network::{Fault, Network},
    user::where_all_change_the_state,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_that_could_not_be_fetched_is_filled_without_a_new_event() {
    let network = Network::new();
    let a = network.start("a.test").await;
    let (b, c) = (network.start("b.test").await, network.start("c.test").await);
    let alice = a.register("alice").await;
    let (bob, carol) = (b.register("bob").await, c.register("carol").await);
    let room = alice.create_room(where_all_change_the_state()).await;
    let beside = alice.create_room(where_all_change_the_state()).await;
    for user in [&bob, &carol] {
        user.join(&room, "a.test").await;
    }
    bob.join(&beside, "a.test").await;
    carol.sync_until("bob", async || carol.membership(&room, &bob.id).await == "join").await;

    // Carol is heard by Bob alone, whose answers Alice's server does not get.
    network.fault("c.test", "a.test", Fault::Cut);
    network.fault("a.test", "c.test", Fault::Cut);
    network.fault("a.test", "b.test", Fault::Cut);
    let topic = json!({ "topic": "Carol's" });
    carol.set_state(&room, "m.room.topic", topic.clone()).await;
    carol.send(&room, "from carol").await;
    bob.sees(&room, &["from carol"]).await;
    bob.send(&room, "after carol").await;
    // Of a transaction after that with it.
    for body in ["one", "two"] {
        bob.send(&beside, body).await;
        alice.sees(&beside, &[body]).await;
    }
    assert!(alice.bodies(&room).await.is_empty());

    network.fault("a.test", "b.test", Fault::None);
    alice.sees(&room, &["from carol", "after carol"]).await;
    assert_eq!(alice.state(&room, "m.room.topic").await, topic);
    assert_eq!(alice.state_ids(&room).await, bob.state_ids(&room).await);
    a.stop().await;
    // What came is taken off a moment after it is seen; who is stopped in that moment does it the next time.
    let is_off = async || {
        let store = network.database("a.test").await;
        let next_at = store.read(postponed_events::next_at).await.unwrap();
        store.close().await;
        next_at.is_none()
    };
    for lives in 0.. {
        if is_off().await {
            break;
        }
        assert!(lives < 10, "it is still tried");
        let a = network.start("a.test").await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        a.stop().await;
    }
    for server in [b, c] {
        server.stop().await;
    }
}
