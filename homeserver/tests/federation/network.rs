//! Servers in this process, a certificate authority, and links between them that can be cut.

use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use ruma::OwnedServerName;
use sealpost_federation::{
    Client, Error, SigningKey,
    client::{ClientOptions, ca_certificates},
    discovery::dns::{Resolver, Service, SystemResolver},
};
use sealpost_homeserver::{
    boot::{Running, start_resolving},
    clock::Clock,
    config::{Config, DatabaseUrl},
    storage::{Store, StoreOptions},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    task::{AbortHandle, JoinSet},
};

use crate::user::{User, http};

/// A certificate authority with a folder of its own. With `SEALPOST_KEEP` in the environment a test that fails leaves
/// it, with the databases of its servers.
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
            allow_guests = true
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

impl Drop for Authority {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("SEALPOST_KEEP").is_some() {
            self.folder.disable_cleanup(true);
            println!("kept: {}", self.folder.path().display());
        }
    }
}

/// All servers, by name, and how they reach one another.
pub struct Network {
    authority: Authority,
    links: Arc<Links>,
}

/// What is wrong with the way from one server to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// Nothing gets through.
    Cut,
    /// Each piece takes so long.
    Slow(Duration),
    /// Requests get through, answers don't: the connection breaks instead.
    LoseAnswers,
}

struct Links {
    ways: Mutex<Ways>,
    /// Where connections are worked on: the servers come and go with runtimes of their own.
    runtime: Handle,
}

#[derive(Default)]
struct Ways {
    /// Where servers listen; none where nobody may reach them.
    targets: HashMap<String, Option<SocketAddr>>,
    /// By who asks and who is asked.
    links: HashMap<(String, String), Arc<Link>>,
}

/// How the servers are found by one of them.
struct View {
    links: Arc<Links>,
    from: String,
}

/// The way from one server to another.
struct Link {
    address: SocketAddr,
    state: Arc<Mutex<LinkState>>,
    accepting: AbortHandle,
}

#[derive(Default)]
struct LinkState {
    target: Option<SocketAddr>,
    fault: Fault,
    connections: JoinSet<()>,
}

impl Resolver for View {
    fn addresses(&self, host: &str) -> BoxFuture<'static, Result<Vec<SocketAddr>, Error>> {
        let (links, from, host) = (self.links.clone(), self.from.clone(), host.to_owned());
        async move {
            let address = links.way(&from, &host);
            address.map(|at| vec![at]).ok_or(Error::Connection(format!("no {host}")))
        }
        .boxed()
    }

    fn services(&self, _: &str) -> BoxFuture<'static, Result<Vec<Service>, Error>> {
        async { Ok(Vec::new()) }.boxed()
    }
}

impl Links {
    /// Where `from` reaches `to`.
    fn way(&self, from: &str, to: &str) -> Option<SocketAddr> {
        let mut ways = self.ways.lock();
        let target = *ways.targets.get(to)?;
        let link = ways
            .links
            .entry((from.to_owned(), to.to_owned()))
            .or_insert_with(|| Arc::new(Link::new(target, &self.runtime)));
        Some(link.address)
    }

    fn lead(&self, to: &str, target: Option<SocketAddr>) {
        let mut ways = self.ways.lock();
        ways.targets.insert(to.to_owned(), target);
        for (_, link) in ways.links.iter().filter(|((_, name), _)| name == to) {
            let mut state = link.state.lock();
            state.target = target;
            state.connections.abort_all();
        }
    }
}

impl Link {
    fn new(target: Option<SocketAddr>, runtime: &Handle) -> Self {
        let _inside = runtime.enter();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(LinkState { target, ..LinkState::default() }));
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((inbound, _)) = listener.accept().await {
                let mut state = shared.lock();
                let Some(target) = state.target else { continue };
                if state.fault == Fault::Cut {
                    continue;
                }
                let shared = Arc::clone(&shared);
                state.connections.spawn(async move {
                    if let Ok(outbound) = TcpStream::connect(target).await {
                        relay(inbound, outbound, &shared).await;
                    }
                });
            }
        });
        Self { address, state, accepting: accepting.abort_handle() }
    }
}

/// Passes bytes on, as far as the fault of the moment lets them through.
async fn relay(mut inbound: TcpStream, mut outbound: TcpStream, link: &Mutex<LinkState>) {
    let (mut asks, mut asks_to) = inbound.split();
    let (mut answers, mut answers_to) = outbound.split();
    tokio::select! {
        () = pass(&mut asks, &mut answers_to, link, false) => {}
        () = pass(&mut answers, &mut asks_to, link, true) => {}
    }
}

