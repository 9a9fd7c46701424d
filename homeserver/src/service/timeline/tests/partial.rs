//! Rooms that are entered without their members.

use std::{collections::HashMap, sync::Arc};

use ruma::{RoomVersionId, UserId, server_name, user_id};
use serde_json::json;

use super::{Elsewhere, Fixture, draft, everywhere};
use crate::{
    room::{
        build::{self, Draft},
        event::Pdu,
    },
    service::{
        event::Event,
        room_info::RoomInfo,
        timeline::{Before, Outcome, RemoteEvent, WholeState},
    },
    storage::{EventNid, events, members, partial_rooms},
};

/// A room that Erin's join enters without its members; one of them is Dave, who is banned.
struct Entered {
    room: Arc<RoomInfo>,
    there: Elsewhere,
    dave_join: Arc<Event>,
    erin: &'static UserId,
    erin_join: Arc<Event>,
    /// The state before her join.
    state: Vec<EventNid>,
}

impl Entered {
    async fn new(fixture: &Fixture, version: RoomVersionId) -> Self {
        let room = fixture.room(version).await;
        let there = Elsewhere::new();
        let dave_join = there.join(fixture, &room).await;
        let dave = there.user.as_str();
        let ban = json!({ "membership": "ban" });
        let ban = fixture.event(&fixture.alice, "m.room.member", Some(dave), ban);
        let ban = fixture.timeline.append_local(room.nid, vec![ban]).await.unwrap().remove(0);
        let mut state = Vec::new();
        for (event_type, key) in [
            ("m.room.create", ""),
            ("m.room.power_levels", ""),
            ("m.room.join_rules", ""),
            ("m.room.member", fixture.alice.0.as_str()),
            ("m.room.member", fixture.bob.0.as_str()),
            ("m.room.member", dave),
        ] {
            state.push(fixture.state(&room, event_type, key).await.nid);
        }
        let rules = fixture.state(&room, "m.room.join_rules", "").await;
        let erin = user_id!("@erin:there.test");
        let join = json!({ "membership": "join" });
        let join = draft(erin, "m.room.member", Some(erin.as_str()), join);
        let mut join = there.event(fixture, &room, join, &[&ban.pdu], &rules.pdu).await;
        join.before = Before::Entry(state[..3].to_vec());
        join.partial = Some(Arc::new(vec![server_name!("there.test").to_owned()]));
        let outcome = fixture.timeline.append_remote(room.nid, join).await.unwrap();
        let Outcome::Accepted(erin_join) = outcome else { panic!("{outcome:?}") };
        Self { room, there, dave_join, erin, erin_join, state }
    }

    /// Appends what a member there does after `prev`.
    async fn append(&self, fixture: &Fixture, draft: Draft, prev: &Pdu) -> Arc<Event> {
        let member = if draft.sender == self.erin { &self.erin_join } else { &self.dave_join };
        let event = self.there.event(fixture, &self.room, draft, &[prev], &member.pdu).await;
        match fixture.timeline.append_remote(self.room.nid, event).await.unwrap() {
            Outcome::Accepted(event) => event,
            outcome => panic!("{outcome:?}"),
        }
    }

    fn told(&self) -> WholeState {
        let (join, gaps) = (self.erin_join.nid, HashMap::new());
        WholeState { join, state: self.state.clone(), gaps }
    }
}

fn says(user: &UserId, body: &str) -> Draft {
    draft(user, "m.room.message", None, json!({ "body": body }))
}

