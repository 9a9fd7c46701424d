//! What is told of rooms to those who are not in them: summaries, and the hierarchy of spaces.

use serde_json::{Value, json};

use super::{
    actor::{Actor, Answer, Connection, in_room},
    server::on_both,
};

fn encode(room: &str) -> String {
    room.replace('!', "%21").replace('#', "%23").replace(':', "%3A")
}

async fn summary(who: &Connection, room: &str) -> Answer {
    who.get(&format!("/_matrix/client/v1/room_summary/{}", encode(room))).await
}

async fn hierarchy(who: &Actor, room: &str, query: &str) -> Answer {
    who.get(&format!("/_matrix/client/v1/rooms/{}/hierarchy?{query}", encode(room))).await
}

fn names(page: &Value) -> Vec<&str> {
    page["rooms"].as_array().unwrap().iter().map(|room| room["name"].as_str().unwrap()).collect()
}

async fn make(who: &Actor, name: &str, mut body: Value) -> String {
    body["name"] = name.into();
    who.create_room_with(body).await
}

async fn space(who: &Actor, name: &str) -> String {
    let body = json!({ "preset": "public_chat", "creation_content": { "type": "m.space" } });
    make(who, name, body).await
}

async fn add(who: &Actor, space: &str, child: &str, content: Value) {
    let path = in_room(space, &format!("state/m.space.child/{}", encode(child)));
    who.put(&path, content).await.ok();
}

fn rules(rules: Value) -> Value {
    json!({
        "preset": "private_chat",
        "initial_state": [{ "type": "m.room.join_rules", "content": rules }],
    })
}

#[tokio::test]
async fn a_summary_is_told_to_those_who_may_know_of_the_room() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let stranger = server.stranger();
        let space = space(&alice, "Space").await;
        let allow = json!([{ "type": "m.room_membership", "room_id": space }]);
        let restricted = json!({ "join_rule": "restricted", "allow": allow });
        let private = make(&alice, "Private", rules(json!({ "join_rule": "invite" }))).await;
        let knocking = make(&alice, "Knock", rules(json!({ "join_rule": "knock" }))).await;
        let odd = make(&alice, "Odd", rules(json!({ "join_rule": "org.example" }))).await;
        let restricted = make(&alice, "Restricted", rules(restricted)).await;
        let readable = json!({ "history_visibility": "world_readable" });
        let mut body = rules(json!({ "join_rule": "invite" }));
        let state = json!({ "type": "m.room.history_visibility", "content": readable });
        body["initial_state"].as_array_mut().unwrap().push(state);
        body["room_alias_name"] = "readable".into();
        let readable = make(&alice, "Readable", body).await;

        for (room, known) in
            [(&space, true), (&knocking, true), (&readable, true), (&private, false), (&odd, false)]
        {
            assert_eq!(summary(&stranger, room).await.status.is_success(), known, "{room}");
            let answer = summary(&bob, room).await;
            if known {
                assert_eq!(answer.ok()["membership"], "leave");
            } else {
                assert_eq!(answer.error(), (404, "M_NOT_FOUND"), "{room}");
            }
        }
        let answer = summary(&stranger, "#readable:sealpost.test").await.ok();
        assert_eq!(answer["room_id"], readable.as_str());
        assert_eq!(answer["name"], "Readable");
        assert_eq!(answer["join_rule"], "invite");
        assert_eq!(answer["world_readable"], true);
        assert_eq!(answer["guest_can_join"], true);
        assert_eq!(answer["num_joined_members"], 1);
        assert_eq!(answer["room_version"], "12");
        assert!(answer.get("membership").is_none());
        assert_eq!(summary(&alice, &odd).await.ok()["membership"], "join");
        assert_eq!(summary(&alice, &space).await.ok()["room_type"], "m.space");
        let unstable =
            "/_matrix/client/unstable/im.nheko.summary/rooms/%23readable%3Asealpost.test/summary";
        assert_eq!(stranger.get(unstable).await.ok()["room_id"], readable.as_str());

        assert_eq!(summary(&bob, &restricted).await.error(), (404, "M_NOT_FOUND"));
        bob.join(&space).await;
        let answer = summary(&bob, &restricted).await.ok();
        assert_eq!(answer["allowed_room_ids"], json!([space]));
        alice.invite(&private, &bob).await;
        assert_eq!(summary(&bob, &private).await.ok()["membership"], "invite");
        alice.post(&in_room(&space, "ban"), json!({ "user_id": bob.user_id })).await.ok();
        assert_eq!(summary(&bob, &space).await.error(), (404, "M_NOT_FOUND"));

        for nowhere in ["#nowhere:sealpost.test", "!nowhere:sealpost.test"] {
            assert_eq!(summary(&bob, nowhere).await.error(), (404, "M_NOT_FOUND"));
            assert_eq!(summary(&stranger, nowhere).await.error(), (404, "M_NOT_FOUND"));
        }
        let wrong = stranger.clone().with_token("wrong");
        assert_eq!(summary(&wrong, &space).await.error(), (401, "M_UNKNOWN_TOKEN"));
    })
    .await;
}

