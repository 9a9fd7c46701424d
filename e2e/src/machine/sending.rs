//! Sealing an event for a room.
//!
//! ```text
//! event content = { "algorithm", "device_id", "audience": base64, "ciphertext": base64,
//!                   ("wraps": { user: { device: base64(envelope) } }) }          wraps: direct chats
//! inside        = { "type", "content", ("relates_to": base64(message id)) }
//! ```
//!
//! The first event for new readers comes after one that tells their list, and removals that concern them.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    Work,
    candidates::{chain_place, wrap_place},
    recipients::Recipients,
    rows::{AudienceRow, EventMessage, Given, GivenTo, OwnChainRow, Room, StoredChain, StoredWrap},
    text,
};
use crate::{
    Error,
    audience::{self, Reader},
    content, direct,
    encoding::{self, Bytes32},
    identity::Removal,
    inside::Inside,
    json, ratchet,
    room_message::{Context, MessageId},
    sender_key::{self, HeldChain, OwnChain, Provenance},
    signed_json::to_base64,
    store::key,
};

/// How many removals one event tells, and how many such events there are at once.
const REMOVALS_OF_EVENT: usize = 24;
const REMOVAL_EVENTS: usize = 20;
/// How many of one user's: nobody fills all of it with made-up ones.
const REMOVALS_OF_USER: usize = 96;
/// How many bytes of JSON the content of an event may have.
const CONTENT_MAX: usize = 60_000;

/// What is to be sent for one event.
#[derive(Clone, Debug, Serialize)]
pub struct Sealed {
    /// Events of type `m.room.encrypted`, in their order; the last one is the one that was asked for.
    pub events: Vec<SealedEvent>,
    /// People who cannot read it.
    pub left_out: Vec<String>,
    /// Devices that get its keys later: user and device.
    pub not_reached: Vec<(String, String)>,
    /// Base64 of the hash of whom it is sealed for.
    pub audience: String,
}

/// An event to send.
#[derive(Clone, Debug, Serialize)]
pub struct SealedEvent {
    /// The content.
    pub content: Value,
    /// Base64 of the message's id.
    pub message_id: String,
}

