//! Reading events.
//!
//! ```text
//! event ──► its message's id ──► known under another event: a duplicate
//!       ──► chain or wrap ──► none: asked for
//!       ──► opened ──► author: the device of the key's owner, believed if its identity vouches for it
//!       ──► readers: warned of if this device's own view never vouched for them, knows them removed or gone
//! ```

use serde::Serialize;
use serde_json::Value;

use super::{
    Work,
    candidates::{chain_place, wrap_place},
    check_id, pins,
    rooms::is_ours,
    rows::{Asked, Device, EventMessage, MessageEvent, StoredChain, StoredWrap, User},
    text,
    unread::place,
};
use crate::{
    Error, audience, content, direct,
    direct::Wrap,
    encoding::Bytes32,
    identity::DeviceIdentity,
    inside::{Inside, MissingKey},
    json, ratchet,
    room_message::{Context, MessageId},
    sender_key::{self, Distribution, Owner, Provenance, Received},
    signed_json::{from_base64, key_from_base64, to_base64},
    store::key,
};

/// What came of reading an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Outcome {
    /// It was read.
    Read(Box<Decrypted>),
    /// Its key is not here, and was asked for: read again when a sync names the room.
    MissingKey,
    /// It is of a device that nobody vouches for, or whose user's identity is not certain. Not to be shown; read
    /// again after keys of its sender changed.
    NotVouchedFor,
    /// It is of a device that was removed.
    Removed,
    /// The same message was in an earlier event. Not to be shown.
    Duplicate {
        /// That event.
        event_id: String,
    },
    /// It is not authentic, or no message of this protocol.
    Refused,
    /// It is encrypted by another algorithm.
    Foreign,
}

/// A message that was read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decrypted {
    /// The type of the event inside.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Its content. Whatever relation stands in it was checked.
    pub content: Value,
    /// Who wrote it.
    pub sender: Sender,
    /// Base64 of the message's id.
    pub message_id: String,
    /// Base64 of the hash of who can read it.
    pub audience: String,
    /// The list of who can read it is known: else nobody can be warned of, and that is to be shown.
    pub audience_is_known: bool,
    /// Who should not be able to read it, as far as is known now: see [`super::Machine::warnings`].
    pub warnings: Vec<Warning>,
    /// What it relates to.
    pub relation: Relation,
}

/// The author of a message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sender {
    /// The user.
    pub user_id: String,
    /// The device.
    pub device_id: String,
    /// The user's identity was compared.
    pub is_verified: bool,
    /// The key came from the author's device. Else its author is not proven.
    pub is_proven: bool,
    /// Who shared the key, if it was not the author.
    pub shared_by: Option<String>,
}

/// A reader who should not be one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Warning {
    /// The user.
    pub user_id: String,
    /// The device.
    pub device_id: String,
    /// `not_vouched_for`, `removed` or `gone`.
    pub reason: &'static str,
}

/// What a message relates to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Relation {
    /// Nothing.
    None,
    /// The message that its author meant.
    Checked,
    /// An event that was not read yet: it applies if that event turns out to hold this message, base64, or with
    /// none if that event is not sealed.
    Unchecked {
        /// The message.
        message_id: Option<String>,
    },
    /// Another message than its author meant: not to be applied.
    Wrong,
}

/// What is read of an event before anything is believed.
struct Parsed<'v> {
    event_id: &'v str,
    sender: &'v str,
    device_id: &'v str,
    audience: [u8; 32],
    message: Vec<u8>,
    content: &'v Value,
}

/// A message that was opened: its padded content, id, and where its key is from.
struct Opened {
    padded: zeroize::Zeroizing<Vec<u8>>,
    id: MessageId,
    owner: Owner,
    provenance: Provenance,
}

