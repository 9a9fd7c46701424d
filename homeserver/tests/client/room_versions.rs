use serde_json::{Value, json};

use crate::{
    actor::{Actor, in_room},
    server::{TestServer, on_both},
};

/// The versions that the server says it speaks.
async fn versions(who: &Actor) -> Vec<String> {
    let told = who.get("/_matrix/client/v3/capabilities").await.ok();
    let available = &told["capabilities"]["m.room_versions"]["available"];
    available.as_object().unwrap().keys().cloned().collect()
}

/// An event id in a path: those of version 3 have slashes.
fn encoded(id: &str) -> String {
    id.replace('$', "%24").replace('/', "%2F").replace('+', "%2B").replace(':', "%3A")
}

async fn live_through(server: &TestServer, version: &str) {
    let [alice, bob, carol] = [
        server.register(&format!("alice{version}")).await,
        server.register(&format!("bob{version}")).await,
        server.register(&format!("carol{version}")).await,
    ];
    let create = json!({ "room_version": version, "preset": "private_chat", "name": "Ours" });
    let room = alice.create_room_with(create).await;
    assert_eq!(
        alice.get(&in_room(&room, "state/m.room.create/")).await.ok()["room_version"],
        version
    );
    alice.invite(&room, &bob).await;
    bob.join(&room).await;

    let said = bob.say(&room, "hello").await;
    let path = in_room(&room, &format!("event/{}", encoded(&said)));
    assert_eq!(alice.get(&path).await.ok()["content"]["body"], "hello");
    let redact = |id: &str, n| in_room(&room, &format!("redact/{}/{n}", encoded(id)));
    let own = alice.say(&room, "of alice").await;
    assert_eq!(bob.put(&redact(&own, 1), json!({})).await.status.as_u16(), 403, "{version}");
    bob.put(&redact(&said, 2), json!({ "reason": "typo" })).await.ok();
    let redacted = alice.get(&path).await.ok();
    assert_eq!(redacted["content"], json!({}));
    assert_eq!(redacted["unsigned"]["redacted_because"]["content"]["reason"], "typo");

    // Any number is legal before version 6, and keeps its form.
    let numbers = json!({ "msgtype": "m.text", "body": "numbers", "half": 0.5, "large": 1e16 });
    let sent = alice.put(&in_room(&room, "send/m.room.message/3"), numbers.clone()).await;
    if version.parse::<u32>().unwrap() < 6 {
        let id = sent.ok()["event_id"].as_str().unwrap().to_owned();
        let event = bob.get(&in_room(&room, &format!("event/{}", encoded(&id)))).await.ok();
        assert_eq!(event["content"], numbers);
    } else {
        assert_eq!(sent.error(), (400, "M_BAD_JSON"), "{version}");
    }

    let message = |levels: Value| (in_room(&room, "state/m.room.power_levels/"), levels);
    let (path, mut levels) =
        message(alice.get(&in_room(&room, "state/m.room.power_levels/")).await.ok());
    levels["users"][&bob.user_id] = json!(50);
    assert_eq!(bob.put(&path, levels.clone()).await.status.as_u16(), 403, "{version}");
    alice.put(&path, levels).await.ok();

    bob.invite(&room, &carol).await;
    carol.join(&room).await;
    let kick = json!({ "user_id": carol.user_id });
    bob.post(&in_room(&room, "kick"), kick.clone()).await.ok();
    assert_eq!(carol.post(&in_room(&room, "join"), json!({})).await.status.as_u16(), 403);
    bob.post(&in_room(&room, "ban"), kick).await.ok();
    let invite = json!({ "user_id": carol.user_id });
    assert_eq!(bob.post(&in_room(&room, "invite"), invite).await.status.as_u16(), 403);

    alice.say(&room, "the end").await;
    let synced = alice.sync(None, "timeout=0").await;
    let events = synced["rooms"]["join"][&room]["timeline"]["events"].as_array().unwrap();
    assert_eq!(events.last().unwrap()["content"]["body"], "the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_talk_in_a_room_of_every_version_that_is_told() {
    on_both(async |server| {
        let versions = versions(&server.register("admin").await).await;
        assert!(versions.len() == 12, "{versions:?}");
        for version in versions {
            live_through(server, &version).await;
        }
    })
    .await;
}
