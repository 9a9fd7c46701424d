//! The front for what a person keeps of keys, and brings back: the backup, secrets, history for others, a file of one's own.

use serde_json::Value;
use zeroize::Zeroizing;

use super::{Machine, Now, Step, backing_up};
use crate::{
    Error,
    store::{Store, Transaction},
};

impl<S: Store> Machine<S> {
    /// Makes a new version of the key backup, with fresh keys, and writes all keys to it. Answers the private keys
    /// for secret storage ([`crate::backup::PRIVATE_SECRET`]; the MAC key goes there, too: [`Machine::secret`]).
    /// A version of another algorithm is never replaced unasked: look at the server's first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn create_backup(&mut self, now: Now<'_>) -> Step<Zeroizing<[u8; 96]>> {
        self.work(now, |work| work.create_backup())
    }

    /// Writes to the version that the server tells of, if an own device made it.
    ///
    /// # Errors
    /// [`Error::Identity`]: of another algorithm, or the MAC key is not here. [`Error::Authentication`]: no own
    /// device made it.
    pub fn use_backup(&mut self, version: &Value, now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.take_backup(version))
    }

    /// Takes in the keys of a backup, as `room_keys/keys` answers them, and the pins in it. Without the version's MAC
    /// key, or where a row's MAC is wrong, keys are imports, and pins are not taken. Answers how many keys were new.
    ///
    /// # Errors
    /// [`Error::Key`]: no private keys; [`Error::Encoding`].
    pub fn restore(
        &mut self,
        private: &[u8],
        mac_key: Option<&[u8; 32]>,
        keys: &Value,
        now: Now<'_>,
    ) -> Step<u32> {
        self.work(now, |work| work.restore(private, mac_key, keys))
    }

    /// Has [`Machine::requests`] write everything to the backup that is not there, without waiting for more: before this
    /// device is no more.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn hurry_backup(&mut self, now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.hurry_backup())
    }

    /// The rooms of which keys are here that are not in the backup yet, those that are under way to it among them. Sorted.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn unsaved_rooms(&self) -> Result<Vec<String>, Error> {
        backing_up::unsaved_rooms(&Transaction::new(&self.store))
    }

    /// A secret that is kept here, for secret storage.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn secret(&mut self, name: &str, now: Now<'_>) -> Step<crate::primitives::Secret> {
        self.work(now, |work| work.secret(name)?.ok_or(Error::Unknown))
    }

    /// Keeps a secret that came from secret storage. Keys of an identity with its master key: [`Machine::adopt_identity`].
    ///
    /// # Errors
    /// [`Error::Identity`]: not of the identity that is believed, or a master key.
    pub fn keep_secret(&mut self, name: &str, value: &[u8; 32], now: Now<'_>) -> Step<()> {
        self.work(now, |work| {
            let is_ours = name.starts_with("org.sealpost.");
            if !is_ours && !work.is_own_secret(name, value)? {
                return Err(Error::Identity);
            }
            work.keep_secret(name, value);
            Ok(())
        })
    }

    /// The proven keys of a room's history, to be sealed as a file and shared.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn history(&mut self, room_id: &str, now: Now<'_>) -> Step<Zeroizing<Vec<u8>>> {
        self.work(now, |work| work.keys_of(Some(room_id)))
    }

    /// Tells all devices of a user where the keys of a room's history are: the room, and a file of the role
    /// [`crate::attachment::Role::History`], as `docs/protocol.md` has it in section 9.
    ///
    /// # Errors
    /// [`Error::Encoding`]: no such description. [`Error::TooLong`]: over 16 KiB.
    pub fn share_history(&mut self, user_id: &str, description: &Value, now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.share_history(user_id, description))
    }

    /// Takes in the keys of a room's history that a user shared, as [`Synced::history`] told. Unless they come from
    /// an own device, what they open shows "shared by X, author not proven". Answers how many were new.
    ///
    /// # Errors
    /// [`Error::Encoding`], [`Error::TooLong`].
    pub fn take_history(
        &mut self,
        from: &str,
        room_id: &str,
        bytes: &[u8],
        now: Now<'_>,
    ) -> Step<u32> {
        self.work(now, |work| work.take_history(from, room_id, bytes))
    }

    /// All keys that are here, of all rooms, to be sealed as a file of one's own ([`crate::export`]).
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn export_keys(&mut self, now: Now<'_>) -> Step<Zeroizing<Vec<u8>>> {
        self.work(now, |work| work.keys_of(None))
    }

    /// Takes in the keys of such a file. Whoever made it could have written anything: what they open shows no proven
    /// author. Answers how many were new.
    ///
    /// # Errors
    /// [`Error::Encoding`], [`Error::TooLong`].
    pub fn import_keys(&mut self, keys: &[u8], now: Now<'_>) -> Step<u32> {
        self.work(now, |work| work.import_keys(keys))
    }
}
