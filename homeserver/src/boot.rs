//! Builds the server from its configuration: store, services, workers, listeners, in that order; and stops
//! it in the reverse one. Only this file sees everything.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ruma::{OwnedServerName, RoomVersionId};
use rustls::crypto::ring;
use sealpost_federation::{
    Client, Keyring,
    client::{ClientOptions, ca_certificates},
    discovery::dns::{Resolver, SystemResolver},
    signing_key::SigningKey,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    config::{Config, ConfigError, DatabaseUrl, Listener},
    error::Error,
    http::{
        RateLimits,
        app::App,
        metrics::{Kind, Metrics},
        routes::routes,
        server::{Bound, Serves, serve},
        tls::{Certificate, CertificateError},
    },
    room::version,
    service::{
        accounts::Accounts,
        cleanup::Cleanup,
        commands::Commands,
        events::Events,
        filters::Filters,
        joins::Joins,
        notifier::Notifier,
        passwords::Passwords,
        registration::Registration,
        remote::{self, Policy, Remote, keys::StoredKeys, signs_of_life::SignsOfLife},
        room_info::RoomInfos,
        rooms::Rooms,
        sessions::Sessions,
        states::States,
        sync::Sync,
        timeline::{Context, Timeline},
        uia::Uia,
        user_rooms::UserRooms,
    },
    storage::{Store, StoreOptions},
    worker::{self, command_socket, federation_sender::FederationSender},
};

/// Why the server did not start or run on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Store(#[from] Error),
    #[error("signing key: {0}")]
    SigningKey(#[from] sealpost_federation::Error),
    #[error("{what}: {error}")]
    Io { what: String, error: io::Error },
    #[error("the database failed: {0}")]
    DatabaseFailed(String),
}

impl StartError {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io { what, error }
    }
}

/// How often the files of certificates are looked at.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(5);
/// After a stop signal, how long the listeners may take.
const STOP_WITHIN: Duration = Duration::from_secs(9);

/// How many rooms and users, and how many changes of them, are remembered.
const CACHED_ROOMS: usize = 10_000;
const CACHED_USERS: usize = 10_000;
const NOTIFIED_SUBJECTS: usize = 100_000;

/// What commands need, with or without a server around it.
pub struct Core {
    pub config: Arc<Config>,
    pub clock: Clock,
    pub server_name: OwnedServerName,
    pub signing_key: Arc<SigningKey>,
    pub store: Store,
    pub sessions: Arc<Sessions>,
    pub accounts: Arc<Accounts>,
    pub registration: Arc<Registration>,
}

impl Core {
    /// Opens the database, which takes its lock, and the signing key; makes what is absent. Blocks.
    pub fn open(config: Config, clock: Clock) -> Result<Self, StartError> {
        let database = config.database()?;
        if let DatabaseUrl::Sqlite(file) = &database {
            create_folder_of(file)?;
        }
        let store = Store::open(StoreOptions::new(database))?;
        let signing_key =
            SigningKey::load_or_create(&config.server.signing_key_file, &mut rand::rng())?;
        let signing_key = Arc::new(signing_key);
        fs::create_dir_all(&config.media.path)
            .map_err(StartError::io(format!("{}", config.media.path.display())))?;

        let server_name = OwnedServerName::try_from(config.server.server_name.as_str())
            .map_err(|e| ConfigError::new("server_name", e.to_string()))?;
        let sessions = Arc::new(Sessions::new(store.clone(), clock.clone()));
        let accounts = Arc::new(Accounts::new(
            store.clone(),
            clock.clone(),
            server_name.clone(),
            Passwords::new(&config.password_hashing)?,
            Arc::clone(&sessions),
        ));
        let secret = config.registration.shared_secret.clone().map(|secret| secret.0);
        let registration = Arc::new(Registration::new(store.clone(), clock.clone(), secret));
        let config = Arc::new(config);
        Ok(Self {
            config,
            clock,
            server_name,
            signing_key,
            store,
            sessions,
            accounts,
            registration,
        })
    }

