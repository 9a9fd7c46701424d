//! Where a room stands: what the next event is prepared on.
//!
//! A tip may be ahead of the database. It then holds the events on the way there.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use ruma::{
    EventId, OwnedEventId, OwnedServerName, UserId,
    events::{StateEventType, room::policy::RoomPolicyEventContent},
};

use super::{context::Context, prepare::Counted};
use crate::{
    error::{Error, Result},
    room::{
        event::Pdu,
        policy::{is_recommended, policy_server},
    },
    service::{event::Event, push::evaluate::Outcome, room_info::RoomInfo, thread::Thread},
    storage::{
        Conn, EventNid, Position, RoomNid, UserNid, events as event_rows, members, partial_rooms,
        push_counts::{self, Totals},
        rooms,
        state::State,
    },
};

#[derive(Clone)]
pub(super) struct Tip {
    pub info: Arc<RoomInfo>,
    pub generation: i64,
    pub extremities: Vec<Extremity>,
    /// The current state: resolved over all extremities.
    pub state: State,
    /// Other servers, by how many of their users are joined.
    pub servers: Arc<BTreeMap<OwnedServerName, usize>>,
    /// How many users are joined, and which of them are of this server.
    pub joined: u64,
    pub locals: Arc<HashSet<UserNid>>,
    /// Running totals of what notifies by default: of the room, of what is in no thread, and of threads as
    /// far as they were asked for.
    counted: Totals,
    counted_main: Totals,
    counted_threads: Arc<HashMap<OwnedEventId, Totals>>,
    /// What the room's `m.room.policy` says, if it is valid.
    policy: Option<Arc<RoomPolicyEventContent>>,
    /// Of a room that was entered without its members.
    pub partial: Option<Partial>,
    pending: HashMap<EventNid, Arc<Event>>,
    pending_nids: HashMap<OwnedEventId, EventNid>,
    /// The states after those of them that have one.
    pending_states: HashMap<EventNid, State>,
    /// Those of them that are in the database and become something else.
    stored: HashSet<EventNid>,
    /// Missing events after which some of them come, by way of others that count for nothing.
    passed: HashSet<OwnedEventId>,
}

/// What is known of a room while its members are not here.
#[derive(Clone, Debug)]
pub(super) struct Partial {
    /// The events since the room was entered, that one first: they are checked again.
    pub events: Arc<Vec<EventNid>>,
    /// The other servers that were in the room then.
    pub servers: Arc<Vec<OwnedServerName>>,
}

/// An event that no other follows yet.
#[derive(Clone, Debug)]
pub(super) struct Extremity {
    pub nid: EventNid,
    pub event_id: OwnedEventId,
    pub depth: i64,
    pub state_after: State,
}

impl Tip {
    /// A room without events.
    pub fn new(info: Arc<RoomInfo>) -> Self {
        Self {
            info,
            generation: 0,
            extremities: Vec::new(),
            state: State::empty(),
            servers: Arc::default(),
            joined: 0,
            locals: Arc::default(),
            counted: Totals::default(),
            counted_main: Totals::default(),
            counted_threads: Arc::default(),
            policy: None,
            partial: None,
            pending: HashMap::new(),
            pending_nids: HashMap::new(),
            pending_states: HashMap::new(),
            stored: HashSet::new(),
            passed: HashSet::new(),
        }
    }

