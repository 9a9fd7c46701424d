//! Events that relate to others: listed, bundled, and refused where the specification says so.

use serde_json::{Value, json};

use super::{
    actor::{Actor, Answer, in_room},
    server::on_both,
};

/// Sends a message that relates to another.
pub async fn try_relate(actor: &Actor, room: &str, kind: &str, relates: Value) -> Answer {
    let transaction = rand::random::<u64>();
    let text = format!("{} of {}", relates["rel_type"], relates["event_id"]);
    let mut content = json!({ "msgtype": "m.text", "body": text, "m.relates_to": relates });
    if content["m.relates_to"]["rel_type"] == "m.replace" {
        content["m.new_content"] = json!({ "msgtype": "m.text", "body": "edited" });
    }
    actor.put(&in_room(room, &format!("send/{kind}/{transaction}")), content).await
}

/// The same; returns the event's id.
pub async fn relate(actor: &Actor, room: &str, rel_type: &str, parent: &str) -> String {
    let relates = json!({ "rel_type": rel_type, "event_id": parent, "key": "👍" });
    let kind = if rel_type == "m.annotation" { "m.reaction" } else { "m.room.message" };
    let answer = try_relate(actor, room, kind, relates).await.ok();
    answer["event_id"].as_str().unwrap().to_owned()
}

pub async fn redact(actor: &Actor, room: &str, event: &str) {
    let transaction = rand::random::<u64>();
    let path = in_room(room, &format!("redact/{}/{transaction}", path_of(event)));
    actor.put(&path, json!({})).await.ok();
}

pub async fn ignore(actor: &Actor, whom: &Actor) {
    let path =
        format!("/_matrix/client/v3/user/{}/account_data/m.ignored_user_list", actor.user_id);
    let ignored = json!({ "ignored_users": { whom.user_id.as_str(): {} } });
    actor.put(&path, ignored).await.ok();
}

pub fn path_of(event: &str) -> String {
    event.replace('$', "%24").replace('/', "%2F").replace('+', "%2B")
}

pub fn v1(room: &str, rest: &str) -> String {
    in_room(room, rest).replace("/v3/", "/v1/")
}

pub fn ids(events: &Value) -> Vec<&str> {
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    events.iter().filter_map(|event| event["event_id"].as_str()).collect()
}

async fn children(actor: &Actor, room: &str, parent: &str, rest: &str) -> Value {
    actor.get(&v1(room, &format!("relations/{}{rest}", path_of(parent)))).await.ok()
}

async fn event(actor: &Actor, room: &str, event: &str) -> Value {
    actor.get(&in_room(room, &format!("event/{}", path_of(event)))).await.ok()
}

#[tokio::test]
async fn the_children_of_an_event_are_listed_in_pages() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = alice.create_room().await;
        bob.join(&room).await;
        let root = alice.say(&room, "root").await;
        let first = relate(&alice, &room, "m.thread", &root).await;
        let reaction = relate(&bob, &room, "m.annotation", &root).await;
        let second = relate(&bob, &room, "m.thread", &root).await;
        let edit = relate(&bob, &room, "m.replace", &second).await;
        let of_edit = relate(&bob, &room, "m.reference", &edit).await;
        let deeper = relate(&bob, &room, "m.reference", &of_edit).await;

        let all = children(&alice, &room, &root, "").await;
        assert_eq!(ids(&all["chunk"]), [&second, &reaction, &first]);
        assert!(all.get("next_batch").is_none() && all.get("prev_batch").is_none());
        assert!(all.get("recursion_depth").is_none());
        let thread = children(&alice, &room, &root, "/m.thread?dir=f").await;
        assert_eq!(ids(&thread["chunk"]), [&first, &second]);
        assert_eq!(thread["chunk"][1]["unsigned"]["m.relations"]["m.replace"]["event_id"], edit);
        let none = children(&alice, &room, &root, "/m.thread/m.reaction").await;
        assert_eq!(none["chunk"], json!([]));
        let one = children(&alice, &room, &root, "/m.annotation/m.reaction").await;
        assert_eq!(ids(&one["chunk"]), [&reaction]);

        for (direction, expected) in
            [("b", [&second, &reaction, &first]), ("f", [&first, &reaction, &second])]
        {
            let (mut found, mut from) = (Vec::new(), None::<String>);
            for page in 0..3 {
                let token = from.iter().map(|from| format!("&from={from}")).collect::<String>();
                let rest = format!("?dir={direction}&limit=1{token}");
                let answer = children(&alice, &room, &root, &rest).await;
                assert_eq!(answer.get("prev_batch").is_some(), page > 0);
                found.extend(ids(&answer["chunk"]).into_iter().map(str::to_owned));
                from = answer["next_batch"].as_str().map(str::to_owned);
            }
            assert_eq!((found.iter().collect::<Vec<_>>(), from), (expected.to_vec(), None));
        }
        // Tokens of a room's pages do, too.
        let page = alice.get(&in_room(&room, "messages?dir=b&limit=4")).await.ok();
        let rest = format!("?from={}", page["end"].as_str().unwrap());
        assert_eq!(ids(&children(&alice, &room, &root, &rest).await["chunk"]), [&reaction, &first]);
        let rest = format!("?dir=f&to={}", page["end"].as_str().unwrap());
        assert_eq!(ids(&children(&alice, &room, &root, &rest).await["chunk"]), [&first, &reaction]);

        let all = children(&alice, &room, &root, "?recurse=true").await;
        assert_eq!(ids(&all["chunk"]), [&of_edit, &edit, &second, &reaction, &first]);
        assert_eq!(all["recursion_depth"], 3);
        assert!(!ids(&all["chunk"]).contains(&&*deeper), "four relations away");

        ignore(&alice, &bob).await;
        assert_eq!(ids(&children(&alice, &room, &root, "?limit=2").await["chunk"]), [&first]);
        redact(&alice, &room, &first).await;
        assert_eq!(children(&alice, &room, &root, "").await["chunk"], json!([]));

        let other = alice.create_room_with(json!({})).await;
        let secret = alice.say(&other, "secret").await;
        for (in_room, event) in [(&other, &secret), (&room, &secret), (&room, &"$no".to_owned())] {
            let path = v1(in_room, &format!("relations/{}", path_of(event)));
            assert_eq!(bob.get(&path).await.error(), (404, "M_NOT_FOUND"));
        }
        for wrong in ["?from=nonsense", "?dir=x", "?limit=-1"] {
            let path = v1(&room, &format!("relations/{}{wrong}", path_of(&root)));
            assert_eq!(bob.get(&path).await.error(), (400, "M_INVALID_PARAM"), "{wrong}");
        }
    })
    .await;
}

