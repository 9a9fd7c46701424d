//! Replacing a room by one of another version.

use std::{path::Path, time::Duration};

use sealpost_homeserver::{
    config::DatabaseUrl,
    storage::{
        Store, StoreOptions, accounts,
        room_upgrades::{self, UpgradeRow},
        rooms,
    },
};
use serde_json::{Value, json};

use super::{
    actor::{Actor, Answer, in_room},
    server::on_both,
};

async fn upgrade(who: &Actor, room: &str, body: Value) -> Answer {
    who.post(&in_room(room, "upgrade"), body).await
}

async fn upgraded(who: &Actor, room: &str, body: Value) -> String {
    let answer = upgrade(who, room, body).await.ok();
    answer["replacement_room"].as_str().unwrap().to_owned()
}

async fn state(who: &Actor, room: &str, key: &str) -> Value {
    who.get(&in_room(room, &format!("state/{key}"))).await.ok()
}

fn encode(text: &str) -> String {
    text.replace('!', "%21").replace('#', "%23").replace(':', "%3A").replace('@', "%40")
}

#[tokio::test]
async fn what_makes_a_room_moves_to_every_version() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let troll = server.register("troll").await;
        for (number, (from, to)) in
            [("6", "9"), ("10", "12"), ("11", "11"), ("12", "11"), ("12", "12"), ("9", "6")]
                .into_iter()
                .enumerate()
        {
            let alias = format!("room{number}");
            let space = json!([{ "type": "m.room_membership", "room_id": "!space:sealpost.test" }]);
            let rule = if from == "9" { "restricted" } else { "public" };
            let old = alice
                .create_room_with(json!({
                    "room_version": from,
                    "preset": "public_chat",
                    "visibility": "public",
                    "name": "Name",
                    "topic": "Topic",
                    "room_alias_name": alias,
                    "creation_content": { "type": "org.example", "org.example.more": [1] },
                    "power_level_content_override": { "users_default": 5 },
                    "initial_state": [
                        { "type": "m.room.join_rules",
                          "content": { "join_rule": "public" } },
                        { "type": "m.room.server_acl", "content": { "allow": ["*"] } },
                        { "type": "m.room.encryption",
                          "content": { "algorithm": "m.megolm.v1.aes-sha2" } },
                        { "type": "m.room.avatar", "content": { "url": "mxc://a.test/b" } },
                        { "type": "org.example.other", "content": {} },
                    ],
                }))
                .await;
            for user in [&bob, &troll] {
                user.join(&old).await;
            }
            let ban = json!({ "user_id": troll.user_id, "reason": "trolling" });
            alice.post(&in_room(&old, "ban"), ban).await.ok();
            let mut levels = state(&alice, &old, "m.room.power_levels/").await;
            levels["users"][&bob.user_id] = 60.into();
            alice.put(&in_room(&old, "state/m.room.power_levels/"), levels.clone()).await.ok();
            let rules = json!({ "join_rule": rule, "allow": space });
            alice.put(&in_room(&old, "state/m.room.join_rules/"), rules).await.ok();
            let alias = format!("#{alias}:sealpost.test");

            let new = upgraded(&alice, &old, json!({ "new_version": to })).await;
            let create = state(&alice, &new, "m.room.create/").await;
            assert_eq!(create["room_version"], to);
            assert_eq!(create["type"], "org.example");
            assert_eq!(create["org.example.more"], json!([1]));
            assert_eq!(create["predecessor"]["room_id"], old.as_str());
            let tombstone = state(&alice, &old, "m.room.tombstone/?format=event").await;
            assert_eq!(tombstone["content"]["replacement_room"], new.as_str());
            match create["predecessor"].get("event_id") {
                Some(id) => assert_eq!(*id, tombstone["event_id"], "{from} to {to}"),
                None => assert_eq!(to, "12"),
            }
            for (key, field, value) in [
                ("m.room.name", "name", json!("Name")),
                ("m.room.topic", "topic", json!("Topic")),
                ("m.room.avatar", "url", json!("mxc://a.test/b")),
                ("m.room.server_acl", "allow", json!(["*"])),
                ("m.room.encryption", "algorithm", json!("m.megolm.v1.aes-sha2")),
                ("m.room.guest_access", "guest_access", json!("forbidden")),
                ("m.room.history_visibility", "history_visibility", json!("shared")),
                ("m.room.canonical_alias", "alias", json!(alias)),
            ] {
                let content = state(&alice, &new, &format!("{key}/")).await;
                assert_eq!(content[field], value, "{key}");
            }
            let other = alice.get(&in_room(&new, "state/org.example.other/")).await;
            assert_eq!(other.error(), (404, "M_NOT_FOUND"));
            let rules = state(&alice, &new, "m.room.join_rules/").await;
            // Version 6 knows no restricted rooms.
            assert_eq!(rules["join_rule"], if from == "9" { "invite" } else { "public" });
            let ban =
                state(&alice, &new, &format!("m.room.member/{}", encode(&troll.user_id))).await;
            assert_eq!((&ban["membership"], &ban["reason"]), (&json!("ban"), &json!("trolling")));

            let moved = state(&alice, &new, "m.room.power_levels/").await;
            assert_eq!(moved["users"][&bob.user_id], 60);
            let own = moved["users"].get(&alice.user_id).cloned();
            assert_eq!(own, (to != "12").then(|| json!(100)), "{from} to {to}");
            assert_eq!(moved["events"], levels["events"]);
            let before = state(&alice, &old, "m.room.power_levels/").await;
            assert_eq!((&before["events_default"], &before["invite"]), (&json!(50), &json!(50)));
            let path = format!("/_matrix/client/v3/directory/room/{}", encode(&alias));
            assert_eq!(bob.get(&path).await.ok()["room_id"], new.as_str());
            let canonical = state(&alice, &old, "m.room.canonical_alias/").await;
            assert_eq!(canonical, json!({}));
            for (room, visibility) in [(&old, "private"), (&new, "public")] {
                let path = format!("/_matrix/client/v3/directory/list/room/{}", encode(room));
                assert_eq!(alice.get(&path).await.ok()["visibility"], visibility);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn who_may_not_end_a_room_may_not_replace_it_and_nothing_is_made() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let carol = server.register("carol").await;
        let room =
            alice.create_room_with(json!({ "preset": "public_chat", "room_version": "11" })).await;
        bob.join(&room).await;
        let body = json!({ "new_version": "12" });
        for (who, room, error) in [
            (&bob, room.as_str(), (403, "M_FORBIDDEN")),
            (&carol, room.as_str(), (403, "M_FORBIDDEN")),
            (&alice, "!nowhere:sealpost.test", (404, "M_NOT_FOUND")),
        ] {
            assert_eq!(upgrade(who, room, body.clone()).await.error(), error);
        }
        let itself = json!({ "body": "on and on", "replacement_room": room });
        let circle = alice.put(&in_room(&room, "state/m.room.tombstone/"), itself).await;
        assert_eq!(circle.error(), (400, "M_INVALID_PARAM"));
        let unknown = upgrade(&alice, &room, json!({ "new_version": "elsewhere.1" })).await;
        assert_eq!(unknown.error(), (400, "M_UNSUPPORTED_ROOM_VERSION"));
        assert_eq!(upgrade(&alice, &room, json!({})).await.error().0, 400);
        let rooms = alice.get("/_matrix/client/v3/joined_rooms").await.ok();
        assert_eq!(rooms["joined_rooms"], json!([room]));
        let tombstone = alice.get(&in_room(&room, "state/m.room.tombstone/")).await;
        assert_eq!(tombstone.error(), (404, "M_NOT_FOUND"));

        // A moderator who may, though much of the state takes more power than they have.
        let mut levels = state(&alice, &room, "m.room.power_levels/").await;
        levels["users"][&bob.user_id] = 50.into();
        levels["events"]["m.room.tombstone"] = 50.into();
        alice.put(&in_room(&room, "state/m.room.power_levels/"), levels).await.ok();
        let acl = json!({ "allow": ["*"], "deny": ["evil.test"] });
        alice.put(&in_room(&room, "state/m.room.server_acl/"), acl.clone()).await.ok();
        let new = upgraded(&bob, &room, json!({ "new_version": "11" })).await;
        assert_eq!(state(&bob, &new, "m.room.server_acl/").await, acl);
        let levels = state(&bob, &new, "m.room.power_levels/").await;
        assert_eq!(
            (&levels["users"][&bob.user_id], &levels["users"][&alice.user_id]),
            (&json!(50), &json!(100))
        );
        // With creators above all, those who are named share it.
        let creators =
            json!({ "new_version": "12", "additional_creators": [alice.user_id, bob.user_id] });
        let newest = upgraded(&bob, &new, creators).await;
        let create = state(&bob, &newest, "m.room.create/").await;
        assert_eq!(create["additional_creators"], json!([alice.user_id]));
        let levels = state(&bob, &newest, "m.room.power_levels/").await;
        assert_eq!(levels["users"], json!({}));
    })
    .await;
}

