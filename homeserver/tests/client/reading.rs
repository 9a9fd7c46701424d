//! Reading a room: pages of its timeline, what is around an event, what happened at a time.

use serde_json::{Value, json};

use super::{
    actor::{Actor, in_room},
    server::on_both,
};

fn bodies(events: &Value) -> Vec<&str> {
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    events.iter().filter_map(|event| event["content"]["body"].as_str()).collect()
}

fn path_of(event: &str) -> String {
    event.replace('$', "%24")
}

async fn context(actor: &Actor, room: &str, event: &str, query: &str) -> Value {
    let path = in_room(room, &format!("context/{}?{query}", path_of(event)));
    actor.get(&path).await.ok()
}

#[tokio::test]
async fn an_event_is_told_with_what_is_around_it() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let carol = server.register("carol").await;
        let room = alice.create_room().await;
        bob.join(&room).await;
        carol.join(&room).await;
        let mut events = Vec::new();
        for text in ["one", "two", "three", "four", "five"] {
            events.push(alice.say(&room, text).await);
        }
        alice.put(&in_room(&room, "state/m.room.name/"), json!({ "name": "Later" })).await.ok();

        let around = context(&bob, &room, &events[2], "limit=3").await;
        assert_eq!(around["event"]["event_id"], events[2].as_str());
        assert_eq!(bodies(&around["events_before"]), ["two"]);
        assert_eq!(bodies(&around["events_after"]), ["four", "five"]);
        let state = around["state"].as_array().unwrap();
        assert!(state.iter().all(|event| event["type"] != "m.room.name"), "as of the last event");
        assert_eq!(state.iter().filter(|event| event["type"] == "m.room.member").count(), 3);

        let from = around["start"].as_str().unwrap();
        let before = in_room(&room, &format!("messages?dir=b&limit=1&from={from}"));
        assert_eq!(bodies(&bob.get(&before).await.ok()["chunk"]), ["one"]);
        let from = around["end"].as_str().unwrap();
        let after = bob.get(&in_room(&room, &format!("messages?dir=f&from={from}"))).await.ok();
        assert_eq!(after["chunk"][0]["type"], "m.room.name");
        assert!(after.get("end").is_none(), "there is no more");

        let alone = context(&bob, &room, &events[2], "limit=0").await;
        assert!(alone.get("events_before").is_none() && alone.get("events_after").is_none());
        let lazy = "filter=%7B%22lazy_load_members%22:true%7D";
        let lazy = context(&bob, &room, &events[2], lazy).await;
        let members = lazy["state"].as_array().unwrap().iter();
        let members: Vec<_> = members.filter(|event| event["type"] == "m.room.member").collect();
        assert_eq!(
            members.iter().filter(|event| event["sender"] == "@alice:sealpost.test").count(),
            1
        );
        let nobody = context(&bob, &room, &events[2], "filter=%7B%22types%22:%5B%5D%7D").await;
        assert!(nobody.get("state").is_none() && nobody.get("events_after").is_none());

        let path = in_room(&room, &format!("context/{}", path_of(&events[2])));
        let stranger = server.register("stranger").await;
        assert_eq!(stranger.get(&path).await.error(), (403, "M_FORBIDDEN"));
        let unknown = in_room(&room, "context/%24nothing");
        assert_eq!(bob.get(&unknown).await.error(), (404, "M_NOT_FOUND"));
    })
    .await;
}

#[tokio::test]
async fn pages_come_with_the_members_who_sent_them() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let carol = server.register("carol").await;
        let room = alice.create_room().await;
        bob.join(&room).await;
        carol.join(&room).await;
        alice.say(&room, "by alice").await;
        bob.say(&room, "by bob").await;
        let query = "messages?dir=b&limit=2&filter=%7B%22lazy_load_members%22:true%7D";
        let page = carol.get(&in_room(&room, query)).await.ok();
        assert_eq!(bodies(&page["chunk"]), ["by bob", "by alice"]);
        assert_eq!(page["chunk"][0]["unsigned"]["membership"], "join");
        let members: Vec<_> = page["state"].as_array().unwrap().iter().collect();
        let keys: Vec<_> = members.iter().map(|event| event["state_key"].as_str()).collect();
        assert_eq!(keys, [Some(&*bob.user_id), Some(&*alice.user_id)]);
        let page = carol.get(&in_room(&room, "messages?dir=b&limit=2")).await.ok();
        assert!(page.get("state").is_none());
        let none = carol.get(&in_room(&room, "messages?dir=b&limit=0")).await.ok();
        assert_eq!(none["chunk"], json!([]));
        let wrong = carol.get(&in_room(&room, "messages?dir=b&from=nonsense")).await;
        assert_eq!(wrong.error(), (400, "M_INVALID_PARAM"));
        let other =
            "messages?dir=f&filter=%7B%22not_senders%22:%5B%22@alice:sealpost.test%22%5D%7D";
        let page = carol.get(&in_room(&room, other)).await.ok();
        assert_eq!(bodies(&page["chunk"]), ["by bob"]);
    })
    .await;
}

#[tokio::test]
async fn an_event_is_found_by_its_time() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        let mut events = Vec::new();
        let mut times = Vec::new();
        for text in ["one", "two", "three"] {
            tokio::time::sleep(std::time::Duration::from_millis(3)).await;
            let event = alice.say(&room, text).await;
            let path = in_room(&room, &format!("event/{}", path_of(&event)));
            times.push(alice.get(&path).await.ok()["origin_server_ts"].as_i64().unwrap());
            events.push(event);
        }
        let find = async |time: i64, direction: &str| {
            let path = in_room(&room, &format!("timestamp_to_event?ts={time}&dir={direction}"));
            alice.get(&path.replace("/v3/", "/v1/")).await
        };
        for (time, direction, expected) in [
            (times[1], "f", 1),
            (times[1], "b", 1),
            (times[1] + 1, "f", 2),
            (times[1] - 1, "b", 0),
            (i64::from(u32::MAX) * 2000, "b", 2),
        ] {
            let found = find(time, direction).await.ok();
            assert_eq!(found["event_id"], events[expected].as_str(), "{time} {direction}");
            assert_eq!(found["origin_server_ts"], times[expected]);
        }
        assert_eq!(find(times[2] + 1, "f").await.error(), (404, "M_NOT_FOUND"));
        assert_eq!(find(0, "b").await.error(), (404, "M_NOT_FOUND"));
        let first = find(0, "f").await.ok()["event_id"].as_str().unwrap().to_owned();
        let path = in_room(&room, &format!("event/{}", path_of(&first)));
        assert_eq!(alice.get(&path).await.ok()["type"], "m.room.create");
        let stranger = server.register("stranger").await;
        let path = in_room(&room, "timestamp_to_event?ts=0&dir=f").replace("/v3/", "/v1/");
        assert_eq!(stranger.get(&path).await.error(), (403, "M_FORBIDDEN"));
    })
    .await;
}
