//! What goes between two devices: to-device messages of type `m.room.encrypted`, and envelopes in room events.
//!
//! ```text
//! content = { "algorithm": "org.sealpost.ratchet.v1", "device_id": <the sender's>, "ciphertext": base64(envelope) }
//!
//!                   a session ──────────────────────────► letter ──► to-device request
//! send_inside ──►
//!                   none ──► waits ──► keys/claim ──► begun ──► letter
//! ```

use serde_json::{Map, Value, json};

use super::{
    Work, check_id,
    rows::{Device, Held, Purpose, SecretBytes, StoredPrekey, User, Waiting},
    saved_keys::is_description,
    text,
};
use crate::{
    Error,
    envelope::Envelope,
    identity::DeviceIdentity,
    inside::Inside,
    json,
    prekeys::{ALGORITHM, ClaimedPrekey},
    ratchet,
    session::{Read, Sessions},
    signed_json::{from_base64, to_base64},
    store::key,
};

/// How many devices one to-device request has messages for.
const REQUEST_DEVICES: usize = 20;
/// How many devices one claim asks for.
const CLAIM_MAX: usize = 100;
/// After a claim without a usable object, the next one waits.
const CLAIM_AGAIN_MS: i64 = 10 * 60 * 1_000;
/// How often a broken session is replaced, at most.
const HEAL_EVERY_MS: i64 = 10 * 60 * 1_000;
/// How many messages wait for a session with one device.
const WAITING_MAX: usize = 200;
/// How many events of unknown devices are kept, of one user and of all.
const HELD_OF_USER: usize = 100;
const HELD_MAX: usize = 2_000;

/// A message to a device, sealed.
pub struct Letter {
    pub user_id: String,
    pub device_id: String,
    pub content: Value,
}

