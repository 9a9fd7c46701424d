//! Relations as they are kept, on both databases.

use super::*;
use crate::storage::{
    events::{self, EventRow},
    rooms::{self, RoomRow},
    schema::users,
    tests::on_both,
};

const ROOM: RoomNid = RoomNid(1);

fn room(tx: &mut Conn) -> Result<()> {
    for user in 1..4 {
        diesel::insert_into(users::table)
            .values((users::user_nid.eq(user), users::user_id.eq(format!("@{user}:x"))))
            .execute(tx)?;
    }
    let room = RoomRow {
        room_nid: ROOM,
        room_id: "!room".to_owned(),
        version: "12".to_owned(),
        generation: 0,
        state_nid: crate::storage::StateNid(0),
        is_public: false,
    };
    rooms::insert(tx, &room)
}

fn row(nid: i64, parent: i64, rel_type: &str, sender: i64) -> RelationRow {
    RelationRow {
        event_nid: EventNid(nid),
        room_nid: ROOM,
        parent_nid: Some(EventNid(parent)),
        parent_id: None,
        rel_type: rel_type.to_owned(),
        event_type: "m.room.message".to_owned(),
        sender_nid: UserNid(sender),
        position: Position(nid),
        origin_server_ts: 1_000 - nid,
        annotation_key: (rel_type == "m.annotation").then(|| "👍".to_owned()),
        is_bundled: rel_type != "m.annotation",
    }
}

#[test]
fn children_are_listed_in_pages_and_down_to_a_depth() {
    on_both(|store| {
        let found = store.write_blocking(|tx| {
            room(tx)?;
            for (nid, parent, rel_type) in [
                (11, 10, "m.thread"),
                (12, 11, "m.annotation"),
                (13, 12, "m.reference"),
                (14, 13, "m.reference"),
                (15, 10, "m.annotation"),
            ] {
                insert(tx, &row(nid, parent, rel_type, 1))?;
            }
            let mut find = |depth, rel_type: Option<&str>, range: (i64, i64), direction| {
                let rel_type = rel_type.map(str::to_owned);
                let wanted = Wanted { parent: EventNid(10), rel_type, event_type: None, depth };
                let range = (Position(range.0), Position(range.1));
                children(tx, &wanted, range, direction, 3)
                    .map(|rows| rows.into_iter().map(|(nid, _)| nid.0).collect::<Vec<_>>())
            };
            let (all, backward) = ((0, 99), Direction::Backward);
            Ok([
                find(1, None, all, backward)?,
                find(1, Some("m.thread"), all, backward)?,
                find(3, None, all, backward)?,
                find(3, None, (11, 14), Direction::Forward)?,
                find(9, None, (0, 14), backward)?,
                find(3, Some("m.annotation"), all, backward)?,
            ])
        });
        let expected: [&[i64]; 6] =
            [&[15, 11], &[11], &[15, 13, 12], &[12, 13], &[14, 13, 12], &[15]];
        assert_eq!(found.unwrap(), expected);
    });
}

#[test]
fn a_parent_that_comes_late_gets_its_children() {
    on_both(|store| {
        let (threads, children, again) = store
            .write_blocking(|tx| {
                room(tx)?;
                let waiting = |nid| RelationRow {
                    parent_nid: None,
                    parent_id: Some("$late".to_owned()),
                    ..row(nid, 0, "m.thread", 1)
                };
                insert(tx, &waiting(11))?;
                insert(tx, &waiting(12))?;
                let late = <&EventId>::try_from("$late").unwrap();
                let parent = (EventNid(5), late);
                assert!(!adopt(tx, RoomNid(2), parent, true)?, "another room's");
                assert!(adopt(tx, ROOM, parent, true)?);
                let again = adopt(tx, ROOM, parent, true)?;
                let until = Position(99);
                Ok((threads(tx, ROOM, until, 9)?, bundled(tx, &[EventNid(5)], until, 9)?, again))
            })
            .unwrap();
        assert_eq!(threads, [(EventNid(5), Position(12))]);
        assert_eq!(
            (children.len(), children[0].event_nid, children[0].count),
            (1, EventNid(12), 2)
        );
        assert!(!again);
    });
}

