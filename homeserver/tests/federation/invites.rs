//! Invites between servers in their older forms, and of people by what they are elsewhere.

use reqwest::{Method, StatusCode};
use ruma::{
    CanonicalJsonObject, OwnedRoomId, OwnedUserId, RoomVersionId,
    api::federation::{
        membership::{RawStrippedState, create_invite},
        thirdparty::exchange_invite,
    },
    serde::{Base64, Raw},
    signatures::sign_json,
};
use sealpost_federation::SigningKey;
use sealpost_homeserver::service::remote::invite_v1;
use serde_json::{Value, json, value::RawValue};

use crate::{
    network::Network,
    puppet::{Puppet, PuppetRoom, Reply, now, rules_of},
    user::{User, encode},
};

/// An identity server, as far as a room knows it.
struct Identity(SigningKey);

impl Identity {
    fn new() -> Self {
        Self(SigningKey::from_seed("0", &[90; 32]).unwrap())
    }

    /// Leaves a token in a room.
    async fn leave(&self, by: &User, room: &str, token: &str) {
        let key = Base64::<ruma::serde::base64::Standard>::new(self.0.public_key().to_vec());
        let content = json!({
            "display_name": "b…@example.org",
            "key_validity_url": "https://id.test/valid",
            "public_key": key.encode(),
            "public_keys": [{ "public_key": key.encode() }],
        });
        let path = format!("rooms/{}/state/m.room.third_party_invite/{token}", encode(room));
        by.call(Method::PUT, &path, content).await;
    }

    fn signed(&self, sender: &str, mxid: &str, token: &str) -> Value {
        let signed = json!({ "sender": sender, "mxid": mxid, "token": token });
        let mut signed: CanonicalJsonObject = serde_json::from_value(signed).unwrap();
        sign_json("id.test", &self.0, &mut signed).unwrap();
        serde_json::to_value(signed).unwrap()
    }
}

