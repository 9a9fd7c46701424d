//! Who was heard from: sending to a server that was down goes on at once when it shows that it is up, and so does asking
//! it.
//!
//! Where several servers did not answer and nobody was heard from since, it may be this one that was cut off: the first
//! sign of life of anybody has the others tried again, too.

mod silent;

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use ruma::{OwnedServerName, ServerName};
use tokio::sync::Notify;

pub(super) use self::silent::Patience;
use self::silent::SilentServers;

#[derive(Debug, Default)]
pub struct SignsOfLife {
    /// Servers that somebody waits for.
    watched: Mutex<HashMap<OwnedServerName, Arc<Notify>>>,
    /// Servers that did not answer.
    pub(super) silent: SilentServers,
}

impl SignsOfLife {
    /// Watches `server` until [`SignsOfLife::forget`]. A sign of life that came before the wait for it
    /// counts, once.
    pub fn watch(&self, server: &ServerName) -> Arc<Notify> {
        Arc::clone(self.watched.lock().entry(server.to_owned()).or_default())
    }

    pub fn forget(&self, server: &ServerName) {
        self.watched.lock().remove(server);
    }

    /// `server` sent or answered something.
    pub fn heard_from(&self, server: &ServerName) {
        let doubted = self.silent.heard_from(server);
        let watched = self.watched.lock();
        for server in std::iter::once(server).chain(doubted.iter().map(|doubted| &**doubted)) {
            if let Some(notify) = watched.get(server) {
                notify.notify_one();
            }
        }
    }
}
