//! The sections of the configuration: every key, its meaning and its default. The doc comments are the text
//! of `config.example.toml`.

use std::path::PathBuf;

use super::section::{Secret, section, word_value};

section! {
    /// One address that the server listens on.
    pub struct Listener {
        /// Address to bind.
        bind: String = "127.0.0.1".to_owned(),
        /// Port to bind; 0 lets the system choose one.
        port: u16 = 8008,
        /// Speak TLS here. Both files are then needed; they are read again when they change.
        tls: bool = false,
        /// Certificate chain, PEM.
        cert_file: Option<PathBuf> = None => "\"cert.pem\"",
        /// Private key, PEM (PKCS#8 or PKCS#1).
        key_file: Option<PathBuf> = None => "\"key.pem\"",
        /// What is served: `client` (with media, web client and well-known), `federation` (with the key API).
        serves: Vec<String> = vec!["client".to_owned(), "federation".to_owned()],
        /// Addresses or networks of reverse proxies whose `Forwarded` or `X-Forwarded-For` is believed.
        trusted_proxies: Vec<String> = Vec::new() => "[\"127.0.0.1\", \"10.0.0.0/8\"]",
    }
}

section! {
    /// Where everything but files is kept.
    pub struct Database {
        /// `sqlite://FILE` (`sqlite:///absolute/file.db` or `sqlite://relative/file.db`) or `postgres://…`.
        /// PostgreSQL on any host but loopback or a socket needs an explicit `sslmode=disable`: this build speaks
        /// no TLS to PostgreSQL.
        url: String = "sqlite://sealpost.db".to_owned(),
    }
}

section! {
    /// Uploaded files.
    pub struct Media {
        /// Folder of the files.
        path: PathBuf = PathBuf::from("media"),
        /// Answer the old download and thumbnail paths, which ask for no access token.
        allow_unauthenticated: bool = false,
        /// The largest file, in bytes.
        max_upload_bytes: u64 = 100 * 1024 * 1024,
        /// How much each user may upload in all, in bytes; as much as they like when absent.
        max_bytes_per_user: Option<u64> = None => "10737418240",
        /// How many days content of other servers is kept after it was fetched; it is fetched again then.
        keep_remote_days: u32 = 90,
        /// How much content of other servers is kept in all, in bytes; what was fetched first goes first.
        keep_remote_bytes: u64 = 10 * 1024 * 1024 * 1024,
    }
}

word_value! {
    pub enum LogLevel { Error = "error", Warn = "warn", Info = "info", Debug = "debug", Trace = "trace" }
}

word_value! {
    pub enum LogFormat { Text = "text", Json = "json" }
}

section! {
    /// What is written to standard error.
    pub struct Log {
        /// `error`, `warn`, `info`, `debug` or `trace`.
        level: LogLevel = LogLevel::Info,
        /// `text` or `json`.
        format: LogFormat = LogFormat::Text,
    }
}

section! {
    /// Who may make an account. `sealpost user create` always works.
    pub struct Registration {
        /// Anybody may.
        enabled: bool = false,
        /// Guests may look at rooms that are open to them.
        allow_guests: bool = false,
        /// With `enabled`: only with a token of `sealpost registration-token create`.
        tokens_required: bool = false,
        /// Scripts that know this secret may, at `/_synapse/admin/v1/register`.
        shared_secret: Option<Secret> = None => "\"a long random string\"",
    }
}

section! {
    /// Cost of argon2id, which passwords are hashed with.
    pub struct PasswordHashing {
        /// Memory in KiB.
        memory_kib: u32 = 19_456,
        /// Passes over the memory.
        iterations: u32 = 2,
        /// Lanes.
        parallelism: u32 = 1,
        /// Passwords hashed at the same time; others wait.
        concurrency: u32 = 2,
    }
}

section! {
    /// Protection against callers that ask too often.
    pub struct RateLimits {
        /// `false`: no rate limit; limits of size, depth and count stay.
        enabled: bool = true,
    }
}

