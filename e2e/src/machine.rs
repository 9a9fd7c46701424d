//! The front that applications use.
//!
//! ```text
//!   /sync ──► push_sync ──┐                        ┌──► result      for the screen
//!   state ──► push_state ─┤                        │
//!   event ──► decrypt ────┼──► Machine ── returns ─┤
//!    text ──► encrypt ────┤   (and its store)      └──► Changes     write them, in order, durably
//!  answer ──► mark_sent ──┘
//!                              requests()  ──► what is to be sent; only after the changes are written
//! ```
//!
//! Every operation answers what came of it *and* the changes that are to be written in one transaction. The machine
//! itself goes on from them at once; on an error nothing changed. When a write fails, drop the machine and open it
//! again from what was written. Only then may what it wants to be sent leave.
//!
//! Everything to and from the server is JSON as Matrix has it. Times are milliseconds since the Unix epoch.
//!
//! | module | what is in it |
//! |---|---|
//! | `work`, `input` | an operation, from its beginning to its changes; what it may be given |
//! | `requests` | what is to be sent, and what an answer means |
//! | `pruning` | what is forgotten in time |
//! | `keys` | this device's keys and prekeys |
//! | `identity` | cross-signing, pins, removals |
//! | `tracking` | other users' identities and devices |
//! | `letters` | what goes between two devices |
//! | `rooms` | which rooms are encrypted, and who is in them |
//! | `recipients`, `sending` | who reads a message; sealing it |
//! | `receiving`, `set_back`, `missing`, `unread` | reading events; keys that are asked for; keys that nothing was read with yet |
//! | `candidates` | keys that were shared, until they are proven |
//! | `lists` | lists of readers that devices tell |
//! | `verification` | requests, short strings and QR codes between two devices |
//! | `keeping`, `backing_up`, `saved_keys` | what a person keeps of keys, and brings back: the key backup; its rows, and keys in files: history for newcomers, an export |
//! | `pins` | pins for own devices |

mod backing_up;
mod candidates;
mod identity;
mod input;
mod keeping;
mod keys;
mod letters;
mod lists;
mod missing;
mod pins;
mod pruning;
mod receiving;
mod recipients;
mod requests;
mod rooms;
pub(crate) mod rows;
mod saved_keys;
mod sending;
mod set_back;
mod tracking;
mod unread;
mod verification;
mod work;

use serde_json::Value;
use zeroize::Zeroizing;

use self::{
    input::{check_id, text},
    rows::Account,
    verification::Flows,
    work::{LastChain, Work},
};
use crate::{
    Error,
    changes::Changes,
    primitives::{ed25519, x25519},
    store::{Store, Transaction},
};

pub use self::{
    identity::{Bootstrapped, DeviceView, UserView},
    input::ID_MAX,
    receiving::{Decrypted, Outcome, Relation, Sender, Warning},
    requests::OutgoingRequest,
    rooms::RoomView,
    sending::{Sealed, SealedEvent},
    verification::VerificationView,
    work::{Now, Step, Synced},
};

/// A device: its keys, its view of others, its rooms.
pub struct Machine<S> {
    store: S,
    account: Account,
    flows: Flows,
    last_chain: LastChain,
    can_scan: bool,
}

impl<S: Store> Machine<S> {
    /// A new device with fresh keys, in an empty store.
    ///
    /// # Errors
    /// [`Error::Encoding`]: an id that Matrix does not have. [`Error::Store`]: the store is not empty.
    pub fn create(
        store: S,
        user_id: &str,
        device_id: &str,
        now: Now<'_>,
    ) -> Result<(Self, Changes), Error> {
        check_id(user_id)?;
        check_id(device_id)?;
        if Transaction::new(&store).get::<Account>(&[])?.is_some() {
            return Err(Error::Store);
        }
        let account = Account {
            user_id: user_id.to_owned(),
            device_id: device_id.to_owned(),
            ed25519: ed25519::PrivateKey::generate(now.rng),
            x25519: x25519::PrivateKey::generate(now.rng),
            is_uploaded: false,
            one_time: None,
            fallback_used: false,
            fallback_at: None,
            next: 0,
            upload_after: 0,
            pruned_at: None,
            pruned_to: None,
            set_back_at: None,
        };
        let mut machine = Self::with(store, account);
        let ((), changes) = machine.work(now, |work| {
            work.account_changed = true;
            work.begin();
            Ok(())
        })?;
        Ok((machine, changes))
    }