#[tokio::test]
async fn a_space_keeps_its_children_and_users_their_settings() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let space = alice
            .create_room_with(json!({
                "preset": "public_chat", "creation_content": { "type": "m.space" },
            }))
            .await;
        let child = "state/m.space.child/%21child:a.test";
        let via = json!({ "via": ["a.test"] });
        alice.put(&in_room(&space, child), via.clone()).await.ok();
        alice.put(&in_room(&space, "state/m.space.child/%21gone:a.test"), json!({})).await.ok();
        bob.join(&space).await;
        let user = format!("/_matrix/client/v3/user/{}", encode(&bob.user_id));
        let tag = |room: &str| format!("{user}/rooms/{}/tags", encode(room));
        bob.put(&format!("{}/m.favourite", tag(&space)), json!({ "order": 0.5 })).await.ok();
        let direct = format!("{user}/account_data/m.direct");
        bob.put(&direct, json!({ &alice.user_id: [space] })).await.ok();
        let rule =
            |room: &str| format!("/_matrix/client/v3/pushrules/global/room/{}", encode(room));
        bob.put(&rule(&space), json!({ "actions": [] })).await.ok();

        let new = upgraded(&alice, &space, json!({ "new_version": "12" })).await;
        assert_eq!(alice.get(&in_room(&new, child)).await.ok(), via);
        let gone = alice.get(&in_room(&new, "state/m.space.child/%21gone:a.test")).await;
        assert_eq!(gone.error(), (404, "M_NOT_FOUND"));
        assert_eq!(bob.get(&tag(&new)).await.ok()["tags"], json!({}));
        bob.join(&new).await;
        assert_eq!(bob.get(&tag(&new)).await.ok()["tags"]["m.favourite"]["order"], 0.5);
        assert_eq!(bob.get(&direct).await.ok()[&alice.user_id], json!([space, new]));
        assert_eq!(bob.get(&rule(&new)).await.ok()["actions"], json!([]));

        // Anybody may claim a predecessor: it counts where that room says the same.
        let claim = json!({ "predecessor": { "room_id": space } });
        let false_one = alice
            .create_room_with(json!({ "preset": "public_chat", "creation_content": claim }))
            .await;
        bob.join(&false_one).await;
        assert_eq!(bob.get(&tag(&false_one)).await.ok()["tags"], json!({}));
        assert_eq!(bob.get(&rule(&false_one)).await.error(), (404, "M_NOT_FOUND"));
    })
    .await;
}

