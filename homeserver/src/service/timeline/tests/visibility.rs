//! Who may see what happened on a fork.

use serde_json::json;

use super::{Elsewhere, draft, everywhere, user};
use crate::service::{rooms::visibility::Filter, timeline::Outcome};
use crate::storage::members;

/// Its place in the stream is after the join, its place in the room is not.
#[test]
fn an_event_of_a_fork_from_before_a_join_is_hidden_where_only_members_see_history() {
    everywhere(async |fixture, version| {
        let room = fixture.room(version).await;
        let joined_only = json!({ "history_visibility": "joined" });
        let alice = &fixture.alice;
        let visibility = fixture.event(alice, "m.room.history_visibility", Some(""), joined_only);
        let there = Elsewhere::new();
        let carol = fixture.context.clone();
        let carol = move || user(&carol, ruma::user_id!("@carol:here.test"));
        // It blocks, which a runtime's thread must not.
        let carol = std::thread::spawn(carol).join().unwrap();
        let dave = there.join(&fixture, &room).await;
        fixture.timeline.append_local(room.nid, vec![visibility]).await.unwrap();
        let visibility = fixture.state(&room, "m.room.history_visibility", "").await;
        let join = json!({ "membership": "join" });
        let join = fixture.event(&carol, "m.room.member", Some(carol.0.as_str()), join);
        fixture.timeline.append_local(room.nid, vec![join]).await.unwrap();

        let mut said = Vec::new();
        let carols = fixture.state(&room, "m.room.member", carol.0.as_str()).await;
        for prev in [&visibility.pdu, &carols.pdu] {
            let say = draft(&there.user, "m.room.message", None, json!({ "body": "hello" }));
            let say = there.event(&fixture, &room, say, &[prev], &dave.pdu).await;
            match fixture.timeline.append_remote(room.nid, say).await.unwrap() {
                Outcome::Accepted(event) => said.push(event),
                other => panic!("{other:?}"),
            }
        }
        let (context, nid, store) =
            (fixture.context.clone(), room.nid, fixture.context.store.clone());
        let seen = store
            .read(move |conn| {
                let row = members::get(conn, nid, carol.1)?;
                let filter = Filter::new(conn, &carol.0, row.as_ref())?;
                said.iter().map(|event| filter.allows(&context, conn, event)).collect()
            })
            .await;
        let seen: Vec<bool> = seen.unwrap();
        assert_eq!(seen, [false, true]);
    });
}
