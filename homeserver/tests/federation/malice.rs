//! What a hostile server tries, and what comes of it: a refusal, while other rooms go on.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use ruma::{
    CanonicalJsonValue, OwnedServerName, RoomVersionId,
    api::federation::authentication::{XMatrix, XMatrixSigningInput},
};
use sealpost_federation::SigningKey;
use serde_json::{Value, json, value::RawValue};

use crate::{
    network::{Network, Server},
    puppet::{Puppet, PuppetRoom, Reply, keys_of, now},
    user::{User, encode},
};

/// alice's server with a room that the puppet is in and one that it isn't.
struct Stage {
    network: Network,
    a: Server,
    alice: User,
    puppet: Puppet,
    room: PuppetRoom,
    other: String,
}

impl Stage {
    async fn new(version: RoomVersionId) -> Self {
        let network = Network::new();
        let a = network.start("a.test").await;
        let puppet = Puppet::start(&network, "puppet.test").await;
        let alice = a.register("alice").await;
        let new = json!({ "room_version": version, "preset": "public_chat" });
        let (room, other) = (alice.create_room(new.clone()).await, alice.create_room(new).await);
        let room = puppet.join("a.test", &room, version).await;
        Self { network, a, alice, puppet, room, other }
    }

    /// Sends one event; what is said of it.
    async fn send(&self, pdu: Box<RawValue>) -> Vec<Result<(), String>> {
        let answers = self.puppet.transaction("a.test", vec![pdu], Vec::new()).await.unwrap();
        answers.into_values().collect()
    }

    async fn bodies(&self) -> Vec<String> {
        self.alice.bodies(self.room.id.as_str()).await
    }

    /// The room of the puppet takes honest events, and the other room works.
    async fn end(mut self) {
        self.puppet.message("a.test", &mut self.room, "honest").await;
        assert!(self.bodies().await.contains(&"honest".to_owned()));
        self.alice.send(&self.other, "untouched").await;
        assert_eq!(self.alice.bodies(&self.other).await, ["untouched"]);
        self.a.stop().await;
    }
}