impl Work<'_> {
    pub(super) fn encrypt(
        &mut self,
        room_id: &str,
        event_type: &str,
        content: &Value,
        shown: Option<&[String]>,
    ) -> Result<Sealed, Error> {
        let recipients = self.recipients(room_id, shown)?;
        let mut room = self.room(room_id)?;
        let mut not_reached = Vec::new();
        let mut chain = match recipients.is_direct {
            true => None,
            false => Some(self.chain_for(room_id, &room, &recipients, &mut not_reached)?),
        };
        let mut plaintexts = Vec::new();
        if room.announced != Some(Bytes32(recipients.audience)) {
            plaintexts = self.announce(room_id, &mut room, &recipients)?;
        }
        let mut inside = json!({ "type": event_type, "content": content });
        if let Some(id) = self.related(room_id, content)?
            && let Some(object) = inside.as_object_mut()
        {
            object.insert("relates_to".to_owned(), to_base64(&id.0).into());
        }
        plaintexts.push(inside);
        let mut events = Vec::new();
        for plaintext in plaintexts {
            let padded = content::pad(json::write(&plaintext)?.as_bytes())?;
            events.push(match &mut chain {
                Some(chain) => self.seal_group(chain, &recipients, &padded)?,
                None => self.seal_direct(room_id, &recipients, &padded, &mut not_reached)?,
            });
        }
        if let Some(chain) = chain {
            let row = OwnChainRow { chain, settings: room.settings };
            self.tx.put(room_id.as_bytes(), &row);
            self.last_chain = self.tx.bytes::<OwnChainRow>(room_id.as_bytes()).zip(Some(row));
        }
        let audience = to_base64(&recipients.audience);
        Ok(Sealed { events, left_out: recipients.left_out, not_reached, audience })
    }

    /// The chain to write with: a new one when somebody who has the present one is not to read on.
    fn chain_for(
        &mut self,
        room_id: &str,
        room: &Room,
        recipients: &Recipients,
        not_reached: &mut Vec<(String, String)>,
    ) -> Result<OwnChain, Error> {
        let present = self.own_chain(room_id)?;
        let readers: BTreeSet<Bytes32> =
            recipients.readers.iter().map(|reader| reader.ed25519).collect();
        let mut kept = None;
        if let Some(row) =
            present.filter(|row| row.settings == room.settings && !row.chain.is_spent(self.now))
        {
            let given = self.tx.get::<Given>(&row.chain.id().0)?.unwrap_or_default();
            if given.to.iter().all(|to| readers.contains(&to.ed25519)) {
                kept = Some((row.chain, given));
            }
        }
        let is_kept = kept.is_some();
        let (chain, mut given) = match kept {
            Some(kept) => kept,
            None => {
                let chain = OwnChain::begin(&self.account.own(), room_id, self.now, self.rng);
                let held = HeldChain::new(&chain.distribution(), Provenance::Owner);
                let at = chain_place(room_id, &chain.id());
                self.tx.put(&at, &StoredChain { chain: held });
                self.unsaved(b'c', &at);
                let given = Given { room_id: room_id.to_owned(), to: Vec::new(), at: self.now };
                (chain, given)
            }
        };
        let distribution = chain.distribution();
        let iteration = distribution.iteration();
        let inside = Inside::Distribution(Box::new(distribution));
        let before = given.to.len();
        let have: BTreeSet<Bytes32> = given.to.iter().map(|to| to.ed25519).collect();
        for reader in &recipients.readers {
            let (user_id, device_id) = (&reader.user_id, &reader.device_id);
            if have.contains(&reader.ed25519) {
                continue;
            }
            given.to.push(GivenTo {
                user_id: user_id.clone(),
                device_id: device_id.clone(),
                ed25519: reader.ed25519,
                iteration,
            });
            if self.is_this(user_id, device_id) {
                continue;
            }
            if !self.has_session(user_id, device_id)? {
                not_reached.push((user_id.clone(), device_id.clone()));
            }
            self.send_inside(user_id, device_id, &inside)?;
        }
        if !is_kept || given.to.len() > before {
            self.tx.put(&chain.id().0, &given);
        }
        Ok(chain)
    }

    /// Gives up what was sealed and not sent: its place in the chain, and the list of readers that was told beside it.
    pub(super) fn rotate(&mut self, room_id: &str) -> Result<(), Error> {
        self.tx.delete::<OwnChainRow>(room_id.as_bytes());
        let mut room = self.room(room_id)?;
        if room.announced.take().is_some() {
            self.tx.put(room_id.as_bytes(), &room);
        }
        Ok(())
    }

    /// The chain of a room: the one that was last written with as it still is in memory, for its signing key is dear
    /// to make from its seed.
    fn own_chain(&mut self, room_id: &str) -> Result<Option<OwnChainRow>, Error> {
        let stored = self.tx.bytes::<OwnChainRow>(room_id.as_bytes());
        match (self.last_chain.take(), stored) {
            (Some((bytes, row)), Some(stored)) if bytes == stored => Ok(Some(row)),
            _ => self.tx.get(room_id.as_bytes()),
        }
    }

    fn seal_group(
        &mut self,
        chain: &mut OwnChain,
        recipients: &Recipients,
        padded: &[u8],
    ) -> Result<SealedEvent, Error> {
        let (message, id, next) = chain.seal(&recipients.audience, padded, self.rng)?;
        *chain = next;
        let content = self.event(sender_key::ALGORITHM, &recipients.audience, &message);
        Ok(SealedEvent { content: content.into(), message_id: to_base64(&id.0) })
    }

    fn seal_direct(
        &mut self,
        room_id: &str,
        recipients: &Recipients,
        padded: &[u8],
        not_reached: &mut Vec<(String, String)>,
    ) -> Result<SealedEvent, Error> {
        let own = self.account.owner();
        let context = Context {
            room_id,
            sender: &own.user_id,
            device_id: &own.device_id,
            audience: &recipients.audience,
        };
        let (message, wrap) = direct::seal(&context, padded, self.rng)?;
        let mut content = self.event(ratchet::ALGORITHM, &recipients.audience, &message);
        let row = StoredWrap {
            room_id: room_id.to_owned(),
            from: own.clone(),
            wrap: wrap.to_bytes().to_vec(),
            provenance: Provenance::Owner,
        };
        let at = wrap_place(&wrap.id, &own.user_id, &own.device_id);
        self.tx.put(&at, &row);
        self.unsaved(b'w', &at);
        let mut given = Given { room_id: room_id.to_owned(), to: Vec::new(), at: self.now };
        let inside = Inside::Wrap(wrap.clone());
        let plaintext = inside.to_bytes()?;
        let mut room = CONTENT_MAX.saturating_sub(json::write(&content)?.len());
        let mut wraps: Map<String, Value> = Map::new();
        for reader in &recipients.readers {
            let (user_id, device_id) = (&reader.user_id, &reader.device_id);
            given.to.push(GivenTo {
                user_id: user_id.clone(),
                device_id: device_id.clone(),
                ed25519: reader.ed25519,
                iteration: 0,
            });
            if self.is_this(user_id, device_id) {
                continue;
            }
            // The longest envelope of a wrap: a handshake and a re-key.
            let longest = 4_096 + user_id.len() + device_id.len();
            if room < longest {
                self.send_inside(user_id, device_id, &inside)?;
                continue;
            }
            let Some(envelope) = self.seal_inside(user_id, device_id, &plaintext)? else {
                let device = (user_id.clone(), device_id.clone());
                if !not_reached.contains(&device) {
                    not_reached.push(device);
                }
                self.wait_for_session(user_id, device_id, Some(&plaintext))?;
                continue;
            };
            let envelope = to_base64(&envelope);
            room = room.saturating_sub(envelope.len() + user_id.len() + device_id.len() + 16);
            let of_user = wraps.entry(user_id.clone()).or_insert_with(|| json!({}));
            if let Some(of_user) = of_user.as_object_mut() {
                of_user.insert(device_id.clone(), envelope.into());
            }
        }
        self.tx.put(&wrap.id.0, &given);
        content.insert("wraps".to_owned(), wraps.into());
        Ok(SealedEvent { content: content.into(), message_id: to_base64(&wrap.id.0) })
    }

    fn event(&self, algorithm: &str, audience: &[u8; 32], message: &[u8]) -> Map<String, Value> {
        let mut content = Map::new();
        for (name, value) in [
            ("algorithm", algorithm.to_owned()),
            ("device_id", self.account.device_id.clone()),
            ("audience", to_base64(audience)),
            ("ciphertext", to_base64(message)),
        ] {
            content.insert(name.to_owned(), value.into());
        }
        content
    }

    /// What tells the list of readers, and which of their devices were removed.
    fn announce(
        &mut self,
        room_id: &str,
        room: &mut Room,
        recipients: &Recipients,
    ) -> Result<Vec<Value>, Error> {
        let before = match room.announced {
            Some(hash) => self.readers(room_id, &hash.0)?.map(|readers| (hash.0, readers)),
            None => None,
        };
        let before = before.as_ref().map(|(hash, readers)| (hash, readers.as_slice()));
        let readers = recipients.readers.as_slice();
        let known = before.map(|(_, before)| before).unwrap_or_default();
        // Who reads for the first time has heard of none; others of those that were removed since, perhaps.
        let is_somebody_new = readers.iter().any(|reader| !audience::is_in(known, reader));
        let mut removals: Vec<Removal> = Vec::new();
        for (_, removal) in self.tx.scan::<Removal>(&[])? {
            let of_user = |reader: &Reader| reader.user_id.as_str().cmp(&removal.user_id);
            let is_of = match is_somebody_new {
                true => readers.binary_search_by(of_user).is_ok(),
                false => known.iter().any(|reader| {
                    reader.ed25519 == removal.ed25519.into() && reader.user_id == removal.user_id
                }),
            };
            let of_user = |one: &&Removal| one.user_id == removal.user_id;
            if is_of && removals.iter().filter(of_user).count() < REMOVALS_OF_USER {
                removals.push(removal);
            }
        }
        let mut contents = Vec::new();
        for some in removals.chunks(REMOVALS_OF_EVENT).take(REMOVAL_EVENTS) {
            let removals = to_base64(&encoding::encode(&some.to_vec()));
            contents.push(json!({ "removals": removals }));
        }
        contents.append(&mut audience::tell(readers, before));
        let at = key(&[room_id.as_bytes(), &recipients.audience]);
        self.tx.put(&at, &AudienceRow(recipients.readers.clone()));
        let own = self.account.owner();
        self.told(room_id, (&own.user_id, &own.device_id), &recipients.audience, self.now)?;
        room.announced = Some(Bytes32(recipients.audience));
        self.tx.put(room_id.as_bytes(), room);
        let event = |content| json!({ "type": audience::EVENT_TYPE, "content": content });
        Ok(contents.into_iter().map(event).collect())
    }

    /// The message of the event that content relates to.
    fn related(&self, room_id: &str, content: &Value) -> Result<Option<MessageId>, Error> {
        let relation = content.get("m.relates_to");
        let event_id = relation.and_then(|relation| {
            text(relation, "event_id").or_else(|| text(relation.get("m.in_reply_to")?, "event_id"))
        });
        let Some(event_id) = event_id else { return Ok(None) };
        let at = key(&[room_id.as_bytes(), event_id.as_bytes()]);
        Ok(self.tx.get::<EventMessage>(&at)?.map(|row| row.0))
    }
}
