//! Events after those that count for nothing here.

use ruma::user_id;
use serde_json::json;

use super::{Elsewhere, Fixture, draft, everywhere};
use crate::{
    room::event::Pdu,
    service::{
        event::Event,
        room_info::RoomInfo,
        timeline::{Before, Outcome, RemoteEvent},
    },
};

/// Dave and Erin of other servers are in the room, until Alice bans Dave. Apart from that Erin says something, Dave
/// does after her, and Erin goes on from there.
struct Apart {
    first: RemoteEvent,
    of_banned: RemoteEvent,
    last: RemoteEvent,
    ban: Pdu,
    erin: Pdu,
    dave: Pdu,
}

impl Apart {
    async fn new(fixture: &Fixture, room: &RoomInfo) -> Self {
        let (there, mut beyond) = (Elsewhere::new(), Elsewhere::new());
        beyond.user = user_id!("@erin:beyond.test").to_owned();
        let dave = there.join(fixture, room).await;
        let erin = beyond.join(fixture, room).await;
        let ban = json!({ "membership": "ban" });
        let ban = fixture.event(&fixture.alice, "m.room.member", Some(there.user.as_str()), ban);
        let ban = fixture.timeline.append_local(room.nid, vec![ban]).await.unwrap().remove(0);
        let say = |who: &Elsewhere, body: &str| {
            draft(&who.user, "m.room.message", None, json!({ "body": body }))
        };
        let both = [&*dave.pdu, &*erin.pdu];
        let first = beyond.event(fixture, room, say(&beyond, "first"), &both, &erin.pdu).await;
        let of_banned = say(&there, "of the banned");
        let of_banned = there.event(fixture, room, of_banned, &[&first.pdu], &dave.pdu).await;
        let last = say(&beyond, "last");
        let last = beyond.event(fixture, room, last, &[&of_banned.pdu], &erin.pdu).await;
        let pdu = |event: &Event| Pdu::clone(&event.pdu);
        Self { first, of_banned, last, ban: pdu(&ban), erin: pdu(&erin), dave: pdu(&dave) }
    }
}

/// Else that end would stay on this server alone, and take part in the current state.
#[test]
fn what_stands_before_a_soft_failed_event_is_no_end_of_the_room_once_others_go_on_after_it() {
    everywhere(async |fixture, version| {
        let room = fixture.room(version).await;
        let Apart { first, of_banned, last, ban, .. } = Apart::new(&fixture, &room).await;
        let ends = [ban.event_id, last.pdu.event_id.clone()];
        for (event, is_accepted) in [(first, true), (of_banned, false), (last, true)] {
            let outcome = fixture.timeline.append_remote(room.nid, event).await.unwrap();
            assert_eq!(matches!(outcome, Outcome::Accepted(_)), is_accepted, "{outcome:?}");
        }
        let next = fixture.message(&fixture.alice, "next");
        let next = fixture.timeline.append_local(room.nid, vec![next]).await.unwrap().remove(0);
        assert_eq!(next.pdu.prev_events, ends);
    });
}

#[test]
fn what_comes_late_is_no_end_of_the_room_where_only_refused_events_name_it() {
    everywhere(async |fixture, version| {
        let room = fixture.room(version).await;
        let apart = Apart::new(&fixture, &room).await;
        let Apart { first, mut of_banned, last, ban, erin, dave } = apart;
        let mut state = Vec::new();
        for (event_type, key) in [
            ("m.room.create", ""),
            ("m.room.power_levels", ""),
            ("m.room.join_rules", ""),
            ("m.room.member", fixture.alice.0.as_str()),
        ] {
            state.push(fixture.state(&room, event_type, key).await.nid);
        }
        for member in [erin, dave] {
            let (context, id) = (fixture.context.clone(), member.event_id);
            let read = move |conn: &mut _| context.events.by_id(conn, &id);
            state.push(fixture.context.store.read(read).await.unwrap().unwrap().nid);
        }
        of_banned.before = Before::Gap(vec![(first.pdu.event_id.clone(), state)]);
        let ends = [ban.event_id, last.pdu.event_id.clone()];
        for (event, is_accepted) in [(of_banned, false), (last, true), (first, true)] {
            let outcome = fixture.timeline.append_remote(room.nid, event).await.unwrap();
            assert_eq!(matches!(outcome, Outcome::Accepted(_)), is_accepted, "{outcome:?}");
        }
        let next = fixture.message(&fixture.alice, "next");
        let next = fixture.timeline.append_local(room.nid, vec![next]).await.unwrap().remove(0);
        assert_eq!(next.pdu.prev_events, ends);
    });
}
