//! A lock for each of many names; those that nobody holds take no memory.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

type Lock = tokio::sync::Mutex<()>;

#[derive(Debug)]
pub struct Locks<K>(Mutex<HashMap<K, Weak<Lock>>>);

impl<K> Default for Locks<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash> Locks<K> {
    /// Whether somebody holds the lock of `name` or waits for it.
    pub fn is_held(&self, name: &K) -> bool {
        self.0.lock().get(name).is_some_and(|lock| lock.strong_count() > 0)
    }

    /// Waits for the lock of `name`, in order of the calls.
    pub async fn lock(&self, name: &K) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock();
            match locks.get(name).and_then(Weak::upgrade) {
                Some(lock) => lock,
                None => {
                    locks.retain(|_, lock| lock.strong_count() > 0);
                    let lock = Arc::new(Lock::default());
                    locks.insert(name.clone(), Arc::downgrade(&lock));
                    lock
                }
            }
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_name_is_held_once_and_others_are_free() {
        let locks = Locks::default();
        let held = locks.lock(&"a").await;
        let _other = locks.lock(&"b").await;
        let mut waiting = Box::pin(locks.lock(&"a"));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(held);
        assert!(locks.is_held(&"a"));
        drop(waiting.await);
        assert!(!locks.is_held(&"a"));
        let _again = locks.lock(&"c").await;
        assert_eq!(locks.0.lock().len(), 2, "b and c");
    }
}
