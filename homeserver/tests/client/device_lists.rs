//! Who is told that somebody's devices changed.

use serde_json::{Value, json};

use super::{
    actor::Actor,
    keys::{UPLOAD, another_device, device_keys},
    server::on_both,
};

const SLIDING: &str = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";

/// Where somebody stands, and what they are told from there.
struct Reader {
    actor: Actor,
    since: String,
}

impl Reader {
    async fn new(actor: &Actor) -> Self {
        let sync = actor.sync(None, "").await;
        assert!(sync.get("device_lists").is_none(), "an initial sync has none: {sync}");
        let since = sync["next_batch"].as_str().unwrap().to_owned();
        Self { actor: actor.clone(), since }
    }

    /// What is told now.
    async fn lists(&mut self) -> Value {
        let sync = self.actor.sync(Some(&self.since), "timeout=0").await;
        sync["next_batch"].as_str().unwrap().clone_into(&mut self.since);
        sync["device_lists"].clone()
    }

    /// Waits until something is told.
    async fn next(&mut self) -> Value {
        loop {
            let sync = self.actor.sync(Some(&self.since), "timeout=30000").await;
            sync["next_batch"].as_str().unwrap().clone_into(&mut self.since);
            if let Some(lists) = sync.get("device_lists") {
                return lists.clone();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_share_a_room_are_told_of_changed_devices() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let carol = server.register("carol").await;
        let room = alice.create_room().await;
        bob.join(&room).await;
        let (mut of_alice, mut of_bob) = (Reader::new(&alice).await, Reader::new(&bob).await);
        let mut of_carol = Reader::new(&carol).await;
        let start = of_alice.since.clone();
        let changed = json!({ "changed": [bob.user_id] });

        let keys = json!({ "device_keys": device_keys(&bob, "b") });
        bob.post(UPLOAD, keys.clone()).await.ok();
        assert_eq!(of_alice.next().await, changed);
        assert_eq!(of_bob.next().await, changed, "one's other devices are told too");
        bob.post(UPLOAD, keys).await.ok();
        assert_eq!(of_alice.lists().await, Value::Null, "the same keys again are no change");

        let phone = another_device(server, &bob, "bob").await;
        assert_eq!(of_alice.next().await, changed);
        let path = format!("/_matrix/client/v3/devices/{}", phone.device_id);
        phone.put(&path, json!({ "display_name": "Phone" })).await.ok();
        assert_eq!(of_alice.next().await, changed);
        phone.post("/_matrix/client/v3/logout", json!({})).await.ok();
        assert_eq!(of_alice.next().await, changed);
        assert_eq!(of_carol.lists().await, Value::Null);

        // After a while offline the same is asked for at once.
        let path = |from: &str| format!("/_matrix/client/v3/keys/changes?from={from}&to={from}");
        let changes = alice.get(&path(&start)).await.ok();
        assert_eq!(changes, json!({ "changed": [bob.user_id], "left": [] }));
        let changes = alice.get(&path(&of_alice.since)).await.ok();
        assert_eq!(changes, json!({ "changed": [], "left": [] }));

        let enabled = json!({ "extensions": { "e2ee": { "enabled": true } } });
        let first = alice.post(SLIDING, enabled.clone()).await.ok();
        assert!(first["extensions"]["e2ee"].get("device_lists").is_none(), "{first}");
        bob.post(UPLOAD, json!({ "device_keys": device_keys(&bob, "new") })).await.ok();
        let pos = first["pos"].as_str().unwrap();
        let next = alice.post(&format!("{SLIDING}?timeout=30000&pos={pos}"), enabled).await.ok();
        assert_eq!(next["extensions"]["e2ee"]["device_lists"], changed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_into_a_room_is_told_and_told_of_and_who_leaves_the_last_one_too() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = alice.create_room().await;
        let (mut of_alice, mut of_bob) = (Reader::new(&alice).await, Reader::new(&bob).await);
        bob.join(&room).await;
        assert_eq!(of_alice.lists().await, json!({ "changed": [bob.user_id] }));
        assert_eq!(of_bob.lists().await, json!({ "changed": [alice.user_id] }));
        alice.say(&room, "hello").await;
        let name = format!("/_matrix/client/v3/profile/{}/displayname", bob.user_id);
        bob.put(&name, json!({ "displayname": "Bob" })).await.ok();
        assert_eq!(of_alice.lists().await, Value::Null, "neither a message nor a name");

        let second = alice.create_room().await;
        bob.join(&second).await;
        of_alice.lists().await;
        of_bob.lists().await;
        bob.leave(&second).await;
        assert_eq!(of_alice.lists().await, Value::Null, "they share another room");
        assert_eq!(of_bob.lists().await, Value::Null);
        bob.leave(&room).await;
        assert_eq!(of_alice.lists().await, json!({ "left": [bob.user_id] }));
        assert_eq!(of_bob.lists().await, json!({ "left": [alice.user_id] }));

        // Who leaves and comes back meanwhile may have changed, and so may who is invited.
        bob.join(&room).await;
        of_alice.lists().await;
        bob.leave(&room).await;
        bob.join(&room).await;
        assert_eq!(of_alice.lists().await, json!({ "changed": [bob.user_id] }));
        bob.leave(&room).await;
        of_alice.lists().await;
        alice.invite(&room, &bob).await;
        assert_eq!(of_alice.lists().await, json!({ "changed": [bob.user_id] }));
        bob.leave(&room).await;
        of_alice.lists().await;

        // A change behind one's back is told on coming back.
        bob.post(UPLOAD, json!({ "device_keys": device_keys(&bob, "b") })).await.ok();
        assert_eq!(of_alice.lists().await, Value::Null);
        bob.join(&room).await;
        assert_eq!(of_alice.lists().await, json!({ "changed": [bob.user_id] }));
    })
    .await;
}