#[tokio::test]
async fn an_upgrade_that_was_interrupted_is_finished_at_the_next_start() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let old = alice
            .create_room_with(json!({
                "preset": "public_chat", "visibility": "public", "room_alias_name": "home",
            }))
            .await;
        let claim = json!({ "predecessor": { "room_id": old } });
        let new = alice
            .create_room_with(json!({ "preset": "public_chat", "creation_content": claim }))
            .await;
        // As it is when the server is killed after the first commit.
        server.stop().await;
        let url = DatabaseUrl::parse(server.database_url(), Path::new("/")).unwrap();
        let open = || Store::open(StoreOptions::new(url)).unwrap();
        let store = tokio::task::spawn_blocking(open).await.unwrap();
        let ids = (old.clone(), new.clone(), alice.user_id.clone());
        let interrupt = store.write(move |tx| {
            let room = |tx: &mut _, id: &String| {
                let id = ruma::OwnedRoomId::try_from(id.as_str()).unwrap();
                rooms::by_id(tx, &id).map(|room| room.unwrap().room_nid)
            };
            let row = UpgradeRow {
                old_room_nid: room(tx, &ids.0)?,
                new_room_nid: room(tx, &ids.1)?,
                user_nid: accounts::find_by_id(tx, &ids.2)?.unwrap().user_nid,
                tombstone_id: None,
                tombstone: None,
            };
            room_upgrades::insert(tx, &row)
        });
        interrupt.await.unwrap();
        store.close().await;

        server.start_again().await;
        let alice = server.stranger().with_token(&alice.access_token);
        let levels = in_room(&old, "state/m.room.power_levels/");
        while alice.get(&levels).await.ok()["events_default"] != 50 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let tombstone = alice.get(&in_room(&old, "state/m.room.tombstone/")).await.ok();
        assert_eq!(tombstone["replacement_room"], new.as_str());
        let alias = "/_matrix/client/v3/directory/room/%23home:sealpost.test";
        assert_eq!(alice.get(alias).await.ok()["room_id"], new.as_str());
        let listed = format!("/_matrix/client/v3/directory/list/room/{}", encode(&new));
        assert_eq!(alice.get(&listed).await.ok()["visibility"], "public");
    })
    .await;
}
