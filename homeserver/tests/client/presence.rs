//! Who is online.

use serde_json::{Value, json};

use super::{
    actor::Actor,
    keys::another_device,
    server::{on_both, on_both_with},
    sliding_sync::{UNSTABLE, V4},
};

fn status(actor: &Actor) -> String {
    format!("/_matrix/client/v3/presence/{}/status", actor.user_id)
}

/// What a sync tells of somebody.
fn told(sync: &Value, of: &Actor) -> Option<Value> {
    let events = sync["presence"]["events"].as_array()?;
    let found = events.iter().rfind(|event| event["sender"] == of.user_id.as_str())?;
    Some(found["content"].clone())
}

/// Syncs until something is told of somebody.
async fn next(actor: &Actor, since: &mut String, of: &Actor) -> Value {
    loop {
        let sync = actor.sync(Some(since), "timeout=30000&set_presence=offline").await;
        sync["next_batch"].as_str().unwrap().clone_into(since);
        if let Some(told) = told(&sync, of) {
            return told;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shares_a_room_is_told_who_comes_and_goes() {
    on_both_with("presence.enabled = true", async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let carol = server.register("carol").await;
        let room = alice.create_room().await;
        bob.join(&room).await;
        let initial = alice.sync(None, "set_presence=offline").await;
        assert_eq!(told(&initial, &bob), None, "who never synced is not there");
        let mut since = initial["next_batch"].as_str().unwrap().to_owned();
        bob.sync(None, "").await;
        let content = next(&alice, &mut since, &bob).await;
        assert_eq!(content["presence"], "online");
        assert_eq!(content["currently_active"], true);
        assert!(content["last_active_ago"].is_i64());

        let away = json!({ "presence": "unavailable", "status_msg": "At lunch" });
        bob.put(&status(&bob), away).await.ok();
        let content = next(&alice, &mut since, &bob).await;
        assert_eq!(content["presence"], "unavailable");
        assert_eq!(content["status_msg"], "At lunch");
        let got = alice.get(&status(&bob)).await.ok();
        assert_eq!(
            (&got["presence"], &got["status_msg"]),
            (&json!("unavailable"), &json!("At lunch"))
        );
        assert_eq!(bob.get(&status(&bob)).await.ok()["presence"], "unavailable");
        let quiet = alice.sync(Some(&since), "timeout=0&set_presence=offline").await;
        assert!(quiet.get("presence").is_none(), "{quiet}");

        bob.say(&room, "back").await;
        assert_eq!(next(&alice, &mut since, &bob).await["presence"], "online");
        let all = alice.sync(None, "set_presence=offline").await;
        assert_eq!(told(&all, &bob).unwrap()["presence"], "online");
        bob.put(&status(&bob), json!({ "presence": "offline" })).await.ok();
        assert_eq!(next(&alice, &mut since, &bob).await["presence"], "offline");

        // Somebody who comes into the room is told, and told of.
        carol.sync(None, "").await;
        let stranger = alice.get(&status(&carol)).await;
        assert_eq!(stranger.error(), (403, "M_FORBIDDEN"));
        carol.join(&room).await;
        carol.sync(None, "").await;
        assert_eq!(next(&alice, &mut since, &carol).await["presence"], "online");

        let other = alice.put(&status(&bob), json!({ "presence": "online" })).await;
        assert_eq!(other.error(), (403, "M_FORBIDDEN"));
        let wrong = alice.put(&status(&alice), json!({ "presence": "nonsense" })).await;
        assert_eq!(wrong.status, 400);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_to_be_offline_stays_it_whatever_they_write() {
    on_both_with("presence.enabled = true", async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = alice.create_room().await;
        bob.join(&room).await;
        let start = alice.sync(None, "set_presence=offline").await;
        let mut since = start["next_batch"].as_str().unwrap().to_owned();
        bob.sync(None, "").await;
        assert_eq!(next(&alice, &mut since, &bob).await["presence"], "online");
        bob.put(&status(&bob), json!({ "presence": "offline" })).await.ok();
        assert_eq!(next(&alice, &mut since, &bob).await["presence"], "offline");
        bob.say(&room, "psst").await;
        assert_eq!(alice.get(&status(&bob)).await.ok()["presence"], "offline");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sliding_sync_says_what_it_makes_of_its_user() {
    on_both_with("presence.enabled = true", async |server| {
        let unstable = |query: &str| format!("{UNSTABLE}?{query}");
        let bob = server.register("bob").await;
        let now = async || bob.get(&status(&bob)).await.ok()["presence"].clone();
        for (dialect, state, body) in [
            (unstable("set_presence=offline"), "offline", json!({})),
            (V4.to_owned(), "offline", json!({ "set_presence": "offline" })),
            (unstable("timeout=0"), "online", json!({})),
            (unstable("set_presence=unavailable"), "unavailable", json!({})),
        ] {
            bob.post(&dialect, body).await.ok();
            assert_eq!(now().await, state, "{dialect}");
        }
        let anew = async || {
            bob.put(&status(&bob), json!({ "presence": "offline" })).await.ok();
        };
        for (state, body) in [
            ("online", json!({})),
            ("online", json!({ "set_presence": "online" })),
            ("unavailable", json!({ "set_presence": "unavailable" })),
        ] {
            anew().await;
            bob.post(V4, body.clone()).await.ok();
            assert_eq!(now().await, state, "{body}");
        }
        for answer in [
            bob.post(&unstable("set_presence=asleep"), json!({})).await,
            bob.post(V4, json!({ "set_presence": "asleep" })).await,
        ] {
            assert_eq!(answer.error(), (400, "M_INVALID_PARAM"));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_that_is_switched_off_is_told_to_nobody() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = alice.create_room().await;
        bob.join(&room).await;
        bob.sync(None, "").await;
        assert!(alice.sync(None, "").await.get("presence").is_none());
        assert_eq!(alice.get(&status(&bob)).await.error(), (403, "M_FORBIDDEN"));
        let own = alice.put(&status(&alice), json!({ "presence": "online" })).await;
        assert_eq!(own.error(), (403, "M_FORBIDDEN"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_there_with_one_device_is_not_idle_by_another() {
    on_both_with("presence.enabled = true", async |server| {
        let desk = server.register("alice").await;
        let phone = another_device(server, &desk, "alice").await;
        let now = async || desk.get(&status(&desk)).await.ok()["presence"].clone();
        let say = async |at: &Actor, state: &str| {
            at.put(&status(&desk), json!({ "presence": state })).await.ok();
        };
        desk.sync(None, "").await;
        phone.sync(None, "set_presence=unavailable").await;
        assert_eq!(now().await, "online");
        say(&phone, "unavailable").await;
        assert_eq!(now().await, "online");
        say(&desk, "unavailable").await;
        assert_eq!(now().await, "unavailable");
        say(&phone, "online").await;
        assert_eq!(now().await, "online");
        say(&phone, "offline").await;
        assert_eq!(now().await, "unavailable");
    })
    .await;
}