    /// The room as the database has it.
    pub fn load(context: &Context, conn: &mut Conn, room: RoomNid) -> Result<Self> {
        let row = rooms::by_nid(conn, room)?
            .ok_or_else(|| Error::internal(format!("room {} is missing", room.0)))?;
        let mut tip = Self::new(context.rooms.by_nid(conn, room)?);
        tip.generation = row.generation;
        tip.state = context.states.get(conn, row.state_nid)?;
        for nid in event_rows::forward_extremities(conn, room)? {
            let event = context.events.get(conn, nid)?;
            tip.extremities.push(tip.extremity(context, conn, &event)?);
        }
        for (user, user_id, _) in members::of_room(conn, room, "join")? {
            tip.count_member(context, (user, &user_id), true);
        }
        if let Some(row) = push_counts::counter_at(conn, room, Position(i64::MAX))? {
            tip.counted = Totals { notify: row.room_notify, highlight: row.room_highlight };
            tip.counted_main = Totals { notify: row.main_notify, highlight: row.main_highlight };
        }
        let state = tip.state.clone();
        let policy = tip.state_event(context, conn, &state, &StateEventType::RoomPolicy, "")?;
        tip.set_policy(policy.as_deref());
        let partial = partial_rooms::get(conn, room)?.filter(|row| row.whole_at.is_none());
        if let Some(row) = partial {
            let events = Arc::new(partial_rooms::events(conn, room)?);
            tip.partial = Some(Partial { events, servers: Arc::new(servers_of(&row.servers)) });
        }
        Ok(tip)
    }

    /// An event by number, also one that is not committed yet.
    pub fn event(&self, context: &Context, conn: &mut Conn, nid: EventNid) -> Result<Arc<Event>> {
        match self.pending.get(&nid) {
            Some(event) => Ok(event.clone()),
            None => context.events.get(conn, nid),
        }
    }

    /// Whether an event is prepared and not known to be committed.
    pub fn is_held(&self, id: &EventId) -> bool {
        self.pending_nids.contains_key(id)
    }

    /// An event by id, also one that is not committed yet.
    pub fn event_by_id(
        &self,
        context: &Context,
        conn: &mut Conn,
        id: &EventId,
    ) -> Result<Option<Arc<Event>>> {
        match self.pending_nids.get(id).and_then(|nid| self.pending.get(nid)) {
            Some(event) => Ok(Some(event.clone())),
            None => context.events.by_id(conn, id),
        }
    }

    /// The event that holds a place of the state `state`.
    pub fn state_event(
        &self,
        context: &Context,
        conn: &mut Conn,
        state: &State,
        event_type: &StateEventType,
        state_key: &str,
    ) -> Result<Option<Arc<Event>>> {
        let key = context
            .store
            .state_keys()
            .find_reserved(conn, (&*event_type.to_string(), state_key))?;
        match key.and_then(|key| state.get(key)) {
            Some(nid) => self.event(context, conn, nid).map(Some),
            None => Ok(None),
        }
    }

    /// An event that others may come after.
    pub fn extremity(
        &self,
        context: &Context,
        conn: &mut Conn,
        event: &Event,
    ) -> Result<Extremity> {
        let state_after = match (self.pending_states.get(&event.nid), event.state_after) {
            (Some(state), _) => state.clone(),
            (None, Some(nid)) => context.states.get(conn, nid)?,
            (None, None) => {
                return Err(Error::internal(format!("event {} has no state", event.nid)));
            }
        };
        Ok(Extremity {
            nid: event.nid,
            event_id: event.pdu.event_id.clone(),
            depth: event.pdu.depth,
            state_after,
        })
    }

    /// Holds an event that is prepared and not committed.
    pub fn hold(&mut self, event: Arc<Event>, state_after: Option<State>) {
        self.pending_states.extend(state_after.map(|state| (event.nid, state)));
        self.pending_nids.insert(event.pdu.event_id.clone(), event.nid);
        self.pending.insert(event.nid, event);
    }

    /// Holds an event of the database that was checked again.
    pub fn hold_again(&mut self, event: Arc<Event>, state_after: State) {
        self.stored.insert(event.nid);
        self.hold(event, Some(state_after));
    }

    /// The events held: some may be committed since.
    pub fn pending(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.pending.values()
    }

    /// Those of them that have no row yet.
    pub fn unwritten(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.pending.values().filter(|event| !self.stored.contains(&event.nid))
    }

