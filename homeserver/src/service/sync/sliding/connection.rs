//! What each connection of a device has been sent, in memory, bounded. A connection that was forgotten
//! answers `M_UNKNOWN_POS`, and its client begins anew.
//!
//! ```text
//! request without pos ─► state 1 ─► request with pos 1 ─► state 2 ─► …
//!                                   the same again    ─► state 2'     (the answer was lost)
//! ```
//!
//! A state never changes: a repeated request starts from the one that its `pos` names. What comes before
//! that one is dropped.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use parking_lot::Mutex;
use quick_cache::{Weighter, sync::Cache};
use ruma::{OwnedDeviceId, api::error::ErrorKind};

use super::{
    request::{RoomConfig, Wanted},
    response::ListResult,
};
use crate::{
    error::{Error, Result},
    service::{sessions::Session, sync::token::SyncToken},
    storage::{EventNid, Position, RoomNid, StateKeyNid, UserNid},
};

const DEVICES: usize = 10_000;
/// Rooms of all states of all connections, roughly.
const ROOMS: u64 = 2_000_000;
const CONNECTIONS_OF_DEVICE: usize = 8;
/// Answers that may be on their way at once.
const STATES: usize = 4;

/// What a client knows after an answer.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub token: SyncToken,
    pub wanted: Arc<Wanted>,
    pub counts: Vec<(String, ListResult)>,
    pub rooms: HashMap<RoomNid, SentRoom>,
}

/// What a client knows of a room.
#[derive(Clone, Debug)]
pub(super) struct SentRoom {
    /// Up to where.
    pub at: Position,
    pub membership: String,
    pub config: Arc<RoomConfig>,
    /// The most events asked for so far.
    pub timeline_limit: usize,
    /// There was more than was sent.
    pub limited: bool,
    pub is_dm: bool,
    /// Lazily loaded members that were sent.
    pub members: Arc<HashMap<StateKeyNid, EventNid>>,
}

pub(super) struct Connections {
    devices: Cache<Key, Held, Weight>,
    last: AtomicI64,
}

/// The connections of a device, the one used last at the end.
#[derive(Default)]
struct Device(Vec<Connection>);

struct Connection {
    id: String,
    states: VecDeque<(i64, Arc<State>)>,
}

type Key = (UserNid, OwnedDeviceId);

/// A device and what it weighed when it was put in.
type Held = (u64, Arc<Mutex<Device>>);

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Held> for Weight {
    fn weight(&self, _: &Key, (weight, _): &Held) -> u64 {
        *weight
    }
}

impl Device {
    fn weight(&self) -> u64 {
        let states = self.0.iter().flat_map(|connection| &connection.states);
        10 + states.map(|(_, state)| state.rooms.len() as u64).sum::<u64>()
    }
}

impl Connections {
    /// `start` is above all numbers that were ever given out, such as the time.
    pub fn new(start: i64) -> Self {
        Self { devices: Cache::with_weighter(DEVICES, ROOMS, Weight), last: AtomicI64::new(start) }
    }

    /// The state that `pos` names; 400 `M_UNKNOWN_POS` if there is none of this device's.
    pub fn find(&self, caller: &Session, id: &str, pos: &str) -> Result<Arc<State>> {
        let number: Option<i64> = pos.split_once('~').and_then(|(_, n)| n.parse().ok());
        let device = self.devices.get(&key(caller));
        let found = device.zip(number).and_then(|((_, device), number)| {
            let mut device = device.lock();
            let at = device.0.iter().position(|connection| connection.id == id)?;
            let mut connection = device.0.remove(at);
            let known = connection.states.iter().any(|(known, _)| *known == number);
            if known {
                connection.states.retain(|(known, _)| *known >= number);
            }
            let state = connection.states.front().map(|(_, state)| state.clone());
            device.0.push(connection);
            state.filter(|_| known)
        });
        found.filter(|state| pos.starts_with(&state.token.to_string())).ok_or_else(|| {
            let message = "The position is not one of this connection's, or has expired";
            Error::matrix(http::StatusCode::BAD_REQUEST, ErrorKind::UnknownPos, message)
        })
    }

    /// Keeps what the client knows when it has the next answer, and returns the `pos` of that.
    pub fn keep(&self, caller: &Session, id: &str, state: State, begins: bool) -> String {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let pos = format!("{}~{number}", state.token);
        let made = || Ok::<_, Infallible>((10, Arc::default()));
        let Ok((_, device)) = self.devices.get_or_insert_with(&key(caller), made);
        let weight = {
            let mut device = device.lock();
            let at = device.0.iter().position(|connection| connection.id == id);
            let mut connection = match at {
                Some(at) => device.0.remove(at),
                None => Connection { id: id.to_owned(), states: VecDeque::new() },
            };
            if begins {
                connection.states.clear();
            }
            if connection.states.len() == STATES {
                // The first is what repeated requests start from.
                connection.states.remove(1);
            }
            connection.states.push_back((number, Arc::new(state)));
            if device.0.len() == CONNECTIONS_OF_DEVICE {
                device.0.remove(0);
            }
            device.0.push(connection);
            device.weight()
        };
        self.devices.insert(key(caller), (weight, device));
        pos
    }
}

fn key(caller: &Session) -> Key {
    (caller.user_nid, caller.device_id.clone())
}
