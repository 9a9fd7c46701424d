//! The configuration: one struct with typed sections, read from TOML.
//!
//! A new setting is a documented field in `config/sections.rs` (or below, at the top level);
//! a test keeps `config.example.toml` equal and, with `SEALPOST_UPDATE_EXAMPLE=1`, writes it.

mod check;
mod database_url;
mod error;
mod example;
pub mod section;
mod sections;

use std::{
    fs,
    path::{Path, PathBuf},
};

use self::section::{Key, Section, dotted};
pub use self::{
    database_url::DatabaseUrl, error::ConfigError, example::example, section::Secret, sections::*,
};

section::section! {
    /// The keys that stand before the first section.
    pub struct Server {
        /// The name in user ids and room aliases, with a port only where other servers need one. It cannot be changed
        /// later.
        server_name: String = String::new() => "\"example.org\"",
        /// Where clients reach the server; `https://` and the server name when absent.
        public_base_url: Option<String> = None => "\"https://matrix.example.org\"",
        /// The key that the server signs with, made when absent. Keep a copy: it is the server's identity.
        signing_key_file: PathBuf = PathBuf::from("signing.key"),
    }
}

macro_rules! config {
    ($($name:ident: $type:ident),+ $(,)?) => {
        /// Everything that is configured. Paths are absolute, values are checked.
        #[derive(Clone, Debug, Default)]
        pub struct Config {
            pub server: Server,
            pub listeners: Vec<Listener>,
            $(pub $name: $type,)+
        }

        impl Config {
            fn from_table(mut table: toml::Table) -> Result<Self, ConfigError> {
                let config = Self {
                    listeners: take_listeners(&mut table)?,
                    $($name: take_section(&mut table, stringify!($name))?,)+
                    server: take_server(&mut table)?,
                };
                match table.keys().next() {
                    None => Ok(config),
                    Some(unknown) => {
                        let mut known = vec!["listeners", $(stringify!($name)),+];
                        known.extend(Server::keys().iter().map(|key| key.name));
                        Err(ConfigError::unknown_key("", unknown, &known))
                    }
                }
            }
        }

        /// Header and keys of each section, in the order of the file.
        fn documented() -> Vec<(&'static str, Vec<Key>)> {
            vec![$((stringify!($name), $type::keys())),+]
        }
    };
}

config! {
    database: Database,
    registration: Registration,
    password_hashing: PasswordHashing,
    rate_limits: RateLimits,
    rooms: Rooms,
    room_directory: RoomDirectory,
    federation: Federation,
    outbound: Outbound,
    well_known: WellKnown,
    media: Media,
    turn: Turn,
    presence: Presence,
    cache: Cache,
    log: Log,
    metrics: Metrics,
    url_previews: UrlPreviews,
    appservices: Appservices,
    email: Email,
}

impl Config {
    /// Reads and checks a file. Nothing is created.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(file)
            .map_err(|e| ConfigError::new("", format!("cannot be read: {e}")).in_file(file))?;
        let folder = file
            .canonicalize()
            .ok()
            .and_then(|file| file.parent().map(Path::to_owned))
            .unwrap_or_default();
        Self::parse(&text, &folder).map_err(|e| e.in_file(file))
    }

    /// Reads and checks a text whose relative paths count from `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        let table: toml::Table = text.parse().map_err(|e| syntax_error(text, &e))?;
        let mut config = Self::from_table(table)?;
        if config.listeners.is_empty() {
            config.listeners.push(Listener::default());
        }
        config.resolve_paths(folder);
        config.check()?;
        Ok(config)
    }

    /// Where clients reach the server, without a slash at the end.
    pub fn public_base_url(&self) -> String {
        match &self.server.public_base_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("https://{}", self.server.server_name),
        }
    }
}

fn syntax_error(text: &str, error: &toml::de::Error) -> ConfigError {
    let line = error
        .span()
        .map_or(1, |span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
    ConfigError::new("", format!("line {line}: {}", error.message()))
}

fn take_section<T: Section>(table: &mut toml::Table, name: &str) -> Result<T, ConfigError> {
    match table.remove(name) {
        None => Ok(T::default()),
        Some(toml::Value::Table(section)) => T::read(section, name),
        Some(_) => Err(ConfigError::new(name, format!("must be a section `[{name}]`"))),
    }
}

fn take_listeners(table: &mut toml::Table) -> Result<Vec<Listener>, ConfigError> {
    const FAULT: &str = "must be a list of sections `[[listeners]]`";
    match table.remove("listeners") {
        None => Ok(Vec::new()),
        Some(toml::Value::Array(list)) => list
            .into_iter()
            .map(|listener| match listener {
                toml::Value::Table(section) => Listener::read(section, "listeners"),
                _ => Err(ConfigError::new("listeners", FAULT)),
            })
            .collect(),
        Some(_) => Err(ConfigError::new("listeners", FAULT)),
    }
}

fn take_server(table: &mut toml::Table) -> Result<Server, ConfigError> {
    let own = Server::keys()
        .iter()
        .filter_map(|key| Some((key.name.to_owned(), table.remove(key.name)?)))
        .collect();
    Server::read(own, "")
}

/// `listeners.bind`, for checks of a list's entry.
fn listener_key(key: &str) -> String {
    dotted("listeners", key)
}
