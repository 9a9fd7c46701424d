//! Rooms with a policy server, which is a puppet: what is asked of it, and what comes of its answers.

use std::sync::Arc;

use parking_lot::Mutex;
use reqwest::{Method, StatusCode};
use ruma::{
    CanonicalJsonObject, RoomVersionId, canonical_json::redact, serde::Base64,
    signatures::sign_json,
};
use sealpost_federation::SigningKey;
use sealpost_homeserver::clock::Clock;
use serde_json::{Value, json};

use crate::{
    network::{Network, Server},
    puppet::{Puppet, PuppetRoom, Reply, now, rules_of},
    user::{User, encode},
};

const SIGN: &str = "/_matrix/policy/v1/sign";

#[derive(Clone, Copy)]
enum Mood {
    Signs,
    /// Signs with a key that the room does not know.
    SignsWrongly,
    Refuses,
    IsDown,
}

struct Stage {
    network: Network,
    clock: Clock,
    a: Server,
    alice: User,
    puppet: Puppet,
    mood: Arc<Mutex<Mood>>,
    room: PuppetRoom,
}

impl Stage {
    /// A room of alice's with a policy server.
    async fn new() -> Self {
        let network = Network::new();
        let clock = Clock::fixed(now());
        let a = network.start_at("a.test", clock.clone()).await;
        let alice = a.register("alice").await;
        let puppet = Puppet::start(&network, "puppet.test").await;
        let new = json!({ "preset": "public_chat", "room_version": "11" });
        let id = alice.create_room(new).await;
        let room = puppet.join("a.test", &id, RoomVersionId::V11).await;
        let key = |seed: u8| SigningKey::from_seed("policy_server", &[seed; 32]).unwrap();
        let (right, wrong) = (key(95), key(96));
        let public = Base64::<ruma::serde::base64::Standard>::new(right.public_key().to_vec());
        let content =
            json!({ "via": "puppet.test", "public_keys": { "ed25519": public.encode() } });
        alice.set_state(&id, "m.room.policy", content).await;
        let mood = Arc::new(Mutex::new(Mood::Signs));
        let mood_now = mood.clone();
        puppet.script.set(move |asked| {
            if asked.path != SIGN {
                return None;
            }
            let key = match *mood_now.lock() {
                Mood::Signs => &right,
                Mood::SignsWrongly => &wrong,
                Mood::Refuses => {
                    let error = json!({ "errcode": "M_FORBIDDEN", "error": "smells of spam" });
                    return Some(Reply::Json(400, error));
                }
                Mood::IsDown => return Some(Reply::Json(503, json!({}))),
            };
            let event: CanonicalJsonObject = serde_json::from_str(&asked.body).unwrap();
            let rules = rules_of(RoomVersionId::V11);
            let mut event = redact(event, &rules.redaction, None).unwrap();
            sign_json("puppet.test", key, &mut event).unwrap();
            let event: Value = serde_json::to_value(event).unwrap();
            let signature = &event["signatures"]["puppet.test"]["ed25519:policy_server"];
            let answer = json!({ "puppet.test": { "ed25519:policy_server": signature } });
            Some(Reply::Json(200, answer))
        });
        Self { network, clock, a, alice, puppet, mood, room }
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }

    fn asked(&self) -> usize {
        self.puppet.asked(SIGN)
    }

