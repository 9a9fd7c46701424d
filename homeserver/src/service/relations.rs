//! What is told of an event's children with the event (client-server API, "Aggregations of child events"): the
//! newest valid edit, a summary of the thread, who refers to it.
//!
//! An event knows whether it ever had such children ([`Event::is_parent`]): a page without parents costs no query,
//! one with some costs one, and one more when the newest events of threads are parents themselves.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use serde_json::value::RawValue;

use super::{
    event::{Event, Extra, Viewer},
    rooms::visibility::Filter,
    timeline::Context,
};
use crate::{
    error::{Error, Result},
    room::relation::{Relation, may_have_thread},
    storage::{
        Conn, EventNid, Position,
        events::Direction,
        relations::{self, Bundled, Wanted},
    },
};

/// No more references to an event are told than this.
const REFERENCES_MAX: usize = 100;
/// How many children are looked at when the viewer may not see the newest.
const LOOKED_AT_MAX: i64 = 100;

/// In which shape children are told: that of their parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Without the room id.
    Sync,
    Client,
}

/// Bundles children for one who looks at a room.
pub struct Bundler<'a> {
    pub context: &'a Context,
    pub filter: &'a Filter<'a>,
    pub viewer: Viewer<'a>,
    pub shape: Shape,
    /// What came later is not told.
    pub until: Position,
}

/// The children of one event.
#[derive(Default)]
struct Children {
    edit: Option<Arc<Event>>,
    thread: Option<Summary>,
    references: Vec<Arc<Event>>,
}

struct Summary {
    latest: Arc<Event>,
    count: i64,
    participated: bool,
}

/// What goes into an event's `m.relations`.
#[derive(Debug)]
pub struct Bundle {
    pub json: Box<RawValue>,
    /// Whether a thread is among it.
    pub has_thread: bool,
}

/// Bundles by parent.
pub type Bundles = HashMap<EventNid, Bundle>;

