//! Who is online.

use serde_json::{Value, json};

use super::{
    actor::Actor,
    server::{on_both, on_both_with},
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
