//! Threads of a room.

use serde_json::{Value, json};

use super::{
    actor::{Actor, in_room},
    relations::{ids, ignore, path_of, redact, relate, try_relate, v1},
    server::on_both,
};

async fn threads(actor: &Actor, room: &str, query: &str) -> Value {
    actor.get(&v1(room, &format!("threads{query}"))).await.ok()
}

#[tokio::test]
async fn threads_are_listed_with_the_latest_activity_first() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let carol = server.register("carol").await;
        let room = alice.create_room().await;
        bob.join(&room).await;
        carol.join(&room).await;
        assert_eq!(threads(&alice, &room, "").await, json!({ "chunk": [] }));
        let mut roots = Vec::new();
        for text in ["one", "two", "three"] {
            roots.push(alice.say(&room, text).await);
        }
        let bobs = bob.say(&room, "four").await;
        for root in [&roots[0], &roots[1], &roots[2], &bobs] {
            relate(&bob, &room, "m.thread", root).await;
        }
        let late = relate(&carol, &room, "m.thread", &roots[0]).await;
        let expected = [&roots[0], &bobs, &roots[2], &roots[1]];
        let all = threads(&alice, &room, "").await;
        assert_eq!(ids(&all["chunk"]), expected);
        assert!(all.get("next_batch").is_none());
        let thread = &all["chunk"][0]["unsigned"]["m.relations"]["m.thread"];
        assert_eq!(
            (&thread["count"], &thread["latest_event"]["event_id"]),
            (&json!(2), &json!(late))
        );

        let (mut found, mut query) = (Vec::new(), "?limit=3".to_owned());
        for _ in 0..2 {
            let page = threads(&alice, &room, &query).await;
            found.extend(ids(&page["chunk"]).into_iter().map(str::to_owned));
            query = format!("?limit=3&from={}", page["next_batch"].as_str().unwrap_or("none"));
        }
        assert_eq!(
            (found.iter().collect::<Vec<_>>(), &*query),
            (expected.to_vec(), "?limit=3&from=none")
        );
        let own = threads(&alice, &room, "?include=participated&limit=3").await;
        assert_eq!(ids(&own["chunk"]), [&roots[0], &roots[2], &roots[1]], "as sender of the root");
        let own = threads(&carol, &room, "?include=participated").await;
        assert_eq!(ids(&own["chunk"]), [&roots[0]]);

        redact(&carol, &room, &late).await;
        assert_eq!(ids(&threads(&alice, &room, "?limit=1").await["chunk"]), [&bobs]);
        // A root of an ignored user is shown redacted, a thread of ignored users alone is none.
        relate(&alice, &room, "m.thread", &bobs).await;
        ignore(&alice, &bob).await;
        let all = threads(&alice, &room, "").await;
        assert_eq!(ids(&all["chunk"]), [&bobs]);
        assert_eq!(all["chunk"][0]["content"], json!({}));
        assert_eq!(all["chunk"][0]["unsigned"]["m.relations"]["m.thread"]["count"], 1);

        for wrong in ["?limit=0", "?include=some", "?from=nonsense"] {
            let answer = alice.get(&v1(&room, &format!("threads{wrong}"))).await;
            assert_eq!(answer.error(), (400, "M_INVALID_PARAM"), "{wrong}");
        }
        let private = alice.create_room_with(json!({})).await;
        let answer = bob.get(&v1(&private, "threads")).await;
        assert_eq!(answer.error(), (403, "M_FORBIDDEN"));
    })
    .await;
}

#[tokio::test]
async fn a_thread_does_not_begin_at_an_event_of_a_thread() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = alice.create_room().await;
        bob.join(&room).await;
        let root = alice.say(&room, "root").await;
        let reply = relate(&alice, &room, "m.thread", &root).await;
        let edit = relate(&alice, &room, "m.replace", &root).await;
        for target in [&reply, &edit] {
            let relates = json!({ "rel_type": "m.thread", "event_id": target });
            let answer = try_relate(&alice, &room, "m.room.message", relates).await;
            assert_eq!(answer.error(), (400, "M_UNKNOWN"));
        }
        // A reply is no such relation.
        let relates = json!({ "m.in_reply_to": { "event_id": root } });
        let answer = try_relate(&alice, &room, "m.room.message", relates).await.ok();
        let answer = answer["event_id"].as_str().unwrap();
        let within = relate(&alice, &room, "m.thread", answer).await;
        let all = threads(&alice, &room, "").await;
        assert_eq!(ids(&all["chunk"]), [answer, root.as_str()]);

        // What is unread by thread agrees with the list.
        let filter = "filter=%7B%22room%22:%7B%22timeline%22:%7B\
                      %22unread_thread_notifications%22:true%7D%7D%7D";
        let sync = bob.sync(None, filter).await;
        let unread = &sync["rooms"]["join"][&room]["unread_thread_notifications"];
        assert_eq!(unread[&root]["notification_count"], 1);
        assert_eq!(unread[answer]["notification_count"], 1);
        let receipt = in_room(&room, &format!("receipt/m.read/{}", path_of(&within)));
        bob.post(&receipt, json!({ "thread_id": answer })).await.ok();
        let sync = bob.sync(None, filter).await;
        let unread = &sync["rooms"]["join"][&room]["unread_thread_notifications"];
        assert!(unread.get(answer).is_none() && unread.get(&root).is_some());
    })
    .await;
}

#[tokio::test]
async fn a_thread_counts_the_events_that_its_reader_may_see() {
    on_both(async |server| {
        let (alice, carol) = (server.register("alice").await, server.register("carol").await);
        let room = alice.create_room().await;
        let root = alice.say(&room, "root").await;
        let children = async |number: usize| {
            for _ in 0..number {
                relate(&alice, &room, "m.thread", &root).await;
            }
        };
        let count = async |reader: &Actor| {
            let all = threads(reader, &room, "").await;
            all["chunk"][0]["unsigned"]["m.relations"]["m.thread"]["count"].as_u64()
        };
        children(2).await;
        let visibility = in_room(&room, "state/m.room.history_visibility/");
        alice.put(&visibility, json!({ "history_visibility": "joined" })).await.ok();
        children(3).await;
        carol.join(&room).await;
        children(1).await;
        assert_eq!(count(&alice).await, Some(6), "was there throughout");
        assert_eq!(count(&carol).await, Some(3), "not those from before her time");
        alice.put(&visibility, json!({ "history_visibility": "shared" })).await.ok();
        assert_eq!(count(&carol).await, Some(3), "what is said later changes nothing");
    })
    .await;
}
