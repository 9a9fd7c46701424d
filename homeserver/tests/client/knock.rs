//! Knocking, and joins by membership of another room.

use serde_json::{Value, json};

use super::{
    actor::{Actor, Answer, in_room},
    server::on_both,
};

fn knock_path(room: &str) -> String {
    let room = room.replace('!', "%21").replace('#', "%23").replace(':', "%3A");
    format!("/_matrix/client/v3/knock/{room}")
}

async fn knock(actor: &Actor, room: &str, body: Value) -> Answer {
    actor.post(&knock_path(room), body).await
}

async fn room_with(actor: &Actor, version: &str, rules: Value) -> String {
    actor
        .create_room_with(json!({
            "preset": "private_chat",
            "name": "Ours",
            "room_version": version,
            "initial_state": [{ "type": "m.room.join_rules", "content": rules }],
        }))
        .await
}

/// What a user's sync says of a room under `rooms.{block}`.
async fn block(actor: &Actor, block: &str, room: &str) -> Value {
    actor.sync(None, "timeout=0").await["rooms"][block][room].clone()
}

async fn change(actor: &Actor, what: &str, room: &str, whom: &Actor) -> Answer {
    actor.post(&in_room(room, what), json!({ "user_id": whom.user_id })).await
}

#[tokio::test]
async fn a_knock_is_seen_by_both_sides_and_accepted_rejected_or_taken_back() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        for (version, rule) in [("7", "knock"), ("10", "knock_restricted"), ("12", "knock")] {
            let rules = json!({ "join_rule": rule, "allow": [] });
            let room = room_with(&alice, version, rules).await;
            let join = bob.post(&in_room(&room, "join"), json!({})).await;
            assert_eq!(join.error(), (403, "M_FORBIDDEN"));
            let answer = knock(&bob, &room, json!({ "reason": "please" })).await.ok();
            assert_eq!(answer["room_id"], room.as_str());
            knock(&bob, &room, json!({ "reason": "please" })).await.ok();

            let told = block(&bob, "knock", &room).await["knock_state"]["events"].clone();
            let told = told.as_array().unwrap();
            let of_type = |kind: &str| {
                told.iter().filter(|event| event["type"] == kind).cloned().collect::<Vec<_>>()
            };
            assert_eq!(of_type("m.room.name")[0]["content"]["name"], "Ours");
            assert_eq!(of_type("m.room.create").len(), 1);
            let own = of_type("m.room.member");
            assert_eq!(own.len(), 1, "{own:?}");
            assert_eq!(own[0]["content"]["membership"], "knock");
            assert_eq!(own[0]["content"]["reason"], "please");
            assert!(own[0].get("event_id").is_none());
            let seen = alice.get(&in_room(&room, "members?membership=knock")).await.ok();
            assert_eq!(seen["chunk"].as_array().unwrap().len(), 1, "one knock");
            let hidden = bob.get(&in_room(&room, "messages?dir=b")).await;
            assert_eq!(hidden.error(), (403, "M_FORBIDDEN"));

            // Taken back, rejected, accepted.
            bob.leave(&room).await;
            assert_eq!(block(&bob, "knock", &room).await, Value::Null);
            knock(&bob, &room, json!({})).await.ok();
            change(&alice, "kick", &room, &bob).await.ok();
            assert_eq!(block(&bob, "knock", &room).await, Value::Null);
            knock(&bob, &room, json!({})).await.ok();
            change(&alice, "invite", &room, &bob).await.ok();
            assert!(block(&bob, "invite", &room).await.is_object());
            assert_eq!(knock(&bob, &room, json!({})).await.error(), (403, "M_FORBIDDEN"));
            bob.join(&room).await;
            assert_eq!(knock(&bob, &room, json!({})).await.error(), (403, "M_FORBIDDEN"));
            change(&alice, "ban", &room, &bob).await.ok();
            assert_eq!(knock(&bob, &room, json!({})).await.error(), (403, "M_FORBIDDEN"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_room_that_takes_no_knocks_says_so() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let private = alice.create_room_with(json!({ "preset": "private_chat" })).await;
        assert_eq!(knock(&bob, &private, json!({})).await.error(), (403, "M_FORBIDDEN"));
        let old = room_with(&alice, "6", json!({ "join_rule": "knock" })).await;
        assert_eq!(knock(&bob, &old, json!({})).await.error(), (403, "M_FORBIDDEN"));
        let nowhere = knock(&bob, "!nowhere:sealpost.test", json!({})).await;
        assert_eq!(nowhere.error(), (404, "M_NOT_FOUND"));
        let nowhere = knock(&bob, "#nowhere:sealpost.test", json!({})).await;
        assert_eq!(nowhere.error(), (404, "M_NOT_FOUND"));
        let broken = bob.post("/_matrix/client/v3/knock/nonsense", json!({})).await;
        assert_eq!(broken.error().0, 400);
        let stranger = server.stranger().post(&knock_path(&private), json!({})).await;
        assert_eq!(stranger.error(), (401, "M_MISSING_TOKEN"));
    })
    .await;
}

#[tokio::test]
async fn members_of_an_allowed_room_join_without_an_invite() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let carol = server.register("carol").await;
        let space = alice.create_room().await;
        let allow = json!([
            { "type": "org.example.other" },
            { "type": "m.room_membership", "room_id": "!elsewhere:elsewhere.test" },
            { "type": "m.room_membership", "room_id": space },
        ]);
        let join =
            async |actor: &Actor, room: &str| actor.post(&in_room(room, "join"), json!({})).await;
        bob.join(&space).await;
        for (version, rule) in
            [("8", "restricted"), ("10", "knock_restricted"), ("12", "restricted")]
        {
            let room =
                room_with(&alice, version, json!({ "join_rule": rule, "allow": allow })).await;
            assert_eq!(join(&carol, &room).await.error(), (403, "M_FORBIDDEN"));
            join(&bob, &room).await.ok();
            let path = in_room(&room, &format!("state/m.room.member/{}", bob.user_id));
            let member = bob.get(&path).await.ok();
            assert_eq!(member["join_authorised_via_users_server"], alice.user_id.as_str());
            // An invite needs nobody to vouch.
            change(&alice, "invite", &room, &carol).await.ok();
            join(&carol, &room).await.ok();
            let path = in_room(&room, &format!("state/m.room.member/{}", carol.user_id));
            let member = carol.get(&path).await.ok();
            assert!(member.get("join_authorised_via_users_server").is_none());
            change(&alice, "ban", &room, &bob).await.ok();
            assert_eq!(join(&bob, &room).await.error(), (403, "M_FORBIDDEN"));
        }
        let old = json!({ "join_rule": "restricted", "allow": allow });
        let old = room_with(&alice, "7", old).await;
        assert_eq!(join(&bob, &old).await.error(), (403, "M_FORBIDDEN"));
        let broken = json!({ "join_rule": "restricted", "allow": "nonsense" });
        let broken = room_with(&alice, "12", broken).await;
        assert_eq!(join(&bob, &broken).await.error(), (403, "M_FORBIDDEN"));
    })
    .await;
}
