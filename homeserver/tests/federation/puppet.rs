//! A server that does as it is told, also what no honest one does.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use ruma::{
    CanonicalJsonObject, MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedRoomId, OwnedServerName,
    OwnedUserId, RoomId, RoomVersionId, ServerName, UInt,
    api::federation::{
        discovery::{OldVerifyKey, ServerSigningKeys, VerifyKey},
        membership::{
            create_join_event::{self, v2::RoomState},
            prepare_join_event,
        },
        transactions::send_transaction_message,
    },
    room_version_rules::RoomVersionRules,
    serde::{Base64, Raw},
    signatures::sign_json,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sealpost_federation::{Client, Error, SigningKey, canonical, client::Limits};
use sealpost_homeserver::room::{check, version};
use serde_json::{Value, json, value::RawValue};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
    task::AbortHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::network::Network;

/// A request that came to the puppet.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    pub body: String,
}

pub enum Reply {
    Json(u16, Value),
    /// A head, then a byte a second, for ever.
    Slow,
    /// A body without end, as fast as it is taken.
    Endless,
    /// An answer that is held back until it is let go.
    Held(watch::Receiver<bool>, Value),
}

type Handler = Box<dyn Fn(&Asked) -> Option<Reply> + Send + Sync>;

/// What the puppet answers to those who ask; who is not answered gets 404.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<Option<Handler>>>);

impl Script {
    pub fn set(&self, handler: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) {
        *self.0.lock() = Some(Box::new(handler));
    }
}

pub struct Puppet {
    pub name: OwnedServerName,
    pub key: SigningKey,
    pub script: Script,
    /// What it answers about its keys.
    pub keys: Arc<Mutex<Raw<ServerSigningKeys>>>,
    /// The paths asked, but for the key.
    pub seen: Arc<Mutex<Vec<String>>>,
    /// How many bytes of answers without end were taken.
    pub poured: Arc<AtomicUsize>,
    client: Client,
    accepting: AbortHandle,
}

impl Drop for Puppet {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A room that the puppet has a user in, as its join found it.
#[derive(Clone)]
pub struct PuppetRoom {
    pub id: OwnedRoomId,
    pub user: OwnedUserId,
    pub rules: &'static RoomVersionRules,
    /// Types and state keys with the events there.
    pub state: BTreeMap<(String, String), OwnedEventId>,
    pub last: OwnedEventId,
    pub depth: i64,
}

pub fn rules_of(version: RoomVersionId) -> &'static RoomVersionRules {
    version::rules(&version).unwrap()
}

pub fn now() -> i64 {
    i64::from(MilliSecondsSinceUnixEpoch::now().get())
}

fn signing_key() -> SigningKey {
    SigningKey::from_seed("p", &[77; 32]).unwrap()
}

fn time(at: i64) -> MilliSecondsSinceUnixEpoch {
    MilliSecondsSinceUnixEpoch(UInt::try_from(at).unwrap())
}

/// A server's answer about its keys, signed with the one in use.
pub fn keys_of(
    name: &ServerName,
    key: &SigningKey,
    old: Option<(&SigningKey, i64)>,
    valid_until: i64,
) -> Raw<ServerSigningKeys> {
    let public = |key: &SigningKey| Base64::new(key.public_key().to_vec());
    let mut keys = ServerSigningKeys::new(name.to_owned(), time(valid_until));
    keys.verify_keys.insert(key.id().clone(), VerifyKey::new(public(key)));
    if let Some((old, expired)) = old {
        let expired = OldVerifyKey::new(time(expired), public(old));
        keys.old_verify_keys.insert(old.id().clone(), expired);
    }
    let mut object = serde_json::from_value(serde_json::to_value(&keys).unwrap()).unwrap();
    sign_json(name.as_str(), key, &mut object).unwrap();
    Raw::from_json_string(serde_json::to_string(&object).unwrap()).unwrap()
}

impl Puppet {
    pub async fn start(network: &Network, name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        network.link_to(name, listener.local_addr().unwrap());
        let client = network.client_as(name, signing_key());
        Self::serve(&network.certify(name), name, listener, client)
    }

