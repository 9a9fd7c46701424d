//! Two real processes with real DNS names, over TLS with a test authority.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{network::Authority, user::User};

pub struct Process {
    pub child: Child,
    pub base: String,
}

/// A server whose name is `localhost` and a port.
pub struct Place {
    pub name: String,
    folder: PathBuf,
    client_port: u16,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Place {
    pub fn new(authority: &Authority, folder: &str) -> Self {
        let (client_port, federation_port) = (free_port(), free_port());
        let name = format!("localhost:{federation_port}");
        let folder = authority.certify(folder, "localhost");
        let text = authority.configuration(&name, client_port, federation_port);
        fs::write(folder.join("sealpost.toml"), text).unwrap();
        Self { name, folder, client_port }
    }

    /// What it said since it was started last.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }

    pub async fn start(&self) -> Process {
        let mut process = self.start_to_die_at("").await;
        assert!(process.child.try_wait().unwrap().is_none(), "not up: {}", self.log());
        process
    }

    /// A server that aborts when it passes a point of `storage/fault.rs`, where the build has these.
    async fn start_to_die_at(&self, point: &str) -> Process {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sealpost"))
            .arg("--config")
            .arg(self.folder.join("sealpost.toml"))
            .env("SEALPOST_KILL_AT", point)
            .stderr(Stdio::from(fs::File::create(self.folder.join("log")).unwrap()))
            .spawn()
            .unwrap();
        let base = format!("http://127.0.0.1:{}", self.client_port);
        let started = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", self.client_port)).await.is_err()
            && child.try_wait().unwrap().is_none()
        {
            assert!(started.elapsed() < Duration::from_secs(60), "not up: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Process { child, base }
    }
}

impl Process {
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_binaries_share_a_room_and_heal_a_fork() {
    let authority = Authority::new();
    let (here, there) = (Place::new(&authority, "here"), Place::new(&authority, "there"));
    let (mut a, mut b) = (here.start().await, there.start().await);
    let alice = User::register(&a.base, "alice").await;
    let bob = User::register(&b.base, "bob").await;
    let room = alice.create_room(json!({ "preset": "public_chat" })).await;
    bob.join(&room, &here.name).await;
    bob.send(&room, "hello").await;
    alice.sees(&room, &["hello"]).await;

    // Each writes while the other is dead: two ends of the room that know nothing of each other.
    b.kill();
    alice.send(&room, "only a").await;
    a.kill();
    b = there.start().await;
    bob.send(&room, "only b").await;
    a = here.start().await;

    alice.sees(&room, &["only a", "only b"]).await;
    bob.sees(&room, &["only a", "only b"]).await;
    alice.send(&room, "one again").await;
    bob.sees(&room, &["one again"]).await;
    assert_eq!(alice.state_ids(&room).await, bob.state_ids(&room).await);
    a.kill();
    b.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_anywhere_in_a_join_can_join_after_it() {
    let authority = Authority::new();
    let (here, there) = (Place::new(&authority, "here"), Place::new(&authority, "there"));
    let (a, mut b) = (here.start().await, there.start().await);
    let alice = User::register(&a.base, "alice").await;
    let bob = Arc::new(User::register(&b.base, "bob").await);
    let mut deaths = 0;
    // The other server has taken the join before the first commit of it here, or soon after.
    for commit in 1..=8 {
        let room = alice.create_room(json!({ "preset": "public_chat" })).await;
        b.kill();
        b = there.start_to_die_at(&format!("before-commit#{commit}")).await;
        let joining = {
            let (bob, room, via) = (bob.clone(), room.clone(), here.name.clone());
            tokio::spawn(async move { bob.join(&room, &via).await })
        };
        // Its connection breaks when the server dies.
        let joined = joining.await.is_ok();
        if !joined {
            b.child.wait().unwrap();
            deaths += 1;
        }
        b.kill();
        b = there.start().await;
        if !joined {
            bob.join(&room, &here.name).await;
        }
        bob.send(&room, "in").await;
        alice.sees(&room, &["in"]).await;
        alice.send(&room, "seen").await;
        bob.sees(&room, &["seen"]).await;
        assert_eq!(alice.state_ids(&room).await, bob.state_ids(&room).await, "{commit}");
    }
    assert!(deaths > 2 || cfg!(not(feature = "fault-injection")), "{deaths}");
}
