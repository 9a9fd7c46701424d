use serde_json::{Value, json};

use crate::{
    actor::{Actor, Answer, Connection},
    server::on_both,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_default_push_rules_are_complete() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let rules = alice.get("/_matrix/client/v3/pushrules/").await.ok();
        let ids = |kind: &str| -> Vec<String> {
            let rules = rules["global"][kind].as_array().unwrap();
            rules.iter().map(|rule| rule["rule_id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(
            ids("override"),
            [
                ".m.rule.master",
                ".m.rule.suppress_notices",
                ".m.rule.invite_for_me",
                ".m.rule.member_event",
                ".m.rule.is_user_mention",
                ".m.rule.is_room_mention",
                ".m.rule.tombstone",
                ".m.rule.reaction",
                ".m.rule.room.server_acl",
                ".m.rule.suppress_edits",
            ]
        );
        assert_eq!(
            ids("underride"),
            [
                ".m.rule.call",
                ".m.rule.encrypted_room_one_to_one",
                ".m.rule.room_one_to_one",
                ".m.rule.message",
                ".m.rule.encrypted",
            ]
        );
        for path in ["/_matrix/client/r0/pushrules/", "/_matrix/client/v3/pushrules"] {
            assert_eq!(alice.get(path).await.ok(), rules, "{path}");
        }
        let global = alice.get("/_matrix/client/v3/pushrules/global/").await.ok();
        assert_eq!(global, rules["global"]);
    })
    .await;
}

const RULES: &str = "/_matrix/client/v3/pushrules/global";

async fn delete(actor: &Actor, path: &str) -> Answer {
    Connection::send(actor.request(reqwest::Method::DELETE, path)).await
}