    pub fn commands(&self) -> Commands {
        Commands::new(Arc::clone(&self.accounts), Arc::clone(&self.registration))
    }
}

/// A server that answers.
pub struct Running {
    /// Where it listens, in the order of the configuration.
    pub addresses: Vec<SocketAddr>,
    pub metrics_address: Option<SocketAddr>,
    stopping: CancellationToken,
    server: JoinHandle<io::Result<()>>,
    workers: Vec<JoinHandle<()>>,
    store: Store,
}

/// Starts a server. When this returns it answers.
pub async fn start(config: Config, clock: Clock) -> Result<Running, StartError> {
    start_resolving(config, clock, Arc::new(SystemResolver::new())).await
}

/// Starts a server that finds others through `resolver`.
pub async fn start_resolving(
    config: Config,
    clock: Clock,
    resolver: Arc<dyn Resolver>,
) -> Result<Running, StartError> {
    // In a process that starts several servers, as tests do, it is installed already.
    let _ = ring::default_provider().install_default();
    let certificates = certificates(&config)?;
    ca_certificates(&config.federation.ca_files)
        .map_err(|error| ConfigError::new("federation.ca_files", error.to_string()))?;
    let core = tokio::task::spawn_blocking(move || Core::open(config, clock))
        .await
        .map_err(|_| Error::internal("opening the database panicked"))??;
    match start_on(&core, certificates, resolver) {
        Ok(running) => Ok(running),
        Err(error) => {
            core.store.close().await;
            Err(error)
        }
    }
}

/// What rooms share, within the memory that the configuration allows.
fn context(core: &Core) -> Result<Arc<Context>, StartError> {
    let store = core.store.clone();
    let bytes = core.config.cache.max_mb.saturating_mul(1024 * 1024);
    let notifier = Arc::new(Notifier::new(store.position(), NOTIFIED_SUBJECTS));
    let rooms = Arc::new(RoomInfos::new(CACHED_ROOMS));
    Ok(Arc::new(Context {
        events: Arc::new(Events::new(Arc::clone(&rooms), bytes / 2)),
        states: Arc::new(States::new(bytes / 4)),
        user_rooms: Arc::new(UserRooms::new(CACHED_USERS, Arc::clone(&notifier))),
        rooms,
        notifier,
        key: Arc::clone(&core.signing_key),
        server_name: core.server_name.clone(),
        clock: core.clock.clone(),
        store,
    }))
}

/// Other servers, found through `resolver`.
fn remote(
    core: &Core,
    timeline: Arc<Timeline>,
    resolver: Arc<dyn Resolver>,
) -> Result<Arc<Remote>, StartError> {
    let federation = &core.config.federation;
    let options = ClientOptions {
        ca_files: federation.ca_files.clone(),
        allow_private_addresses: federation.allow_private_addresses,
    };
    let key = SigningKey::clone(&core.signing_key);
    let client = Client::new(core.server_name.clone(), key.clone(), &options, resolver)
        .map_err(|error| ConfigError::new("federation", error.to_string()))?;
    let keyring = Arc::new(Keyring::new(
        core.server_name.clone(),
        &key,
        StoredKeys::new(core.store.clone()),
        Arc::new(client.clone()),
    ));
    let policy = Policy::new(
        federation.enabled,
        federation.allowed_servers.clone(),
        federation.denied_servers.clone(),
    );
    let signs_of_life = Arc::new(SignsOfLife::default());
    Ok(Arc::new(Remote::new(remote::Parts {
        timeline,
        client,
        keyring,
        key,
        policy,
        signs_of_life,
    })))
}

fn default_version(config: &Config) -> Result<RoomVersionId, StartError> {
    RoomVersionId::try_from(config.rooms.default_version.as_str())
        .ok()
        .filter(|version| version::rules(version).is_some())
        .ok_or_else(|| {
            let message = "is not a room version that this server supports";
            ConfigError::new("rooms.default_version", message).into()
        })
}

