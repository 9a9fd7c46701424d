//! A whole server in this process: on a fresh database, on loopback, on a port of its own.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use sealpost_homeserver::{
    boot::{self, Running},
    clock::Clock,
    config::Config,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    actor::{Actor, Answer, Connection},
    database::TestDatabase,
};

/// The name of a server under test.
pub const NAME: &str = "sealpost.test";

pub struct TestServer {
    running: Option<Running>,
    config: String,
    folder: Arc<TempDir>,
    database: Arc<TestDatabase>,
}

impl TestServer {
    /// A server with open registration. `extra` is TOML: keys of sections, such as `rooms.default_version = "11"`.
    pub async fn start(database: TestDatabase, extra: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let mut config: toml::Table = format!(
            r#"
            server_name = "{NAME}"
            database.url = "{}"
            registration.enabled = true
            rate_limits.enabled = false
            presence.enabled = false
            metrics.port = 0
            password_hashing = {{ memory_kib = 8, iterations = 1 }}
            "#,
            database.url
        )
        .parse()
        .unwrap();
        merge(&mut config, extra.parse().unwrap());
        if !config.contains_key("listeners") {
            let listener = toml::Table::from_iter([("port".to_owned(), toml::Value::Integer(0))]);
            config.insert("listeners".to_owned(), toml::Value::Array(vec![listener.into()]));
        }
        let mut server = Self {
            running: None,
            config: config.to_string(),
            folder,
            database: Arc::new(database),
        };
        server.start_again().await;
        server
    }

    /// The same server after a stop.
    pub async fn start_again(&mut self) {
        let config = Config::parse(&self.config, self.folder.path()).unwrap();
        self.running = Some(boot::start(config, Clock::system()).await.unwrap());
    }

    pub async fn stop(&mut self) {
        self.running.take().unwrap().stop().await;
    }

    /// Where signing key, media and socket are.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub fn database_url(&self) -> &str {
        &self.database.url
    }

    /// Writes its configuration to a file, for commands.
    pub fn config_file(&self) -> PathBuf {
        let file = self.folder().join("sealpost.toml");
        std::fs::write(&file, &self.config).unwrap();
        file
    }

    pub fn addresses(&self) -> &[SocketAddr] {
        &self.running.as_ref().unwrap().addresses
    }

    pub fn metrics_address(&self) -> SocketAddr {
        self.running.as_ref().unwrap().metrics_address.unwrap()
    }

    /// Waits until a request is in flight at a path.
    pub async fn has_begun(&self, path: &str) {
        self.has_begun_with("GET", path).await;
    }

    /// The same, with a method.
    pub async fn has_begun_with(&self, method: &str, path: &str) {
        let metrics = Connection::new(format!("http://{}", self.metrics_address()));
        let beginning = format!("sealpost_http_in_flight{{method=\"{method}\",path=\"{path}\"}}");
        loop {
            let figures = metrics.get("/metrics").await.body;
            if figures.as_str().unwrap().lines().any(|line| line.starts_with(&beginning)) {
                return;
            }
        }
    }

    /// Somebody who is not logged in.
    pub fn stranger(&self) -> Connection {
        Connection::new(format!("http://{}", self.addresses()[0]))
    }

    /// Registers a user, who is logged in then. The password is the name.
    pub async fn register(&self, name: &str) -> Actor {
        let answer = self.try_register(json!({ "username": name, "password": name })).await;
        Actor::new(self.stranger(), &answer.ok())
    }

    /// Registers with `m.login.dummy`.
    pub async fn try_register(&self, mut body: Value) -> Answer {
        body["auth"] = json!({ "type": "m.login.dummy" });
        self.stranger().post("/_matrix/client/v3/register", body).await
    }
}

/// Runs a test on a server on each of the databases.
pub async fn on_both(test: impl AsyncFn(&mut TestServer)) {
    on_both_with("", test).await;
}

/// The same, with keys of the configuration.
pub async fn on_both_with(extra: &str, test: impl AsyncFn(&mut TestServer)) {
    for database in TestDatabase::both() {
        println!("on {}", database.url);
        let mut server = TestServer::start(database, extra).await;
        test(&mut server).await;
        if server.running.is_some() {
            server.stop().await;
        }
    }
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(into)), toml::Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}
