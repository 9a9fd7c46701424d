//! A device for the tests in `e2e/tests/interop`: a line of JSON asks, a line answers. Not for use.

#[path = "peer/whole.rs"]
mod whole;

use std::io::{BufRead as _, Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use sealpost_e2e::{
    Error,
    attachment::{
        self, FileKey, HEADER_LENGTH, Opener, Role, SEALED_CHUNK_LENGTH, Segments, StreamOpener,
    },
    content, direct,
    envelope::Envelope,
    identity::{DeviceIdentity, OwnDevice},
    prekeys::{ClaimedPrekey, Kind, Prekey},
    primitives::{ed25519, x25519},
    room_message::Context,
    sender_key::{Distribution, HeldChain, OwnChain, Provenance, Received},
    session::Sessions,
};
use serde_json::{Value, json};

type Answer = Result<Value, Box<dyn std::error::Error>>;

struct Peer {
    rng: ChaCha20Rng,
    own: OwnDevice,
    other: Option<DeviceIdentity>,
    prekeys: Vec<Prekey>,
    sessions: Sessions,
    chain: Option<OwnChain>,
    held: Option<HeldChain>,
    whole: whole::Whole,
    now: i64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let own = OwnDevice::generate("@rust:r.test", "CRAB", &mut rng);
    let mut peer = Peer {
        rng,
        own,
        other: None,
        prekeys: Vec::new(),
        sessions: Sessions::default(),
        chain: None,
        held: None,
        whole: whole::Whole::default(),
        now: 0,
    };
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line?)?;
        let answer =
            peer.answer(&asked).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

impl Peer {
    fn answer(&mut self, asked: &Value) -> Answer {
        self.now += 1;
        match asked["do"].as_str().unwrap_or_default() {
            "meet" => self.meet(asked),
            "publish" => self.publish(asked),
            "forget" => {
                self.sessions = Sessions::default();
                Ok(json!({}))
            }
            "begin" => self.begin(asked),
            "write" => self.write(asked),
            "read" => self.read(asked),
            "distribution" => self.distribution(asked),
            "learn" => {
                let distribution = Distribution::from_bytes(&bytes(asked, "distribution")?)?;
                self.held = Some(HeldChain::new(&distribution, Provenance::Owner));
                Ok(json!({}))
            }
            "seal_group" => self.seal_group(asked),
            "open_group" => self.open_group(asked),
            "seal_direct" => self.seal_direct(asked),
            "open_direct" => self.open_direct(asked),
            "seal_file" => self.seal_file(asked),
            "open_file" => open_file(asked),
            "stream_file" => stream_file(asked),
            // In the middle of some day, a second after the last.
            "machine" => {
                let time = 1_000_000_000_000 + 1_000 * self.now;
                self.whole.answer(asked, time, &mut self.rng)
            }
            other => Err(format!("unknown: {other}").into()),
        }
    }

    fn meet(&mut self, asked: &Value) -> Answer {
        self.other = Some(DeviceIdentity {
            user_id: text(asked, "user_id")?,
            device_id: text(asked, "device_id")?,
            ed25519: ed25519::PublicKey::from_bytes(&array(asked, "ed25519")?)?,
            x25519: x25519::PublicKey::from_bytes(array(asked, "x25519")?)?,
        });
        let own = self.own.identity();
        Ok(json!({
            "user_id": own.user_id,
            "device_id": own.device_id,
            "ed25519": encode(own.ed25519.as_bytes()),
            "x25519": encode(own.x25519.as_bytes()),
        }))
    }

    fn publish(&mut self, asked: &Value) -> Answer {
        let kind = if asked["fallback"] == true { Kind::Fallback } else { Kind::OneTime };
        let (prekey, object) = Prekey::generate(&self.own, kind, &mut self.rng)?;
        let name = prekey.id.name();
        self.prekeys.push(prekey);
        Ok(json!({ "name": name, "object": object }))
    }

    fn other(&self) -> Result<&DeviceIdentity, String> {
        self.other.as_ref().ok_or_else(|| "nobody was met".to_owned())
    }

    fn begin(&mut self, asked: &Value) -> Answer {
        let other = self.other()?.clone();
        let claimed = ClaimedPrekey::verify(&other, &text(asked, "name")?, &asked["object"])?;
        self.sessions =
            self.sessions.begin(&self.own, &other, &claimed, self.now, &mut self.rng)?;
        Ok(json!({}))
    }

    fn write(&mut self, asked: &Value) -> Answer {
        let plaintext = bytes(asked, "plaintext")?;
        let (envelope, sessions) = self.sessions.encrypt(&plaintext, self.now, &mut self.rng)?;
        self.sessions = Sessions::from_bytes(&sessions.to_bytes())?;
        Ok(json!({ "envelope": encode(&envelope) }))
    }

    fn read(&mut self, asked: &Value) -> Answer {
        let envelope = Envelope::from_bytes(&bytes(asked, "envelope")?)?;
        let read = match (self.sessions.decrypt(&envelope, self.now)?, &envelope) {
            (Some(read), _) => read,
            (None, Envelope::Prekey(header, message)) => {
                let prekey = self.prekeys.iter().find(|prekey| prekey.id == header.prekey);
                let prekey = prekey.ok_or(Error::NoKey)?;
                let first = (header, message.as_slice());
                self.sessions.accept(&self.own, self.other()?, prekey, &[], first, self.now)?.0
            }
            (None, Envelope::Message(..)) => return Err(Error::NoKey.into()),
        };
        self.sessions = Sessions::from_bytes(&read.sessions.to_bytes())?;
        Ok(json!({ "plaintext": encode(&read.plaintext) }))
    }

    fn distribution(&mut self, asked: &Value) -> Answer {
        let chain = OwnChain::begin(&self.own, &text(asked, "room_id")?, self.now, &mut self.rng);
        let distribution = chain.distribution().to_bytes()?;
        self.chain = Some(chain);
        Ok(json!({ "distribution": encode(&distribution) }))
    }

    fn seal_group(&mut self, asked: &Value) -> Answer {
        let chain = self.chain.as_ref().ok_or(Error::NoKey)?;
        let padded = content::pad(&bytes(asked, "content")?)?;
        let (message, id, next) = chain.seal(&array(asked, "audience")?, &padded, &mut self.rng)?;
        self.chain = Some(next);
        Ok(json!({ "message": encode(&message), "id": encode(&id.0) }))
    }

    fn open_group(&mut self, asked: &Value) -> Answer {
        let held = self.held.as_ref().ok_or(Error::NoKey)?;
        let received = Received::from_bytes(&bytes(asked, "message")?)?;
        let (audience, other) = (array(asked, "audience")?, self.other()?);
        let context = Context {
            room_id: "!room:a.test",
            sender: &other.user_id,
            device_id: &other.device_id,
            audience: &audience,
        };
        let (opened, next) = held.open(&context, &received)?;
        self.held = Some(next);
        let content = content::unpad(&opened.padded)?;
        Ok(json!({ "content": encode(content), "id": encode(&opened.id.0) }))
    }

    fn seal_direct(&mut self, asked: &Value) -> Answer {
        let (room_id, audience) = (text(asked, "room_id")?, array(asked, "audience")?);
        let context = Context {
            room_id: &room_id,
            sender: &self.own.user_id,
            device_id: &self.own.device_id,
            audience: &audience,
        };
        let padded = content::pad(&bytes(asked, "content")?)?;
        let (message, wrap) = direct::seal(&context, &padded, &mut self.rng)?;
        Ok(json!({ "message": encode(&message), "wrap": encode(&*wrap.to_bytes()) }))
    }

    fn open_direct(&self, asked: &Value) -> Answer {
        let (room_id, audience) = (text(asked, "room_id")?, array(asked, "audience")?);
        let other = self.other()?;
        let context = Context {
            room_id: &room_id,
            sender: &other.user_id,
            device_id: &other.device_id,
            audience: &audience,
        };
        let wrap = direct::Wrap::from_bytes(&array(asked, "wrap")?);
        let padded = direct::open(&context, &bytes(asked, "message")?, &wrap)?;
        Ok(json!({ "content": encode(content::unpad(&padded)?) }))
    }

    fn seal_file(&mut self, asked: &Value) -> Answer {
        let key = FileKey::generate(&mut self.rng);
        let (mut sealer, header) = key.seal(&bytes(asked, "context")?)?;
        let content = bytes(asked, "content")?;
        let (mut file, mut rest) = (header.to_vec(), content.as_slice());
        while let Some((chunk, later)) = rest.split_first_chunk() {
            file.extend(sealer.chunk(chunk)?);
            rest = later;
        }
        file.extend(sealer.last(rest)?);
        let mut segments = Segments::default();
        segments.update(&file);
        let (list, hash) = segments.finish();
        Ok(json!({
            "key": encode(key.as_bytes()), "file": encode(&file), "list": encode(&list),
            "hash": encode(&hash),
        }))
    }
}

fn open_file(asked: &Value) -> Answer {
    let file = bytes(asked, "file")?;
    let (header, mut rest) = file.split_first_chunk::<HEADER_LENGTH>().ok_or(Error::Encoding)?;
    let mut opener = Opener::new(&array(asked, "key")?, &bytes(asked, "context")?, header)?;
    let mut content = Vec::new();
    while let Some((chunk, later)) = rest.split_first_chunk::<SEALED_CHUNK_LENGTH>() {
        content.extend(opener.chunk(chunk)?);
        rest = later;
    }
    content.extend(opener.last(rest)?);
    Ok(json!({ "content": encode(&content) }))
}

/// Opens a blob of version 2 in pieces.
fn stream_file(asked: &Value) -> Answer {
    let (blob, room_id) = (bytes(asked, "blob")?, text(asked, "room_id")?);
    let context = attachment::context(&room_id, Role::parse(&text(asked, "role")?)?);
    let (key, hash) = (array(asked, "key")?, array(asked, "hash")?);
    let mut opener = StreamOpener::new(&key, &hash, blob.len() as u64, &context)?;
    let mut content = Vec::new();
    for piece in blob.chunks(50_000) {
        content.extend(opener.push(piece)?);
    }
    content.extend(opener.finish()?);
    Ok(json!({ "content": encode(&content) }))
}

fn text(asked: &Value, key: &str) -> Result<String, String> {
    asked[key].as_str().map(str::to_owned).ok_or_else(|| format!("no {key}"))
}

fn bytes(asked: &Value, key: &str) -> Result<Vec<u8>, String> {
    STANDARD_NO_PAD.decode(text(asked, key)?).map_err(|error| format!("{key}: {error}"))
}

fn array<const N: usize>(asked: &Value, key: &str) -> Result<[u8; N], String> {
    bytes(asked, key)?.try_into().map_err(|_| format!("{key} is not {N} bytes long"))
}

fn encode(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}