fn start_on(
    core: &Core,
    certificates: Vec<Option<Arc<Certificate>>>,
    resolver: Arc<dyn Resolver>,
) -> Result<Running, StartError> {
    let config = &core.config;
    let stopping = CancellationToken::new();
    let mut bound = Vec::new();
    for (listener, certificate) in config.listeners.iter().zip(&certificates) {
        bound.push(bind(listener, certificate.clone(), config.federation.enabled)?);
    }
    let addresses = bound.iter().map(Bound::address).collect();
    let metrics_address = match config.metrics.port {
        Some(port) => {
            let listener = bind_at(&config.metrics.bind, port, Serves::Metrics, Vec::new(), None)?;
            let address = listener.address();
            bound.push(listener);
            Some(address)
        }
        None => None,
    };

    let context = context(core)?;
    let timeline = Arc::new(Timeline::new(Arc::clone(&context)));
    let remote = remote(core, Arc::clone(&timeline), resolver)?;
    let rooms = Arc::new(Rooms::new(timeline, Arc::clone(&remote), default_version(config)?));
    let app = App {
        config: Arc::clone(config),
        clock: core.clock.clone(),
        stopping: stopping.clone(),
        rate_limits: RateLimits::new(config.rate_limits.enabled),
        sessions: Arc::clone(&core.sessions),
        accounts: Arc::clone(&core.accounts),
        registration: Arc::clone(&core.registration),
        uia: Arc::new(Uia::new(core.clock.clone())),
        filters: Filters::new(core.store.clone()),
        joins: Joins::new(Arc::clone(&rooms), Arc::clone(&remote)),
        remote: Arc::clone(&remote),
        rooms,
        sync: Sync::new(Arc::clone(&context)),
    };

    let mut workers = Vec::new();
    let (waits, stopped) = (Arc::clone(&context.notifier), stopping.clone());
    workers.push(tokio::spawn(async move {
        stopped.cancelled().await;
        waits.stop();
    }));
    let cleanup = Cleanup::new(core.store.clone());
    workers.push(tokio::spawn(worker::cleanup::run(cleanup, core.clock.clone(), stopping.clone())));

    let socket = command_socket::path(&config.server.signing_key_file);
    match command_socket::bind(&socket) {
        Ok(listener) => {
            let commands = Arc::new(core.commands());
            let stopping = stopping.clone();
            workers.push(tokio::spawn(command_socket::serve(listener, socket, commands, stopping)));
        }
        Err(error) => {
            let socket = socket.display();
            tracing::warn!(%socket, %error, "no socket: commands will not reach this server");
        }
    }
    if config.federation.enabled {
        let sender = FederationSender::new(remote, core.clock.clone(), stopping.clone());
        workers.push(tokio::spawn(sender.run()));
    }
    let certificates: Vec<_> = certificates.into_iter().flatten().collect();
    if !certificates.is_empty() {
        workers.push(tokio::spawn(reload(certificates, stopping.clone())));
    }

    let server = serve(app, routes(), figures(&core.store), bound, stopping.clone())
        .map_err(StartError::io("listeners"))?;
    let server = tokio::spawn(server);
    let store = core.store.clone();
    Ok(Running { addresses, metrics_address, stopping, server, workers, store })
}

impl Running {
    /// Stops accepting, has what waits answer at once, finishes what is in flight, flushes.
    pub async fn stop(self) {
        self.stopping.cancel();
        if timeout(STOP_WITHIN, self.server).await.is_err() {
            tracing::warn!("requests were still running when the time to stop was over");
        }
        for worker in self.workers {
            // A worker that panicked has said so.
            let _ = worker.await;
        }
        self.store.close().await;
    }