fn ids(rules: &Value, kind: &str) -> Vec<String> {
    let rules = rules[kind].as_array().map(Vec::as_slice).unwrap_or_default();
    let own = rules.iter().map(|rule| rule["rule_id"].as_str().unwrap().to_owned());
    own.filter(|id| !id.starts_with('.')).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_added_in_order_changed_and_deleted() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let path = |id: &str| format!("{RULES}/content/{id}");
        let put = async |id: &str, query: &str| {
            let body = json!({ "pattern": id, "actions": ["notify"] });
            alice.put(&format!("{}{query}", path(id)), body).await
        };
        let order = async || ids(&alice.get(&format!("{RULES}/")).await.ok(), "content");
        put("a", "").await.ok();
        put("b", "").await.ok();
        assert_eq!(order().await, ["b", "a"], "the newest first");
        put("c", "?after=b").await.ok();
        put("d", "?before=a").await.ok();
        assert_eq!(order().await, ["b", "c", "d", "a"]);
        put("b", "?after=a").await.ok();
        assert_eq!(order().await, ["c", "d", "a", "b"]);
        put("c", "").await.ok();
        assert_eq!(order().await, ["c", "d", "a", "b"], "a change does not move it");
        put("c", "?before=b").await.ok();
        assert_eq!(order().await, ["d", "a", "c", "b"]);
        delete(&alice, &path("a")).await.ok();
        assert_eq!(order().await, ["d", "c", "b"]);

        let rule = alice.get(&path("d")).await.ok();
        let expected = json!({
            "rule_id": "d", "pattern": "d", "actions": ["notify"],
            "default": false, "enabled": true,
        });
        assert_eq!(rule, expected);
        let enabled = format!("{}/enabled", path("d"));
        alice.put(&enabled, json!({ "enabled": false })).await.ok();
        assert_eq!(alice.get(&enabled).await.ok(), json!({ "enabled": false }));
        put("d", "").await.ok();
        assert_eq!(alice.get(&enabled).await.ok(), json!({ "enabled": false }), "stays so");
        let actions = format!("{}/actions", path("d"));
        let loud = json!({ "actions": ["notify", { "set_tweak": "highlight" }] });
        alice.put(&actions, loud.clone()).await.ok();
        assert_eq!(alice.get(&actions).await.ok(), loud);

        for (kind, id) in [("room", "!a:b"), ("sender", "@a:b")] {
            let path = format!("{RULES}/{kind}/{}", id.replace('!', "%21").replace(':', "%3A"));
            alice.put(&path, json!({ "actions": [] })).await.ok();
            assert_eq!(ids(&alice.get(&format!("{RULES}/")).await.ok(), kind), [id]);
        }
        for kind in ["override", "underride"] {
            let conditions = json!([{ "kind": "event_match", "key": "type", "pattern": "x" }]);
            let body = json!({ "actions": ["notify"], "conditions": conditions });
            alice.put(&format!("{RULES}/{kind}/own"), body).await.ok();
            let rules = alice.get(&format!("{RULES}/")).await.ok();
            assert_eq!(rules[kind][usize::from(kind == "override")]["rule_id"], "own");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_to_rules_is_refused() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let body = json!({ "pattern": "x", "actions": ["notify"] });
        let put = async |id: &str| alice.put(&format!("{RULES}/content/{id}"), body.clone()).await;
        assert_eq!(put(".own").await.error(), (400, "M_UNKNOWN"));
        assert_eq!(put("a%2Fb").await.error(), (400, "M_UNKNOWN"));
        assert_eq!(put("a?before=nothing").await.error(), (400, "M_UNKNOWN"));
        assert_eq!(put("a?after=.m.rule.message").await.error(), (400, "M_UNKNOWN"));
        let none = (404, "M_NOT_FOUND");
        assert_eq!(alice.get(&format!("{RULES}/content/a")).await.error(), none);
        assert_eq!(alice.get(&format!("{RULES}/content/a/enabled")).await.error(), none);
        let enabled = json!({ "enabled": true });
        let answer = alice.put(&format!("{RULES}/content/a/enabled"), enabled).await;
        assert_eq!(answer.error(), none);
        let actions = format!("{RULES}/content/a/actions");
        assert_eq!(alice.put(&actions, json!({ "actions": [] })).await.error(), none);
        assert_eq!(delete(&alice, &format!("{RULES}/content/a")).await.error(), none);
        let default = format!("{RULES}/underride/.m.rule.message");
        assert_eq!(delete(&alice, &default).await.error(), none);
        assert_eq!(alice.get(&format!("{RULES}/nonsense/a")).await.error(), none);
        let nowhere = alice.put(&format!("{RULES}/nonsense/a"), body.clone()).await;
        assert_eq!(nowhere.status, 400);
        let room = alice.put(&format!("{RULES}/room/nonsense"), json!({ "actions": [] })).await;
        assert_eq!(room.status, 400);
        let broken = alice.put(&format!("{RULES}/content/a"), json!({ "actions": 7 })).await;
        assert_eq!(broken.error(), (400, "M_BAD_JSON"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_rules_reach_other_devices_and_survive_a_restart() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let initial = alice.sync(None, "").await;
        let of = |sync: &Value| {
            let events = sync["account_data"]["events"].as_array().cloned().unwrap_or_default();
            events.into_iter().find(|event| event["type"] == "m.push_rules")
        };
        let rules = alice.get("/_matrix/client/v3/pushrules/").await.ok();
        assert_eq!(of(&initial).unwrap()["content"], rules);
        let since = initial["next_batch"].as_str().unwrap().to_owned();
        let waiting = {
            let (alice, since) = (alice.clone(), since.clone());
            tokio::spawn(async move { alice.sync(Some(&since), "timeout=30000").await })
        };
        server.has_begun("/_matrix/client/v3/sync").await;
        let master = format!("{RULES}/override/.m.rule.master/enabled");
        alice.put(&master, json!({ "enabled": true })).await.ok();
        let sync = waiting.await.unwrap();
        let rules = alice.get("/_matrix/client/v3/pushrules/").await.ok();
        assert_eq!(rules["global"]["override"][0]["enabled"], true);
        assert_eq!(of(&sync).unwrap()["content"], rules);
        let path = format!("/_matrix/client/v3/user/{}/account_data/m.push_rules", alice.user_id);
        assert_eq!(alice.get(&path).await.ok(), rules);
        server.stop().await;
        server.start_again().await;
        let again = server.stranger().with_token(&alice.access_token);
        assert_eq!(again.get("/_matrix/client/v3/pushrules/").await.ok(), rules);
    })
    .await;
}
