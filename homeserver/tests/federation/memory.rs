//! What a hostile server sends costs no memory: watched from outside, in a process of its own.

use reqwest::{Method, StatusCode};
use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, OwnedEventId, RoomVersionId, signatures::sign_json,
};
use serde_json::{Value, json};

use crate::{
    binaries::Place,
    large_join::high_water_kib,
    network::Network,
    puppet::{Puppet, PuppetRoom, Reply},
    user::{User, encode},
};

/// What all that is tried here may add to the memory of a server at its height, in KiB.
const MOST_KIB: u64 = 128 * 1024;

/// A message that names others as before it or as what authorises it.
fn on(puppet: &Puppet, room: &PuppetRoom, body: &str, field: &str, ids: &[String]) -> Value {
    let mut draft = puppet.draft(room, body);
    match draft.get_mut(field) {
        Some(CanonicalJsonValue::Array(names)) if field == "auth_events" => {
            names.extend(ids.iter().map(|id| CanonicalJsonValue::from(id.as_str())));
        }
        _ => {
            let ids = ids.iter().map(|id| CanonicalJsonValue::from(id.as_str())).collect();
            draft.insert(field.to_owned(), CanonicalJsonValue::Array(ids));
        }
    }
    serde_json::from_str(puppet.sign(&mut draft, room.rules).1.get()).unwrap()
}

fn missing(number: usize) -> Vec<String> {
    (0..20).map(|at| format!("$missing{number:018}x{at:017}")).collect()
}