    /// Lets go of the events that the cache holds by now.
    pub fn release(&mut self, committed: impl Fn(&Event) -> bool) {
        self.pending.retain(|_, event| !committed(event));
        self.pending_nids.retain(|_, nid| self.pending.contains_key(nid));
        self.stored.retain(|nid| self.pending.contains_key(nid));
        self.pending_states.retain(|nid, _| self.pending.contains_key(nid));
        if self.pending.is_empty() {
            self.passed.clear();
        }
    }

    /// Takes note that an event comes after missing ones that it does not name.
    pub fn pass(&mut self, missing: &[OwnedEventId]) {
        self.passed.extend(missing.iter().cloned());
    }

    /// Whether one of the events held does so after this one.
    pub fn is_passed(&self, missing: &EventId) -> bool {
        self.passed.contains(missing)
    }

    /// The policy server whose signature events need: it has a user in the room and isn't this server.
    pub fn policy(&self) -> Option<&Arc<RoomPolicyEventContent>> {
        self.policy.as_ref().filter(|policy| {
            let partial = self.partial.as_ref();
            self.servers.contains_key(&policy.via)
                || partial.is_some_and(|partial| partial.servers.contains(&policy.via))
        })
    }

    /// The policy server, where it has to sign an event and has not.
    pub fn policy_without(&self, pdu: &Pdu) -> Option<&Arc<RoomPolicyEventContent>> {
        self.policy().filter(|policy| !is_recommended(policy, pdu, self.info.rules))
    }

    /// Adds an event that notifies by default to the running totals.
    pub fn count(&mut self, conn: &mut Conn, outcome: Outcome, thread: &Thread) -> Result<Counted> {
        let add = |totals: Totals| Totals {
            notify: totals.notify + outcome.counts.notify,
            highlight: totals.highlight + outcome.counts.highlight,
        };
        self.counted = add(self.counted);
        let thread = match thread {
            Thread::Main => {
                self.counted_main = add(self.counted_main);
                self.counted_main
            }
            Thread::Of(root) => {
                let before = match self.counted_threads.get(root) {
                    Some(totals) => *totals,
                    None => {
                        let latest = Position(i64::MAX);
                        push_counts::thread_totals(conn, self.info.nid, root.as_str(), latest)?
                    }
                };
                Arc::make_mut(&mut self.counted_threads).insert(root.clone(), add(before));
                add(before)
            }
        };
        Ok(Counted { outcome, room: self.counted, main: self.counted_main, thread })
    }

    /// Forgets the state of the room and who is in it, which a room that is entered has anew.
    pub fn leave_behind(&mut self) {
        self.state = State::empty();
        self.servers = Arc::default();
        self.joined = 0;
        self.locals = Arc::default();
        self.policy = None;
    }

    /// Takes note of the room's current `m.room.policy`.
    pub fn set_policy(&mut self, event: Option<&Event>) {
        self.policy = event.and_then(|event| policy_server(&event.pdu)).map(Arc::new);
    }

    /// Counts a user in or out.
    pub fn count_member(
        &mut self,
        context: &Context,
        (user, user_id): (UserNid, &str),
        joined: bool,
    ) {
        let Ok(user_id) = <&UserId>::try_from(user_id) else { return };
        let server = user_id.server_name();
        self.joined = if joined { self.joined + 1 } else { self.joined.saturating_sub(1) };
        if server == context.server_name {
            let locals = Arc::make_mut(&mut self.locals);
            match joined {
                true => locals.insert(user),
                false => locals.remove(&user),
            };
            return;
        }
        let servers = Arc::make_mut(&mut self.servers);
        if joined {
            *servers.entry(server.to_owned()).or_default() += 1;
        } else if let Some(users) = servers.get_mut(server) {
            *users -= 1;
            if *users == 0 {
                servers.remove(server);
            }
        }
    }
}

/// The servers in the row of a partial room.
pub(in crate::service) fn servers_of(json: &str) -> Vec<OwnedServerName> {
    serde_json::from_str(json).unwrap_or_default()
}