    /// Runs until SIGTERM or SIGINT, then stops. An error when the database or the listeners fail.
    async fn run(mut self) -> Result<(), StartError> {
        let no_signals = || StartError::io("signals");
        let mut terminate = signal(SignalKind::terminate()).map_err(no_signals())?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals())?;
        let failure = tokio::select! {
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            reason = self.store.failed() => Some(StartError::DatabaseFailed(reason)),
            ended = &mut self.server => {
                let error = match ended {
                    Ok(Err(error)) => error,
                    Ok(Ok(())) | Err(_) => io::Error::other("ended early"),
                };
                return Err(StartError::io("listeners")(error));
            }
        };
        tracing::info!("stopping");
        self.stop().await;
        match failure {
            None => {
                tracing::info!("stopped");
                Ok(())
            }
            Some(failure) => Err(failure),
        }
    }
}

/// Makes the signing key of a new server; one that is there is not overwritten.
pub fn create_signing_key(file: &Path) -> Result<(), StartError> {
    SigningKey::load_or_create(file, &mut rand::rng())?;
    Ok(())
}

/// The server process: starts, runs until it is told to stop.
pub fn run(config: Config) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(StartError::io("threads"))?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    runtime.block_on(async {
        let server_name = config.server.server_name.clone();
        let running = start(config, Clock::system()).await?;
        tracing::info!(server_name, addresses = ?running.addresses, "ready");
        running.run().await
    })
}

fn create_folder_of(file: &Path) -> Result<(), StartError> {
    match file.parent() {
        Some(folder) => {
            fs::create_dir_all(folder).map_err(StartError::io(format!("{}", folder.display())))
        }
        None => Ok(()),
    }
}

/// The certificate of each listener, read before anything is created.
fn certificates(config: &Config) -> Result<Vec<Option<Arc<Certificate>>>, ConfigError> {
    let load = |cert_file: &PathBuf, key_file: &PathBuf| {
        Certificate::load(cert_file, key_file).map_err(|error| {
            let (key, file) = match &error {
                CertificateError::Certificate(_) => ("listeners.cert_file", cert_file),
                CertificateError::Key(_) => ("listeners.key_file", key_file),
            };
            ConfigError::new(key, format!("`{}` {error}", file.display()))
        })
    };
    let of = |listener: &Listener| match (&listener.cert_file, &listener.key_file) {
        (Some(cert_file), Some(key_file)) if listener.tls => load(cert_file, key_file).map(Some),
        _ => Ok(None),
    };
    config.listeners.iter().map(of).collect()
}

async fn reload(certificates: Vec<Arc<Certificate>>, stopping: CancellationToken) {
    let mut every = interval(CERTIFICATES_EVERY);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = stopping.cancelled() => return,
        }
        for certificate in &certificates {
            certificate.reload();
        }
    }
}

fn bind(
    listener: &Listener,
    certificate: Option<Arc<Certificate>>,
    federation: bool,
) -> Result<Bound, StartError> {
    let serves = |side: &str| listener.serves.iter().any(|served| served == side);
    let serves =
        Serves::Matrix { client: serves("client"), federation: serves("federation") && federation };
    bind_at(&listener.bind, listener.port, serves, listener.trusted_networks()?, certificate)
}

fn bind_at(
    address: &str,
    port: u16,
    serves: Serves,
    trusted_proxies: Vec<ipnet::IpNet>,
    certificate: Option<Arc<Certificate>>,
) -> Result<Bound, StartError> {
    let address: IpAddr =
        address.parse().map_err(|_| ConfigError::new("listeners.bind", "is not an address"))?;
    let address = SocketAddr::new(address, port);
    Bound::bind(address, serves, trusted_proxies, certificate)
        .map_err(StartError::io(address.to_string()))
}

fn figures(store: &Store) -> Metrics {
    let mut metrics = Metrics::default();
    let commits = store.clone();
    metrics.add(Kind::Counter, "sealpost_commits_total", "Commits to the database.", move || {
        commits.commits() as f64
    });
    let slow = store.clone();
    metrics.add(
        Kind::Counter,
        "sealpost_slow_writes_total",
        "Write closures that held the writer for more than 5 ms.",
        move || slow.slow_writes() as f64,
    );
    let position = store.clone();
    metrics.add(Kind::Gauge, "sealpost_position", "Last position of the stream.", move || {
        position.position().0 as f64
    });
    metrics
}