fn text(value: &str) -> CanonicalJsonValue {
    CanonicalJsonValue::String(value.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_with_wrong_hashes_are_redacted_and_with_forged_signatures_refused() {
    let stage = Stage::new(RoomVersionId::V11).await;
    let Stage { puppet, room, .. } = &stage;
    let mut event = puppet.draft(room, "as signed");
    puppet.sign(&mut event, room.rules);
    let content = json!({ "msgtype": "m.text", "body": "changed" });
    event.insert("content".to_owned(), serde_json::from_value(content).unwrap());
    let changed = serde_json::value::to_raw_value(&event).unwrap();
    assert_eq!(stage.send(changed).await, [Ok(())]);

    let forger = SigningKey::from_seed("p", &[78; 32]).unwrap();
    let (_, forged) = puppet.sign_with(&forger, &mut puppet.draft(room, "forged"), room.rules);
    assert!(matches!(&stage.send(forged).await[..], [Err(_)]));

    let mut changed = puppet.draft(room, "moved");
    puppet.sign(&mut changed, room.rules);
    changed.insert("depth".to_owned(), CanonicalJsonValue::Integer(1000.into()));
    let changed = serde_json::value::to_raw_value(&changed).unwrap();
    assert!(matches!(&stage.send(changed).await[..], [Err(_)]));

    // Without any signature, and in the name of another server.
    let mut unsigned = puppet.draft(room, "unsigned");
    puppet.sign(&mut unsigned, room.rules);
    unsigned.remove("signatures");
    let unsigned = serde_json::value::to_raw_value(&unsigned).unwrap();
    assert!(matches!(&stage.send(unsigned).await[..], [Err(_)]));
    let mut of_alice = puppet.draft(room, "in alice's name");
    of_alice.insert("sender".to_owned(), text(&stage.alice.id));
    let (_, of_alice) = puppet.sign(&mut of_alice, room.rules);
    assert!(matches!(&stage.send(of_alice).await[..], [Err(_)]));

    assert_eq!(stage.bodies().await, Vec::<String>::new());
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_signed_with_expired_or_unknown_keys_are_refused() {
    let stage = Stage::new(RoomVersionId::V11).await;
    let Stage { puppet, room, .. } = &stage;
    let (unknown, old) = (
        SigningKey::from_seed("unknown", &[79; 32]).unwrap(),
        SigningKey::from_seed("old", &[80; 32]).unwrap(),
    );
    let expired = now() - 3_600_000;
    let keys = keys_of(&puppet.name, &puppet.key, Some((&old, expired)), now() + 3_600_000);
    *puppet.keys.lock() = keys;
    // The answer about its keys, fetched a moment ago, is asked for again after a pause.
    tokio::time::sleep(Duration::from_secs(11)).await;
    for (key, body) in [(&old, "expired"), (&unknown, "unknown")] {
        let (_, raw) = puppet.sign_with(key, &mut puppet.draft(room, body), room.rules);
        assert!(matches!(&stage.send(raw).await[..], [Err(_)]), "{body}");
    }
    // What is from before the key expired is taken.
    let mut event = puppet.draft(room, "early");
    let early = CanonicalJsonValue::Integer(ruma::Int::new(expired - 1).unwrap());
    event.insert("origin_server_ts".to_owned(), early);
    let (_, raw) = puppet.sign_with(&old, &mut event, room.rules);
    assert_eq!(stage.send(raw).await, [Ok(())]);
    assert_eq!(stage.bodies().await, ["early"]);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_for_rooms_that_a_server_is_not_in_change_nothing() {
    let stage = Stage::new(RoomVersionId::V11).await;
    let Stage { puppet, room, alice, other, .. } = &stage;
    let mut event = puppet.draft(room, "stranger");
    event.insert("room_id".to_owned(), text(other));
    let (_, raw) = puppet.sign(&mut event, room.rules);
    stage.send(raw).await;
    let mut event = puppet.draft(room, "nowhere");
    event.insert("room_id".to_owned(), text("!nowhere:a.test"));
    let (_, raw) = puppet.sign(&mut event, room.rules);
    stage.send(raw).await;
    assert!(alice.bodies(other).await.is_empty());
    assert!(stage.bodies().await.is_empty());
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_and_deeply_nested_events_are_refused() {
    let stage = Stage::new(RoomVersionId::V11).await;
    let Stage { puppet, room, .. } = &stage;
    let mut large = puppet.draft(room, "small");
    puppet.sign(&mut large, room.rules);
    large.insert("content".to_owned(), text(&"x".repeat(66_000)));
    let large = serde_json::value::to_raw_value(&large).unwrap();
    let answers = stage.send(large).await;
    assert!(answers.iter().all(Result::is_err), "{answers:?}");

    let deep = format!("{}{}", "[".repeat(110), "]".repeat(110));
    let deep = RawValue::from_string(format!(r#"{{"room_id":"{}","a":{deep}}}"#, room.id)).unwrap();
    let refused = puppet.transaction("a.test", vec![deep], Vec::new()).await.unwrap_err();
    assert!(refused.to_string().contains("400"), "{refused}");

    let event = || puppet.sign(&mut puppet.draft(room, "one of many"), room.rules).1;
    let many = (0..51).map(|_| event()).collect();
    let refused = puppet.transaction("a.test", many, Vec::new()).await.unwrap_err();
    assert!(refused.to_string().contains("400"), "{refused}");
    let edu = json!({ "edu_type": "m.x", "content": {} });
    let refused = puppet.transaction("a.test", Vec::new(), vec![edu; 101]).await.unwrap_err();
    assert!(refused.to_string().contains("400"), "{refused}");
    assert!(stage.bodies().await.is_empty());
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn auth_chains_that_loop_or_never_end_are_given_up() {
    // Only where events name themselves can they name one another in a circle.
    for version in [RoomVersionId::V1, RoomVersionId::V11] {
        let stage = Stage::new(version.clone()).await;
        let Stage { puppet, room, .. } = &stage;
        let hash = || json!({ "sha256": "abcase64hashabcase64hashabcase64hashabcase6" });
        let edge = |id: &str| match version {
            RoomVersionId::V1 => json!([id, hash()]),
            _ => json!(id),
        };
        let named = |draft: &mut ruma::CanonicalJsonObject, id: &str| {
            if let Some(CanonicalJsonValue::Array(auth)) = draft.get_mut("auth_events") {
                auth.push(serde_json::from_value(edge(id)).unwrap());
            }
        };
        let member = |body: &str, auth: &str| {
            let mut draft = puppet.draft(room, body);
            draft.insert("type".to_owned(), text("m.x"));
            draft.insert("state_key".to_owned(), text(body));
            named(&mut draft, auth);
            draft
        };
        let chain: Vec<Value> = if version == RoomVersionId::V1 {
            let [one, two] = ["$one:puppet.test", "$two:puppet.test"];
            [(one, two), (two, one)]
                .iter()
                .map(|(own, auth)| {
                    let mut draft = member(own, auth);
                    draft.insert("event_id".to_owned(), text(own));
                    let (_, raw) = puppet.sign(&mut draft, room.rules);
                    serde_json::from_str(raw.get()).unwrap()
                })
                .collect()
        } else {
            // Each names one more that is missing.
            (0..50)
                .map(|number| {
                    let missing = format!("$missing{number:036}");
                    let (_, raw) = puppet.sign(&mut member("endless", &missing), room.rules);
                    serde_json::from_str(raw.get()).unwrap()
                })
                .collect()
        };
        let answer = json!({ "auth_chain": chain });
        puppet.script.set(move |asked| {
            asked.path.contains("/event_auth/").then(|| Reply::Json(200, answer.clone()))
        });
        let mut draft = puppet.draft(room, "on a chain");
        let first = match version {
            RoomVersionId::V1 => "$one:puppet.test".to_owned(),
            _ => format!("$first{:038}", 0),
        };
        named(&mut draft, &first);
        let (_, raw) = puppet.sign(&mut draft, room.rules);
        let begun = Instant::now();
        assert!(matches!(&stage.send(raw).await[..], [Err(_)]));
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert!(puppet.asked("/_matrix/federation/v1/event_auth") <= 3);
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_missing_events_is_bounded() {
    let stage = Stage::new(RoomVersionId::V11).await;
    let Stage { puppet, room, .. } = &stage;
    let missing = |number: usize| -> CanonicalJsonValue {
        let ids: Vec<String> = (0..20).map(|at| format!("$missing{number:018}x{at:017}")).collect();
        serde_json::from_value(json!(ids)).unwrap()
    };
    let told: Vec<Value> = (0..200)
        .map(|number| {
            let mut draft = puppet.draft(room, &format!("flood {number}"));
            draft.insert("prev_events".to_owned(), missing(number));
            serde_json::from_str(puppet.sign(&mut draft, room.rules).1.get()).unwrap()
        })
        .collect();
    let answer = json!({ "events": told });
    puppet.script.set(move |asked| {
        asked.path.contains("/get_missing_events/").then(|| Reply::Json(200, answer.clone()))
    });
    let mut draft = puppet.draft(room, "the last of the flood");
    draft.insert("prev_events".to_owned(), missing(1_000));
    let (_, raw) = puppet.sign(&mut draft, room.rules);
    let begun = Instant::now();
    assert!(matches!(&stage.send(raw).await[..], [Err(_)]));
    assert!(begun.elapsed() < Duration::from_secs(30));
    let asked = puppet.seen.lock().len();
    assert!(asked < 60, "{asked} requests for one event");
    assert!(stage.bodies().await.is_empty());
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edus_in_the_name_of_others_do_nothing() {
    let stage = Stage::new(RoomVersionId::V11).await;
    let Stage { puppet, room, alice, .. } = &stage;
    let before = alice.call(Method::GET, "sync", json!({})).await;
    let since = before["next_batch"].as_str().unwrap();
    let last = room.last.as_str();
    let edus = vec![
        json!({ "edu_type": "m.typing", "content": {
            "room_id": room.id, "user_id": alice.id, "typing": true,
        } }),
        json!({ "edu_type": "m.receipt", "content": {
            room.id.as_str(): { "m.read": { &alice.id: { "event_ids": [last], "data": { "ts": 1 } } } },
        } }),
        json!({ "edu_type": "m.presence", "content": { "push": [
            { "user_id": alice.id, "presence": "offline", "last_active_ago": 1 },
        ] } }),
        json!({ "edu_type": "m.direct_to_device", "content": {
            "sender": alice.id, "type": "m.x", "message_id": "1",
            "messages": { &alice.id: { "*": {} } },
        } }),
        json!({ "edu_type": "m.device_list_update", "content": {
            "user_id": alice.id, "device_id": "X", "stream_id": 1, "deleted": true,
        } }),
        json!({ "edu_type": "m.signing_key_update", "content": { "user_id": alice.id } }),
        json!({ "edu_type": 1, "content": [] }),
        json!("no EDU at all"),
    ];
    puppet.transaction("a.test", Vec::new(), edus).await.unwrap();
    let path = format!("sync?timeout=0&since={}", encode(since));
    let after = alice.call(Method::GET, &path, json!({})).await;
    assert!(!after["presence"].to_string().contains("offline"), "{after}");
    for part in ["to_device", "device_lists"] {
        let news = after[part].as_object();
        let is_empty = |value: &Value| value.as_array().is_none_or(Vec::is_empty);
        assert!(news.is_none_or(|news| news.values().all(is_empty)), "{part}: {after}");
    }
    let room_news = &after["rooms"]["join"][room.id.as_str()]["ephemeral"]["events"];
    assert!(room_news.as_array().is_none_or(Vec::is_empty), "{after}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_trickle_or_never_end_are_given_up_while_others_are_served() {
    let stage = Stage::new(RoomVersionId::V11).await;
    let Stage { puppet, alice, .. } = &stage;
    puppet.script.set(|asked| match asked.path.as_str() {
        path if path.contains("/make_join/") => Some(Reply::Slow),
        path if path.contains("/query/profile") => Some(Reply::Endless),
        _ => None,
    });
    let join = async {
        let path = "join/!gone:puppet.test?via=puppet.test";
        let (status, _) = alice.try_call(Method::POST, path, json!({})).await;
        assert_eq!(status, StatusCode::BAD_GATEWAY);
    };
    let endless = async {
        let path = format!("profile/{}", encode("@mallory:puppet.test"));
        let begun = Instant::now();
        let (status, _) = alice.try_call(Method::GET, &path, json!({})).await;
        assert!(!status.is_success());
        assert!(begun.elapsed() < Duration::from_secs(15), "an endless answer was read on");
    };
    let others = async {
        for number in 0..5 {
            let begun = Instant::now();
            alice.send(&stage.other, &format!("meanwhile {number}")).await;
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
    };
    let begun = Instant::now();
    tokio::join!(join, endless, others);
    assert!(begun.elapsed() < Duration::from_secs(45));
    stage.a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_well_known_file_without_end_is_not_read_on() {
    let network = Network::new();
    let (b, puppet) = (network.start("b.test").await, Puppet::start(&network, "puppet.test").await);
    let bob = b.register("bob").await;
    puppet.script.set(|asked| match asked.path.as_str() {
        "/.well-known/matrix/server" => Some(Reply::Endless),
        path if path.contains("/query/profile") => {
            Some(Reply::Json(200, json!({ "displayname": "Mallory" })))
        }
        _ => None,
    });
    let path = format!("profile/{}", encode("@mallory:puppet.test"));
    assert_eq!(bob.call(Method::GET, &path, json!({})).await["displayname"], "Mallory");
    // What is on its way when the connection is closed is taken by nobody.
    let poured = puppet.poured.load(std::sync::atomic::Ordering::Relaxed);
    assert!((50 << 10..32 << 20).contains(&poured), "{poured} bytes");
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_signed_for_another_server_is_refused() {
    let stage = Stage::new(RoomVersionId::V11).await;
    let Stage { network, a, alice, puppet, .. } = &stage;
    let client = network.http(a);
    let path = format!("/_matrix/federation/v1/user/devices/{}", encode(&alice.id));
    for (destination, expected) in
        [("b.test", StatusCode::UNAUTHORIZED), ("a.test", StatusCode::OK)]
    {
        let request = http::Request::get(&path).body(Vec::new()).unwrap();
        let destination = OwnedServerName::try_from(destination).unwrap();
        let input = XMatrixSigningInput::new(puppet.name.clone(), destination, puppet.key.pair());
        let mut proof = XMatrix::sign_http_request(&request, input).unwrap();
        for named in [true, false] {
            if !named {
                proof.destination = None;
            }
            let asked = client.get(format!("https://a.test{path}"));
            let answer = asked.header("authorization", http::HeaderValue::from(&proof));
            assert_eq!(answer.send().await.unwrap().status(), expected);
        }
    }
    stage.end().await;
}