#[tokio::test]
async fn children_are_bundled_wherever_the_parent_is_read() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = alice.create_room().await;
        bob.join(&room).await;
        let root = alice.say(&room, "root").await;
        let unrelated = bob.say(&room, "unrelated").await;
        relate(&alice, &room, "m.replace", &root).await;
        let edit = relate(&alice, &room, "m.replace", &root).await;
        relate(&bob, &room, "m.replace", &root).await;
        relate(&alice, &room, "m.annotation", &root).await;
        let reference = relate(&bob, &room, "m.reference", &root).await;
        relate(&alice, &room, "m.thread", &root).await;
        let latest = relate(&bob, &room, "m.thread", &root).await;
        let of_latest = relate(&bob, &room, "m.replace", &latest).await;
        for _ in 0..4 {
            bob.say(&room, "more").await;
        }

        let check = |found: &Value, place: &str, with_room: bool| {
            let told = &found["unsigned"]["m.relations"];
            assert_eq!(told.as_object().map(|told| told.len()), Some(3), "{place} {found}");
            assert_eq!(told["m.replace"]["event_id"], edit, "{place}");
            assert_eq!(told["m.replace"]["content"]["m.new_content"]["body"], "edited");
            assert_eq!(told["m.replace"].get("room_id").is_some(), with_room, "{place}");
            assert_eq!(told["m.reference"], json!({ "chunk": [{ "event_id": reference }] }));
            let thread = &told["m.thread"];
            assert_eq!(
                (&thread["count"], &thread["latest_event"]["event_id"]),
                (&json!(2), &json!(latest))
            );
            assert_eq!(thread["current_user_participated"], true, "{place}");
            let nested = &thread["latest_event"]["unsigned"]["m.relations"];
            assert_eq!(nested["m.replace"]["event_id"], of_latest, "{place}");
        };
        let at = |events: &Value| {
            let found = events.as_array().unwrap().iter().find(|event| event["event_id"] == root);
            found.unwrap().clone()
        };
        for reader in [&alice, &bob] {
            check(&event(reader, &room, &root).await, "event", true);
            for direction in ["b", "f"] {
                let page = in_room(&room, &format!("messages?dir={direction}&limit=50"));
                check(&at(&reader.get(&page).await.ok()["chunk"]), direction, true);
            }
            let around = |event: &str| in_room(&room, &format!("context/{}", path_of(event)));
            check(&reader.get(&around(&root)).await.ok()["event"], "context", true);
            let around = reader.get(&around(&unrelated)).await.ok();
            check(&at(&around["events_before"]), "context, before", true);
            assert!(around["event"]["unsigned"].get("m.relations").is_none());
            let limit = "filter=%7B%22room%22:%7B%22timeline%22:%7B%22limit%22:14%7D%7D%7D";
            let sync = reader.sync(None, limit).await;
            let timeline = &sync["rooms"]["join"][&room]["timeline"];
            assert_eq!(timeline["limited"], true);
            check(&at(&timeline["events"]), "sync", false);
            let list = json!({ "lists": { "all": {
                "ranges": [[0, 9]], "timeline_limit": 14, "required_state": [],
            } } });
            let path = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";
            let sliding = reader.post(path, list).await.ok();
            check(&at(&sliding["rooms"][&room]["timeline"]), "sliding sync", false);
        }
    })
    .await;
}