    /// The same with its address as its name, for servers that use the real DNS.
    pub async fn start_at_address(network: &Network) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let name = listener.local_addr().unwrap().to_string();
        let folder = network.authority().certify("puppet", "127.0.0.1");
        let client = network.outside_client_as(&name, signing_key());
        Self::serve(&folder, &name, listener, client)
    }

    fn serve(folder: &Path, name: &str, listener: TcpListener, client: Client) -> Self {
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_file_iter(folder.join("cert.pem"))
                .unwrap()
                .map(Result::unwrap)
                .collect();
        let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));

        let name = OwnedServerName::try_from(name).unwrap();
        let key = signing_key();
        let keys = keys_of(&name, &key, None, now() + 3_600_000);
        let (script, keys) = (Script::default(), Arc::new(Mutex::new(keys)));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let poured = Arc::new(AtomicUsize::new(0));
        let front = Front {
            script: script.clone(),
            keys: keys.clone(),
            seen: seen.clone(),
            poured: poured.clone(),
        };
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, front) = (acceptor.clone(), front.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(socket).await {
                        let _ = front.serve(stream).await;
                    }
                });
            }
        });
        Self { name, key, script, keys, seen, poured, client, accepting: accepting.abort_handle() }
    }

    /// How often a path that begins so was asked.
    pub fn asked(&self, prefix: &str) -> usize {
        self.seen.lock().iter().filter(|path| path.starts_with(prefix)).count()
    }

    pub async fn send<R>(&self, to: &str, request: R) -> Result<R::IncomingResponse, Error>
    where
        R: ruma::api::OutgoingRequest<
                Authentication = ruma::api::federation::authentication::ServerSignatures,
                EndpointError = ruma::api::error::Error,
            >,
        R::PathBuilder: sealpost_federation::client::Path,
    {
        let to = <&ServerName>::try_from(to).unwrap();
        self.client.send(to, request, Limits::EVENTS).await
    }

    /// Joins a room of another server as the specification says.
    pub async fn join(&self, to: &str, room: &str, version: RoomVersionId) -> PuppetRoom {
        self.join_omitting(to, room, version, false).await.0
    }

    /// The same, and what was answered; the members may be left out of that.
    pub async fn join_omitting(
        &self,
        to: &str,
        room: &str,
        version: RoomVersionId,
        omit_members: bool,
    ) -> (PuppetRoom, RoomState) {
        let rules = rules_of(version.clone());
        let user = self.user();
        let id = OwnedRoomId::try_from(room).unwrap();
        let template = self.make_join(to, &id, version).await.unwrap();
        let mut event = canonical::parse(template.get(), rules).unwrap();
        if rules.require_event_id() {
            event.insert("event_id".to_owned(), self.new_id().as_str().into());
        }
        let (event_id, raw) = self.sign(&mut event, rules);
        let mut request = create_join_event::v2::Request::new(id.clone(), event_id.clone(), raw);
        request.omit_members = omit_members;
        let answer = self.send(to, request).await.unwrap().room_state;
        let mut state = BTreeMap::new();
        for raw in &answer.state {
            let object = canonical::parse(raw.get(), rules).unwrap();
            let id = check::event_id(&object, rules).unwrap();
            let value: Value = serde_json::from_str(raw.get()).unwrap();
            let text = |field: &str| value[field].as_str().unwrap().to_owned();
            state.insert((text("type"), text("state_key")), id);
        }
        state.insert(("m.room.member".to_owned(), user.to_string()), event_id.clone());
        let depth = i64::from(event["depth"].as_integer().unwrap());
        (PuppetRoom { id, user, rules, state, last: event_id, depth }, answer)
    }

    /// Asks for the template of a join.
    pub async fn make_join(
        &self,
        to: &str,
        room: &RoomId,
        version: RoomVersionId,
    ) -> Result<Box<RawValue>, Error> {
        let mut request = prepare_join_event::v1::Request::new(room.to_owned(), self.user());
        request.ver = vec![version];
        self.send(to, request).await.map(|answer| answer.event)
    }

    fn user(&self) -> OwnedUserId {
        OwnedUserId::try_from(format!("@mallory:{}", self.name)).unwrap()
    }

    fn new_id(&self) -> OwnedEventId {
        OwnedEventId::try_from(format!("${}:{}", rand_text(), self.name)).unwrap()
    }

    /// Hashes and signs an event with the puppet's key.
    pub fn sign(
        &self,
        event: &mut CanonicalJsonObject,
        rules: &RoomVersionRules,
    ) -> (OwnedEventId, Box<RawValue>) {
        self.sign_with(&self.key, event, rules)
    }

    pub fn sign_with(
        &self,
        key: &SigningKey,
        event: &mut CanonicalJsonObject,
        rules: &RoomVersionRules,
    ) -> (OwnedEventId, Box<RawValue>) {
        event.remove("hashes");
        event.remove("signatures");
        canonical::hash_and_sign(event, self.name.as_str(), key, rules).unwrap();
        let event_id = check::event_id(event, rules).unwrap();
        let text = canonical::to_string(event, rules).unwrap();
        (event_id, RawValue::from_string(text).unwrap())
    }

    /// An unsigned message after the room's last event.
    pub fn draft(&self, room: &PuppetRoom, body: &str) -> CanonicalJsonObject {
        let auth = ["m.room.create", "m.room.power_levels", "m.room.join_rules"];
        let auth = auth.iter().map(|kind| ((*kind).to_owned(), String::new()));
        let member = ("m.room.member".to_owned(), room.user.to_string());
        let auth: Vec<&OwnedEventId> = auth
            .chain([member])
            .filter(|(kind, _)| kind != "m.room.join_rules")
            .filter_map(|place| room.state.get(&place))
            .collect();
        let mut event = json!({
            "type": "m.room.message", "room_id": room.id, "sender": room.user,
            "origin_server_ts": now(), "depth": room.depth + 1,
            "prev_events": [room.last], "auth_events": auth,
            "content": { "msgtype": "m.text", "body": body },
        });
        if room.rules.require_event_id() {
            event["event_id"] = self.new_id().as_str().into();
            for edges in ["prev_events", "auth_events"] {
                for edge in event[edges].as_array_mut().unwrap() {
                    *edge =
                        json!([edge, { "sha256": "abcase64hashabcase64hashabcase64hashabcase6" }]);
                }
            }
        }
        serde_json::from_value(event).unwrap()
    }

    /// Sends events and EDUs in one transaction; what became of each event.
    pub async fn transaction(
        &self,
        to: &str,
        pdus: Vec<Box<RawValue>>,
        edus: Vec<Value>,
    ) -> Result<BTreeMap<OwnedEventId, Result<(), String>>, Error> {
        let mut request = send_transaction_message::v1::Request::new(
            rand_text().into(),
            self.name.clone(),
            MilliSecondsSinceUnixEpoch::now(),
        );
        request.pdus = pdus;
        let raw = |edu: Value| Raw::from_json_string(edu.to_string()).unwrap();
        request.edus = edus.into_iter().map(raw).collect();
        Ok(self.send(to, request).await?.pdus)
    }

    /// Sends a message that is as it should be, and goes on from it.
    pub async fn message(&self, to: &str, room: &mut PuppetRoom, body: &str) {
        let (id, raw) = self.sign(&mut self.draft(room, body), room.rules);
        let answers = self.transaction(to, vec![raw], Vec::new()).await.unwrap();
        assert_eq!(answers[&id], Ok(()));
        room.last = id;
        room.depth += 1;
    }
}