async fn join(user: &User, room: &str, signed: &Value) -> (StatusCode, Value) {
    let path = format!("join/{}?via=a.test", encode(room));
    user.try_call(Method::POST, &path, json!({ "third_party_signed": signed })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_token_opens_a_closed_room_here_and_from_other_servers() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, dave) = (a.register("alice").await, a.register("dave").await);
    let (bob, carol) = (b.register("bob").await, b.register("carol").await);
    let (identity, other) =
        (Identity::new(), Identity(SigningKey::from_seed("0", &[91; 32]).unwrap()));
    for version in ["2", "11", "12"] {
        let new = json!({ "preset": "private_chat", "room_version": version, "name": "Closed" });
        let room = alice.create_room(new).await;
        for token in ["one", "two", "three"] {
            identity.leave(&alice, &room, token).await;
        }
        let sign = |user: &User, token: &str| identity.signed(&alice.id, &user.id, token);

        // A user of the same server; of another that is not in the room; of one that is, by whose own doing.
        for (user, token) in [(&dave, "one"), (&bob, "two"), (&carol, "three")] {
            let forged = other.signed(&alice.id, &user.id, token);
            for wrong in [forged, sign(user, "four"), sign(&alice, token)] {
                let (status, answer) = join(user, &room, &wrong).await;
                assert_eq!(status, StatusCode::FORBIDDEN, "{version}, {token}: {answer}");
            }
            let (status, answer) = join(user, &room, &sign(user, token)).await;
            assert_eq!(status, StatusCode::OK, "{version}, {token}: {answer}");
            alice
                .sync_until("the join", async || {
                    let path =
                        format!("rooms/{}/state/m.room.member/{}", encode(&room), encode(&user.id));
                    let (_, member) = alice.try_call(Method::GET, &path, json!({})).await;
                    member["membership"] == "join"
                })
                .await;
        }
        // A token that was shown is good for nothing that the user could not do.
        assert_eq!(join(&bob, &room, &sign(&bob, "two")).await.0, StatusCode::OK);
        bob.send(&room, "here").await;
        alice.sees(&room, &["here"]).await;
    }
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exchanges_of_tokens_that_prove_nothing_are_refused() {
    let network = Network::new();
    let a = network.start("a.test").await;
    let puppet = Puppet::start(&network, "puppet.test").await;
    let alice = a.register("alice").await;
    let room = alice.create_room(json!({ "preset": "private_chat", "room_version": "11" })).await;
    let identity = Identity::new();
    identity.leave(&alice, &room, "token").await;
    let request = |sender: &str, invited: &str, content: Value| {
        exchange_invite::v1::Request::new(
            OwnedRoomId::try_from(&*room).unwrap(),
            OwnedUserId::try_from(sender).unwrap(),
            OwnedUserId::try_from(invited).unwrap(),
            Raw::new(&content).unwrap().cast_unchecked(),
        )
    };
    let (mallory, alices) = ("@mallory:puppet.test", &*alice.id);
    let content = |membership: &str, signed: Value| {
        let invite = json!({ "display_name": "m", "signed": signed });
        json!({ "membership": membership, "third_party_invite": invite })
    };
    let signed = identity.signed(alices, mallory, "token");
    let cases = [
        ("another's user", request(alices, "@x:b.test", content("invite", signed.clone())), 403),
        ("another's token", request("@x:b.test", mallory, content("invite", signed.clone())), 403),
        ("no invite", request(alices, mallory, content("join", signed.clone())), 400),
        ("no token", request(alices, mallory, content("invite", json!({}))), 400),
        ("no signature", request(alices, mallory, json!({ "membership": "invite" })), 400),
        (
            "an unknown token",
            request(alices, mallory, content("invite", identity.signed(alices, mallory, "x"))),
            403,
        ),
    ];
    for (case, request, status) in cases {
        let refusal = puppet.send("a.test", request).await.expect_err(case);
        assert!(refusal.to_string().contains(&status.to_string()), "{case}: {refusal}");
    }
    assert_eq!(puppet.asked("/_matrix/federation/v2/invite"), 0);

    // What is as it should be has the puppet asked to sign the invite; it does not.
    let request = request(alices, mallory, content("invite", signed));
    puppet.send("a.test", request).await.unwrap_err();
    assert_eq!(puppet.asked("/_matrix/federation/v2/invite"), 1);
    a.stop().await;
}

/// An invite of bob to a room that only the puppet knows.
pub fn invite(puppet: &Puppet, room: &str, version: &RoomVersionId, more: Value) -> PuppetInvite {
    let rules = rules_of(version.clone());
    let user = OwnedUserId::try_from("@mallory:puppet.test").unwrap();
    let room = PuppetRoom {
        id: OwnedRoomId::try_from(room).unwrap(),
        user,
        rules,
        state: Default::default(),
        last: ruma::OwnedEventId::try_from("$last:puppet.test").unwrap(),
        depth: 3,
    };
    let mut event = puppet.draft(&room, "");
    let changed = json!({
        "type": "m.room.member", "state_key": "@bob:b.test", "content": { "membership": "invite" },
    });
    for (key, value) in changed.as_object().unwrap().iter().chain(more.as_object().unwrap()) {
        event.insert(key.clone(), serde_json::from_value(value.clone()).unwrap());
    }
    let (id, event) = puppet.sign(&mut event, rules);
    PuppetInvite { room: room.id, id, event }
}

pub struct PuppetInvite {
    pub room: OwnedRoomId,
    pub id: ruma::OwnedEventId,
    pub event: Box<RawValue>,
}

#[tokio::test(flavor = "multi_thread")]
async fn invites_in_version_1_are_taken_for_old_rooms_and_sent_to_old_servers() {
    let network = Network::new();
    let b = network.start("b.test").await;
    let puppet = Puppet::start(&network, "puppet.test").await;
    let bob = b.register("bob").await;
    let state = |version: &str| {
        json!({ "invite_room_state": [
            { "type": "m.room.create", "state_key": "", "sender": "@mallory:puppet.test",
              "content": { "room_version": version } },
            { "type": "m.room.name", "state_key": "", "sender": "@mallory:puppet.test",
              "content": { "name": "Old" } },
        ] })
    };
    let told = |room: &str, version: &str, more: Value| {
        let PuppetInvite { room, id, event } = invite(&puppet, room, &RoomVersionId::V1, more);
        let mut event: Value = serde_json::from_str(event.get()).unwrap();
        event["unsigned"] = state(version);
        let event = serde_json::value::to_raw_value(&event).unwrap();
        invite_v1::Request { room_id: room, event_id: id, event }
    };
    let answer =
        puppet.send("b.test", told("!old:puppet.test", "1", json!({}))).await.unwrap().event;
    let answer: Value = serde_json::from_str(answer.get()).unwrap();
    assert!(answer["signatures"]["b.test"].is_object(), "{answer}");
    assert!(answer["signatures"]["puppet.test"].is_object(), "{answer}");
    let shown = bob.invited("!old:puppet.test").await;
    assert!(shown.to_string().contains("Old"), "{shown}");

    for (case, request) in [
        ("a newer room", told("!new:puppet.test", "11", json!({}))),
        ("no invite", told("!no:puppet.test", "1", json!({ "content": { "membership": "join" } }))),
        ("another's user", told("!no:puppet.test", "1", json!({ "state_key": "@x:c.test" }))),
    ] {
        let refusal = puppet.send("b.test", request).await.expect_err(case);
        assert!(refusal.to_string().contains("400"), "{case}: {refusal}");
    }

    // The puppet knows version 1 only, and signs what comes.
    let key = puppet.key.clone();
    puppet.script.set(move |asked| {
        if !asked.path.contains("/v1/invite/") {
            return None;
        }
        let mut event: CanonicalJsonObject = serde_json::from_str(&asked.body).unwrap();
        let told = event.get("unsigned").cloned().unwrap();
        assert!(serde_json::to_string(&told).unwrap().contains("m.room.create"));
        let redacted = ruma::canonical_json::redact(
            event.clone(),
            &rules_of(RoomVersionId::V1).redaction,
            None,
        );
        let mut redacted = redacted.unwrap();
        sign_json("puppet.test", &key, &mut redacted).unwrap();
        event.insert("signatures".to_owned(), redacted.remove("signatures").unwrap());
        Some(Reply::Json(200, json!([200, { "event": event }])))
    });
    let room = bob.create_room(json!({ "preset": "private_chat", "room_version": "1" })).await;
    let path = format!("rooms/{}/invite", encode(&room));
    bob.call(Method::POST, &path, json!({ "user_id": "@mallory:puppet.test" })).await;
    assert_eq!(bob.membership(&room, "@mallory:puppet.test").await, "invite");
    assert_eq!(puppet.asked("/_matrix/federation/v2/invite"), 1);
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_to_a_room_of_version_12_proves_what_it_tells_of_the_room() {
    let network = Network::new();
    let b = network.start("b.test").await;
    let puppet = Puppet::start(&network, "puppet.test").await;
    let bob = b.register("bob").await;
    let rules = rules_of(RoomVersionId::V12);
    let create = |nonce: &str| {
        let draft = json!({
            "type": "m.room.create", "state_key": "", "sender": "@mallory:puppet.test",
            "origin_server_ts": now(), "depth": 1, "prev_events": [], "auth_events": [],
            "content": { "room_version": "12", "nonce": nonce },
        });
        let mut draft: CanonicalJsonObject = serde_json::from_value(draft).unwrap();
        let (id, event) = puppet.sign(&mut draft, rules);
        (format!("!{}", &id.as_str()[1..]), event)
    };
    let ((room, create_of_room), (_, create_of_other)) = (create("this"), create("that"));
    let stripped = json!({
        "type": "m.room.create", "state_key": "", "sender": "@mallory:puppet.test",
        "content": { "room_version": "12" },
    });
    let mut unsigned: Value = serde_json::from_str(create_of_room.get()).unwrap();
    unsigned["signatures"] = json!({ "puppet.test": {} });
    let ask = async |state: Vec<Value>| {
        let PuppetInvite { room, id, event } =
            invite(&puppet, &room, &RoomVersionId::V12, json!({}));
        let state: Vec<RawStrippedState> = serde_json::from_value(json!(state)).unwrap();
        let request = create_invite::v2::Request::new(room, id, RoomVersionId::V12, event, state);
        puppet.send("b.test", request).await.map(drop)
    };
    let whole: Value = serde_json::from_str(create_of_room.get()).unwrap();
    let other: Value = serde_json::from_str(create_of_other.get()).unwrap();
    for (case, state) in [
        ("nothing", Vec::new()),
        ("a stripped create event", vec![stripped]),
        ("the create event of another room", vec![other.clone()]),
        ("one of another room besides", vec![whole.clone(), other]),
        ("an event that nobody signed", vec![unsigned]),
    ] {
        let refusal = ask(state).await.expect_err(case).to_string();
        assert!(refusal.contains("400"), "{case}: {refusal}");
    }
    ask(vec![whole]).await.unwrap();
    bob.invited(&room).await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_named_in_via_are_asked_to_invite_whom_a_token_names() {
    let network = Network::new();
    let b = network.start("b.test").await;
    let puppet = Puppet::start(&network, "puppet.test").await;
    let bob = b.register("bob").await;
    let signed = json!({
        "mxid": bob.id, "sender": "@gone:nowhere.test", "token": "abc",
        "signatures": { "id.test": { "ed25519:0": "c2ln" } },
    });
    let path = "join/!room:nowhere.test?via=puppet.test";
    let body = json!({ "third_party_signed": signed });
    let (status, _) = bob.try_call(Method::POST, path, body).await;
    assert!(!status.is_success());
    assert_eq!(puppet.asked("/_matrix/federation/v1/exchange_third_party_invite/"), 1);
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_tells_of_the_room_also_when_somebody_else_here_joins_it() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob, carol) =
        (a.register("alice").await, b.register("bob").await, b.register("carol").await);
    let room = alice
        .create_room(json!({ "preset": "public_chat", "name": "Shed", "invite": [carol.id] }))
        .await;
    let name = async || {
        let told = carol.invited(&room).await;
        let of_name = |event: &&Value| event["type"] == "m.room.name";
        told.as_array().unwrap().iter().find(of_name).map(|event| event["content"]["name"].clone())
    };
    assert_eq!(name().await, Some(json!("Shed")));
    bob.join(&room, "a.test").await;
    assert_eq!(name().await, Some(json!("Shed")));
    a.stop().await;
    b.stop().await;
}
