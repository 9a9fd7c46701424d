//! What clients from before `sync` ask: `initialSync` and `events`.

use serde_json::{Value, json};

use super::{
    actor::{Actor, in_room},
    server::on_both_with,
};

const BASE: &str = "/_matrix/client/v3";

async fn listen(who: &Actor, query: &str) -> Value {
    who.get(&format!("/_matrix/client/r0/events?{query}")).await.ok()
}

fn bodies(events: &Value) -> Vec<&str> {
    let events = events.as_array().unwrap().iter();
    events.filter_map(|event| event["content"]["body"].as_str()).collect()
}

fn of_type<'a>(events: &'a Value, kind: &str) -> Vec<&'a Value> {
    events.as_array().unwrap().iter().filter(|event| event["type"] == kind).collect()
}

#[tokio::test]
async fn an_initial_sync_tells_rooms_with_state_messages_and_account_data() {
    on_both_with("presence.enabled = true", async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = alice
            .create_room_with(json!({
                "preset": "public_chat", "visibility": "public", "room_version": "11",
            }))
            .await;
        bob.join(&room).await;
        let left = alice.create_room().await;
        bob.join(&left).await;
        alice.say(&left, "seen").await;
        bob.leave(&left).await;
        alice.say(&left, "unseen").await;
        let invited = alice.create_room_with(json!({ "preset": "private_chat" })).await;
        alice.invite(&invited, &bob).await;
        for text in ["one", "two", "three"] {
            alice.say(&room, text).await;
        }
        let last = alice.say(&room, "four").await;
        bob.post(&in_room(&room, &format!("receipt/m.read/{last}")), json!({})).await.ok();
        let user = format!("{BASE}/user/{}", bob.user_id);
        bob.put(&format!("{user}/account_data/org.example"), json!({ "a": 1 })).await.ok();
        let tag = format!("{user}/rooms/{}/tags/m.favourite", room.replace('!', "%21"));
        bob.put(&tag, json!({})).await.ok();
        bob.put(
            &format!("{BASE}/presence/{}/status", bob.user_id),
            json!({ "presence": "online" }),
        )
        .await
        .ok();

        let all = bob.get(&format!("{BASE}/initialSync?limit=2")).await.ok();
        let rooms = all["rooms"].as_array().unwrap();
        assert_eq!(rooms.len(), 2, "joined and invited");
        let of = |id: &str| rooms.iter().find(|room| room["room_id"] == *id).unwrap();
        let joined = of(&room);
        assert_eq!(
            (&joined["membership"], &joined["visibility"]),
            (&json!("join"), &json!("public"))
        );
        assert_eq!(bodies(&joined["messages"]["chunk"]), ["three", "four"]);
        assert_eq!(joined["messages"]["chunk"][0]["room_id"], room.as_str());
        assert_eq!(joined["messages"]["chunk"][0]["user_id"], alice.user_id.as_str());
        assert_eq!(of_type(&joined["state"], "m.room.member").len(), 2);
        assert_eq!(of_type(&joined["account_data"], "m.tag").len(), 1);
        assert_eq!(of(&invited)["invite"]["content"]["membership"], "invite");
        assert!(of_type(&all["account_data"], "org.example")[0]["content"]["a"] == 1);
        assert_eq!(all["receipts"][0]["room_id"], room.as_str());
        // Presence is told a moment later.
        let shown = loop {
            let all = bob.get(&format!("{BASE}/initialSync?limit=0")).await.ok();
            let presence = all["presence"].as_array().unwrap().iter();
            let own = |event: &&Value| event["content"]["user_id"] == bob.user_id.as_str();
            if let Some(own) = presence.clone().find(own) {
                break own["content"]["presence"].clone();
            }
        };
        assert_eq!(shown, "online");
        let earlier = joined["messages"]["start"].as_str().unwrap();
        let path = in_room(&room, &format!("messages?dir=b&limit=1&from={earlier}"));
        assert_eq!(bodies(&bob.get(&path).await.ok()["chunk"]), ["two"]);

        let archived = bob.get(&format!("{BASE}/initialSync?archived=true&limit=2")).await.ok();
        let rooms = archived["rooms"].as_array().unwrap();
        let left_one = rooms.iter().find(|room| room["room_id"] == left.as_str()).unwrap();
        assert_eq!(left_one["membership"], "leave");
        assert_eq!(bodies(&left_one["messages"]["chunk"]), ["seen"]);

        let one = bob.get(&in_room(&room, "initialSync?limit=1")).await.ok();
        assert_eq!(bodies(&one["messages"]["chunk"]), ["four"]);
        assert_eq!(one["membership"], "join");
        assert_eq!(one["receipts"].as_array().unwrap().len(), 1);
        let none = bob.get(&in_room(&room, "initialSync?limit=0")).await.ok();
        assert_eq!(none["messages"]["chunk"], json!([]));
        let gone = bob.get(&in_room(&left, "initialSync")).await.ok();
        assert_eq!((&gone["membership"], &gone["presence"]), (&json!("leave"), &json!([])));
        assert_eq!(bob.get(&in_room(&invited, "initialSync")).await.error(), (403, "M_FORBIDDEN"));
        for wrong in ["limit=x", "limit=-1"] {
            let answer = bob.get(&format!("{BASE}/initialSync?{wrong}")).await;
            assert_eq!(answer.error(), (400, "M_INVALID_PARAM"));
        }

        let event = bob.get(&format!("{BASE}/events/{last}")).await.ok();
        assert_eq!((&event["event_id"], &event["room_id"]), (&json!(last), &json!(room)));
        let stranger = server.register("stranger").await;
        let hidden = stranger.get(&format!("{BASE}/events/{last}")).await;
        assert_eq!(hidden.error(), (404, "M_NOT_FOUND"));
    })
    .await;
}