    async fn invite(&self, user: &User) -> (StatusCode, Value) {
        let path = format!("rooms/{}/invite", encode(self.room.id.as_str()));
        self.alice.try_call(Method::POST, &path, json!({ "user_id": user.id })).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_server_that_signs_lets_users_of_other_servers_in_and_out_and_in_again() {
    let mut stage = Stage::new().await;
    let b = stage.network.start("b.test").await;
    let (bob, carol) = (b.register("bob").await, b.register("carol").await);
    let id = stage.room.id.to_string();
    let (status, answer) = stage.invite(&bob).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(stage.asked(), 1);
    bob.invited(&id).await;
    let leave = format!("rooms/{}/leave", encode(&id));
    // Declining goes through the server that is in the room.
    bob.call(Method::POST, &leave, json!({})).await;
    assert_eq!(stage.alice.membership(&id, &bob.id).await, "leave");
    assert_eq!(stage.asked(), 2);

    bob.join(&id, "a.test").await;
    assert_eq!(stage.asked(), 3);
    bob.send(&id, "in").await;
    stage.alice.sees(&id, &["in"]).await;
    carol.join(&id, "a.test").await;
    for user in [&bob, &carol] {
        user.call(Method::POST, &leave, json!({})).await;
    }
    // Neither their coming nor their going need be there yet.
    let member = format!("rooms/{}/state/m.room.member/{}", encode(&id), encode(&carol.id));
    let out = async || {
        let (_, member) = stage.alice.try_call(Method::GET, &member, json!({})).await;
        member["membership"] == "leave"
    };
    stage.alice.sync_until("carol's leave", out).await;
    // The room that its users left has the policy server in its state there.
    bob.join(&id, "a.test").await;
    bob.send(&id, "again").await;
    stage.alice.sees(&id, &["in", "again"]).await;

    // What comes without the signature is asked for.
    let before = stage.asked();
    stage.puppet.message("a.test", &mut stage.room, "unsigned").await;
    assert_eq!(stage.asked(), before + 1);
    stage
        .alice
        .sync_until("the message", async || {
            stage.alice.bodies(&id).await.contains(&"unsigned".to_owned())
        })
        .await;
    stage.a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_server_does_not_sign_is_neither_sent_nor_shown() {
    let stage = Stage::new().await;
    let b = stage.network.start("b.test").await;
    let bob = b.register("bob").await;
    let id = stage.room.id.to_string();
    let send = format!("rooms/{}/send/m.room.message/1", encode(&id));
    let message = json!({ "msgtype": "m.text", "body": "spam" });
    let join = format!("join/{}?via=a.test", encode(&id));

    stage.is(Mood::Refuses);
    let refused = stage.alice.try_call(Method::PUT, &send, message.clone()).await;
    assert_eq!(refused.0, StatusCode::BAD_REQUEST);
    for (status, answer) in [refused, stage.invite(&bob).await] {
        assert!(status.is_client_error(), "{status}");
        assert_eq!(answer["errcode"], "M_FORBIDDEN", "{answer}");
        assert_eq!(answer["error"], "smells of spam", "{answer}");
    }
    let (status, answer) = bob.try_call(Method::POST, &join, json!({})).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{answer}");
    let sync = bob.call(Method::GET, "sync?timeout=0", json!({})).await;
    assert_eq!(sync["rooms"]["invite"][&id], Value::Null);
    let mut aside = stage.room.clone();
    stage.puppet.message("a.test", &mut aside, "refused").await;

    stage.is(Mood::SignsWrongly);
    let (status, _) = stage.alice.try_call(Method::PUT, &send, message.clone()).await;
    assert!(!status.is_success());
    let (status, _) = stage.invite(&bob).await;
    assert!(!status.is_success());
    stage.puppet.message("a.test", &mut stage.room.clone(), "wrongly signed").await;

    stage.is(Mood::IsDown);
    let (status, answer) = stage.alice.try_call(Method::PUT, &send, message).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY, "{answer}");
    let (status, _) = stage.invite(&bob).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    // It is not asked for each of what comes.
    let before = stage.asked();
    for body in ["one", "two", "three"] {
        stage.puppet.message("a.test", &mut stage.room.clone(), body).await;
    }
    assert_eq!(stage.asked(), before + 1);

    assert_eq!(stage.alice.bodies(&id).await, Vec::<String>::new());
    stage.is(Mood::Signs);
    stage.clock.advance(5_000);
    stage.puppet.message("a.test", &mut stage.room.clone(), "later").await;
    assert_eq!(stage.alice.bodies(&id).await, ["later"]);
    stage.alice.send(&id, "fine").await;
    assert_eq!(stage.alice.bodies(&id).await, ["later", "fine"]);
    // Without a user in the room it is none.
    let kick = format!("rooms/{}/kick", encode(&id));
    let body = json!({ "user_id": stage.room.user });
    stage.alice.call(Method::POST, &kick, body).await;
    stage.is(Mood::Refuses);
    stage.alice.send(&id, "free").await;
    bob.join(&id, "a.test").await;
    stage.a.stop().await;
    b.stop().await;
}
