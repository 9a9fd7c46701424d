//! How many transactions of a server wait or are worked on: a bound, since they go on when the server hangs up.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use ruma::OwnedServerName;

/// An honest server sends one after another, and sends one again when it has lost patience.
const EACH_MAX: usize = 5;

#[derive(Debug, Default)]
pub struct Pending(Mutex<HashMap<OwnedServerName, usize>>);

/// One transaction, until this is dropped.
pub struct Entered {
    pending: Arc<Pending>,
    origin: OwnedServerName,
}

impl Pending {
    /// Counts one more; `None` where there are too many.
    pub fn enter(self: &Arc<Self>, origin: &OwnedServerName) -> Option<Entered> {
        let mut counts = self.0.lock();
        let count = counts.entry(origin.clone()).or_default();
        if *count >= EACH_MAX {
            return None;
        }
        *count += 1;
        Some(Entered { pending: Arc::clone(self), origin: origin.clone() })
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut counts = self.pending.0.lock();
        if let Some(count) = counts.get_mut(&self.origin) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ruma::owned_server_name;

    use super::*;

    #[test]
    fn so_many_of_one_server_and_those_of_others_beside_them() {
        let pending = Arc::new(Pending::default());
        let (a, b) = (owned_server_name!("a.test"), owned_server_name!("b.test"));
        let entered: Vec<_> = (0..EACH_MAX).map(|_| pending.enter(&a).unwrap()).collect();
        assert!(pending.enter(&a).is_none());
        drop(pending.enter(&b).unwrap());
        drop(entered);
        assert!(pending.enter(&a).is_some());
        assert!(pending.0.lock().is_empty());
    }
}