#[test]
fn what_came_before_the_members_is_checked_again_with_them() {
    everywhere(async |fixture, version| {
        let room = fixture.room(version).await;
        let nid = room.nid;
        let append = |event| fixture.timeline.append_remote(nid, event);
        let there = Elsewhere::new();
        let join = json!({ "membership": "join" });
        let rules = fixture.state(&room, "m.room.join_rules", "").await;

        // Dave, Gina and Frank join, and Dave is banned.
        let dave_join = there.join(&fixture, &room).await;
        let gina = user_id!("@gina:there.test");
        let gina_join = draft(gina, "m.room.member", Some(gina.as_str()), join.clone());
        let gina_join =
            there.event(&fixture, &room, gina_join, &[&dave_join.pdu], &rules.pdu).await;
        append(gina_join.clone()).await.unwrap();
        let frank = user_id!("@frank:there.test");
        let frank_join = draft(frank, "m.room.member", Some(frank.as_str()), join.clone());
        let frank_join =
            there.event(&fixture, &room, frank_join, &[&gina_join.pdu], &rules.pdu).await;
        append(frank_join).await.unwrap();
        let dave = there.user.as_str();
        let ban = json!({ "membership": "ban" });
        let ban = fixture.event(&fixture.alice, "m.room.member", Some(dave), ban);
        let ban = fixture.timeline.append_local(nid, vec![ban]).await.unwrap().remove(0);
        let mut state = Vec::new();
        for (event_type, key) in [
            ("m.room.create", ""),
            ("m.room.power_levels", ""),
            ("m.room.join_rules", ""),
            ("m.room.member", fixture.alice.0.as_str()),
            ("m.room.member", fixture.bob.0.as_str()),
            ("m.room.member", gina.as_str()),
            ("m.room.member", dave),
        ] {
            state.push(fixture.state(&room, event_type, key).await.nid);
        }
        let (others, member_nids) = state.split_at(3);
        let frank_join = fixture.state(&room, "m.room.member", frank.as_str()).await.nid;

        // Erin's join enters the room without all that.
        let erin = user_id!("@erin:there.test");
        let erin_join = draft(erin, "m.room.member", Some(erin.as_str()), join);
        let mut erin_join = there.event(&fixture, &room, erin_join, &[&ban.pdu], &rules.pdu).await;
        erin_join.before = Before::Entry(others.to_vec());
        erin_join.partial = Some(Arc::new(vec![server_name!("there.test").to_owned()]));
        let Outcome::Accepted(entered) = append(erin_join).await.unwrap() else { panic!() };
        assert!(fixture.context.partial_rooms.is_partial(nid));

        // Dave speaks, and invites Gina as if she were not there; she speaks then.
        let say = |user, body: &str| draft(user, "m.room.message", None, json!({ "body": body }));
        let from_dave = say(&there.user, "from dave");
        let from_dave =
            there.event(&fixture, &room, from_dave, &[&entered.pdu], &dave_join.pdu).await;
        let prev = from_dave.pdu.clone();
        let outcome = append(from_dave).await.unwrap();
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        let invite = json!({ "membership": "invite" });
        let invite = draft(&there.user, "m.room.member", Some(gina.as_str()), invite);
        let invite = there.event(&fixture, &room, invite, &[&prev], &dave_join.pdu).await;
        let prev = invite.pdu.clone();
        let outcome = append(invite).await.unwrap();
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        let from_gina = say(gina, "from gina");
        let from_gina = there.event(&fixture, &room, from_gina, &[&prev], &gina_join.pdu).await;
        let last = from_gina.pdu.event_id.clone();
        let outcome = append(from_gina).await.unwrap();
        assert!(matches!(outcome, Outcome::Rejected(..)), "{outcome:?}");
        assert_eq!(fixture.bodies(&room).await, ["from dave"]);

        // A server told of Frank whose state is not the one in the end.
        let ahead = [member_nids, &[frank_join]].concat();
        fixture.timeline.write_members_ahead(nid, ahead).await.unwrap();
        let told = WholeState { join: entered.nid, state, gaps: HashMap::new() };
        let of_another = WholeState { join: ban.nid, ..told.clone() };
        assert!(!fixture.timeline.complete(nid, of_another).await.unwrap());
        assert!(fixture.timeline.complete(nid, told.clone()).await.unwrap());
        assert!(!fixture.timeline.complete(nid, told).await.unwrap());
        assert!(!fixture.context.partial_rooms.is_partial(nid));

        assert_eq!(fixture.bodies(&room).await, ["from gina"]);
        let context = fixture.context.clone();
        let dave = there.user.clone();
        let read = fixture.context.store.read(move |conn| {
            let mut found = Vec::new();
            for user in [&*dave, gina, erin, frank] {
                let user = context.store.users().find(conn, user)?.unwrap();
                found.push(members::get(conn, nid, user)?.unwrap().membership);
            }
            Ok(found)
        });
        assert_eq!(read.await.unwrap(), ["ban", "join", "join", "leave"]);
        let next = fixture.message(&fixture.alice, "next");
        let next = fixture.timeline.append_local(nid, vec![next]).await.unwrap();
        // What is refused ends nothing, but the last comes after what entered by way of it.
        assert_eq!(next[0].pdu.prev_events, [last]);
    });
}

