//! Servers in this process, a certificate authority, and links between them that can be cut.

use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use ruma::OwnedServerName;
use sealpost_federation::{
    Client, Error, SigningKey,
    client::ClientOptions,
    discovery::dns::{Resolver, Service},
};
use sealpost_homeserver::{
    boot::{Running, start_resolving},
    clock::Clock,
    config::{Config, DatabaseUrl},
    storage::{Store, StoreOptions},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

use crate::user::User;

/// A certificate authority with a folder of its own.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub folder: tempfile::TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder }
    }

    /// Makes a folder with a certificate for `host` and a key.
    pub fn certify(&self, name: &str, host: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
        fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
        folder
    }

    /// The configuration of a server in `folder`: clients in the clear, other servers over TLS.
    pub fn configuration(
        &self,
        server_name: &str,
        client_port: u16,
        federation_port: u16,
    ) -> String {
        let ca = self.folder.path().join("ca.pem");
        format!(
            r#"
            server_name = "{server_name}"
            [[listeners]]
            bind = "127.0.0.1"
            port = {client_port}
            tls = false
            serves = ["client"]
            [[listeners]]
            bind = "127.0.0.1"
            port = {federation_port}
            tls = true
            cert_file = "cert.pem"
            key_file = "key.pem"
            serves = ["federation"]
            [registration]
            enabled = true
            [rate_limits]
            enabled = false
            [password_hashing]
            memory_kib = 64
            iterations = 1
            [federation]
            ca_files = ["{}"]
            allow_private_addresses = true
            "#,
            ca.display()
        )
    }
}

/// All servers, by name, and how they reach one another.
pub struct Network {
    authority: Authority,
    links: Arc<Links>,
}

#[derive(Default)]
struct Links(Mutex<HashMap<String, Arc<Link>>>);

/// The way to one server.
struct Link {
    address: SocketAddr,
    state: Arc<Mutex<LinkState>>,
    accepting: AbortHandle,
}

#[derive(Default)]
struct LinkState {
    target: Option<SocketAddr>,
    connections: JoinSet<()>,
}

impl Resolver for Links {
    fn addresses(&self, host: &str) -> BoxFuture<'static, Result<Vec<SocketAddr>, Error>> {
        let found = self.0.lock().get(host).map(|link| vec![link.address]);
        let missing = Error::Connection(format!("no {host}"));
        async move { found.ok_or(missing) }.boxed()
    }

    fn services(&self, _: &str) -> BoxFuture<'static, Result<Vec<Service>, Error>> {
        async { Ok(Vec::new()) }.boxed()
    }
}

impl Link {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(LinkState::default()));
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((mut inbound, _)) = listener.accept().await {
                let mut state = shared.lock();
                let Some(target) = state.target else { continue };
                state.connections.spawn(async move {
                    if let Ok(mut outbound) = TcpStream::connect(target).await {
                        let _ = tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await;
                    }
                });
            }
        });
        Self { address, state, accepting: accepting.abort_handle() }
    }

    fn lead_to(&self, target: Option<SocketAddr>) {
        let mut state = self.state.lock();
        state.target = target;
        state.connections.abort_all();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A server in this process.
pub struct Server {
    pub name: String,
    pub base: String,
    federation: SocketAddr,
    running: Running,
}

impl Network {
    pub fn new() -> Self {
        Self { authority: Authority::new(), links: Arc::default() }
    }

    /// Starts a server, or starts it again on what it left.
    pub async fn start(&self, name: &str) -> Server {
        let known = self.links.0.lock().contains_key(name);
        if !known {
            self.authority.certify(name, name);
            let link = Arc::new(Link::new().await);
            self.links.0.lock().insert(name.to_owned(), link);
        }
        let folder: &Path = &self.authority.folder.path().join(name);
        let text = self.authority.configuration(name, 0, 0);
        let config = Config::parse(&text, folder).unwrap();
        let resolver: Arc<dyn Resolver> = self.links.clone();
        let running = start_resolving(config, Clock::system(), resolver).await.unwrap();
        let [client, federation] = running.addresses[..] else { panic!("two listeners") };
        let server =
            Server { name: name.to_owned(), base: format!("http://{client}"), federation, running };
        self.heal(&server);
        server
    }

    /// What signs and sends as the server of this name does.
    pub fn client_of(&self, name: &str) -> Client {
        let folder = self.authority.folder.path();
        let key = SigningKey::load(&folder.join(name).join("signing.key")).unwrap().unwrap();
        let options =
            ClientOptions { ca_files: vec![folder.join("ca.pem")], allow_private_addresses: true };
        let name = OwnedServerName::try_from(name).unwrap();
        Client::new(name, key, &options, self.links.clone()).unwrap()
    }

    /// Opens the database of a server that is stopped.
    pub async fn database(&self, name: &str) -> Store {
        let file = self.authority.folder.path().join(name).join("sealpost.db");
        let url = format!("sqlite://{}", file.display());
        let url = DatabaseUrl::parse(&url, Path::new("/")).unwrap();
        tokio::task::spawn_blocking(|| Store::open(StoreOptions::new(url)).unwrap()).await.unwrap()
    }

    /// Nobody reaches the server any more.
    pub fn cut(&self, server: &Server) {
        self.link(&server.name).lead_to(None);
    }

    /// The server can be reached again.
    pub fn heal(&self, server: &Server) {
        self.link(&server.name).lead_to(Some(server.federation));
    }

    fn link(&self, name: &str) -> Arc<Link> {
        Arc::clone(&self.links.0.lock()[name])
    }
}

impl Server {
    pub async fn register(&self, name: &str) -> User {
        User::register(&self.base, name).await
    }

    pub async fn stop(self) {
        self.running.stop().await;
    }
}
