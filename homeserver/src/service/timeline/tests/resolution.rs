//! Forks made at random, taken in through the one door: the room's state is what resolving everything, with
//! whole states and whole auth chains, makes of its forward extremities.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use ruma::{OwnedEventId, RoomVersionId};

use super::{Fixture, everywhere};
use crate::{
    room::tests::{
        resolve::{Resolved, naive},
        rooms::{Dice, Room},
    },
    service::{
        room_info::RoomInfo,
        timeline::{NewRoom, Outcome, RemoteEvent},
    },
    storage::{
        RoomNid, StateNid,
        events::{self, by_nid},
        rooms,
    },
};

/// Creates the room here and takes in all of its events, at once or one after the other.
async fn take_in(fixture: &Fixture, room: &Room, version: RoomVersionId, at_once: bool) -> RoomNid {
    let nid = fixture.context.store.nids().room();
    let (create, events) = room.events.split_first().unwrap();
    let info = RoomInfo { nid, id: room.room_id.clone(), version, rules: room.rules };
    let create = (**create).clone();
    let new = NewRoom { info: info.into(), create, is_public: false, alias: None, replaces: None };
    fixture.timeline.create(new, vec![]).await.unwrap();
    let appends = events.iter().map(|event| {
        let event = RemoteEvent::new((**event).clone());
        fixture.timeline.append_remote(nid, event)
    });
    let mut outcomes = Vec::new();
    if at_once {
        outcomes = join_all(appends).await;
    } else {
        for append in appends {
            outcomes.push(append.await);
        }
    }
    for outcome in outcomes {
        let outcome = outcome.unwrap();
        assert!(matches!(outcome, Outcome::Accepted(_) | Outcome::SoftFailed(_)), "{outcome:?}");
    }
    nid
}

/// The states after the forward extremities, and the current state.
async fn states(
    fixture: &Fixture,
    room: RoomNid,
) -> (Vec<BTreeSet<OwnedEventId>>, BTreeSet<OwnedEventId>) {
    let context = fixture.context.clone();
    let read = fixture.context.store.read(move |conn| {
        let mut nids: Vec<StateNid> = Vec::new();
        for extremity in events::forward_extremities(conn, room)? {
            nids.push(by_nid(conn, extremity)?.unwrap().state_after_nid.unwrap());
        }
        nids.push(rooms::state_nid(conn, room)?);
        let mut states = Vec::new();
        for nid in nids {
            let mut ids = BTreeSet::new();
            for (_, event) in context.states.get(conn, nid)?.iter() {
                ids.insert(context.events.get(conn, event)?.pdu.event_id.clone());
            }
            states.push(ids);
        }
        let current = states.pop().unwrap();
        Ok((states, current))
    });
    read.await.unwrap()
}

#[test]
fn the_state_of_a_forked_room_is_that_of_resolving_everything() {
    everywhere(async |fixture, version| {
        let mut dice = Dice(0xD1CE + version.as_str().parse::<u64>().unwrap());
        let mut conflicts = 0;
        for run in 0..10 {
            let room = Room::random(version.as_str(), &mut dice);
            let nid = take_in(&fixture, &room, version.clone(), run % 2 == 0).await;
            let (forks, current) = states(&fixture, nid).await;
            let known = Room::of(version.as_str(), room.events.clone(), &forks);
            let resolved: Resolved = naive(&known);
            assert_eq!(current, resolved.into_values().collect());
            conflicts += usize::from(!known.conflicted().is_empty());
        }
        assert!(conflicts > 3, "the rooms are too tame: {conflicts}");
    });
}