impl Work<'_> {
    pub(super) fn decrypt(&mut self, room_id: &str, event: &Value) -> Result<Outcome, Error> {
        let content = event.get("content").unwrap_or(&Value::Null);
        let algorithm = text(content, "algorithm").unwrap_or_default();
        if !is_ours(algorithm) {
            return Ok(Outcome::Foreign);
        }
        let Some(parsed) = parse(event, content).filter(|_| check_id(room_id).is_ok()) else {
            return Ok(Outcome::Refused);
        };
        let opened = if algorithm == sender_key::ALGORITHM {
            self.open_group(room_id, &parsed)?
        } else {
            self.open_direct(room_id, &parsed)?
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(outcome) => return Ok(outcome),
        };
        let user = self.user(parsed.sender)?;
        let key = opened.owner.ed25519;
        let device = user.device(parsed.device_id).filter(|device| device.ed25519 == key);
        let is_vouched_for = match (device, &opened.provenance) {
            (Some(device), _) => user.vouches_for(device),
            // It is gone, and this device never saw it.
            (None, Provenance::Vouched(master)) => user.pinned == Some(*master),
            (None, _) => false,
        };
        if (device.is_some() || is_vouched_for) && self.is_removed(parsed.sender, &key.0)? {
            return Ok(Outcome::Removed);
        }
        if !is_vouched_for {
            self.suspect(parsed.sender)?;
            return Ok(Outcome::NotVouchedFor);
        }
        if let Some(event_id) = self.remember(room_id, &parsed, opened.id)? {
            return Ok(Outcome::Duplicate { event_id });
        }
        self.pin(room_id)?;
        self.show(room_id, event, &parsed, &user, opened)
    }

    fn open_group(
        &mut self,
        room_id: &str,
        parsed: &Parsed<'_>,
    ) -> Result<Result<Opened, Outcome>, Error> {
        let Ok(received) = Received::from_bytes(&parsed.message) else {
            return Ok(Err(Outcome::Refused));
        };
        let what = MissingKey::Chain(received.chain(), received.iteration());
        let at = chain_place(room_id, &received.chain());
        let is_own = self.is_this(parsed.sender, parsed.device_id);
        // The one at its place comes first.
        let all = self.tx.scan::<StoredChain>(&at)?;
        let context = parsed.context(room_id);
        let mut is_missing = all.is_empty();
        for (place, row) in &all {
            match row.chain.open(&context, &received) {
                Ok((opened, chain)) => {
                    let (owner, provenance) = (chain.owner().clone(), chain.provenance().clone());
                    if is_own {
                        self.own_message(room_id, &received)?;
                    }
                    match *place == at {
                        true => self.tx.put(&at, &StoredChain { chain }),
                        false => self.hold_chain(&at, chain, &all)?,
                    }
                    self.was_read(parsed.sender, parsed.device_id, &received.chain().0)?;
                    return Ok(Ok(Opened {
                        padded: opened.padded,
                        id: opened.id,
                        owner,
                        provenance,
                    }));
                }
                Err(Error::NoKey) => is_missing = true,
                Err(_) if row.chain.provenance().is_proven() => {}
                // It is the key that is wrong.
                Err(_) => is_missing |= row.chain.check(&context, &received).is_ok(),
            }
        }
        if is_missing {
            // Also where somebody shared a key that does not open it.
            if is_own {
                self.unknown_own_message(room_id)?;
            }
            return self.ask(room_id, (parsed.sender, parsed.device_id), what).map(Err);
        }
        Ok(Err(Outcome::Refused))
    }

    fn open_direct(
        &mut self,
        room_id: &str,
        parsed: &Parsed<'_>,
    ) -> Result<Result<Opened, Outcome>, Error> {
        let context = parsed.context(room_id);
        let Ok(id) = direct::id(&context, &parsed.message) else {
            return Ok(Err(Outcome::Refused));
        };
        let held = self.wraps_of(&id, parsed.sender, parsed.device_id)?;
        let is_here = held.iter().any(|(_, row)| row.provenance.is_proven());
        if let Some(opened) = self.open_with(room_id, parsed, id, held)? {
            return Ok(Ok(opened));
        }
        if is_here {
            return Ok(Err(Outcome::Refused));
        }
        if self.is_this(parsed.sender, parsed.device_id) {
            self.unknown_own_message(room_id)?;
        }
        self.unwrap_for_this(parsed, id)?;
        let held = self.wraps_of(&id, parsed.sender, parsed.device_id)?;
        match self.open_with(room_id, parsed, id, held)? {
            Some(opened) => Ok(Ok(opened)),
            None => self
                .ask(room_id, (parsed.sender, parsed.device_id), MissingKey::Message(id))
                .map(Err),
        }
    }

    /// Opens a direct message with the first wrap that does.
    fn open_with(
        &mut self,
        room_id: &str,
        parsed: &Parsed<'_>,
        id: MessageId,
        held: Vec<(Vec<u8>, StoredWrap)>,
    ) -> Result<Option<Opened>, Error> {
        // Whoever shares a key may name another of the author's under the same id.
        let is_key = |this: &Self, key: &Bytes32| -> Result<bool, Error> {
            let user = this.user(parsed.sender)?;
            Ok(user.device(parsed.device_id).is_none_or(|device| device.ed25519 == *key))
        };
        let context = parsed.context(room_id);
        for (at, mut row) in held {
            let is_of_room = row.room_id.is_empty() || row.room_id == room_id;
            let is_authors = row.provenance.is_proven() || is_key(self, &row.from.ed25519)?;
            let wrap = row.open()?;
            let opened = direct::open(&context, &parsed.message, &wrap);
            let Some(padded) = opened.ok().filter(|_| is_of_room && is_authors) else { continue };
            if row.room_id.is_empty() {
                row.room_id = room_id.to_owned();
                self.tx.put(&at, &row);
                self.was_read(parsed.sender, parsed.device_id, &id.0)?;
                if row.is_for_backup() {
                    self.unsaved(b'w', &at);
                }
            }
            let (owner, provenance) = (row.from.clone(), row.provenance.clone());
            return Ok(Some(Opened { padded, id, owner, provenance }));
        }
        Ok(None)
    }

    /// Opens the envelope that an event has for this device: nothing but the wrap of its message may be in it.
    fn unwrap_for_this(&mut self, parsed: &Parsed<'_>, id: MessageId) -> Result<(), Error> {
        let wraps = parsed.content.get("wraps").and_then(|all| all.get(&self.account.user_id));
        let envelope = wraps.and_then(|of_user| text(of_user, &self.account.device_id));
        let Some(envelope) = envelope.and_then(|text| from_base64(text).ok()) else {
            return Ok(());
        };
        let user = self.user(parsed.sender)?;
        let Some(device) = user.device(parsed.device_id) else {
            return self.suspect(parsed.sender);
        };
        if let Some(Inside::Wrap(wrap)) = self.open_envelope(parsed.sender, device, &envelope)?
            && wrap.id == id
        {
            self.take_wrap(parsed.sender, device, &wrap)?;
        }
        Ok(())
    }

    /// Keeps a wrap that a session with a device brought.
    pub(super) fn take_wrap(
        &mut self,
        sender: &str,
        device: &Device,
        wrap: &Wrap,
    ) -> Result<(), Error> {
        let (from, asked_at) = (device.owner(sender), place(sender, &device.device_id, &wrap.id.0));
        let mut is_held = false;
        for (at, kept) in self.wraps_of(&wrap.id, sender, &device.device_id)? {
            match kept.provenance {
                Provenance::Owner | Provenance::Vouched(_) => is_held |= kept.from == from,
                // What others said is not needed any more.
                _ => self.tx.delete::<StoredWrap>(&at),
            }
        }
        if is_held {
            return Ok(());
        }
        let row = StoredWrap {
            room_id: String::new(),
            from,
            wrap: wrap.to_bytes().to_vec(),
            provenance: Provenance::Owner,
        };
        let at = wrap_place(&wrap.id, sender, &device.device_id);
        self.tx.put(&at, &row);
        self.unsaved(b'w', &at);
        if let Some(asked) = self.tx.get::<Asked>(&asked_at)? {
            self.tx.delete::<Asked>(&asked_at);
            self.keys_arrived(&asked.room_id);
        }
        Ok(())
    }

    /// Takes in a chain that a session with its owner brought. What another says of it is not believed.
    pub(super) fn take_distribution(
        &mut self,
        from: &DeviceIdentity,
        distribution: &Distribution,
    ) -> Result<(), Error> {
        if distribution.owner != Owner::of(from) || check_id(&distribution.room_id).is_err() {
            return Ok(());
        }
        let id = distribution.id();
        let is_new =
            self.tx.get::<StoredChain>(&chain_place(&distribution.room_id, &id))?.is_none();
        if self.take_chain(distribution, &Provenance::Owner)? {
            let (user_id, device_id) = (&from.user_id, &from.device_id);
            self.tx.delete::<Asked>(&place(user_id, device_id, &id.0));
            if is_new {
                self.note_unread(user_id, device_id, &id.0, &distribution.room_id)?;
            }
        }
        Ok(())
    }

    pub(super) fn keys_arrived(&mut self, room_id: &str) {
        if !self.synced.rooms_with_keys.iter().any(|known| known == room_id) {
            self.synced.rooms_with_keys.push(room_id.to_owned());
        }
    }

    /// Remembers which event holds a message. Answers the first one that did, if it is another.
    fn remember(
        &mut self,
        room_id: &str,
        parsed: &Parsed<'_>,
        id: MessageId,
    ) -> Result<Option<String>, Error> {
        let at = key(&[room_id.as_bytes(), &id.0]);
        if let Some(first) = self.tx.get::<MessageEvent>(&at)? {
            return Ok((first.event_id != parsed.event_id).then_some(first.event_id));
        }
        let (event_id, sender) = (parsed.event_id.to_owned(), parsed.sender.to_owned());
        let of_event = key(&[room_id.as_bytes(), event_id.as_bytes()]);
        self.tx.put(&of_event, &EventMessage(id));
        self.tx.put(&at, &MessageEvent { event_id, sender });
        Ok(None)
    }

    /// Pins a room as encrypted: an event of our family authenticated, or another own device did.
    pub(super) fn pin(&mut self, room_id: &str) -> Result<(), Error> {
        let mut room = self.room(room_id)?;
        if room.is_pinned {
            return Ok(());
        }
        room.is_pinned = true;
        self.unsaved(pins::ROOM, room_id.as_bytes());
        self.tx.put(room_id.as_bytes(), &room);
        Ok(())
    }

    fn show(
        &mut self,
        room_id: &str,
        event: &Value,
        parsed: &Parsed<'_>,
        user: &User,
        opened: Opened,
    ) -> Result<Outcome, Error> {
        let inside = content::unpad(&opened.padded).ok();
        let inside: Option<Value> = inside.and_then(|bytes| json::read(bytes).ok());
        let Some(Value::Object(mut inside)) = inside else { return Ok(Outcome::Refused) };
        let event_type = inside.get("type").and_then(Value::as_str).map(str::to_owned);
        let at = event.get("origin_server_ts").and_then(Value::as_i64).unwrap_or(self.now);
        let relates_to = inside.get("relates_to").and_then(Value::as_str).map(key_from_base64);
        let content = inside.remove("content");
        let (Some(event_type), Some(content)) = (event_type, content) else {
            return Ok(Outcome::Refused);
        };
        if event_type == audience::EVENT_TYPE {
            self.take_list(room_id, (parsed.sender, parsed.device_id), &content, at)?;
        }
        let relates_to = match relates_to.transpose() {
            Ok(id) => id.map(MessageId),
            Err(_) => return Ok(Outcome::Refused),
        };
        let relation = self.relation(room_id, &content, relates_to)?;
        let warnings = self.warnings(room_id, &parsed.audience, at)?;
        let shared_by = match &opened.provenance {
            Provenance::Shared(by) => Some(by.clone()),
            _ => None,
        };
        let sender = Sender {
            user_id: parsed.sender.to_owned(),
            device_id: parsed.device_id.to_owned(),
            is_verified: user.is_verified && !user.has_changed(),
            is_proven: opened.provenance.is_proven(),
            shared_by,
        };
        Ok(Outcome::Read(Box::new(Decrypted {
            event_type,
            content,
            sender,
            message_id: to_base64(&opened.id.0),
            audience: to_base64(&parsed.audience),
            audience_is_known: warnings.is_some(),
            warnings: warnings.unwrap_or_default(),
            relation,
        })))
    }

    fn relation(
        &self,
        room_id: &str,
        content: &Value,
        meant: Option<MessageId>,
    ) -> Result<Relation, Error> {
        let relation = content.get("m.relates_to");
        let event_id = relation.and_then(|relation| {
            text(relation, "event_id").or_else(|| text(relation.get("m.in_reply_to")?, "event_id"))
        });
        let Some(event_id) = event_id else { return Ok(Relation::None) };
        let at = key(&[room_id.as_bytes(), event_id.as_bytes()]);
        let known = self.tx.get::<EventMessage>(&at)?.map(|row| row.0);
        Ok(match (known, meant) {
            (Some(known), Some(meant)) if known == meant => Relation::Checked,
            (Some(_), _) => Relation::Wrong,
            (None, meant) => Relation::Unchecked { message_id: meant.map(|id| to_base64(&id.0)) },
        })
    }
}

impl<'v> Parsed<'v> {
    fn context<'c>(&'c self, room_id: &'c str) -> Context<'c> {
        Context {
            room_id,
            sender: self.sender,
            device_id: self.device_id,
            audience: &self.audience,
        }
    }
}

fn parse<'v>(event: &'v Value, content: &'v Value) -> Option<Parsed<'v>> {
    let id = |object: &'v Value, key: &str| text(object, key).filter(|id| check_id(id).is_ok());
    Some(Parsed {
        event_id: id(event, "event_id")?,
        sender: id(event, "sender")?,
        device_id: id(content, "device_id")?,
        audience: key_from_base64(text(content, "audience")?).ok()?,
        message: from_base64(text(content, "ciphertext")?)
            .ok()
            .filter(|bytes| bytes.len() <= 2 * ratchet::LENGTH_MAX)?,
        content,
    })
}
