//! Names of rooms, and the directory of public ones.

use serde_json::{Value, json};

use super::{
    actor::{Actor, Answer, in_room},
    server::{on_both, on_both_with},
};

fn alias_path(alias: &str) -> String {
    let alias = alias.replace('#', "%23").replace(':', "%3A");
    format!("/_matrix/client/v3/directory/room/{alias}")
}

async fn delete(actor: &Actor, alias: &str) -> Answer {
    let path = alias_path(alias);
    super::actor::Connection::send(actor.request(reqwest::Method::DELETE, &path)).await
}

#[tokio::test]
async fn a_room_is_found_by_its_aliases_until_they_are_deleted() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = alice.create_room().await;
        bob.join(&room).await;
        let (first, second) = ("#first:sealpost.test", "#second:sealpost.test");
        let here = json!({ "room_id": room });
        alice.put(&alias_path(first), here.clone()).await.ok();
        bob.put(&alias_path(second), here.clone()).await.ok();
        let again = bob.put(&alias_path(first), here.clone()).await;
        assert_eq!(again.error(), (409, "M_UNKNOWN"));
        let found = server.stranger().get(&alias_path(first)).await.ok();
        assert_eq!(found["room_id"], room.as_str());
        assert_eq!(found["servers"], json!(["sealpost.test"]));
        let listed = bob.get(&in_room(&room, "aliases")).await.ok();
        assert_eq!(listed["aliases"], json!([first, second]));

        let stranger = server.register("stranger").await;
        let mine = alias_path("#mine:sealpost.test");
        assert_eq!(stranger.put(&mine, here.clone()).await.error(), (403, "M_FORBIDDEN"));
        let elsewhere = alias_path("#mine:elsewhere.test");
        assert_eq!(alice.put(&elsewhere, here).await.error(), (400, "M_INVALID_PARAM"));
        assert_eq!(stranger.get(&in_room(&room, "aliases")).await.error(), (403, "M_FORBIDDEN"));

        let canonical = in_room(&room, "state/m.room.canonical_alias/");
        let named = json!({ "alias": first, "alt_aliases": [second] });
        alice.put(&canonical, named.clone()).await.ok();
        assert_eq!(delete(&bob, first).await.error(), (403, "M_FORBIDDEN"), "not bob's");
        delete(&bob, second).await.ok();
        assert_eq!(alice.get(&canonical).await.ok(), named, "bob may not say so");
        delete(&alice, first).await.ok();
        let left = alice.get(&canonical).await.ok();
        assert_eq!(left, json!({ "alt_aliases": [second] }));
        assert_eq!(delete(&alice, first).await.error(), (404, "M_NOT_FOUND"));
        let gone = alice.get(&alias_path(first)).await;
        assert_eq!(gone.error(), (404, "M_NOT_FOUND"));
    })
    .await;
}

#[tokio::test]
async fn a_room_calls_itself_only_by_aliases_that_point_to_it() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        let other = alice.create_room().await;
        let path = in_room(&room, "state/m.room.canonical_alias/");
        alice.put(&alias_path("#a:sealpost.test"), json!({ "room_id": room })).await.ok();
        alice.put(&alias_path("#b:sealpost.test"), json!({ "room_id": other })).await.ok();
        for (content, error) in [
            (json!({ "alias": "#b:sealpost.test" }), "M_BAD_ALIAS"),
            (json!({ "alias": "#none:sealpost.test" }), "M_BAD_ALIAS"),
            (json!({ "alt_aliases": ["#a:sealpost.test", "#b:sealpost.test"] }), "M_BAD_ALIAS"),
            (json!({ "alias": "not an alias" }), "M_INVALID_PARAM"),
            (json!({ "alias": 5 }), "M_BAD_JSON"),
            (json!({ "alt_aliases": "#a:sealpost.test" }), "M_BAD_JSON"),
        ] {
            let answer = alice.put(&path, content.clone()).await;
            assert_eq!(answer.error(), (400, error), "{content}");
        }
        let good = json!({ "alias": "#a:sealpost.test", "alt_aliases": [] });
        alice.put(&path, good).await.ok();
        delete(&alice, "#a:sealpost.test").await.ok();
        alice.put(&path, json!({})).await.ok();
    })
    .await;
}

async fn listed(actor: &Actor, body: Value) -> Value {
    actor.post("/_matrix/client/v3/publicRooms", body).await.ok()
}