section! {
    /// Other servers.
    pub struct Federation {
        /// Talk to other servers.
        enabled: bool = true,
        /// Files with certificates (PEM) to trust besides those of the system.
        ca_files: Vec<PathBuf> = Vec::new(),
        /// Connect to loopback and private addresses.
        allow_private_addresses: bool = false,
        /// Servers asked for the keys of others.
        notaries: Vec<String> = Vec::new(),
        /// When not empty: only these servers.
        allowed_servers: Vec<String> = Vec::new(),
        /// Never these servers.
        denied_servers: Vec<String> = Vec::new(),
    }
}

section! {
    /// Requests to application services, push gateways and previewed pages.
    pub struct Outbound {
        /// Files with certificates (PEM) to trust besides those of the system.
        ca_files: Vec<PathBuf> = Vec::new(),
        /// Connect to loopback and private addresses.
        allow_private_addresses: bool = false,
        /// Danger, for tests only: believe any certificate.
        accept_invalid_certs: bool = false,
    }
}

section! {
    /// Rooms made here.
    pub struct Rooms {
        /// Version of a room whose creator names none.
        default_version: String = "12".to_owned(),
        /// How many days the content of redacted events stays in the database, where nobody is shown it, before it
        /// is erased for good.
        keep_redacted_days: u32 = 7,
    }
}

section! {
    /// The directory of public rooms.
    pub struct RoomDirectory {
        /// Show it without an access token.
        public_without_auth: bool = false,
        /// Show it to other servers.
        public_over_federation: bool = false,
        /// Let every user publish a room, not only its moderators.
        anyone_may_publish: bool = false,
    }
}

section! {
    /// Previews of linked pages.
    pub struct UrlPreviews {
        /// Fetch them.
        enabled: bool = false,
    }
}

section! {
    /// Bridges and bots.
    pub struct Appservices {
        /// Registration files (YAML).
        registration_files: Vec<PathBuf> = Vec::new(),
    }
}

section! {
    /// What `/.well-known/matrix/…` tells.
    pub struct WellKnown {
        /// Where clients reach the server; `public_base_url` when absent.
        client: Option<String> = None => "\"https://matrix.example.org\"",
        /// Where other servers reach this one, as `host` or `host:port`.
        server: Option<String> = None => "\"matrix.example.org:443\"",
        /// Contact of the administrators: an address of mail,
        support_email: Option<String> = None => "\"admin@example.org\"",
        /// a Matrix user,
        support_matrix_id: Option<String> = None => "\"@admin:example.org\"",
        /// or a page.
        support_page: Option<String> = None => "\"https://example.org/support\"",
    }
}

section! {
    /// The relay for calls.
    pub struct Turn {
        /// Its addresses.
        uris: Vec<String> = Vec::new() => "[\"turn:turn.example.org?transport=udp\"]",
        /// The secret shared with it.
        secret: Option<Secret> = None => "\"a long random string\"",
        /// How long credentials made from it are good for.
        ttl_seconds: u64 = 86_400,
    }
}

section! {
    /// Memory for what is read often.
    pub struct Cache {
        /// Upper bound in MiB.
        max_mb: u64 = 128,
    }
}

section! {
    /// Figures for Prometheus at `/metrics`, on a listener of their own.
    pub struct Metrics {
        /// Address to bind.
        bind: String = "127.0.0.1".to_owned(),
        /// Port to bind; without one there is no such listener.
        port: Option<u16> = None => "9000",
    }
}

section! {
    /// Mail to users.
    pub struct Email {
        /// Server that takes the mail.
        smtp_host: Option<String> = None => "\"mail.example.org\"",
        /// Its port.
        smtp_port: u16 = 587,
        /// Sender.
        from: Option<String> = None => "\"sealpost@example.org\"",
    }
}

section! {
    /// Who is online.
    pub struct Presence {
        /// Tell it.
        enabled: bool = true,
    }
}
