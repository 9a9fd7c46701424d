//! Crashes of the real server, on both databases: clients send, the process is killed, at random moments
//! and at each named point; after the next start every event that was answered 200 is there once, in
//! order, and what was not answered can be sent again under its transaction id without doubling.

#[path = "support/database.rs"]
mod database;
#[path = "support/plain_http.rs"]
mod plain_http;

use std::{
    collections::HashMap,
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use database::TestDatabase;
use plain_http::Client;
use sealpost_homeserver::storage::{
    DatabaseUrl, Store, StoreOptions, check_integrity, migration_versions,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const SENDERS: usize = 4;

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

/// A server that is started again and again, and what it has promised.
struct Server {
    folder: TempDir,
    address: SocketAddr,
    process: Option<Child>,
    token: Option<String>,
    room: String,
    /// By event id, what was answered 200: the sender's number and its count.
    acknowledged: HashMap<String, (usize, usize)>,
    /// How many messages of each sender were tried; the last one may be in doubt.
    tried: [usize; SENDERS],
}

impl Server {
    fn new(database: &TestDatabase) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let configuration = format!(
            "server_name = \"localhost\"\n[[listeners]]\nbind = \"127.0.0.1\"\nport = {}\n\
             [database]\nurl = \"{}\"\n[registration]\nenabled = true\n\
             [password_hashing]\nmemory_kib = 8\niterations = 1\n\
             [rate_limits]\nenabled = false\n[log]\nlevel = \"error\"\n",
            address.port(),
            database.url,
        );
        fs::write(folder.path().join("sealpost.toml"), configuration).unwrap();
        Self {
            folder,
            address,
            process: None,
            token: None,
            room: String::new(),
            acknowledged: HashMap::new(),
            tried: [0; SENDERS],
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn start(&mut self, kill_at: Option<&str>) {
        let log = fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
        command
            .arg("--config")
            .arg(self.folder.path().join("sealpost.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        if let Some(point) = kill_at {
            command.env("SEALPOST_KILL_AT", point);
        }
        self.process = Some(command.spawn().unwrap());
    }

    /// `false`: the process ended before it was ready.
    fn wait_until_ready(&mut self) -> bool {
        let mut client = Client::new(self.address);
        loop {
            if let Ok((200, _)) = client.call("GET", "/health", &Value::Null) {
                return true;
            }
            if self.process.as_mut().unwrap().try_wait().unwrap().is_some() {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn client(&self) -> Client {
        let mut client = Client::new(self.address);
        client.token = self.token.clone();
        client
    }

    /// An account and a room. A server that dies meanwhile leaves it to the next life.
    fn set_up(&mut self) -> std::io::Result<()> {
        let mut client = self.client();
        if self.token.is_none() {
            let (_, answer) = client.call(
                "POST",
                "/_matrix/client/v3/register",
                &json!({ "password": "secret", "auth": { "type": "m.login.dummy" } }),
            )?;
            self.token = Some(answer["access_token"].as_str().unwrap().to_owned());
            client.token = self.token.clone();
        }
        if self.room.is_empty() {
            let (_, answer) = client.call("POST", "/_matrix/client/v3/createRoom", &json!({}))?;
            self.room = answer["room_id"].as_str().unwrap().to_owned();
        }
        Ok(())
    }

    /// Sends from all senders until the server is gone, and kills it at the given moment.
    fn hammer(&mut self, kill_after: Option<(usize, Duration)>) -> ExitStatus {
        let acknowledged = Mutex::new(std::mem::take(&mut self.acknowledged));
        let count = AtomicUsize::new(0);
        let clients: Vec<_> = (0..SENDERS).map(|_| self.client()).collect();
        let (room, mut tried) = (self.room.replace('!', "%21"), self.tried);
        let mut process = self.process.take().unwrap();
        let status = thread::scope(|scope| {
            for ((sender, tried), mut client) in tried.iter_mut().enumerate().zip(clients) {
                let (room, acknowledged, count) = (&room, &acknowledged, &count);
                scope.spawn(move || {
                    // Sent again under its transaction id: it may have been in doubt.
                    let mut number = (*tried).max(1);
                    loop {
                        *tried = number;
                        let path = format!(
                            "/_matrix/client/v3/rooms/{room}/send/m.room.message/{sender}-{number}"
                        );
                        let body =
                            json!({ "msgtype": "m.text", "body": format!("{sender} {number}") });
                        match client.call("PUT", &path, &body) {
                            Ok((200, answer)) => {
                                let event_id = answer["event_id"].as_str().unwrap().to_owned();
                                acknowledged.lock().unwrap().insert(event_id, (sender, number));
                                count.fetch_add(1, Ordering::Relaxed);
                                number += 1;
                            }
                            Ok((status, answer)) => panic!("{status} {answer}"),
                            Err(_) => break,
                        }
                    }
                });
            }
            if let Some((acknowledgements, moment)) = kill_after {
                while count.load(Ordering::Relaxed) < acknowledgements
                    && process.try_wait().unwrap().is_none()
                {
                    thread::sleep(Duration::from_micros(200));
                }
                thread::sleep(moment);
                process.kill().unwrap();
            }
            process.wait().unwrap()
        });
        self.acknowledged = acknowledged.into_inner().unwrap();
        self.tried = tried;
        status
    }

    /// Reads the whole room back from a running server.
    fn check(&self) {
        let mut client = self.client();
        let mut events = Vec::new();
        let mut from = String::new();
        loop {
            let path = format!(
                "/_matrix/client/v3/rooms/{}/messages?dir=f&limit=100{from}",
                self.room.replace('!', "%21")
            );
            let (status, answer) = client.call("GET", &path, &Value::Null).unwrap();
            assert_eq!(status, 200, "{answer}");
            events.extend(answer["chunk"].as_array().unwrap().iter().cloned());
            match answer["end"].as_str() {
                Some(end) => from = format!("&from={end}"),
                None => break,
            }
        }
        let mut last = [0; SENDERS];
        let mut missing = self.acknowledged.clone();
        for event in events.iter().filter(|event| event["type"] == "m.room.message") {
            let body = event["content"]["body"].as_str().unwrap();
            let (sender, number) = body.split_once(' ').unwrap();
            let (sender, number): (usize, usize) =
                (sender.parse().unwrap(), number.parse().unwrap());
            assert_eq!(number, last[sender] + 1, "sender {sender}: once, in order, no hole");
            last[sender] = number;
            missing.remove(event["event_id"].as_str().unwrap());
        }
        assert!(missing.is_empty(), "acknowledged and not there: {missing:?}");
    }

    /// SIGTERM, and a clean exit.
    fn stop(&mut self) {
        let mut process = self.process.take().unwrap();
        let pid = process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(process.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        if thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.log()).unwrap_or_default());
        }
    }
}

/// Not one that the system gives to callers: a client that knocks while the server is down might get the
/// very port it knocks at.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    std::iter::repeat_with(|| first + NEXT.fetch_add(1, Ordering::Relaxed))
        .find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()?.local_addr().ok())
        .unwrap()
}

fn check_files(database: &TestDatabase) {
    let url = DatabaseUrl::parse(&database.url, Path::new("/")).unwrap();
    let store = Store::open(StoreOptions::new(url)).unwrap();
    assert_eq!(store.read_blocking(check_integrity).unwrap(), [""; 0]);
    store.close_blocking();
}

#[test]
fn every_event_answered_survives_sigkill_at_any_moment() {
    for database in TestDatabase::both() {
        let mut server = Server::new(&database);
        for life in 1..=50_u64 {
            server.start(None);
            assert!(server.wait_until_ready());
            server.set_up().unwrap();
            server.check();
            let count = (life as usize * 13) % 40 + 1;
            let moment = Duration::from_micros((life * 331) % 5_000);
            let status = server.hammer(Some((count, moment)));
            assert_eq!(status.signal(), Some(SIGKILL));
        }
        server.start(None);
        assert!(server.wait_until_ready());
        server.check();
        assert!(server.acknowledged.len() > 500);
        server.stop();
        check_files(&database);
    }
}

#[test]
fn every_event_answered_survives_death_at_each_named_point() {
    for database in TestDatabase::both() {
        let mut server = Server::new(&database);
        for point in migration_versions().flat_map(|version| {
            [format!("migration:{version}"), format!("after-migration:{version}")]
        }) {
            server.start(Some(&point));
            assert!(!server.wait_until_ready(), "{point}");
            let status = server.process.take().unwrap().wait().unwrap();
            assert_eq!(status.signal(), Some(SIGABRT), "{point}");
        }
        server.start(None);
        assert!(server.wait_until_ready());
        server.set_up().unwrap();
        server.stop();
        let mut points = vec!["before-commit#30", "after-commit#30"];
        if database.url.starts_with("sqlite") {
            points.extend(["checkpoint#1", "checkpoint#3"]);
        }
        for point in points {
            server.start(Some(point));
            assert!(server.wait_until_ready(), "{point}");
            server.check();
            let status = server.hammer(None);
            assert_eq!(status.signal(), Some(SIGABRT), "{point}");
        }
        server.start(None);
        assert!(server.wait_until_ready());
        server.check();
        assert!(server.acknowledged.len() > 20);
        server.stop();
        check_files(&database);
    }
}

/// A file that is unlike any other: small ones go to the disk at once, large ones in parts.
fn file(uploader: usize, number: usize) -> Value {
    let length = if number % 8 == 3 { 1_500_000 } else { 2_000 };
    json!({ "uploader": uploader, "number": number, "fill": "x".repeat(length) })
}

#[test]
fn every_upload_answered_survives_sigkill_at_any_moment() {
    for database in TestDatabase::both() {
        let mut server = Server::new(&database);
        let acknowledged = Mutex::new(HashMap::new());
        for life in 1..=15_u64 {
            server.start(None);
            assert!(server.wait_until_ready());
            server.set_up().unwrap();
            let mut client = server.client();
            for (uri, (uploader, number)) in &*acknowledged.lock().unwrap() {
                let path = format!("/_matrix/client/v1/media/download/{uri}");
                let (status, found) = client.call("GET", &path, &Value::Null).unwrap();
                assert_eq!(status, 200, "{uploader} {number}");
                assert!(found == file(*uploader, *number), "{uploader} {number} differs");
            }
            let clients: Vec<_> = (0..SENDERS).map(|_| server.client()).collect();
            let mut process = server.process.take().unwrap();
            thread::scope(|scope| {
                for (uploader, mut client) in clients.into_iter().enumerate() {
                    let acknowledged = &acknowledged;
                    scope.spawn(move || {
                        for number in life as usize * 10_000.. {
                            let body = file(uploader, number);
                            let path = "/_matrix/media/v3/upload";
                            let Ok((status, answer)) = client.call("POST", path, &body) else {
                                break;
                            };
                            assert_eq!(status, 200, "{answer}");
                            let uri = answer["content_uri"].as_str().unwrap();
                            let uri = uri.strip_prefix("mxc://").unwrap().to_owned();
                            acknowledged.lock().unwrap().insert(uri, (uploader, number));
                        }
                    });
                }
                thread::sleep(Duration::from_micros(100_000 + (life * 73_331) % 200_000));
                process.kill().unwrap();
                process.wait().unwrap();
            });
        }
        assert!(acknowledged.lock().unwrap().len() > 30);
        server.start(None);
        assert!(server.wait_until_ready());
        server.stop();
        check_files(&database);
    }
}

/// Uploads the keys of a device, those of earlier lives again; and has them claimed from all sides.
#[test]
fn every_one_time_key_is_handed_out_once_across_sigkill() {
    const NEW_KEYS: usize = 60;
    for database in TestDatabase::both() {
        let mut server = Server::new(&database);
        let handed_out = Mutex::new(HashMap::new());
        for life in 1..=12_usize {
            server.start(None);
            assert!(server.wait_until_ready());
            server.set_up().unwrap();
            let mut client = server.client();
            let (_, own) =
                client.call("GET", "/_matrix/client/v3/account/whoami", &Value::Null).unwrap();
            let (user, device) =
                (own["user_id"].as_str().unwrap(), own["device_id"].as_str().unwrap());
            let keys: serde_json::Map<String, Value> = (0..life * NEW_KEYS)
                .map(|number| (format!("curve25519:{number}"), format!("key {number}").into()))
                .collect();
            let body = json!({ "one_time_keys": keys });
            let (status, answer) =
                client.call("POST", "/_matrix/client/v3/keys/upload", &body).unwrap();
            assert_eq!(status, 200, "{answer}");
            let clients: Vec<_> = (0..SENDERS).map(|_| server.client()).collect();
            let claimed = AtomicUsize::new(0);
            let mut process = server.process.take().unwrap();
            thread::scope(|scope| {
                for mut client in clients {
                    let (handed_out, claimed) = (&handed_out, &claimed);
                    let body = json!({ "one_time_keys": { user: { device: "curve25519" } } });
                    scope.spawn(move || {
                        loop {
                            let path = "/_matrix/client/v3/keys/claim";
                            let Ok((status, answer)) = client.call("POST", path, &body) else {
                                break;
                            };
                            assert_eq!(status, 200, "{answer}");
                            let keys = answer["one_time_keys"][user][device].as_object();
                            let Some((id, _)) = keys.and_then(|keys| keys.iter().next()) else {
                                break;
                            };
                            let before = handed_out.lock().unwrap().insert(id.clone(), life);
                            assert_eq!(before, None, "{id} was handed out again in life {life}");
                            claimed.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
                while claimed.load(Ordering::Relaxed) < (life * 7) % 40 + 1
                    && process.try_wait().unwrap().is_none()
                {
                    thread::sleep(Duration::from_micros(200));
                }
                thread::sleep(Duration::from_micros((life as u64 * 331) % 3_000));
                process.kill().unwrap();
                process.wait().unwrap();
            });
        }
        assert!(handed_out.lock().unwrap().len() > 12 * 5);
        check_files(&database);
    }
}