#[tokio::test]
async fn the_event_stream_tells_everything_once_and_in_order() {
    on_both_with("", async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = alice.create_room().await;
        let other = alice.create_room().await;
        bob.join(&room).await;
        bob.join(&other).await;
        let now = listen(&bob, "timeout=0").await;
        assert_eq!(now["chunk"], json!([]));
        let mut from = now["end"].as_str().unwrap().to_owned();

        let mut sent = Vec::new();
        for number in 0..12 {
            let text = format!("{number}");
            alice.say(if number % 3 == 0 { &other } else { &room }, &text).await;
            sent.push(text);
        }
        let mut seen = Vec::new();
        while seen.len() < sent.len() {
            let page = listen(&bob, &format!("timeout=1000&limit=5&from={from}")).await;
            seen.extend(bodies(&page["chunk"]).into_iter().map(str::to_owned));
            from = page["end"].as_str().unwrap().to_owned();
        }
        assert_eq!(seen, sent);
        let rest = listen(&bob, &format!("timeout=0&from={from}")).await;
        assert_eq!(rest["chunk"], json!([]));

        // Somebody who waits is told at once; of typing, receipts, tags and invites too.
        let from = rest["end"].as_str().unwrap().to_owned();
        let path = format!("timeout=60000&from={from}");
        let (page, ()) = tokio::join!(listen(&bob, &path), async {
            server.has_begun("/_matrix/client/v3/events").await;
            alice.say(&room, "hello").await;
        });
        assert_eq!(bodies(&page["chunk"]), ["hello"]);
        let from = page["end"].as_str().unwrap().to_owned();
        let last = page["chunk"][0]["event_id"].as_str().unwrap().to_owned();
        alice.post(&in_room(&room, &format!("receipt/m.read/{last}")), json!({})).await.ok();
        let typing = json!({ "typing": true, "timeout": 30_000 });
        alice.put(&in_room(&room, &format!("typing/{}", alice.user_id)), typing).await.ok();
        let user = format!("{BASE}/user/{}", bob.user_id);
        let tag = format!("{user}/rooms/{}/tags/m.favourite", room.replace('!', "%21"));
        bob.put(&tag, json!({})).await.ok();
        let third = alice.create_room_with(json!({ "preset": "private_chat" })).await;
        alice.invite(&third, &bob).await;
        let page = listen(&bob, &format!("timeout=0&from={from}")).await;
        for kind in ["m.receipt", "m.typing", "m.tag"] {
            let found = of_type(&page["chunk"], kind);
            assert_eq!(found.len(), 1, "{kind}");
            assert_eq!(found[0]["room_id"], room.as_str());
        }
        let invites = of_type(&page["chunk"], "m.room.member");
        assert_eq!(invites.len(), 1);
        assert_eq!(invites[0]["room_id"], third.as_str());

        // One room, read by somebody who is not in it.
        let carol = server.register("carol").await;
        let encoded = room.replace('!', "%21").replace(':', "%3A");
        let peek = format!("timeout=0&room_id={encoded}&from={from}");
        let answer = carol.get(&format!("{BASE}/events?{peek}")).await;
        assert_eq!(answer.error(), (403, "M_FORBIDDEN"));
        assert_eq!(carol.get(&in_room(&room, "initialSync")).await.error(), (403, "M_FORBIDDEN"));
        let readable = json!({ "history_visibility": "world_readable" });
        alice.put(&in_room(&room, "state/m.room.history_visibility/"), readable).await.ok();
        alice.say(&room, "for all").await;
        alice.say(&other, "elsewhere").await;
        let page = listen(&carol, &peek).await;
        assert_eq!(bodies(&page["chunk"]), ["for all"]);
        let snapshot = carol.get(&in_room(&room, "initialSync")).await.ok();
        assert_eq!(bodies(&snapshot["messages"]["chunk"]), ["for all"]);
        assert!(snapshot.get("membership").is_none());
        for wrong in ["from=nonsense", "timeout=x", "limit=-2", "room_id=x"] {
            let answer = bob.get(&format!("{BASE}/events?{wrong}")).await;
            assert_eq!(answer.error(), (400, "M_INVALID_PARAM"), "{wrong}");
        }
    })
    .await;
}
