//! An event's relation to another: what its commit writes of it, and what a user of this server may not send.

use http::StatusCode;
use ruma::api::error::ErrorKind;

use super::{Context, Tip};
use crate::{
    error::{Error, Result},
    room::{
        event::Pdu,
        relation::{Relation, may_have_thread},
    },
    service::event::Event,
    storage::{
        Conn, EventNid, Position, UserNid,
        relations::{self, RelationRow},
    },
};

/// What a commit writes of a relation.
#[derive(Debug)]
pub(in crate::service::timeline) struct Related {
    /// But for the position.
    pub row: RelationRow,
    /// The parent, if this is the first child that is bundled with it.
    pub new_parent: Option<EventNid>,
}

/// The relation of an accepted event.
pub(super) fn relate(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    event: &Event,
) -> Result<Option<Related>> {
    let pdu = &*event.pdu;
    let Some(relation) = Relation::of(&pdu.content) else { return Ok(None) };
    let parent = tip.event_by_id(context, conn, &relation.parent)?;
    if parent.as_ref().is_some_and(|parent| parent.room_nid != event.room_nid) {
        return Ok(None);
    }
    let event_type = pdu.event_type.to_string();
    let mut is_bundled = relation.is_bundled(&event_type, pdu.is_state(), &pdu.content);
    if let Some(parent) = &parent {
        is_bundled &= relation.rel_type != "m.thread" || may_have_thread(&parent.pdu.content);
    }
    let parent_nid = parent.as_ref().map(|parent| parent.nid);
    let row = RelationRow {
        event_nid: event.nid,
        room_nid: event.room_nid,
        parent_nid,
        parent_id: parent.is_none().then(|| relation.parent.to_string()),
        rel_type: relation.rel_type,
        event_type,
        sender_nid: event.sender_nid,
        position: Position(0),
        origin_server_ts: pdu.origin_server_ts.get().into(),
        annotation_key: relation.key,
        is_bundled,
    };
    let new_parent = parent.filter(|parent| is_bundled && !parent.is_parent());
    Ok(Some(Related { row, new_parent: new_parent.map(|parent| parent.nid) }))
}

/// Refuses a user's second annotation of the same kind, and threads within relations.
pub(super) fn check_relation(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    (pdu, sender): (&Pdu, UserNid),
) -> Result<()> {
    let Some(relation) = Relation::of(&pdu.content) else { return Ok(()) };
    let wrong =
        |kind, message: &'static str| Err(Error::matrix(StatusCode::BAD_REQUEST, kind, message));
    let parent = tip.event_by_id(context, conn, &relation.parent)?;
    let parent = parent.filter(|parent| parent.room_nid == tip.info.nid);
    match (relation.rel_type.as_str(), parent) {
        ("m.thread", Some(root)) if !may_have_thread(&root.pdu.content) => {
            wrong(ErrorKind::Unknown, "A thread can't begin at an event that relates to another")
        }
        ("m.annotation", parent)
            if is_repeated(context, conn, tip, (pdu, sender), &relation, parent.as_deref())? =>
        {
            wrong(ErrorKind::DuplicateAnnotation, "You have annotated this event so already")
        }
        _ => Ok(()),
    }
}

fn is_repeated(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    (pdu, sender): (&Pdu, UserNid),
    relation: &Relation,
    parent: Option<&Event>,
) -> Result<bool> {
    let (Some(key), Some(parent)) = (&relation.key, parent) else { return Ok(false) };
    let event_type = pdu.event_type.to_string();
    if !relations::annotations(conn, parent.nid, sender, (&event_type, key))?.is_empty() {
        return Ok(true);
    }
    for event in tip.pending() {
        if event.sender_nid == sender
            && event.pdu.event_type == pdu.event_type
            && Relation::of(&event.pdu.content).as_ref() == Some(relation)
        {
            // It may be committed since this snapshot, and even redacted.
            let known = context.events.by_id(conn, &event.pdu.event_id)?;
            if known.is_none_or(|event| event.redacted_because.is_none()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
