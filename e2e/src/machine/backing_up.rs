//! The key backup that this device writes to, and what comes from one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{
    Work,
    candidates::message_of,
    pins,
    rows::{BackupRow, Purpose, Request, StoredChain, StoredWrap, Unsaved},
    saved_keys::{Saved, SavedWrap},
    text,
};
use crate::{
    Error,
    backup::{self, ALGORITHM, MAC_SECRET, Place, PrivateKeys, PublicKeys},
    json,
    primitives::{kdf, random},
    sender_key::{HeldChain, Provenance},
    store::Transaction,
};

/// How many rows one request writes, and how many wraps one row holds.
const ROWS_MAX: usize = 100;
const WRAPS_MAX: usize = 200;
/// How long wraps wait to be written together.
const WAIT_MS: i64 = 60 * 60 * 1_000;
/// Before the own server's name.
const PINS_ROOM: &str = "!org.sealpost.pins:";

impl Work<'_> {
    /// Notes that a key is not in the backup yet.
    pub(super) fn unsaved(&mut self, kind: u8, at: &[u8]) {
        self.tx.put(&[&[kind], at].concat(), &Unsaved(self.now));
    }

    /// Whether a new version is being made.
    pub(super) fn is_backup_begun(&self) -> Result<bool, Error> {
        let requests = self.tx.scan::<Request>(&[])?;
        Ok(requests.iter().any(|(_, row)| row.purpose == Purpose::BackupVersion))
    }

    pub(super) fn create_backup(&mut self) -> Result<Zeroizing<[u8; 96]>, Error> {
        let (private, mac_key) = (PrivateKeys::generate(self.rng), random::<32>(self.rng));
        let public = private.public();
        self.keep_secret(MAC_SECRET, &mac_key);
        let body = json!({ "algorithm": ALGORITHM, "auth_data": public.auth_data(&mac_key) });
        self.tx.put(&[], &BackupRow { public, version: None });
        // The answer to one that is under way would be taken for this one's.
        for (at, row) in self.tx.scan::<Request>(&[])? {
            if row.purpose == Purpose::BackupVersion {
                self.tx.delete::<Request>(&at);
            }
        }
        let path = "/_matrix/client/v3/room_keys/version";
        self.request("POST", path, &body, Purpose::BackupVersion)?;
        // What a version before holds is not in this one.
        self.save_everything()?;
        Ok(private.to_bytes())
    }

    pub(super) fn backup_created(&mut self, answer: &Value) -> Result<(), Error> {
        let version = text(answer, "version").map(str::to_owned);
        let Some(mut row) = self.tx.get::<BackupRow>(&[])? else { return Ok(()) };
        row.version = version;
        self.tx.put(&[], &row);
        self.save_everything()
    }

    pub(super) fn take_backup(&mut self, version: &Value) -> Result<(), Error> {
        let mac_key = self.secret(MAC_SECRET)?.ok_or(Error::Identity)?;
        if text(version, "algorithm") != Some(ALGORITHM) {
            return Err(Error::Identity);
        }
        let auth_data = version.get("auth_data").unwrap_or(&Value::Null);
        let public = PublicKeys::from_auth_data(auth_data, &mac_key)?;
        let name = text(version, "version").ok_or(Error::Encoding)?.to_owned();
        let before = self.tx.get::<BackupRow>(&[])?;
        let row = BackupRow { public, version: Some(name) };
        if before.as_ref() == Some(&row) {
            return Ok(());
        }
        self.tx.put(&[], &row);
        self.save_everything()
    }

    /// Of a version that is new, nothing waits for more to be written with.
    fn save_everything(&mut self) -> Result<(), Error> {
        let mut places = self.pin_places()?;
        for (at, _) in self.tx.scan::<StoredChain>(&[])? {
            places.push([b"c".as_slice(), &at].concat());
        }
        for (at, _) in self.tx.scan::<StoredWrap>(&[])? {
            places.push([b"w".as_slice(), &at].concat());
        }
        for place in places {
            self.tx.put(&place, &Unsaved(self.now.saturating_sub(WAIT_MS)));
        }
        Ok(())
    }

    /// Nothing waits any longer for more to be written with.
    pub(super) fn hurry_backup(&mut self) -> Result<(), Error> {
        for (at, _) in self.tx.scan::<Unsaved>(&[])? {
            self.tx.put(&at, &Unsaved(self.now.saturating_sub(WAIT_MS)));
        }
        Ok(())
    }

    /// Writes what is not in the backup yet.
    pub(super) fn write_backup(&mut self) -> Result<(), Error> {
        let Some(BackupRow { public, version: Some(version) }) = self.tx.get(&[])? else {
            return Ok(());
        };
        let Some(mac_key) = self.secret(MAC_SECRET)? else { return Ok(()) };
        let mut rows: Vec<(String, String, u32, Saved)> = Vec::new();
        let mut saved = Vec::new();
        for (at, _) in self.tx.scan::<Unsaved>(b"c")? {
            if rows.len() == ROWS_MAX {
                break;
            }
            let chain: Option<StoredChain> = self.tx.get(at.get(1..).unwrap_or_default())?;
            let chain = chain.map(|row| row.chain);
            let Some(chain) = chain.filter(|chain| chain.provenance().is_proven()) else {
                // Never to be written: it takes no place of one that is.
                self.tx.delete::<Unsaved>(&at);
                continue;
            };
            let room_id = chain.room_id().to_owned();
            let (name, first) = (chain_name(&chain), chain.earliest());
            rows.push((room_id, name, first, Saved::Chain(Box::new(self.saved_chain(chain)?))));
            saved.push(at);
        }
        let mut pins = Vec::new();
        for kind in [pins::USER, pins::ROOM, pins::REMOVAL] {
            pins.extend(self.tx.scan::<Unsaved>(&[kind])?);
        }
        if self.is_batch(&pins) {
            let places: Vec<Vec<u8>> = pins.into_iter().take(WRAPS_MAX).map(|(at, _)| at).collect();
            let pins = Saved::Pins(self.pins(&places)?);
            rows.push((self.pins_room(), self.row_name(), 0, pins));
            saved.extend(places);
        }
        let waiting = self.tx.scan::<Unsaved>(b"w")?;
        if self.is_batch(&waiting) {
            let mut rooms: Vec<(String, Vec<SavedWrap>)> = Vec::new();
            let mut count = 0;
            for (at, _) in waiting {
                if count == WRAPS_MAX {
                    break;
                }
                let place = at.get(1..).unwrap_or_default();
                let id = message_of(place)?;
                let row = self.tx.get::<StoredWrap>(place)?;
                let Some(row) = row.filter(StoredWrap::is_for_backup) else {
                    // One whose room is not known yet is noted again when its message is read.
                    self.tx.delete::<Unsaved>(&at);
                    continue;
                };
                let room_id = row.room_id.clone();
                let wrap = SavedWrap { id, row: self.saved_wrap(row)? };
                match rooms.iter_mut().find(|(room, _)| *room == room_id) {
                    Some((_, wraps)) => wraps.push(wrap),
                    None => rooms.push((room_id, vec![wrap])),
                }
                count += 1;
                saved.push(at);
            }
            for (room_id, wraps) in rooms {
                rows.push((room_id, self.row_name(), 0, Saved::Wraps(wraps)));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let mut body: Map<String, Value> = Map::new();
        for (room_id, session_id, first_index, content) in rows {
            let place = Place { room_id: &room_id, session_id: &session_id, first_index };
            let plaintext = backup::write(&content);
            let row = public.seal(&mac_key, &place, &plaintext, self.rng)?;
            let room = body.entry(room_id).or_insert_with(|| json!({ "sessions": {} }));
            if let Some(sessions) = room.get_mut("sessions").and_then(Value::as_object_mut) {
                sessions.insert(session_id, row);
            }
        }
        // The request is kept until it is answered, and a refusal leads to a version to which everything is written: so
        // what is in it waits no longer, and what is noted from now on is not in it.
        for at in saved {
            self.tx.delete::<Unsaved>(&at);
        }
        self.request(
            "PUT",
            &keys_path(&version),
            &json!({ "rooms": body }),
            Purpose::BackupKeys(Vec::new()),
        )
    }

    /// Whether what waits is enough for a row, or has waited long enough.
    fn is_batch(&self, waiting: &[(Vec<u8>, Unsaved)]) -> bool {
        let is_old = |(_, row): &(Vec<u8>, Unsaved)| self.now.saturating_sub(row.0) >= WAIT_MS;
        waiting.len() >= WRAPS_MAX || waiting.iter().any(is_old)
    }

    /// A row that is never written again: servers would not replace it.
    fn row_name(&mut self) -> String {
        URL_SAFE_NO_PAD.encode(random::<16>(self.rng))
    }

    /// Where pins are in the backup: a room that nobody can make.
    fn pins_room(&self) -> String {
        let server = self.account.user_id.split_once(':').map_or("", |(_, server)| server);
        format!("{PINS_ROOM}{server}")
    }

    /// The version that was written to is gone or another one: nothing more is written until it was looked at.
    pub(super) fn backup_refused(&mut self, path: &str) -> Result<(), Error> {
        let Some(mut row) = self.tx.get::<BackupRow>(&[])? else { return Ok(()) };
        if row.version.as_ref().is_none_or(|version| keys_path(version) != path) {
            return Ok(());
        }
        row.version = None;
        self.tx.put(&[], &row);
        // Whoever asks what is not backed up is told so meanwhile.
        self.save_everything()
    }

    /// Takes the keys of a backup in. Answers how many were new.
    pub(super) fn restore(
        &mut self,
        private: &[u8],
        mac_key: Option<&[u8; 32]>,
        keys: &Value,
    ) -> Result<u32, Error> {
        let private = PrivateKeys::from_bytes(private)?;
        let public = private.public();
        let rooms = keys.get("rooms").and_then(Value::as_object).ok_or(Error::Encoding)?;
        let mut count = 0;
        for (room_id, room) in rooms {
            let sessions = room.get("sessions").and_then(Value::as_object);
            for (session_id, row) in sessions.into_iter().flatten() {
                let data = row.get("session_data").unwrap_or(&Value::Null);
                let first = row.get("first_message_index").and_then(Value::as_u64);
                let first_index = first.and_then(|at| u32::try_from(at).ok());
                let place =
                    Place { room_id, session_id, first_index: first_index.unwrap_or(u32::MAX) };
                let Ok(plaintext) = private.open(&public, data) else { continue };
                let Ok(saved) = backup::read::<Saved>(&plaintext) else { continue };
                let is_own = mac_key.is_some_and(|mac_key| public.is_own(mac_key, &place, data));
                let provenance = (!is_own).then_some(Provenance::Import);
                match saved {
                    // Nobody but an own device says whom to believe.
                    Saved::Pins(pins) if is_own && *room_id == self.pins_room() => {
                        self.take_pins(&pins)?;
                    }
                    saved => {
                        let taken = self.take_saved(Some(room_id), saved, provenance.as_ref())?;
                        if is_own && taken > 0 {
                            self.pin(room_id)?;
                        }
                        count += taken;
                    }
                }
            }
        }
        Ok(count)
    }
}

/// The rooms of which keys are not in the backup yet.
pub(super) fn unsaved_rooms(tx: &Transaction<'_>) -> Result<Vec<String>, Error> {
    let mut rooms = Vec::new();
    for (at, _) in tx.scan::<Unsaved>(b"c")? {
        let row: Option<StoredChain> = tx.get(at.get(1..).unwrap_or_default())?;
        let chain = row.map(|row| row.chain);
        if let Some(chain) = chain.filter(|chain| chain.provenance().is_proven()) {
            rooms.push(chain.room_id().to_owned());
        }
    }
    for (at, _) in tx.scan::<Unsaved>(b"w")? {
        let row = tx.get::<StoredWrap>(at.get(1..).unwrap_or_default())?;
        if let Some(row) = row.filter(StoredWrap::is_for_backup) {
            rooms.push(row.room_id.clone());
        }
    }
    for (_, request) in tx.scan::<Request>(&[])? {
        if matches!(request.purpose, Purpose::BackupKeys(_)) {
            let body = json::read(request.body.as_bytes()).map_err(|_| Error::Store)?;
            let under_way = body.get("rooms").and_then(Value::as_object).into_iter().flatten();
            rooms.extend(under_way.map(|(room_id, _)| room_id.clone()));
        }
    }
    // Of pins nothing is read back.
    rooms.retain(|room_id| !room_id.starts_with(PINS_ROOM));
    rooms.sort();
    rooms.dedup();
    Ok(rooms)
}

/// Where keys of a version are written to.
fn keys_path(version: &str) -> String {
    format!("/_matrix/client/v3/room_keys/keys?version={version}")
}

/// A chain's row. Only proven keys are written.
fn chain_name(chain: &HeldChain) -> String {
    let label = "org.sealpost.backup.v1 session";
    URL_SAFE_NO_PAD.encode(kdf::hash(label, &[&chain.id().0, b"proven"]))
}