/// Whether events of a version carry their ids.
trait Ids {
    fn require_event_id(&self) -> bool;
}

impl Ids for RoomVersionRules {
    fn require_event_id(&self) -> bool {
        self.event_format.require_event_id
    }
}

pub fn rand_text() -> String {
    format!("{:016x}", rand::random::<u64>())
}

#[derive(Clone)]
struct Front {
    script: Script,
    keys: Arc<Mutex<Raw<ServerSigningKeys>>>,
    seen: Arc<Mutex<Vec<String>>>,
    poured: Arc<AtomicUsize>,
}

impl Front {
    /// HTTP/1.1, one request on a connection.
    async fn serve(
        &self,
        mut stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
    ) -> std::io::Result<()> {
        let asked = read(&mut stream).await?;
        let reply = if asked.path.starts_with("/_matrix/key/v2/server") {
            let keys = serde_json::from_str(self.keys.lock().json().get()).unwrap();
            Reply::Json(200, keys)
        } else {
            self.seen.lock().push(asked.path.clone());
            let scripted = self.script.0.lock().as_ref().and_then(|handler| handler(&asked));
            let none = json!({ "errcode": "M_UNRECOGNIZED", "error": "?" });
            scripted.unwrap_or(Reply::Json(404, none))
        };
        let reply = match reply {
            Reply::Held(mut let_go, answer) => {
                let_go.wait_for(|let_go| *let_go).await.map_err(std::io::Error::other)?;
                Reply::Json(200, answer)
            }
            reply => reply,
        };
        let head = "content-type: application/json\r\nconnection: close\r\n";
        match reply {
            Reply::Json(status, body) => {
                let body = body.to_string();
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status} -\r\n{head}content-length: {length}\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).await?;
                stream.shutdown().await
            }
            Reply::Slow => {
                stream.write_all(format!("HTTP/1.1 200 -\r\n{head}\r\n").as_bytes()).await?;
                loop {
                    stream.write_all(b" ").await?;
                    stream.flush().await?;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            Reply::Endless => {
                stream.write_all(format!("HTTP/1.1 200 -\r\n{head}\r\n").as_bytes()).await?;
                let piece = vec![b' '; 64 * 1024];
                loop {
                    stream.write_all(&piece).await?;
                    self.poured.fetch_add(piece.len(), Ordering::Relaxed);
                }
            }
            Reply::Held(..) => Ok(()),
        }
    }
}

async fn read(
    stream: &mut tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
) -> std::io::Result<Asked> {
    let ended = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let mut read = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    let head = loop {
        if let Some(at) = read.windows(4).position(|end| end == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut buffer).await? {
            0 => return Err(ended()),
            count => read.extend_from_slice(&buffer[..count]),
        }
    };
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    while read.len() < head + length {
        match stream.read(&mut buffer).await? {
            0 => return Err(ended()),
            count => read.extend_from_slice(&buffer[..count]),
        }
    }
    let line = String::from_utf8_lossy(&read[..head]).into_owned();
    let path = line.split(' ').nth(1).ok_or_else(ended)?.to_owned();
    let body = String::from_utf8_lossy(&read[head..head + length]).into_owned();
    Ok(Asked { path, body })
}
