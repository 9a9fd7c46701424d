//! Who was heard from: sending to a server that was down goes on at once when it shows that it is up.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use ruma::{OwnedServerName, ServerName};
use tokio::sync::Notify;

/// Servers that somebody waits for.
#[derive(Debug, Default)]
pub struct SignsOfLife(Mutex<HashMap<OwnedServerName, Arc<Notify>>>);

impl SignsOfLife {
    /// Watches `server` until [`SignsOfLife::forget`]. A sign of life that came before the wait for it
    /// counts, once.
    pub fn watch(&self, server: &ServerName) -> Arc<Notify> {
        Arc::clone(self.0.lock().entry(server.to_owned()).or_default())
    }

    pub fn forget(&self, server: &ServerName) {
        self.0.lock().remove(server);
    }

    /// `server` sent or answered something.
    pub fn heard_from(&self, server: &ServerName) {
        if let Some(notify) = self.0.lock().get(server) {
            notify.notify_one();
        }
    }
}