#[tokio::test]
async fn only_valid_edits_by_the_author_count_and_redacted_and_ignored_children_do_not() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let carol = server.register("carol").await;
        let room = alice.create_room().await;
        bob.join(&room).await;
        carol.join(&room).await;
        let told = async |reader: &Actor, of: &str| {
            let event = event(reader, &room, of).await;
            event["unsigned"].get("m.relations").cloned().unwrap_or_default()
        };
        let root = alice.say(&room, "root").await;
        let first = relate(&alice, &room, "m.replace", &root).await;
        let second = relate(&alice, &room, "m.replace", &root).await;
        // Without new content, of another type, of somebody else, of an edit.
        let bare = json!({ "m.relates_to": { "rel_type": "m.replace", "event_id": root } });
        alice.put(&in_room(&room, "send/m.room.message/bare"), bare).await.ok();
        let relates = json!({ "rel_type": "m.replace", "event_id": root });
        try_relate(&alice, &room, "org.example.other", relates.clone()).await.ok();
        try_relate(&bob, &room, "m.room.message", relates).await.ok();
        relate(&alice, &room, "m.replace", &second).await;
        assert_eq!(told(&bob, &root).await["m.replace"]["event_id"], second.as_str());
        assert_eq!(told(&bob, &second).await, Value::Null);
        redact(&alice, &room, &second).await;
        assert_eq!(told(&bob, &root).await["m.replace"]["event_id"], first.as_str());
        redact(&alice, &room, &first).await;
        assert_eq!(told(&bob, &root).await, Value::Null);

        let from_bob = relate(&bob, &room, "m.thread", &root).await;
        let from_carol = relate(&carol, &room, "m.thread", &root).await;
        let reference = relate(&carol, &room, "m.reference", &root).await;
        let thread = told(&bob, &root).await["m.thread"].clone();
        assert_eq!(
            (&thread["count"], &thread["latest_event"]["event_id"]),
            (&json!(2), &json!(from_carol))
        );
        ignore(&bob, &carol).await;
        let for_bob = told(&bob, &root).await;
        assert_eq!(for_bob["m.thread"]["latest_event"]["event_id"], from_bob.as_str());
        assert_eq!(for_bob["m.thread"]["count"], 1);
        assert!(for_bob.get("m.reference").is_none());
        let for_alice = told(&alice, &root).await;
        assert_eq!(for_alice["m.reference"]["chunk"], json!([{ "event_id": reference }]));
        redact(&carol, &room, &from_carol).await;
        redact(&carol, &room, &reference).await;
        let for_alice = told(&alice, &root).await;
        assert_eq!(for_alice["m.thread"]["latest_event"]["event_id"], from_bob.as_str());
        assert_eq!(for_alice["m.thread"]["count"], 1);
        assert!(for_alice.get("m.reference").is_none());

        // A redacted parent keeps its thread and loses its edits.
        relate(&alice, &room, "m.replace", &root).await;
        redact(&alice, &room, &root).await;
        let of_redacted = told(&alice, &root).await;
        assert!(of_redacted.get("m.replace").is_none());
        assert_eq!(of_redacted["m.thread"]["count"], 1);

        // State events get no bundles, and there are no relations across rooms.
        let name = in_room(&room, "state/m.room.name/");
        let name = alice.put(&name, json!({ "name": "A" })).await.ok()["event_id"].clone();
        relate(&alice, &room, "m.reference", name.as_str().unwrap()).await;
        assert_eq!(told(&bob, name.as_str().unwrap()).await, Value::Null);
        let other = alice.create_room().await;
        let elsewhere = alice.say(&other, "elsewhere").await;
        relate(&alice, &room, "m.reference", &elsewhere).await;
        let found = children(&alice, &other, &elsewhere, "").await;
        assert_eq!(found["chunk"], json!([]));
        assert!(event(&alice, &other, &elsewhere).await["unsigned"].get("m.relations").is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_annotation_is_refused_until_the_first_is_redacted() {
    const DUPLICATE: (u16, &str) = (400, "M_DUPLICATE_ANNOTATION");
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = alice.create_room().await;
        bob.join(&room).await;
        let root = alice.say(&room, "root").await;
        let relates =
            |key: &str| json!({ "rel_type": "m.annotation", "event_id": root, "key": key });
        let react = async |actor: &Actor, kind: &str, key: &str| {
            try_relate(actor, &room, kind, relates(key)).await
        };
        let all = [(); 8].map(|()| react(&bob, "m.reaction", "🎉"));
        let all = futures_util::future::join_all(all).await;
        let (first, others): (Vec<Answer>, Vec<Answer>) =
            all.into_iter().partition(|answer| answer.status.is_success());
        assert_eq!((first.len(), others.len()), (1, 7));
        assert!(others.iter().all(|answer| answer.error() == DUPLICATE));
        assert_eq!(react(&bob, "m.reaction", "🎉").await.error(), DUPLICATE);
        react(&bob, "org.example.mark", "🎉").await.ok();
        react(&bob, "m.reaction", "👍").await.ok();
        react(&alice, "m.reaction", "🎉").await.ok();
        redact(&bob, &room, first[0].body["event_id"].as_str().unwrap()).await;
        react(&bob, "m.reaction", "🎉").await.ok();
        assert_eq!(react(&bob, "m.reaction", "🎉").await.error(), DUPLICATE);
    })
    .await;
}