impl Bundler<'_> {
    pub fn bundle<'e>(
        &self,
        conn: &mut Conn,
        events: impl IntoIterator<Item = &'e Arc<Event>>,
    ) -> Result<Bundles> {
        let is_parent = |event: &&Arc<Event>| event.is_parent() && !event.pdu.is_state();
        let parents: Vec<&Arc<Event>> = events.into_iter().filter(is_parent).collect();
        let mut bundles = Bundles::new();
        if parents.is_empty() {
            return Ok(bundles);
        }
        let nids: Vec<EventNid> = parents.iter().map(|parent| parent.nid).collect();
        let rows = relations::bundled(conn, &nids, self.until, REFERENCES_MAX as i64)?;
        let mut found = Vec::with_capacity(parents.len());
        for parent in parents {
            let of_parent = |row: &&Bundled| row.parent_nid == parent.nid;
            let rows: Vec<&Bundled> = rows.iter().filter(of_parent).collect();
            if !rows.is_empty() {
                found.push((parent.nid, self.children(conn, parent, rows)?));
            }
        }
        let latest = found.iter().filter_map(|(_, children)| children.thread.as_ref());
        let latest: Vec<Arc<Event>> = latest.map(|thread| thread.latest.clone()).collect();
        // They are in a thread, so they begin none: it ends there.
        let of_latest = match latest.is_empty() {
            true => Bundles::new(),
            false => self.bundle(conn, &latest)?,
        };
        for (parent, children) in found {
            if let Some(bundle) = self.write(conn, &children, &of_latest)? {
                bundles.insert(parent, bundle);
            }
        }
        Ok(bundles)
    }

    fn children(&self, conn: &mut Conn, parent: &Event, rows: Vec<&Bundled>) -> Result<Children> {
        let (mut edits, mut thread, mut references) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            if self.filter.ignores(self.context, conn, row.sender_nid)? {
                continue;
            }
            match row.rel_type.as_str() {
                "m.replace" => edits.push(row),
                "m.thread" => thread.push(row),
                _ => references.push(row),
            }
        }
        Ok(Children {
            edit: self.edit(conn, parent, &edits)?,
            thread: self.thread(conn, parent, &thread)?,
            references: self.references(conn, references)?,
        })
    }

    /// The newest edit, by the rules for edits.
    fn edit(
        &self,
        conn: &mut Conn,
        parent: &Event,
        rows: &[&Bundled],
    ) -> Result<Option<Arc<Event>>> {
        let is_edit =
            || Relation::of(&parent.pdu.content).is_some_and(|r| r.rel_type == "m.replace");
        let event_type = parent.pdu.event_type.to_string();
        let fits =
            |row: &&&Bundled| row.sender_nid == parent.sender_nid && row.event_type == event_type;
        let rows: Vec<_> = rows.iter().filter(fits).collect();
        if rows.is_empty() || parent.redacted_because.is_some() || is_edit() {
            return Ok(None);
        }
        let newest = |events: Vec<Arc<Event>>| {
            let key = |event: &Arc<Event>| {
                (event.pdu.origin_server_ts, event.pdu.event_id.as_str().to_owned())
            };
            events.into_iter().max_by_key(key)
        };
        let events = rows.iter().map(|row| self.context.events.get(conn, row.event_nid));
        let Some(edit) = newest(events.collect::<Result<_>>()?) else { return Ok(None) };
        if let Some(edit) = self.filter.shows(self.context, conn, edit)? {
            return Ok(Some(edit));
        }
        let rel_type = Some("m.replace".to_owned());
        let wanted =
            Wanted { parent: parent.nid, rel_type, event_type: Some(event_type), depth: 1 };
        let mut seen = self.seen(conn, &wanted)?;
        seen.retain(|edit| edit.sender_nid == parent.sender_nid && is_bundled(edit));
        Ok(newest(seen))
    }

    fn thread(&self, conn: &mut Conn, root: &Event, rows: &[&Bundled]) -> Result<Option<Summary>> {
        let Some(newest) = rows.iter().max_by_key(|row| row.position) else { return Ok(None) };
        if !may_have_thread(&root.pdu.content) {
            return Ok(None);
        }
        let user = self.viewer.user_nid;
        let participated = root.sender_nid == user || rows.iter().any(|row| row.sender_nid == user);
        let latest = self.context.events.get(conn, newest.event_nid)?;
        let oldest = rows.iter().map(|row| row.oldest).min().unwrap_or(newest.position);
        let (context, room) = (self.context, root.room_nid);
        if let Some(latest) = self.filter.shows(context, conn, latest)?
            && self.filter.sees_all_since(context, conn, room, oldest)?
        {
            let count = rows.iter().map(|row| row.count).sum();
            return Ok(Some(Summary { latest, count, participated }));
        }
        // Counted are those alone that the viewer may see, of the newest.
        let rel_type = Some("m.thread".to_owned());
        let wanted = Wanted { parent: root.nid, rel_type, event_type: None, depth: 1 };
        let mut seen = self.seen(conn, &wanted)?;
        seen.retain(|event| is_bundled(event));
        let count = seen.len() as i64;
        let latest = seen.into_iter().next();
        Ok(latest.map(|latest| Summary { latest, count, participated }))
    }

    fn references(&self, conn: &mut Conn, mut rows: Vec<&Bundled>) -> Result<Vec<Arc<Event>>> {
        rows.sort_by_key(|row| row.position);
        let mut references = Vec::new();
        for row in rows {
            let event = self.context.events.get(conn, row.event_nid)?;
            if self.filter.allows(self.context, conn, &event)? {
                references.push(event);
            }
            if references.len() == REFERENCES_MAX {
                break;
            }
        }
        Ok(references)
    }

    /// The newest children that the viewer may see, newest first.
    fn seen(&self, conn: &mut Conn, wanted: &Wanted) -> Result<Vec<Arc<Event>>> {
        let range = (Position(i64::MIN), self.until);
        let backward = Direction::Backward;
        let rows = relations::children(conn, wanted, range, backward, LOOKED_AT_MAX)?;
        let mut seen = Vec::new();
        for (nid, _) in rows {
            let event = self.context.events.get(conn, nid)?;
            seen.extend(self.filter.shows(self.context, conn, event)?);
        }
        Ok(seen)
    }

    /// An object by type of relation; `None` where there is nothing to tell.
    fn write(
        &self,
        conn: &mut Conn,
        children: &Children,
        of_latest: &Bundles,
    ) -> Result<Option<Bundle>> {
        let mut fields = Vec::with_capacity(3);
        if let Some(edit) = &children.edit {
            fields.push(format!(r#""m.replace":{}"#, self.show(conn, edit, None)?));
        }
        if let Some(Summary { latest, count, participated }) = &children.thread {
            let bundle = of_latest.get(&latest.nid).map(|bundle| &*bundle.json);
            let latest = self.show(conn, latest, bundle)?;
            fields.push(format!(
                r#""m.thread":{{"latest_event":{latest},"count":{count},"current_user_participated":{participated}}}"#,
            ));
        }
        if !children.references.is_empty() {
            let mut chunk = String::new();
            for event in &children.references {
                let comma = if chunk.is_empty() { "" } else { "," };
                let id = serde_json::to_string(&event.pdu.event_id).map_err(broken)?;
                let _ = write!(chunk, r#"{comma}{{"event_id":{id}}}"#);
            }
            fields.push(format!(r#""m.reference":{{"chunk":[{chunk}]}}"#));
        }
        if fields.is_empty() {
            return Ok(None);
        }
        let json = RawValue::from_string(format!("{{{}}}", fields.join(","))).map_err(broken)?;
        Ok(Some(Bundle { json, has_thread: children.thread.is_some() }))
    }

    fn show(
        &self,
        conn: &mut Conn,
        event: &Event,
        relations: Option<&RawValue>,
    ) -> Result<Box<RawValue>> {
        let membership = self.filter.membership_at(self.context, conn, event)?;
        let extra = Extra { membership: membership.as_ref(), relations };
        match self.shape {
            Shape::Sync => event.for_sync_with(self.viewer, extra),
            Shape::Client => event.for_client_with(self.viewer, extra),
        }
    }
}

/// Whether an event may be bundled with the one it relates to, as far as it says itself.
fn is_bundled(event: &Event) -> bool {
    let pdu = &event.pdu;
    let is_bundled = |relation: Relation| {
        relation.is_bundled(&pdu.event_type.to_string(), pdu.is_state(), &pdu.content)
    };
    Relation::of(&pdu.content).is_some_and(is_bundled)
}

fn broken(error: serde_json::Error) -> Error {
    Error::internal(format!("children of an event do not serialise: {error}"))
}
