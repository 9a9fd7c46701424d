//! Signing keys of servers: rotation, notaries, and whom a server talks to.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedServerName, UInt,
    api::federation::discovery::{
        ServerSigningKeys, get_remote_server_keys, get_remote_server_keys_batch, get_server_keys,
    },
    owned_server_name,
    serde::Raw,
    server_name,
};
use sealpost_federation::{client::Limits, keyring::check_answer};
use sealpost_homeserver::{service::commands::Command, worker::command_socket};
use serde_json::{Value, json};

use crate::network::Network;

fn value(keys: &Raw<ServerSigningKeys>) -> Value {
    serde_json::from_str(keys.json().get()).unwrap()
}

fn time(at: i64) -> MilliSecondsSinceUnixEpoch {
    MilliSecondsSinceUnixEpoch(UInt::try_from(at).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_signs_at_once_and_the_old_one_verifies_what_is_older() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = alice.create_room(json!({ "preset": "public_chat" })).await;
    bob.join(&room, "a.test").await;
    alice.send(&room, "old key").await;
    bob.sees(&room, &["old key"]).await;

    let socket = command_socket::path(&network.signing_key("a.test"));
    let asked = tokio::task::spawn_blocking(move || {
        command_socket::ask(&socket, &Command::RotateSigningKey)
    });
    let outcome = format!("{:?}", asked.await.unwrap().unwrap().unwrap());
    assert!(outcome.contains("SigningKeyRotated"), "{outcome}");
    alice.send(&room, "new key").await;
    bob.sees(&room, &["new key"]).await;

    let client = network.client_of("b.test");
    let own = get_server_keys::v2::Request::new;
    let keys = client.send_unsigned(server_name!("a.test"), own(), Limits::SMALL).await.unwrap();
    let known = check_answer(server_name!("a.test"), &keys.server_key, 0).unwrap();
    assert_eq!(known.len(), 2);
    assert_eq!(known.values().filter(|key| key.expired_at.is_some()).count(), 1);

    // Another server enters and believes the whole history; the rotation survives a restart.
    a.stop().await;
    let a = network.start("a.test").await;
    let c = network.start("c.test").await;
    let (alice, carol) = (alice.at(&a.base), c.register("carol").await);
    carol.join(&room, "b.test").await;
    // A server that does not know of her yet sends nothing there.
    let members = format!("rooms/{room}/joined_members");
    let is_there = async || {
        let members = alice.call(Method::GET, &members, json!({})).await;
        members["joined"][&carol.id].is_object()
    };
    alice.sync_until("carol", is_there).await;
    alice.send(&room, "restarted").await;
    carol.sees(&room, &["restarted"]).await;
    let again = client.send_unsigned(server_name!("a.test"), own(), Limits::SMALL).await.unwrap();
    let (before, after) = (value(&keys.server_key), value(&again.server_key));
    assert_eq!(before["verify_keys"], after["verify_keys"]);
    assert_eq!(before["old_verify_keys"], after["old_verify_keys"]);
    for server in [a, b, c] {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notary_answers_for_a_server_that_is_gone() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let c = network.start_with("c.test", "notaries = [\"b.test\"]\n").await;
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = alice.create_room(json!({ "preset": "public_chat" })).await;
    bob.join(&room, "a.test").await;
    alice.send(&room, "from a").await;
    bob.sees(&room, &["from a"]).await;

    let client = network.client_of("c.test");
    let b_name = server_name!("b.test");
    let wanted = |server: OwnedServerName, until: i64| {
        get_remote_server_keys::v2::Request::new(server, time(until))
    };
    let one = wanted(owned_server_name!("a.test"), 1);
    let one = client.send_unsigned(b_name, one, Limits::SMALL).await.unwrap().server_keys;
    let [of_a] = &one[..] else { panic!("{} answers", one.len()) };
    assert_eq!(value(of_a)["signatures"].as_object().unwrap().len(), 2);
    check_answer(server_name!("a.test"), of_a, 0).unwrap();

    network.cut(&a);
    a.stop().await;
    // Longer than anybody says: asked again, in vain, and answered all the same.
    let far = wanted(owned_server_name!("a.test"), 4_000_000_000_000);
    let far = client.send_unsigned(b_name, far, Limits::SMALL).await.unwrap().server_keys;
    assert_eq!(value(&far[0])["verify_keys"], value(of_a)["verify_keys"]);

    let mut many = BTreeMap::new();
    for server in ["a.test", "b.test", "nowhere.test"] {
        many.insert(OwnedServerName::try_from(server).unwrap(), BTreeMap::new());
    }
    let batch = get_remote_server_keys_batch::v2::Request::new(many);
    let batch = client.send_unsigned(b_name, batch, Limits::SMALL).await.unwrap().server_keys;
    let mut names: Vec<Value> =
        batch.iter().map(|keys| value(keys)["server_name"].clone()).collect();
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, ["a.test", "b.test"]);
    let too_many = (0..101).map(|number| {
        (OwnedServerName::try_from(format!("{number}.test")).unwrap(), BTreeMap::new())
    });
    let too_many = get_remote_server_keys_batch::v2::Request::new(too_many.collect());
    let refused = client.send_unsigned(b_name, too_many, Limits::SMALL).await.unwrap_err();
    assert!(refused.to_string().contains("400"), "{refused}");

    // A server that has never met the one that is gone believes its events by the notary's word.
    let carol = c.register("carol").await;
    carol.join(&room, "b.test").await;
    bob.send(&room, "from b").await;
    carol.sees(&room, &["from b"]).await;
    assert_eq!(carol.membership(&room, &alice.id).await, "join");
    b.stop().await;
    c.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_denied_or_not_allowed_is_neither_answered_nor_asked() {
    for setting in ["denied_servers = [\"b.test\"]\n", "allowed_servers = [\"c.test\"]\n"] {
        without_b(setting).await;
    }
}

/// a.test with a setting by which it talks to c.test and not to b.test.
async fn without_b(setting: &str) {
    let network = Network::new();
    let a = network.start_with("a.test", setting).await;
    let b = network.start("b.test").await;
    let c = network.start("c.test").await;
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let carol = c.register("carol").await;
    let room = alice.create_room(json!({ "preset": "public_chat" })).await;
    let path = format!("join/{room}?via=a.test");
    let (status, answer) = bob.try_call(Method::POST, &path, json!({})).await;
    assert_eq!((status, &answer["errcode"]), (StatusCode::FORBIDDEN, &json!("M_FORBIDDEN")));
    carol.join(&room, "a.test").await;

    let theirs = bob.create_room(json!({ "preset": "public_chat" })).await;
    let path = format!("join/{theirs}?via=b.test");
    let (status, _) = alice.try_call(Method::POST, &path, json!({})).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let invite = format!("rooms/{room}/invite");
    let (status, _) = alice.try_call(Method::POST, &invite, json!({ "user_id": bob.id })).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    for server in [a, b, c] {
        server.stop().await;
    }
}