async fn pass(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    link: &Mutex<LinkState>,
    is_answer: bool,
) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        let fault = link.lock().fault;
        match fault {
            Fault::Cut => return,
            Fault::LoseAnswers if is_answer => return,
            Fault::Slow(by) => tokio::time::sleep(by).await,
            Fault::None | Fault::LoseAnswers => {}
        }
        if to.write_all(&piece[..count]).await.is_err() {
            return;
        }
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
        Self {
            authority: Authority::new(),
            links: Arc::new(Links { ways: Mutex::default(), runtime: Handle::current() }),
        }
    }

    /// Starts a server, or starts it again on what it left.
    pub async fn start(&self, name: &str) -> Server {
        self.start_with(name, "").await
    }

    /// The same, with another time.
    pub async fn start_at(&self, name: &str, clock: Clock) -> Server {
        self.start_as(name, "", clock).await
    }

    /// The same, with more settings: lines of the section `[federation]`, and whatever follows.
    pub async fn start_with(&self, name: &str, settings: &str) -> Server {
        self.start_as(name, settings, Clock::system()).await
    }

    async fn start_as(&self, name: &str, settings: &str, clock: Clock) -> Server {
        if !self.links.ways.lock().targets.contains_key(name) {
            self.certify(name);
        }
        let folder: &Path = &self.authority.folder.path().join(name);
        let text = self.authority.configuration(name, 0, 0) + settings;
        let config = Config::parse(&text, folder).unwrap();
        let resolver = self.seen_from(name);
        let running = start_resolving(config, clock, resolver).await.unwrap();
        let [client, federation] = running.addresses[..] else { panic!("two listeners") };
        let server =
            Server { name: name.to_owned(), base: format!("http://{client}"), federation, running };
        self.heal(&server);
        server
    }

    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Makes a folder with a certificate and its key for a server of this name.
    pub fn certify(&self, name: &str) -> PathBuf {
        self.authority.certify(name, name)
    }

    /// Has others find a server at an address.
    pub fn link_to(&self, name: &str, address: SocketAddr) {
        self.links.lead(name, Some(address));
    }

    fn seen_from(&self, name: &str) -> Arc<dyn Resolver> {
        Arc::new(View { links: self.links.clone(), from: name.to_owned() })
    }

    /// What signs and sends as the server of this name does.
    pub fn client_of(&self, name: &str) -> Client {
        self.client_as(name, SigningKey::load(&self.signing_key(name)).unwrap().unwrap())
    }

    /// What signs with `key` and sends in the name of a server.
    pub fn client_as(&self, name: &str, key: SigningKey) -> Client {
        self.client_by(name, key, self.seen_from(name))
    }

    /// The same, finding others by the machine's names.
    pub fn outside_client_as(&self, name: &str, key: SigningKey) -> Client {
        self.client_by(name, key, Arc::new(SystemResolver::new()))
    }

    fn client_by(&self, name: &str, key: SigningKey, resolver: Arc<dyn Resolver>) -> Client {
        let folder = self.authority.folder.path();
        let options = ClientOptions {
            ca_files: vec![folder.join("ca.pem")],
            allow_private_addresses: true,
            ..ClientOptions::default()
        };
        let name = OwnedServerName::try_from(name).unwrap();
        Client::new(name, key, &options, resolver).unwrap()
    }

    /// A client without a name that finds one server, as others do.
    pub fn http(&self, server: &Server) -> reqwest::Client {
        let mut roots = rustls::RootCertStore::empty();
        let authority = self.authority.folder.path().join("ca.pem");
        roots.add_parsable_certificates(ca_certificates(&[authority]).unwrap());
        http(roots).resolve(&server.name, server.federation).build().unwrap()
    }

    /// Where the signing key of the server of this name is.
    pub fn signing_key(&self, name: &str) -> PathBuf {
        self.authority.folder.path().join(name).join("signing.key")
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
        self.links.lead(&server.name, None);
    }

    /// The server can be reached again.
    pub fn heal(&self, server: &Server) {
        self.links.lead(&server.name, Some(server.federation));
    }

    /// From here on the way from one server to another has a fault.
    pub fn fault(&self, from: &str, to: &str, fault: Fault) {
        if self.links.way(from, to).is_none() {
            return;
        }
        let ways = self.links.ways.lock();
        let mut state = ways.links[&(from.to_owned(), to.to_owned())].state.lock();
        state.fault = fault;
        if fault == Fault::Cut {
            state.connections.abort_all();
        }
    }

    /// No way has a fault any more.
    pub fn heal_all(&self) {
        for link in self.links.ways.lock().links.values() {
            link.state.lock().fault = Fault::None;
        }
    }
}

impl Server {
    pub async fn register(&self, name: &str) -> User {
        User::register(&self.base, name).await
    }

    pub async fn register_guest(&self) -> User {
        User::register_guest(&self.base).await
    }

    pub async fn stop(self) {
        self.running.stop().await;
    }
}