#[tokio::test]
async fn a_hierarchy_is_walked_in_order_in_pages_and_without_what_is_hidden() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let top = space(&alice, "Top").await;
        let sub = space(&alice, "Sub").await;
        let public = json!({ "preset": "public_chat" });
        let first = make(&alice, "First", public.clone()).await;
        let second = make(&alice, "Second", public.clone()).await;
        let inside = make(&alice, "Inside", public.clone()).await;
        let hidden = make(&alice, "Hidden", json!({ "preset": "private_chat" })).await;
        let removed = make(&alice, "Removed", public).await;
        let via = json!(["sealpost.test"]);
        add(&alice, &top, &second, json!({ "via": via })).await;
        add(&alice, &top, &first, json!({ "via": via, "order": "b", "suggested": true })).await;
        add(&alice, &top, &sub, json!({ "via": via, "order": "c" })).await;
        add(&alice, &top, &hidden, json!({ "via": via, "order": "a" })).await;
        add(&alice, &top, &removed, json!({})).await;
        add(&alice, &top, "!nowhere:nowhere.invalid", json!({ "via": ["nowhere.invalid"] })).await;
        add(&alice, &sub, &inside, json!({ "via": via })).await;
        // A loop, and a room that is in both.
        add(&alice, &sub, &top, json!({ "via": via })).await;
        add(&alice, &sub, &first, json!({ "via": via })).await;

        let all = hierarchy(&bob, &top, "").await.ok();
        assert_eq!(names(&all), ["Top", "First", "Sub", "Inside", "Second"]);
        assert!(all.get("next_batch").is_none());
        assert_eq!(names(&hierarchy(&alice, &top, "").await.ok())[..2], ["Top", "Hidden"]);
        let children = all["rooms"][0]["children_state"].as_array().unwrap();
        let keys: Vec<_> = children.iter().map(|child| &child["state_key"]).collect();
        assert_eq!(keys[..4], [&json!(hidden), &json!(first), &json!(sub), &json!(second)]);
        assert_eq!(children.len(), 5);
        assert!(children.iter().all(|child| child["origin_server_ts"].is_i64()));
        assert!(children.iter().all(|child| child["content"]["via"].is_array()));
        assert_eq!(all["rooms"][1]["children_state"], json!([]));

        let shallow = hierarchy(&bob, &top, "max_depth=1").await.ok();
        assert_eq!(names(&shallow), ["Top", "First", "Sub", "Second"]);
        assert_eq!(names(&hierarchy(&bob, &top, "max_depth=0").await.ok()), ["Top"]);
        let suggested = hierarchy(&bob, &top, "suggested_only=true").await.ok();
        assert_eq!(names(&suggested), ["Top", "First"]);
        assert_eq!(suggested["rooms"][0]["children_state"].as_array().unwrap().len(), 1);

        let page = hierarchy(&bob, &top, "limit=2").await.ok();
        assert_eq!(names(&page), ["Top", "First"]);
        let from = page["next_batch"].as_str().unwrap();
        for _ in 0..2 {
            let page = hierarchy(&bob, &top, &format!("limit=2&from={from}")).await.ok();
            assert_eq!(names(&page), ["Sub", "Inside"]);
        }
        for wrong in [
            hierarchy(&alice, &top, &format!("from={from}")).await,
            hierarchy(&bob, &sub, &format!("from={from}")).await,
            hierarchy(&bob, &top, &format!("from={from}&max_depth=3")).await,
            hierarchy(&bob, &top, &format!("from={from}&suggested_only=true")).await,
            hierarchy(&bob, &top, "from=nonsense").await,
            hierarchy(&bob, &top, "limit=0").await,
            hierarchy(&bob, &top, "limit=-1").await,
        ] {
            assert_eq!(wrong.error(), (400, "M_INVALID_PARAM"));
        }
        for forbidden in [&hidden, "!nowhere:sealpost.test"] {
            assert_eq!(hierarchy(&bob, forbidden, "").await.error(), (403, "M_FORBIDDEN"));
        }
        // A room that is no space is told alone; a change is seen at once.
        assert_eq!(names(&hierarchy(&bob, &first, "").await.ok()), ["First"]);
        add(&alice, &top, &second, json!({})).await;
        assert_eq!(
            names(&hierarchy(&bob, &top, "max_depth=1").await.ok()),
            ["Top", "First", "Sub"]
        );
    })
    .await;
}