fn names(page: &Value) -> Vec<&str> {
    page["chunk"].as_array().unwrap().iter().map(|room| room["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_directory_lists_public_rooms_the_largest_first() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = async |name: &str, rest: Value| {
            let mut body = json!({ "name": name, "visibility": "public" });
            body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            alice.create_room_with(body).await
        };
        room("one", json!({ "topic": "Fish" })).await;
        let two = room("two", json!({ "room_alias_name": "second" })).await;
        room("three", json!({ "creation_content": { "type": "m.space" } })).await;
        room("hidden", json!({ "visibility": "private" })).await;
        bob.join(&two).await;
        alice
            .put(
                &in_room(&two, "state/m.room.canonical_alias/"),
                json!({ "alias": "#second:sealpost.test" }),
            )
            .await
            .ok();

        let all = bob.get("/_matrix/client/v3/publicRooms").await.ok();
        assert_eq!(names(&all), ["two", "one", "three"]);
        assert_eq!(all["total_room_count_estimate"], 3);
        assert!(all.get("next_batch").is_none() && all.get("prev_batch").is_none());
        let shown = &all["chunk"][0];
        assert_eq!(shown["room_id"], two.as_str());
        assert_eq!(shown["num_joined_members"], 2);
        assert_eq!(shown["canonical_alias"], "#second:sealpost.test");
        assert_eq!(shown["world_readable"], false);
        assert_eq!(all["chunk"][1]["topic"], "Fish");

        let first = listed(&bob, json!({ "limit": 2 })).await;
        assert_eq!(names(&first), ["two", "one"]);
        let second = listed(&bob, json!({ "limit": 2, "since": first["next_batch"] })).await;
        assert_eq!(names(&second), ["three"]);
        assert!(second.get("next_batch").is_none());
        let back = listed(&bob, json!({ "limit": 1, "since": second["prev_batch"] })).await;
        assert_eq!(names(&back), ["one"]);
        let wrong = bob.post("/_matrix/client/v3/publicRooms", json!({ "since": "x" })).await;
        assert_eq!(wrong.error(), (400, "M_INVALID_PARAM"));

        for (filter, expected) in [
            (json!({ "generic_search_term": "FISH" }), vec!["one"]),
            (json!({ "generic_search_term": "#second" }), vec!["two"]),
            (json!({ "room_types": ["m.space"] }), vec!["three"]),
            (json!({ "room_types": [null] }), vec!["two", "one"]),
        ] {
            assert_eq!(names(&listed(&bob, json!({ "filter": filter })).await), expected);
        }
        let unknown = server.stranger().get("/_matrix/client/v3/publicRooms").await;
        assert_eq!(unknown.error(), (401, "M_MISSING_TOKEN"));

        let path = format!("/_matrix/client/v3/directory/list/room/{}", two.replace('!', "%21"));
        let private = json!({ "visibility": "private" });
        assert_eq!(bob.put(&path, private.clone()).await.error(), (403, "M_FORBIDDEN"));
        alice.put(&path, private).await.ok();
        assert_eq!(alice.get(&path).await.ok()["visibility"], "private");
        assert_eq!(names(&listed(&bob, json!({})).await), ["one", "three"]);
        assert_eq!(alice.put(&path, json!({ "visibility": "x" })).await.error().0, 400);
        let nowhere = "/_matrix/client/v3/directory/list/room/%21nowhere:sealpost.test";
        assert_eq!(alice.get(nowhere).await.error(), (404, "M_NOT_FOUND"));
    })
    .await;
}

#[tokio::test]
async fn the_directory_is_as_open_as_configured() {
    let config =
        "room_directory.public_without_auth = true\nroom_directory.anyone_may_publish = true";
    on_both_with(config, async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = alice.create_room_with(json!({ "preset": "public_chat", "name": "R" })).await;
        bob.join(&room).await;
        let path = format!("/_matrix/client/v3/directory/list/room/{}", room.replace('!', "%21"));
        bob.put(&path, json!({ "visibility": "public" })).await.ok();
        let seen = server.stranger().get("/_matrix/client/v3/publicRooms").await.ok();
        assert_eq!(names(&seen), ["R"]);
        let stranger = server.register("stranger").await;
        let answer = stranger.put(&path, json!({ "visibility": "public" })).await;
        assert_eq!(answer.error(), (403, "M_FORBIDDEN"));
    })
    .await;
}