#[test]
fn a_state_that_lacks_what_let_somebody_in_makes_no_room_whole() {
    everywhere(async |fixture, version| {
        let room = fixture.room(version).await;
        let (nid, there) = (room.nid, Elsewhere::new());
        let dave = there.user.as_str();
        let by_alice = |kind, key, content| fixture.event(&fixture.alice, kind, Some(key), content);
        let changes = vec![
            by_alice("m.room.join_rules", "", json!({ "join_rule": "invite" })),
            by_alice("m.room.member", dave, json!({ "membership": "invite" })),
        ];
        let invite = fixture.timeline.append_local(nid, changes).await.unwrap().remove(1);
        let mut state = Vec::new();
        let mut auth = vec![invite.pdu.event_id.clone()];
        for (event_type, key) in [
            ("m.room.create", ""),
            ("m.room.power_levels", ""),
            ("m.room.join_rules", ""),
            ("m.room.member", fixture.alice.0.as_str()),
        ] {
            let event = fixture.state(&room, event_type, key).await;
            let is_named = match event_type {
                "m.room.create" => !room.rules.authorization.room_create_event_id_as_room_id,
                _ => event_type != "m.room.member",
            };
            auth.extend(is_named.then(|| event.pdu.event_id.clone()));
            state.push(event.nid);
        }
        let join = draft(&there.user, "m.room.member", Some(dave), json!({ "membership": "join" }));
        let (prev, depth) = (vec![invite.pdu.event_id.clone()], invite.pdu.depth + 1);
        let (key, server) = (&there.key, there.user.server_name());
        let join =
            build::build(join, Some(&room.id), prev, auth, depth, key, server, room.rules).unwrap();
        let servers = Arc::new(vec![server.to_owned()]);
        let join = RemoteEvent {
            before: Before::Entry(state[..3].to_vec()),
            partial: Some(servers),
            ..RemoteEvent::new(join)
        };
        let outcome = fixture.timeline.append_remote(nid, join).await.unwrap();
        let Outcome::Accepted(entered) = outcome else { panic!() };

        let told = WholeState { join: entered.nid, state: state.clone(), gaps: HashMap::new() };
        assert!(fixture.timeline.complete(nid, told.clone()).await.is_err());
        assert!(fixture.context.partial_rooms.is_partial(nid));
        state.push(invite.nid);
        assert!(fixture.timeline.complete(nid, WholeState { state, ..told }).await.unwrap());
        assert_eq!(fixture.state(&room, "m.room.member", dave).await.nid, entered.nid);
    });
}

#[test]
fn a_redaction_stays_when_a_later_one_of_the_same_event_is_refused() {
    everywhere(async |fixture, version| {
        let scene = Entered::new(&fixture, version).await;
        let message = says(scene.erin, "to be redacted");
        let message = scene.append(&fixture, message, &scene.erin_join.pdu).await;
        let redacts = |user: &UserId| {
            let redacts = Some(message.pdu.event_id.clone());
            Draft { redacts, ..draft(user, "m.room.redaction", None, json!({})) }
        };
        let by_erin = scene.append(&fixture, redacts(scene.erin), &message.pdu).await;
        scene.append(&fixture, redacts(&scene.there.user), &by_erin.pdu).await;
        assert!(fixture.timeline.complete(scene.room.nid, scene.told()).await.unwrap());
        let nid = message.nid;
        let read = fixture.context.store.read(move |conn| events::by_nid(conn, nid)).await;
        assert_eq!(read.unwrap().unwrap().redacted_by_nid, Some(by_erin.nid));
        assert_eq!(fixture.bodies(&scene.room).await, Vec::<String>::new());
    });
}

#[test]
fn a_room_that_is_given_up_is_not_partial_to_what_comes_after() {
    everywhere(async |fixture, version| {
        let scene = Entered::new(&fixture, version).await;
        let (nid, join) = (scene.room.nid, scene.erin_join.nid);
        let first = scene.append(&fixture, says(scene.erin, "1"), &scene.erin_join.pdu).await;
        assert!(!fixture.timeline.give_up(nid, first.nid).await.unwrap(), "entered by another");
        assert!(fixture.timeline.give_up(nid, join).await.unwrap());
        assert!(!fixture.timeline.give_up(nid, join).await.unwrap());
        assert!(!fixture.context.partial_rooms.is_partial(nid));
        scene.append(&fixture, says(scene.erin, "2"), &first.pdu).await;
        let read = fixture.context.store.read(move |conn| {
            Ok((partial_rooms::events(conn, nid)?, partial_rooms::get(conn, nid)?))
        });
        assert_eq!(read.await.unwrap(), (Vec::new(), None));
        assert!(!fixture.timeline.complete(nid, scene.told()).await.unwrap());
    });
}