    /// The device that a store holds.
    ///
    /// # Errors
    /// [`Error::Unknown`]: the store is empty. [`Error::Store`]: it was written by a later version, or is damaged.
    pub fn open(store: S) -> Result<Self, Error> {
        let account = Transaction::new(&store).get::<Account>(&[])?.ok_or(Error::Unknown)?;
        Ok(Self::with(store, account))
    }

    /// Takes in what a sync answered: `device_lists`, `device_one_time_keys_count`,
    /// `device_unused_fallback_key_types` and the events of `to_device`, each where it is present. What is absent
    /// says nothing, but counts without our algorithm mean zero.
    ///
    /// # Errors
    /// [`Error::Store`]. Whatever a server or another device may put there is no error.
    pub fn push_sync(&mut self, sync: &Value, now: Now<'_>) -> Step<Synced> {
        self.work(now, |work| {
            work.push_sync(sync)?;
            Ok(std::mem::take(&mut work.synced))
        })
    }

    /// Takes in state events of a room, in the order in which they hold: of these `m.room.encryption`,
    /// `m.room.history_visibility` and `m.room.member` count. With `is_whole`, they are all members that there are:
    /// others are gone. After a gap of sync the members are to be fetched and pushed whole.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn push_state(
        &mut self,
        room_id: &str,
        events: &[Value],
        is_whole: bool,
        now: Now<'_>,
    ) -> Step<RoomView> {
        self.work(now, |work| work.push_state(room_id, events, is_whole))
    }

    /// What is known of a room: whether and how it is encrypted, and whether its members are known.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn room(&self, room_id: &str) -> Result<RoomView, Error> {
        rooms::view(&Transaction::new(&self.store), room_id)
    }

    /// The rooms in which everything that is sent is sealed, whatever their state says.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn encrypted_rooms(&self) -> Result<Vec<String>, Error> {
        rooms::encrypted(&Transaction::new(&self.store))
    }

    /// Says that members may have changed unseen: nothing is sealed for the room until they are pushed whole.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn forget_members(&mut self, room_id: &str, now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.forget_members(room_id))
    }

    /// Says that changes of devices may have been missed: before what a sync brings that goes on from nothing that
    /// was taken in. The keys of everybody who is followed are asked for anew.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn outdate_all(&mut self, now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.outdate_all())
    }

    /// Says whether something was said in a room that is still to be fetched: keys with which it could be read are kept
    /// longer until it was, if not for ever.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn set_gap(&mut self, room_id: &str, is_open: bool, now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.set_gap(room_id, is_open))
    }

    /// All that is to be sent now, oldest first; the same again until it is marked as sent. To be asked for at least
    /// daily: what is old is forgotten here, a part in each call.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn requests(&mut self, now: Now<'_>) -> Step<Vec<OutgoingRequest>> {
        self.work(now, |work| work.requests())
    }

    /// Takes in the answer to a request. One that is not known any more is no error.
    ///
    /// # Errors
    /// [`Error::Store`]. Whatever a server may answer is no error.
    pub fn mark_sent(&mut self, id: u64, answer: &Value, now: Now<'_>) -> Step<Synced> {
        self.work(now, |work| {
            work.mark_sent(id, answer)?;
            Ok(std::mem::take(&mut work.synced))
        })
    }

    /// Says that a server refused a request for good: with a status from 400 to 499 that is not 429. What it
    /// carried is made anew where that can help.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn mark_refused(&mut self, id: u64, status: u16, now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.mark_refused(id, status))
    }

    /// Whether everything is there to write in a room; else sends of [`Machine::requests`] bring it. `true` also
    /// when some devices cannot be reached now: they get the message's keys later.
    ///
    /// # Errors
    /// As [`Machine::encrypt`], but [`Error::NotReady`].
    pub fn prepare(&mut self, room_id: &str, now: Now<'_>) -> Step<bool> {
        self.work(now, |work| work.prepare(room_id))
    }

    /// Seals an event of a type and content for a room. `shown`: the users that were shown as readers when it was
    /// written; nobody else gets it, although they have joined since. Send the events in their order, with the
    /// requests that stand beside them, after the changes are written.
    ///
    /// # Errors
    /// [`Error::Unencrypted`]: nothing may be sent in this room. [`Error::NotReady`]: [`Machine::prepare`] first.
    /// [`Error::Identity`]: the own identity is not certain or this device not vouched for, or one of a reader's
    /// changed. [`Error::TooLong`]: longer than 24 KiB.
    pub fn encrypt(
        &mut self,
        room_id: &str,
        event_type: &str,
        content: &Value,
        shown: Option<&[String]>,
        now: Now<'_>,
    ) -> Step<Sealed> {
        self.work(now, |work| work.encrypt(room_id, event_type, content, shown))
    }

    /// Whether the bytes that were sealed for an audience may be sent again: nobody of it is gone since. If not, they
    /// are given up, as by [`Machine::rotate`].
    ///
    /// # Errors
    /// As [`Machine::encrypt`].
    pub fn may_send_again(
        &mut self,
        room_id: &str,
        audience: &[u8; 32],
        now: Now<'_>,
    ) -> Step<bool> {
        self.work(now, |work| work.may_send_again(room_id, audience))
    }

    /// Has the next message in a room begin a new chain, and tell its readers anew. For what was sealed and is given
    /// up before a server has it: in the present chain the others would see that a message is missing.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn rotate(&mut self, room_id: &str, now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.rotate(room_id))
    }

    /// Reads an `m.room.encrypted` event of a room. An event may be read as often as is wanted.
    ///
    /// # Errors
    /// [`Error::Store`]. What cannot be read is an [`Outcome`].
    pub fn decrypt(&mut self, room_id: &str, event: &Value, now: Now<'_>) -> Step<Outcome> {
        self.work(now, |work| work.decrypt(room_id, event))
    }

    /// Who should not be among the readers of a message that was read before, by what is known now: to be asked
    /// whenever the message is shown. `at` is when it was sent, in its server's words. `None`: the list was not told.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn warnings(
        &mut self,
        room_id: &str,
        audience: &[u8; 32],
        at: i64,
        now: Now<'_>,
    ) -> Step<Option<Vec<Warning>>> {
        self.work(now, |work| work.warnings(room_id, audience, at))
    }

    /// Makes this user's identity: master, self-signing and user-signing key, signs this device with it, and has
    /// it uploaded. The master key is answered, to be put into secret storage: it is kept nowhere else. An identity
    /// that was there is replaced: call it without asking only where the server has none.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn bootstrap(&mut self, now: Now<'_>) -> Step<Bootstrapped> {
        self.work(now, |work| work.bootstrap())
    }

    /// Pins and signs with the own identity's private keys, as they come from secret storage. They must be those of
    /// the keys that the server tells of: ask it for the own user first.
    ///
    /// # Errors
    /// [`Error::NotReady`]: the own keys are not known yet. [`Error::Identity`]: other keys than the published ones.
    pub fn adopt_identity(
        &mut self,
        master: &[u8; 32],
        self_signing: &[u8; 32],
        user_signing: &[u8; 32],
        now: Now<'_>,
    ) -> Step<()> {
        self.work(now, |work| work.adopt_identity(master, self_signing, user_signing))
    }

    /// What is known of a user.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn user(&self, user_id: &str) -> Result<UserView, Error> {
        identity::view(&Transaction::new(&self.store), user_id)
    }

    /// Follows a user's keys from now on.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn track(&mut self, user_id: &str, now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.track(user_id))
    }

    /// Goes on with the identity that a user has now, after this device's user looked at the change: `master` is
    /// the key that was shown. It is not verified.
    ///
    /// # Errors
    /// [`Error::Unknown`]; [`Error::Identity`]: for the own user, or the server tells of another one by now.
    pub fn accept_identity(&mut self, user_id: &str, master: &[u8; 32], now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.accept_identity(user_id, master))
    }

    /// Says that a user's identity was compared with this master key: by safety number, emoji or QR. Own devices
    /// learn it by a signature.
    ///
    /// # Errors
    /// [`Error::Unknown`]; [`Error::Identity`]: that is not the identity that the server tells of.
    pub fn verify_identity(&mut self, user_id: &str, master: &[u8; 32], now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.verify_identity(user_id, master))
    }

    /// Vouches for an own device, whose key was compared.
    ///
    /// # Errors
    /// [`Error::Unknown`]; [`Error::Identity`]: another key than the one known, or no self-signing key is here.
    pub fn vouch_for(&mut self, device_id: &str, key: &[u8; 32], now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.vouch_for(device_id, key))
    }

    /// States for ever that an own device is not to be believed, to every device that shares a room with it. To
    /// delete it on the server is the caller's. Where a backup was written to, a new version begins, as
    /// [`Machine::create_backup`] makes it, whose MAC key the own devices that stay are sent; its private keys are
    /// answered, for secret storage.
    ///
    /// # Errors
    /// [`Error::Unknown`]; [`Error::Identity`]: no self-signing key is here.
    pub fn remove_device(
        &mut self,
        device_id: &str,
        now: Now<'_>,
    ) -> Step<Option<Zeroizing<[u8; 96]>>> {
        self.work(now, |work| work.remove_device(device_id))
    }

    /// Sends a private key to an own device that is vouched for, inside a session. After QR or SAS only.
    ///
    /// # Errors
    /// [`Error::Unknown`]; [`Error::Identity`]: the device is not vouched for.
    pub fn share_secret(&mut self, device_id: &str, name: &str, now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.share_secret(device_id, name))
    }

    /// Sends all pins to an own device that is vouched for: whose identities are believed, which rooms are encrypted,
    /// which devices are gone. Together with the secrets.
    ///
    /// # Errors
    /// As [`Machine::share_secret`].
    pub fn share_pins(&mut self, device_id: &str, now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.share_pins(device_id))
    }

    /// Asks a user's devices, or one of them, for a verification. Answers its transaction id.
    ///
    /// # Errors
    /// [`Error::Unknown`]: no such device is known.
    pub fn request_verification(
        &mut self,
        user_id: &str,
        device_id: Option<&str>,
        now: Now<'_>,
    ) -> Step<String> {
        self.work(now, |work| work.request_verification(user_id, device_id))
    }

    /// Agrees to a verification that another device asked for.
    ///
    /// # Errors
    /// [`Error::Unknown`]; [`Error::Order`]: not now.
    pub fn accept_verification(&mut self, transaction_id: &str, now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.accept_verification(transaction_id))
    }

    /// Begins to compare short strings, when both are ready.
    ///
    /// # Errors
    /// [`Error::Unknown`]; [`Error::Order`]: not now.
    pub fn start_sas(&mut self, transaction_id: &str, now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.start_sas(transaction_id))
    }

    /// Says that both people see the same string. The identity counts as verified when the other side says so, too.
    ///
    /// # Errors
    /// [`Error::Unknown`]; [`Error::Order`]: not now; [`Error::Authentication`]: the other side's keys are not
    /// those that are known here.
    pub fn confirm_sas(&mut self, transaction_id: &str, now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.confirm_sas(transaction_id))
    }

    /// Says whether this device can scan a QR code, in verifications from now on: until the machine is dropped. At
    /// first it cannot. It can always show one.
    pub fn set_can_scan(&mut self, can_scan: bool) {
        self.can_scan = can_scan;
    }

    /// The bytes of a QR code to show, when both are ready and the other device can scan; the same ones again.
    ///
    /// # Errors
    /// [`Error::Unknown`]; [`Error::Order`]: not now. [`Error::Identity`]: there is no identity to verify.
    pub fn show_qr(&mut self, transaction_id: &str, now: Now<'_>) -> Step<Vec<u8>> {
        self.work(now, |work| work.show_qr(transaction_id))
    }

    /// Takes in the bytes of a QR code that the other device shows, and answers which verification it belongs to. If
    /// the keys in it are those that are known here, the other side is verified from now on; else the verification
    /// is cancelled with `m.key_mismatch`.
    ///
    /// # Errors
    /// [`Error::Encoding`]: no such code. [`Error::Unknown`]: of a verification that is not known. [`Error::Order`]:
    /// not now.
    pub fn scan_qr(&mut self, code: &[u8], now: Now<'_>) -> Step<String> {
        self.work(now, |work| work.scan_qr(code))
    }

    /// Says that the person saw on the other device that it scanned the code which is shown here and found it
    /// right: its side is verified from now on.
    ///
    /// # Errors
    /// [`Error::Unknown`]; [`Error::Order`]: it did not say that it scanned. [`Error::Identity`]: the identity is
    /// another one by now.
    pub fn confirm_scanned(&mut self, transaction_id: &str, now: Now<'_>) -> Step<()> {
        self.work(now, |work| work.confirm_scanned(transaction_id))
    }

    /// Ends a verification: `m.user`, or `m.mismatched_sas` when the strings differ.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn cancel_verification(
        &mut self,
        transaction_id: &str,
        code: &str,
        now: Now<'_>,
    ) -> Step<()> {
        self.work(now, |work| work.cancel_verification(transaction_id, code))
    }

    /// A verification as it stands.
    pub fn verification(&self, transaction_id: &str) -> Option<VerificationView> {
        self.flows.get(transaction_id).map(|flow| flow.view(transaction_id))
    }

    /// The id of this device and its keys.
    pub fn identity(&self) -> crate::identity::DeviceIdentity {
        self.account.own().identity()
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }
}
