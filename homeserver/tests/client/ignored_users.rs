//! Users who want to hear nothing of others.

use serde_json::{Value, json};

use super::{
    actor::{Actor, in_room},
    server::on_both,
};

async fn keep(actor: &Actor, event_type: &str, content: Value) {
    let path = format!("/_matrix/client/v3/user/{}/account_data/{event_type}", actor.user_id);
    actor.put(&path, content).await.ok();
}

async fn ignore(actor: &Actor, whom: &[&Actor]) {
    let names: serde_json::Map<_, _> =
        whom.iter().map(|whom| (whom.user_id.clone(), json!({}))).collect();
    keep(actor, "m.ignored_user_list", json!({ "ignored_users": names })).await;
}

fn token(sync: &Value) -> String {
    sync["next_batch"].as_str().unwrap().to_owned()
}

fn bodies(events: &Value) -> Vec<&str> {
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    events.iter().filter_map(|event| event["content"]["body"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_ignored_users_are_hidden_and_their_state_is_not() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = alice.create_room().await;
        bob.join(&room).await;
        let since = token(&alice.sync(None, "").await);
        ignore(&alice, &[&bob]).await;
        let hidden = bob.say(&room, "hidden").await;
        bob.say(&room, "hidden too").await;
        let profile = format!("state/m.room.member/{}", bob.user_id);
        let renamed = json!({ "membership": "join", "displayname": "Bobby" });
        bob.put(&in_room(&room, &profile), renamed).await.ok();
        alice.say(&room, "shown").await;
        let sync = alice.sync(Some(&since), "").await;
        let timeline = &sync["rooms"]["join"][&room]["timeline"]["events"];
        assert_eq!(bodies(timeline), ["shown"]);
        assert!(timeline.to_string().contains("Bobby"), "{timeline}");
        let page = alice.get(&in_room(&room, "messages?dir=b&limit=50")).await.ok();
        assert_eq!(bodies(&page["chunk"]), ["shown"]);
        let event = alice.get(&in_room(&room, &format!("event/{hidden}"))).await;
        assert_eq!(event.error(), (404, "M_NOT_FOUND"));
        let bobs = bob.sync(None, "").await;
        let timeline = &bobs["rooms"]["join"][&room]["timeline"]["events"];
        assert_eq!(bodies(timeline), ["hidden", "hidden too", "shown"]);

        ignore(&alice, &[]).await;
        bob.say(&room, "again").await;
        let sync = alice.sync(Some(&token(&sync)), "").await;
        let timeline = &sync["rooms"]["join"][&room]["timeline"]["events"];
        assert_eq!(bodies(timeline), ["again"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invites_of_ignored_users_are_not_shown() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let (bob, carol) = (server.register("bob").await, server.register("carol").await);
        let since = token(&alice.sync(None, "").await);
        ignore(&alice, &[&bob]).await;
        for inviter in [&bob, &carol] {
            let room = inviter.create_room().await;
            inviter.invite(&room, &alice).await;
        }
        for sync in [alice.sync(Some(&since), "").await, alice.sync(None, "").await] {
            let invites = sync["rooms"]["invite"].as_object().unwrap();
            assert_eq!(invites.len(), 1);
            assert!(sync["rooms"]["invite"].to_string().contains("@carol"), "{sync}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_blocks_invites_gets_none() {
    const BLOCKED: (u16, &str) = (403, "M_INVITE_BLOCKED");
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = bob.create_room().await;
        let earlier = bob.create_room().await;
        bob.invite(&earlier, &alice).await;
        keep(&alice, "m.invite_permission_config", json!({ "default_action": "block" })).await;
        assert!(alice.sync(None, "").await["rooms"].get("invite").is_none());
        let invite = json!({ "user_id": alice.user_id });
        let answer = bob.post(&in_room(&room, "invite"), invite.clone()).await;
        assert_eq!(answer.error(), BLOCKED);
        let state = in_room(&room, &format!("state/m.room.member/{}", alice.user_id));
        let answer = bob.put(&state, json!({ "membership": "invite" })).await;
        assert_eq!(answer.error(), BLOCKED);
        let create = json!({ "invite": [alice.user_id] });
        let answer = bob.post("/_matrix/client/v3/createRoom", create).await;
        assert_eq!(answer.error(), BLOCKED);

        keep(&alice, "m.invite_permission_config", json!({ "default_action": 7 })).await;
        bob.post(&in_room(&room, "invite"), invite).await.ok();
        let sync = alice.sync(None, "").await;
        assert_eq!(sync["rooms"]["invite"].as_object().unwrap().len(), 2);
        keep(&bob, "org.matrix.msc4380.invite_permission_config", json!({ "block_all": true }))
            .await;
        let room = alice.create_room().await;
        let answer = alice.post(&in_room(&room, "invite"), json!({ "user_id": bob.user_id })).await;
        assert_eq!(answer.error(), BLOCKED);
    })
    .await;
}