async fn is_refused(puppet: &Puppet, to: &str, event: &Value) {
    let raw = serde_json::value::to_raw_value(event).unwrap();
    let answers = puppet.transaction(to, vec![raw], Vec::new()).await.unwrap();
    assert!(matches!(answers.into_values().collect::<Vec<Result<_, _>>>()[..], [Err(_)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_and_answers_without_end_take_little_memory() {
    let network = Network::new();
    let puppet = Puppet::start_at_address(&network).await;
    let place = Place::new(network.authority(), "flooded");
    let mut server = place.start().await;
    let alice = User::register(&server.base, "alice").await;
    let new = json!({ "room_version": "11", "preset": "public_chat" });
    let (id, other) = (alice.create_room(new.clone()).await, alice.create_room(new).await);
    let mut room = puppet.join(&place.name, &id, RoomVersionId::V11).await;
    puppet.message(&place.name, &mut room, "before").await;
    let before = high_water_kib(server.child.id());

    // Whatever is asked is answered with bytes without end.
    puppet.script.set(|_| Some(Reply::Endless));
    let via = encode(puppet.name.as_str());
    for (method, path) in [
        (Method::POST, format!("join/!gone:{via}?via={via}")),
        (Method::POST, format!("knock/!gone:{via}?via={via}")),
        (Method::GET, format!("profile/{}", encode(&format!("@mallory:{}", puppet.name)))),
        (Method::GET, format!("publicRooms?server={via}")),
        (Method::GET, format!("directory/room/{}", encode(&format!("#x:{}", puppet.name)))),
    ] {
        let (status, _) = alice.try_call(method, &path, json!({})).await;
        assert_eq!(status, StatusCode::BAD_GATEWAY, "{path}");
    }
    let asked = json!({ "device_keys": { format!("@mallory:{}", puppet.name): [] } });
    let keys = alice.call(Method::POST, "keys/query", asked).await;
    assert!(keys["failures"].as_object().unwrap().contains_key(puppet.name.as_str()), "{keys}");
    for field in ["prev_events", "auth_events"] {
        let event = on(&puppet, &room, "on what is told without end", field, &missing(0));
        is_refused(&puppet, &place.name, &event).await;
    }
    let endless = high_water_kib(server.child.id());

    // Each missing event is told, and names twenty more that are missing.
    let told: Vec<Value> = (1..3_000)
        .map(|number| on(&puppet, &room, &"flood".repeat(100), "prev_events", &missing(number)))
        .collect();
    let (events, chain) = (json!({ "events": told }), json!({ "auth_chain": told }));
    let ids: Vec<OwnedEventId> = (0..200_000)
        .map(|number| OwnedEventId::try_from(format!("$state{number:038}")).unwrap())
        .collect();
    let ids = json!({ "pdu_ids": ids, "auth_chain_ids": ids });
    puppet.script.set(move |asked| {
        let answer = match asked.path.as_str() {
            path if path.contains("/get_missing_events/") => &events,
            path if path.contains("/event_auth/") => &chain,
            path if path.contains("/state_ids/") => &ids,
            _ => return None,
        };
        Some(Reply::Json(200, answer.clone()))
    });
    for field in ["prev_events", "auth_events"] {
        let event = on(&puppet, &room, "on a flood", field, &missing(0));
        is_refused(&puppet, &place.name, &event).await;
    }
    let flooded = high_water_kib(server.child.id());
    println!("{before} KiB, after endless answers {endless}, after floods {flooded}");
    assert!(flooded < before + MOST_KIB, "{before} {endless} {flooded} KiB");

    // The room goes on, and so does the one next door.
    puppet.message(&place.name, &mut room, "honest").await;
    assert_eq!(alice.bodies(&id).await, ["before", "honest"]);
    alice.send(&other, "untouched").await;
    assert_eq!(alice.bodies(&other).await, ["untouched"]);
    server.kill();
}

/// A request signed by the puppet, whose answer is read as far as its head.
async fn begin(http: &reqwest::Client, puppet: &Puppet, to: &str, path: &str) -> reqwest::Response {
    let mut signed: CanonicalJsonObject = serde_json::from_value(json!({
        "method": "GET", "uri": path, "origin": puppet.name, "destination": to,
    }))
    .unwrap();
    sign_json(puppet.name.as_str(), &puppet.key, &mut signed).unwrap();
    let signed = serde_json::to_value(&signed).unwrap();
    let signatures = signed["signatures"][puppet.name.as_str()].as_object().unwrap();
    let (key, signature) = signatures.iter().next().unwrap();
    let claim = format!(
        "X-Matrix origin=\"{}\",destination=\"{to}\",key=\"{key}\",sig={signature}",
        puppet.name
    );
    http.get(format!("https://{to}{path}")).header("Authorization", claim).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn states_that_nobody_reads_are_bounded() {
    let network = Network::new();
    let (puppet, other) =
        (Puppet::start(&network, "p.test").await, Puppet::start(&network, "q.test").await);
    let server = network.start("a.test").await;
    let alice = server.register("alice").await;
    let new = json!({ "room_version": "11", "preset": "public_chat" });
    let id = alice.create_room(new).await;
    for number in 0..75 {
        let path = format!("rooms/{}/state/m.x/{number}", encode(&id));
        alice.call(Method::PUT, &path, json!({ "text": "x".repeat(60_000) })).await;
    }
    let mut room = puppet.join("a.test", &id, RoomVersionId::V11).await;
    other.join("a.test", &id, RoomVersionId::V11).await;
    puppet.message("a.test", &mut room, "last").await;
    let (id, event) = (encode(&id), encode(room.last.as_str()));
    let path = format!("/_matrix/federation/v1/state/{id}?event_id={event}");

    let http = network.http(&server);
    let mut unread = Vec::new();
    let refused = loop {
        let answer = begin(&http, &puppet, "a.test", &path).await;
        if answer.status() != StatusCode::OK {
            break answer;
        }
        unread.push(answer);
        assert!(unread.len() < 20, "as many as anybody likes");
    };
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    // Of another server nothing lies about.
    let answer = begin(&http, &other, "a.test", &path).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.text().await.unwrap().len() > 75 * 60_000);

    // What is read, or given up, makes room.
    let read = unread.pop().unwrap();
    assert!(read.text().await.unwrap().len() > 75 * 60_000);
    unread.clear();
    let answer = begin(&http, &puppet, "a.test", &path).await;
    assert_eq!(answer.status(), StatusCode::OK);
    server.stop().await;
}