#[test]
fn what_is_bundled_is_told_by_sender_and_without_what_was_redacted() {
    on_both(|store| {
        let (before, after, threads) = store
            .write_blocking(|tx| {
                room(tx)?;
                for relation in [
                    row(11, 10, "m.thread", 1),
                    row(12, 10, "m.thread", 2),
                    row(13, 10, "m.thread", 1),
                    row(14, 10, "m.replace", 1),
                    row(15, 10, "m.replace", 1),
                    row(16, 10, "m.reference", 3),
                    row(17, 10, "m.reference", 3),
                    row(18, 10, "m.annotation", 3),
                ] {
                    insert(tx, &relation)?;
                }
                let told = |tx: &mut Conn| {
                    let mut found: Vec<_> = bundled(tx, &[EventNid(10)], Position(99), 9)?
                        .into_iter()
                        .map(|child| (child.event_nid.0, child.sender_nid.0, child.count))
                        .collect();
                    found.sort_unstable();
                    Ok::<_, crate::error::Error>(found)
                };
                let before = told(tx)?;
                forget(tx, EventNid(13))?;
                forget(tx, EventNid(14))?;
                let after = told(tx)?;
                let by_3 = participated(tx, &[EventNid(10)], UserNid(3))?;
                assert!(by_3.is_empty());
                let by_2 = participated(tx, &[EventNid(10)], UserNid(2))?;
                assert_eq!(by_2, [EventNid(10)]);
                let key = ("m.room.message", "👍");
                assert_eq!(annotations(tx, EventNid(10), UserNid(3), key)?, [EventNid(18)]);
                let first = threads(tx, ROOM, Position(99), 9)?;
                forget(tx, EventNid(12))?;
                forget(tx, EventNid(11))?;
                Ok((before, after, [first, threads(tx, ROOM, Position(99), 9)?]))
            })
            .unwrap();
        // The edit with the later time is the older event.
        assert_eq!(before, [(12, 2, 1), (13, 1, 2), (14, 1, 2), (16, 3, 2), (17, 3, 2)]);
        assert_eq!(after, [(11, 1, 1), (12, 2, 1), (15, 1, 1), (16, 3, 2), (17, 3, 2)]);
        assert_eq!(threads, [vec![(EventNid(10), Position(12))], vec![]]);
    });
}

#[test]
fn relations_of_before_the_tables_are_filled_in() {
    on_both(|store| {
        let filled = store.write_blocking(|tx| {
            room(tx)?;
            let relates = |rel_type: &str, parent: &str| {
                serde_json::json!({
                    "body": "nul \0",
                    "m.new_content": {},
                    "m.relates_to": { "rel_type": rel_type, "event_id": parent, "key": "+" },
                })
            };
            let contents = [
                serde_json::json!({ "body": "root" }),
                relates("m.thread", "$1"),
                relates("m.thread", "$2"),
                relates("m.replace", "$1"),
                relates("m.reference", "$unknown"),
                relates("m.annotation", "$2"),
            ];
            for (nid, content) in (1..).zip(contents) {
                let event = EventRow {
                    event_nid: EventNid(nid),
                    event_id: format!("${nid}"),
                    room_nid: ROOM,
                    position: Some(Position(nid)),
                    sender_nid: UserNid(1),
                    event_type: "m.room.message".to_owned(),
                    state_key_nid: None,
                    depth: 1,
                    origin_server_ts: nid,
                    received_at: nid,
                    outlier: false,
                    rejected: false,
                    soft_failed: false,
                    state_before_nid: None,
                    state_after_nid: None,
                    replaces_nid: None,
                    redacted_by_nid: None,
                    device_id: None,
                    transaction_id: None,
                    json: serde_json::json!({ "content": content }).to_string(),
                    is_parent: false,
                };
                events::insert(tx, &event)?;
            }
            fill(tx)?;
            let rows: Vec<RelationRow> = event_relations::table
                .order(event_relations::event_nid)
                .select(RelationRow::as_select())
                .load(&mut **tx)?;
            let parents: Vec<bool> = [1, 2]
                .into_iter()
                .map(|nid| events::by_nid(tx, EventNid(nid)).unwrap().unwrap().is_parent)
                .collect();
            Ok((rows, parents, threads(tx, ROOM, Position(99), 9)?))
        });
        let (rows, parents, threads) = filled.unwrap();
        let told: Vec<_> = rows
            .iter()
            .map(|row| {
                let parent = row.parent_nid.map(|parent| parent.0);
                (row.event_nid.0, parent, row.parent_id.as_deref(), row.is_bundled)
            })
            .collect();
        assert_eq!(
            told,
            [
                (2, Some(1), None, true),
                (3, Some(2), None, false),
                (4, Some(1), None, true),
                (5, None, Some("$unknown"), true),
                (6, Some(2), None, false),
            ]
        );
        assert_eq!(rows[4].annotation_key.as_deref(), Some("+"));
        assert_eq!(parents, [true, false]);
        assert_eq!(threads, [(EventNid(1), Position(2))]);
    });
}