impl Work<'_> {
    pub(super) fn push_sync(&mut self, sync: &Value) -> Result<(), Error> {
        if let Some(lists) = sync.get("device_lists") {
            self.push_device_lists(lists)?;
        }
        self.push_counts(sync.get("device_one_time_keys_count"));
        self.push_unused_fallbacks(sync.get("device_unused_fallback_key_types"));
        let to_device = sync.get("to_device");
        let events = to_device.and_then(|one| one.get("events").or(Some(one))?.as_array());
        for event in events.into_iter().flatten() {
            self.receive(event)?;
        }
        Ok(())
    }

    fn receive(&mut self, event: &Value) -> Result<(), Error> {
        let content = event.get("content").unwrap_or(&Value::Null);
        let is_ours = text(event, "type") == Some("m.room.encrypted")
            && text(content, "algorithm") == Some(ratchet::ALGORITHM);
        let sender = text(event, "sender").filter(|sender| check_id(sender).is_ok());
        let verification =
            text(event, "type").and_then(|kind| kind.strip_prefix("m.key.verification."));
        match (sender, verification) {
            (Some(sender), _) if is_ours => self.open_letter(sender, content, true),
            (Some(sender), Some(kind)) => self.take_verification(sender, kind, content),
            _ => {
                self.synced.unhandled.push(event.clone());
                Ok(())
            }
        }
    }

    /// Reads a letter. `may_wait`: one of an unknown device waits for an answer of its server.
    fn open_letter(&mut self, sender: &str, content: &Value, may_wait: bool) -> Result<(), Error> {
        let device_id = text(content, "device_id").filter(|id| check_id(id).is_ok());
        let bytes = text(content, "ciphertext").and_then(|bytes| from_base64(bytes).ok());
        let (Some(device_id), Some(bytes)) = (device_id, bytes) else {
            self.synced.unread += 1;
            return Ok(());
        };
        let user = self.user(sender)?;
        let Some(device) = user.device(device_id).filter(|_| user.is_tracked) else {
            return if may_wait { self.hold(sender, content) } else { Ok(()) };
        };
        let device = device.clone();
        match self.open_envelope(sender, &device, &bytes)? {
            Some(inside) => self.take_inside(&user, &device, sender, inside),
            None => {
                self.synced.unread += 1;
                Ok(())
            }
        }
    }

    fn hold(&mut self, sender: &str, content: &Value) -> Result<(), Error> {
        let prefix = key(&[sender.as_bytes(), &[]]);
        let (of_user, all) = (self.tx.scan::<Held>(&prefix)?.len(), self.tx.scan::<Held>(&[])?);
        if of_user >= HELD_OF_USER || all.len() >= HELD_MAX || !self.meet(sender)? {
            self.synced.unread += 1;
            return Ok(());
        }
        self.outdate(sender)?;
        let number = self.account.next;
        self.account.next = number.checked_add(1).ok_or(Error::TooLong)?;
        self.account_changed = true;
        let row = Held(json::write(content)?);
        self.tx.put(&key(&[sender.as_bytes(), &number.to_be_bytes()]), &row);
        Ok(())
    }

    /// Reads what waited for a user's devices to be known.
    pub(super) fn open_held(&mut self, user_id: &str) -> Result<(), Error> {
        for (at, row) in self.tx.scan::<Held>(&key(&[user_id.as_bytes(), &[]]))? {
            self.tx.delete::<Held>(&at);
            let content = json::read(row.0.as_bytes()).map_err(|_| Error::Store)?;
            self.open_letter(user_id, &content, false)?;
        }
        Ok(())
    }

    /// Opens an envelope of a device. `None`: it cannot be read; then a session that looks broken is healed.
    pub(super) fn open_envelope(
        &mut self,
        user_id: &str,
        device: &Device,
        bytes: &[u8],
    ) -> Result<Option<Inside>, Error> {
        let at = key(&[user_id.as_bytes(), device.device_id.as_bytes()]);
        let identity = device.identity(user_id)?;
        let own = identity.ed25519 == self.account.ed25519.public();
        let Ok(envelope) = Envelope::from_bytes(bytes) else { return Ok(None) };
        if own || self.is_removed(user_id, &device.ed25519.0)? {
            return Ok(None);
        }
        let sessions = self.tx.get::<Sessions>(&at)?.unwrap_or_default();
        let read = match sessions.decrypt(&envelope, self.now) {
            Ok(Some(read)) => Ok(read),
            Ok(None) => self.accept(&sessions, &identity, &envelope),
            Err(error) => Err(error),
        };
        let Ok(read) = read else {
            self.heal(user_id, &device.device_id)?;
            return Ok(None);
        };
        self.tx.put(&at, &read.sessions);
        if read.is_outdated {
            self.heal(user_id, &device.device_id)?;
        } else if read.sessions.owes_message(self.now) {
            self.send_inside(user_id, &device.device_id, &Inside::Empty)?;
        }
        Ok(Inside::from_bytes(&read.plaintext).ok())
    }

    /// Accepts a handshake, and spends the prekey that it used.
    fn accept(
        &mut self,
        sessions: &Sessions,
        identity: &DeviceIdentity,
        envelope: &Envelope,
    ) -> Result<Read, Error> {
        let Envelope::Prekey(header, message) = envelope else { return Err(Error::NoKey) };
        let at = header.prekey.0;
        let mut prekey = self.tx.get::<StoredPrekey>(&at)?.ok_or(Error::NoKey)?;
        let accepted: Vec<[u8; 32]> = prekey.accepted.iter().map(|ad| ad.0).collect();
        let (own, first) = (self.account.own(), (header, message.as_slice()));
        let (read, ad) =
            sessions.accept(&own, identity, &prekey.prekey(), &accepted, first, self.now)?;
        if prekey.is_fallback {
            if !prekey.accept(identity.ed25519.as_bytes(), &ad) {
                return Err(Error::NoKey);
            }
            self.tx.put(&at, &prekey);
        } else {
            self.tx.delete::<StoredPrekey>(&at);
        }
        Ok(read)
    }

    fn take_inside(
        &mut self,
        user: &User,
        device: &Device,
        sender: &str,
        inside: Inside,
    ) -> Result<(), Error> {
        let is_own = self.is_own(sender) && user.vouches_for(device);
        match inside {
            Inside::Empty => Ok(()),
            Inside::Wrap(wrap) => {
                self.take_wrap(sender, device, &wrap)?;
                self.note_unread(sender, &device.device_id, &wrap.id.0, "")
            }
            Inside::Distribution(distribution) => {
                self.take_distribution(&device.identity(sender)?, &distribution)
            }
            Inside::Removals(removals) => self.take_removals(&removals),
            Inside::Missing(missing) => self.answer_missing(user, device, sender, &missing),
            Inside::Secret(secret) if is_own => self.take_secret(&secret),
            Inside::Pins(pins) if is_own => self.take_pins(&pins),
            Inside::Secret(_) | Inside::Pins(_) => Ok(()),
            Inside::History(json) => {
                if user.vouches_for(device)
                    && let Ok(description) = json::read(&json)
                    && is_description(&description)
                {
                    self.synced.history.push((sender.to_owned(), description));
                }
                Ok(())
            }
        }
    }

    /// Sends to a device, now or when there is a session with it.
    pub(super) fn send_inside(
        &mut self,
        user_id: &str,
        device_id: &str,
        inside: &Inside,
    ) -> Result<(), Error> {
        let plaintext = inside.to_bytes()?;
        match self.seal_inside(user_id, device_id, &plaintext)? {
            Some(envelope) => {
                self.write_letter(user_id, device_id, &envelope);
                Ok(())
            }
            None => self.wait_for_session(user_id, device_id, Some(&plaintext)),
        }
    }

    /// Seals in the session with a device. `None`: there is none, or another is due.
    pub(super) fn seal_inside(
        &mut self,
        user_id: &str,
        device_id: &str,
        plaintext: &[u8],
    ) -> Result<Option<Vec<u8>>, Error> {
        let at = key(&[user_id.as_bytes(), device_id.as_bytes()]);
        let Some(sessions) = self.tx.get::<Sessions>(&at)? else { return Ok(None) };
        if sessions.needs_session(self.now) || self.is_healing(user_id, device_id)? {
            return Ok(None);
        }
        // A session that cannot go on concerns its device, not everybody else who reads the message.
        let Ok((envelope, sessions)) = sessions.encrypt(plaintext, self.now, self.rng) else {
            return Ok(None);
        };
        self.tx.put(&at, &sessions);
        Ok(Some(envelope))
    }

    /// Whether a new session is on its way: what is written until then waits, for the present one looks broken.
    fn is_healing(&self, user_id: &str, device_id: &str) -> Result<bool, Error> {
        let at = key(&[user_id.as_bytes(), device_id.as_bytes()]);
        if self.tx.get::<Waiting>(&at)?.is_none() {
            return Ok(false);
        }
        let user = self.user(user_id)?;
        Ok(user.device(device_id).is_some_and(|device| !self.was_claimed(device)))
    }

    /// Whether a session with a device is there to write in.
    pub(super) fn has_session(&self, user_id: &str, device_id: &str) -> Result<bool, Error> {
        let at = key(&[user_id.as_bytes(), device_id.as_bytes()]);
        let sessions = self.tx.get::<Sessions>(&at)?;
        Ok(sessions.is_some_and(|all| !all.needs_session(self.now))
            && !self.is_healing(user_id, device_id)?)
    }

    /// Wants a session with a device, for a message or without one.
    pub(super) fn wait_for_session(
        &mut self,
        user_id: &str,
        device_id: &str,
        plaintext: Option<&[u8]>,
    ) -> Result<(), Error> {
        let at = key(&[user_id.as_bytes(), device_id.as_bytes()]);
        let mut waiting = self.tx.get::<Waiting>(&at)?.unwrap_or_default();
        if let Some(plaintext) = plaintext {
            let beyond = (waiting.0.len() + 1).saturating_sub(WAITING_MAX);
            waiting.0.drain(..beyond);
            waiting.0.push(SecretBytes(plaintext.to_vec()));
        }
        self.tx.put(&at, &waiting);
        Ok(())
    }

    /// Begins a new session with a device whose messages cannot be read, or that was set back.
    fn heal(&mut self, user_id: &str, device_id: &str) -> Result<(), Error> {
        let mut user = self.user(user_id)?;
        let Some(device) = user.device_mut(device_id) else { return Ok(()) };
        if device.healed_at.is_some_and(|at| self.is_recent(at, HEAL_EVERY_MS)) {
            return Ok(());
        }
        device.healed_at = Some(self.now);
        device.claimed_at = None;
        self.tx.put(user_id.as_bytes(), &user);
        self.wait_for_session(user_id, device_id, Some(&Inside::Empty.to_bytes()?))
    }

    /// Asks for an object of each device that something waits for.
    pub(super) fn claim_keys(&mut self) -> Result<(), Error> {
        let mut devices = Vec::new();
        let mut body: Map<String, Value> = Map::new();
        for (at, _) in self.tx.scan::<Waiting>(&[])? {
            let (user_id, device_id) = split(&at)?;
            let user = self.user(&user_id)?;
            let Some(device) = user.device(&device_id) else {
                self.tx.delete::<Waiting>(&at);
                continue;
            };
            if device.gone_at.is_some() || self.is_removed(&user_id, &device.ed25519.0)? {
                self.tx.delete::<Waiting>(&at);
                continue;
            }
            // What changed is known before keys go out.
            let is_outdated = user.is_outdated && self.now >= user.ask_after;
            if is_outdated || self.was_claimed(device) || devices.len() >= CLAIM_MAX {
                continue;
            }
            let of_user = body.entry(user_id.clone()).or_insert_with(|| json!({}));
            if let Some(of_user) = of_user.as_object_mut() {
                of_user.insert(device_id.clone(), ALGORITHM.into());
            }
            devices.push((user_id, device_id));
        }
        if devices.is_empty() {
            return Ok(());
        }
        let body = json!({ "one_time_keys": body, "timeout": 10_000 });
        let purpose = Purpose::KeysClaim(devices);
        self.request("POST", "/_matrix/client/v3/keys/claim", &body, purpose)
    }

    /// Whether a device had nothing to claim a short while ago.
    pub(super) fn was_claimed(&self, device: &Device) -> bool {
        device.claimed_at.is_some_and(|at| self.is_recent(at, CLAIM_AGAIN_MS))
    }

    pub(super) fn keys_claimed(
        &mut self,
        devices: &[(String, String)],
        answer: &Value,
    ) -> Result<(), Error> {
        for (user_id, device_id) in devices {
            let mut user = self.user(user_id)?;
            let Some(device) = user.device(device_id) else { continue };
            let is_entitled = self.is_entitled(user_id, &user, device)?;
            let identity = device.identity(user_id)?;
            let object = answer
                .get("one_time_keys")
                .and_then(|all| all.get(user_id)?.get(device_id)?.as_object()?.iter().next());
            let claimed = object
                .and_then(|(name, object)| ClaimedPrekey::verify(&identity, name, object).ok());
            let begun = match claimed {
                Some(prekey) => self.begin_session(&identity, &prekey, is_entitled)?,
                None => false,
            };
            if let Some(device) = user.device_mut(device_id) {
                device.claimed_at = if begun { None } else { Some(self.now) };
            }
            self.tx.put(user_id.as_bytes(), &user);
        }
        Ok(())
    }

    fn begin_session(
        &mut self,
        identity: &DeviceIdentity,
        prekey: &ClaimedPrekey,
        is_entitled: bool,
    ) -> Result<bool, Error> {
        let at = key(&[identity.user_id.as_bytes(), identity.device_id.as_bytes()]);
        let sessions = self.tx.get::<Sessions>(&at)?.unwrap_or_default();
        let own = self.account.own();
        let Ok(mut sessions) = sessions.begin(&own, identity, prekey, self.now, self.rng) else {
            return Ok(false);
        };
        let waiting = self.tx.get::<Waiting>(&at)?.unwrap_or_default();
        self.tx.delete::<Waiting>(&at);
        for plaintext in &waiting.0 {
            // It was entitled when this was written: it must be so now, too.
            if !is_entitled && Inside::is_secret(&plaintext.0) {
                continue;
            }
            // One that is too long, of an earlier version, is nobody else's loss.
            let Ok((envelope, next)) = sessions.encrypt(&plaintext.0, self.now, self.rng) else {
                continue;
            };
            sessions = next;
            self.write_letter(&identity.user_id, &identity.device_id, &envelope);
        }
        self.tx.put(&at, &sessions);
        Ok(true)
    }

    fn write_letter(&mut self, user_id: &str, device_id: &str, envelope: &[u8]) {
        let content = json!({
            "algorithm": ratchet::ALGORITHM,
            "device_id": self.account.device_id,
            "ciphertext": to_base64(envelope),
        });
        let (user_id, device_id) = (user_id.to_owned(), device_id.to_owned());
        self.letters.push(Letter { user_id, device_id, content });
    }

    /// Makes requests of all letters: in each, one message to a device and at most twenty devices.
    pub(super) fn post_letters(&mut self) -> Result<(), Error> {
        let mut letters = std::mem::take(&mut self.letters);
        while !letters.is_empty() {
            let mut messages: Map<String, Value> = Map::new();
            let mut count = 0;
            let mut later = Vec::new();
            for letter in letters {
                let has = messages.get(&letter.user_id).and_then(|all| all.get(&letter.device_id));
                if count >= REQUEST_DEVICES || has.is_some() {
                    later.push(letter);
                    continue;
                }
                let of_user = messages.entry(letter.user_id).or_insert_with(|| json!({}));
                if let Some(of_user) = of_user.as_object_mut() {
                    of_user.insert(letter.device_id, letter.content);
                }
                count += 1;
            }
            let path = "/_matrix/client/v3/sendToDevice/m.room.encrypted/{}";
            let body = json!({ "messages": messages });
            self.request("PUT", path, &body, Purpose::ToDevice)?;
            letters = later;
        }
        Ok(())
    }
}

/// The user and device of a key.
pub(super) fn split(key: &[u8]) -> Result<(String, String), Error> {
    let text = std::str::from_utf8(key).map_err(|_| Error::Store)?;
    let (user_id, device_id) = text.split_once('\0').ok_or(Error::Store)?;
    Ok((user_id.to_owned(), device_id.to_owned()))
}
