use crate::server::on_both;

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
