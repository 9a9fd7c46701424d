//! Builds the server from its configuration: store, services, workers, listeners, in that order; and stops
//! it in the reverse one. Only `boot` sees everything.

mod backup;
mod figures;
mod listeners;
mod process;

use std::{fs, io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use ruma::{OwnedServerName, RoomVersionId};
use rustls::crypto::ring;
use sealpost_federation::{
    Client, Keyring, Policy,
    client::{ClientOptions, Heard, ca_certificates},
    discovery::dns::{Resolver, SystemResolver},
    signing_key::SigningKey,
};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

pub use self::{backup::back_up, process::run};
use self::{
    figures::figures,
    listeners::{bind, bind_at, certificates, reload},
};
use crate::{
    clock::Clock,
    config::{Config, ConfigError, DatabaseUrl},
    error::Error,
    http::{
        RateLimits,
        app::App,
        routes::routes,
        server::{Bound, Serves, serve},
        tls::Certificate,
    },
    room::version,
    service::{
        account_data::AccountData,
        accounts::Accounts,
        cleanup::Cleanup,
        commands::Commands,
        dehydrated_devices::DehydratedDevices,
        departures::Departures,
        device_lists::DeviceLists,
        devices::Devices,
        erased_users::ErasedUsers,
        erasure::Erasure,
        events::Events,
        filters::Filters,
        gaps::Gaps,
        ignored_users::IgnoredUsers,
        joins::Joins,
        key_backup::KeyBackup,
        keys::Keys,
        media::{self, Media},
        moderation::Moderation,
        notifier::{Notifier, Serial},
        partial_rooms::PartialRooms,
        passwords::Passwords,
        presence::Presence,
        profiles::Profiles,
        push::{Push, rules::PushRules},
        receipts::Receipts,
        registration::Registration,
        remote::{
            self, Remote, keys::StoredKeys, others::OtherServers, signs_of_life::SignsOfLife,
        },
        room_info::RoomInfos,
        rooms::{RoomOptions, Rooms},
        sender_keys::SenderKeys,
        sessions::Sessions,
        signing_keys::SigningKeys,
        states::States,
        sync::{Sync, streams::Streams},
        timeline::{Context, Timeline},
        to_device::ToDevice,
        typing::Typing,
        uia::Uia,
        user_directory::UserDirectory,
        user_rooms::UserRooms,
    },
    storage::{Store, StoreOptions, accounts, partial_rooms},
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

/// After a stop signal, how long listeners and workers may take.
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
    pub signing_keys: Arc<SigningKeys>,
    pub store: Store,
    pub notifier: Arc<Notifier>,
    pub device_lists: DeviceLists,
    pub sessions: Arc<Sessions>,
    pub erased_users: Arc<ErasedUsers>,
    pub partial_rooms: Arc<PartialRooms>,
    pub accounts: Arc<Accounts>,
    pub registration: Arc<Registration>,
    pub moderation: Arc<Moderation>,
}

impl Core {
    /// Opens the database, which takes its lock, and the signing key; makes what is absent. Blocks.
    pub fn open(config: Config, clock: Clock) -> Result<Self, StartError> {
        let database = config.database()?;
        if let DatabaseUrl::Sqlite(file) = &database {
            create_folder_of(file)?;
        }
        let store = Store::open(StoreOptions::new(database))?;
        let file = config.server.signing_key_file.clone();
        let current = SigningKey::load_or_create(&file, &mut rand::rng())?;
        let signing_keys = SigningKeys::open(store.clone(), clock.clone(), file, current)?;
        fs::create_dir_all(&config.media.path)
            .map_err(StartError::io(format!("{}", config.media.path.display())))?;

        let server_name = OwnedServerName::try_from(config.server.server_name.as_str())
            .map_err(|e| ConfigError::new("server_name", e.to_string()))?;
        let serial = Serial(clock.now_ms());
        let notifier = Arc::new(Notifier::new(store.position(), serial, NOTIFIED_SUBJECTS));
        let device_lists = DeviceLists::new(Arc::clone(&notifier));
        let sessions = Sessions::new(store.clone(), clock.clone(), device_lists.clone());
        let sessions = Arc::new(sessions);
        let erased_users = ErasedUsers::new(store.read_blocking(accounts::erased)?);
        let erased_users = Arc::new(erased_users);
        let partial_rooms = Arc::new(PartialRooms::new(store.read_blocking(partial_rooms::all)?));
        let accounts = Arc::new(Accounts::new(
            store.clone(),
            clock.clone(),
            server_name.clone(),
            Passwords::new(&config.password_hashing)?,
            Arc::clone(&sessions),
            Arc::clone(&erased_users),
        ));
        let secret = config.registration.shared_secret.clone().map(|secret| secret.0);
        let registration = Arc::new(Registration::new(store.clone(), clock.clone(), secret));
        let moderation = Moderation::new(store.clone(), clock.clone(), Arc::clone(&sessions));
        let config = Arc::new(config);
        Ok(Self {
            config,
            clock,
            server_name,
            signing_keys,
            store,
            notifier,
            device_lists,
            sessions,
            erased_users,
            partial_rooms,
            accounts,
            registration,
            moderation: Arc::new(moderation),
        })
    }

    pub fn commands(&self) -> Commands {
        Commands::new(
            Arc::clone(&self.accounts),
            Arc::clone(&self.registration),
            Arc::clone(&self.moderation),
            Arc::clone(&self.signing_keys),
        )
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
    let notifier = Arc::clone(&core.notifier);
    let rooms = Arc::new(RoomInfos::new(CACHED_ROOMS));
    Ok(Arc::new(Context {
        events: Arc::new(Events::new(Arc::clone(&rooms), bytes / 2)),
        gaps: Gaps::default(),
        states: Arc::new(States::new(bytes / 4)),
        push_rules: Arc::new(PushRules::new(CACHED_USERS)),
        ignored_users: Arc::new(IgnoredUsers::new(CACHED_USERS)),
        erased_users: Arc::clone(&core.erased_users),
        partial_rooms: Arc::clone(&core.partial_rooms),
        user_rooms: Arc::new(UserRooms::new(CACHED_USERS, Arc::clone(&notifier))),
        rooms,
        notifier,
        guest_access: Arc::default(),
        keys: core.signing_keys.keys(),
        server_name: core.server_name.clone(),
        clock: core.clock.clone(),
        store,
    }))
}

/// Other servers, found through `resolver`.
fn remote(
    core: &Core,
    timeline: Arc<Timeline>,
    (policy, others): (Policy, Arc<OtherServers>),
    (typing, presence): (&Typing, &Arc<Presence>),
    resolver: Arc<dyn Resolver>,
) -> Result<Arc<Remote>, StartError> {
    let federation = &core.config.federation;
    let signs_of_life = Arc::new(SignsOfLife::default());
    let options = ClientOptions {
        ca_files: federation.ca_files.clone(),
        allow_private_addresses: federation.allow_private_addresses,
        policy: policy.clone(),
        heard: Heard::by({
            let signs_of_life = Arc::clone(&signs_of_life);
            move |server| signs_of_life.heard_from(server)
        }),
    };
    let keys = core.signing_keys.keys();
    let client = Client::new(core.server_name.clone(), keys.clone(), &options, resolver)
        .map_err(|error| ConfigError::new("federation", error.to_string()))?;
    let notaries = federation.notaries.iter();
    let notaries = notaries.filter_map(|name| OwnedServerName::try_from(name.as_str()).ok());
    let keyring = Keyring::new(
        core.server_name.clone(),
        keys.clone(),
        StoredKeys::new(core.store.clone()),
        Arc::new(client.clone()),
    );
    let keyring = Arc::new(keyring.with_notaries(notaries.collect()));
    Ok(Arc::new(Remote::new(remote::Parts {
        timeline,
        client,
        keyring,
        keys,
        policy,
        signs_of_life,
        device_lists: core.device_lists.clone(),
        spool_folder: core.config.media.path.clone(),
        others,
        typing: Arc::clone(typing.rooms()),
        presence: Arc::clone(presence),
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
    let federation = &config.federation;
    let (allowed, denied) = (&federation.allowed_servers, &federation.denied_servers);
    let policy = Policy::new(federation.enabled, allowed.clone(), denied.clone());
    let others = Arc::new(OtherServers::new(policy.clone()));
    let typing = Typing::new(Arc::clone(&context), Arc::clone(&others));
    let presence = Presence::new(Arc::clone(&context), others.clone(), config.presence.enabled);
    let presence = Arc::new(presence);
    let told = (policy, Arc::clone(&others));
    let remote = remote(core, Arc::clone(&timeline), told, (&typing, &presence), resolver)?;
    let options = RoomOptions {
        default_version: default_version(config)?,
        anyone_may_publish: config.room_directory.anyone_may_publish,
    };
    let rooms = Arc::new(Rooms::new(timeline, Arc::clone(&remote), options));
    let limits = media::Limits {
        file: config.media.max_upload_bytes,
        user: config.media.max_bytes_per_user,
        keep_remote_days: config.media.keep_remote_days,
        keep_remote_bytes: config.media.keep_remote_bytes,
    };
    let media = Arc::new(Media::new(media::Parts {
        store: core.store.clone(),
        clock: core.clock.clone(),
        server_name: core.server_name.clone(),
        folder: &config.media.path,
        limits,
        remote: Arc::clone(&remote),
        stopping: stopping.clone(),
    })?);
    let profiles = Arc::new(Profiles::new(Arc::clone(&rooms), Arc::clone(&remote)));
    let app = App {
        config: Arc::clone(config),
        clock: core.clock.clone(),
        stopping: stopping.clone(),
        rate_limits: RateLimits::new(config.rate_limits.enabled),
        sessions: Arc::clone(&core.sessions),
        accounts: Arc::clone(&core.accounts),
        registration: Arc::clone(&core.registration),
        uia: Arc::new(Uia::new(core.clock.clone())),
        dehydrated_devices: DehydratedDevices::new(
            Arc::clone(&context),
            Arc::clone(&core.sessions),
            core.device_lists.clone(),
        ),
        devices: Devices::new(
            core.store.clone(),
            Arc::clone(&core.sessions),
            core.device_lists.clone(),
        ),
        filters: Filters::new(core.store.clone()),
        joins: Joins::new(Arc::clone(&rooms), Arc::clone(&remote)),
        key_backup: KeyBackup::new(core.store.clone()),
        keys: Keys::new(Arc::clone(&context), core.device_lists.clone(), Arc::clone(&remote)),
        media: Arc::clone(&media),
        moderation: Arc::clone(&core.moderation),
        remote: Arc::clone(&remote),
        rooms: Arc::clone(&rooms),
        account_data: AccountData::new(Arc::clone(&context)),
        profiles: Arc::clone(&profiles),
        presence: Arc::clone(&presence),
        push: Push::new(Arc::clone(&context)),
        receipts: Receipts::new(Arc::clone(&context), others),
        sync: Sync::new(
            Arc::clone(&context),
            Streams::new(Arc::clone(typing.rooms()), Arc::clone(presence.board())),
        ),
        sender_keys: SenderKeys::new(Arc::clone(&context), Arc::clone(&remote)),
        to_device: ToDevice::new(Arc::clone(&context), Arc::clone(&remote)),
        typing,
        user_directory: UserDirectory::new(core.store.clone()),
    };

    let mut workers = Vec::new();
    let (waits, stopped) = (Arc::clone(&context.notifier), stopping.clone());
    let members = Arc::clone(&context.partial_rooms);
    workers.push(tokio::spawn(async move {
        stopped.cancelled().await;
        waits.stop();
        members.stop();
    }));
    let erasure = Erasure::new(Arc::clone(&context), config.rooms.keep_redacted_days);
    let cleanup = Cleanup::new(core.store.clone(), media, erasure);
    workers.push(tokio::spawn(worker::cleanup::run(cleanup, core.clock.clone(), stopping.clone())));

    let departing = Arc::clone(core.accounts.departing());
    let upgrading = Arc::clone(&rooms);
    let departures = Departures::new(core.store.clone(), rooms, Arc::clone(&remote), departing);
    workers.push(tokio::spawn(worker::departures::run(departures, stopping.clone())));
    workers.push(tokio::spawn(worker::guests::run(Arc::clone(&upgrading), stopping.clone())));
    workers.push(tokio::spawn(worker::upgrades::run(upgrading, stopping.clone())));
    if config.presence.enabled {
        workers.push(tokio::spawn(worker::presence::run(presence, stopping.clone())));
    }
    workers.push(tokio::spawn(worker::profile_updates::run(profiles, stopping.clone())));

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
    let announcer = worker::device_updates::run(Arc::clone(&remote), stopping.clone());
    workers.push(tokio::spawn(announcer));
    if config.federation.enabled {
        let members = worker::partial_rooms::run(Arc::clone(&remote), stopping.clone());
        workers.push(tokio::spawn(members));
        let held = worker::held_events::run(Arc::clone(&remote), stopping.clone());
        workers.push(tokio::spawn(held));
        let postponed = worker::postponed_events::run(Arc::clone(&remote), stopping.clone());
        workers.push(tokio::spawn(postponed));
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
        let ended = async {
            // What failed or panicked has said so.
            let _ = self.server.await;
            for worker in self.workers {
                let _ = worker.await;
            }
        };
        if timeout(STOP_WITHIN, ended).await.is_err() {
            tracing::warn!("something was still running when the time to stop was over");
        }
        self.store.close().await;
    }
}

/// Makes the signing key of a new server; one that is there is not overwritten.
pub fn create_signing_key(file: &Path) -> Result<(), StartError> {
    SigningKey::load_or_create(file, &mut rand::rng())?;
    Ok(())
}

fn create_folder_of(file: &Path) -> Result<(), StartError> {
    match file.parent() {
        Some(folder) => {
            fs::create_dir_all(folder).map_err(StartError::io(format!("{}", folder.display())))
        }
        None => Ok(()),
    }
}
