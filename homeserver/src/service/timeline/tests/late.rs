//! Events that come after those that follow them.

use ruma::{RoomVersionId, UserId, user_id};
use serde_json::json;

use super::{Elsewhere, Fixture, draft, everywhere};
use crate::{
    service::timeline::{Before, Outcome},
    storage::{Conn, events, outbox},
};

/// Else the room would go on after both, and the state before the gap could win over what came after it.
#[test]
fn an_event_that_comes_late_is_no_end_of_the_room() {
    everywhere(async |fixture, version| {
        comes_late(&fixture, version, user_id!("@dave:there.test")).await;
    });
}

/// A join that another server took, and whose answer was lost.
#[test]
fn an_event_of_this_server_may_come_late_too() {
    everywhere(async |fixture, version| {
        comes_late(&fixture, version, user_id!("@carol:here.test")).await;
    });
}

async fn comes_late(fixture: &Fixture, version: RoomVersionId, user: &UserId) {
    let room = fixture.room(version).await;
    let nid = room.nid;
    let there = Elsewhere { user: user.to_owned(), ..Elsewhere::new() };
    let joined = there.join(fixture, &room).await;
    let say = |body: &str| draft(&there.user, "m.room.message", None, json!({ "body": body }));
    let late = there.event(fixture, &room, say("late"), &[&joined.pdu], &joined.pdu).await;
    let mut early = there.event(fixture, &room, say("early"), &[&late.pdu], &joined.pdu).await;

    let mut state = Vec::new();
    for (event_type, key) in [
        ("m.room.create", ""),
        ("m.room.power_levels", ""),
        ("m.room.join_rules", ""),
        ("m.room.member", fixture.alice.0.as_str()),
        ("m.room.member", there.user.as_str()),
    ] {
        state.push(fixture.state(&room, event_type, key).await.nid);
    }
    early.before = Before::Gap(vec![(late.pdu.event_id.clone(), state)]);
    let last = early.pdu.event_id.clone();
    for event in [early, late] {
        let outcome = fixture.timeline.append_remote(nid, event).await.unwrap();
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    }

    assert_eq!(fixture.bodies(&room).await, ["early", "late"]);
    let next = fixture.message(&fixture.alice, "next");
    let next = fixture.timeline.append_local(nid, vec![next]).await.unwrap();
    let [next] = &next[..] else { panic!("{next:?}") };
    assert_eq!(next.pdu.prev_events, [last]);
    let gaps = move |conn: &mut Conn| events::gaps(conn, nid);
    assert_eq!(fixture.context.store.read(gaps).await.unwrap(), [], "nothing is missing");
}

#[test]
fn a_server_is_to_be_sent_what_came_beside_its_join_as_soon_as_it_is_in() {
    everywhere(async |fixture, version| {
        let room = fixture.room(version).await;
        let nid = room.nid;
        let there = Elsewhere::new();
        let before = fixture.state(&room, "m.room.member", fixture.bob.0.as_str()).await;
        let rules = fixture.state(&room, "m.room.join_rules", "").await;
        let join = json!({ "membership": "join" });
        let join = draft(&there.user, "m.room.member", Some(there.user.as_str()), join);
        let mut join = there.event(&fixture, &room, join, &[&before.pdu], &rules.pdu).await;
        join.relay = true;
        let beside = fixture.message(&fixture.alice, "beside");
        let beside = fixture.timeline.append_local(nid, vec![beside]).await.unwrap().remove(0);
        let waiting = async || {
            let read = |conn: &mut Conn| outbox::waiting(conn, "there.test", None, 100);
            let waiting = fixture.context.store.read(read).await.unwrap();
            waiting.into_iter().map(|row| row.event_nid).collect::<Vec<_>>()
        };
        let waits = waiting().await.len();
        let outcome = fixture.timeline.append_remote(nid, join.clone()).await.unwrap();
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        assert_eq!(waiting().await[waits..], [Some(beside.nid)]);
        let outcome = fixture.timeline.append_remote(nid, join).await.unwrap();
        assert!(matches!(outcome, Outcome::Known(_)), "{outcome:?}");
        assert_eq!(waiting().await.len(), waits + 1, "told once");
    });
}
