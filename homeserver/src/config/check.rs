//! Checks of what types cannot express, each naming the faulty key; paths made absolute; warnings.

use std::{
    mem,
    net::IpAddr,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use ruma::ServerName;

use super::{Config, ConfigError, DatabaseUrl, Listener, listener_key};

const SQLITE: &str = "sqlite://";

impl Config {
    /// Relative paths count from the configuration file's folder.
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        let absolute = |path: &mut PathBuf| *path = folder.join(mem::take(path));
        absolute(&mut self.server.signing_key_file);
        absolute(&mut self.media.path);
        self.federation.ca_files.iter_mut().for_each(absolute);
        self.outbound.ca_files.iter_mut().for_each(absolute);
        self.appservices.registration_files.iter_mut().for_each(absolute);
        for listener in &mut self.listeners {
            listener.cert_file.iter_mut().for_each(absolute);
            listener.key_file.iter_mut().for_each(absolute);
        }
        if let Some(file) = self.database.url.strip_prefix(SQLITE) {
            self.database.url = format!("{SQLITE}{}", folder.join(file).display());
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let fault = |key: &str, fault: &str| Err(ConfigError::new(key, fault));

        if self.server.server_name.is_empty() {
            return fault("server_name", "is missing");
        }
        if ServerName::parse(&self.server.server_name).is_err() {
            return fault("server_name", "is not a server name, such as `example.org`");
        }
        if let Some(url) = &self.server.public_base_url {
            check_url("public_base_url", url)?;
        }
        if let Some(url) = &self.well_known.client {
            check_url("well_known.client", url)?;
        }
        if let Some(server) = &self.well_known.server
            && ServerName::parse(server.as_str()).is_err()
        {
            return fault("well_known.server", "is not `host` or `host:port`");
        }
        self.database()?;
        for listener in &self.listeners {
            listener.check()?;
        }
        if self.metrics.bind.parse::<IpAddr>().is_err() {
            return fault("metrics.bind", "is not an address");
        }
        self.check_hashing()?;
        for (key, names) in [
            ("federation.notaries", &self.federation.notaries),
            ("federation.allowed_servers", &self.federation.allowed_servers),
            ("federation.denied_servers", &self.federation.denied_servers),
        ] {
            if let Some(name) = names.iter().find(|name| ServerName::parse(name.as_str()).is_err())
            {
                return fault(key, &format!("`{name}` is not a server name"));
            }
        }
        if self.registration.shared_secret.as_ref().is_some_and(|secret| secret.0.is_empty()) {
            return fault("registration.shared_secret", "is empty");
        }
        if self.registration.tokens_required && !self.registration.enabled {
            return fault("registration.tokens_required", "needs `registration.enabled`");
        }
        Ok(())
    }

    fn check_hashing(&self) -> Result<(), ConfigError> {
        let hashing = &self.password_hashing;
        let fault = |key: &str, fault: &str| {
            Err(ConfigError::new(format!("password_hashing.{key}"), fault))
        };
        if !(1..=64).contains(&hashing.parallelism) {
            return fault("parallelism", "must be between 1 and 64");
        }
        if hashing.memory_kib < 8 * hashing.parallelism || hashing.memory_kib > 4 * 1024 * 1024 {
            return fault("memory_kib", "must be between 8 times `parallelism` and 4194304");
        }
        if !(1..=1000).contains(&hashing.iterations) {
            return fault("iterations", "must be between 1 and 1000");
        }
        if !(1..=1024).contains(&hashing.concurrency) {
            return fault("concurrency", "must be between 1 and 1024");
        }
        Ok(())
    }

    /// Which database, and where.
    pub fn database(&self) -> Result<DatabaseUrl, ConfigError> {
        DatabaseUrl::parse(&self.database.url, Path::new(""))
            .map_err(|fault| ConfigError::new("database.url", fault))
    }

    /// What is switched on without effect yet, and what weakens security: for the log at start.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut warn = |on: bool, key: &str, what: &str| {
            if on {
                warnings.push(format!("`{key}` {what}"));
            }
        };
        const LATER: &str = "has no effect yet: this part is not built";
        warn(self.url_previews.enabled, "url_previews.enabled", LATER);
        warn(
            !self.appservices.registration_files.is_empty(),
            "appservices.registration_files",
            LATER,
        );
        warn(self.email.smtp_host.is_some(), "email.smtp_host", LATER);
        warn(
            self.media.allow_unauthenticated,
            "media.allow_unauthenticated",
            "is on, danger: who knows the address of a file can read it without an account",
        );
        warn(
            self.outbound.accept_invalid_certs,
            "outbound.accept_invalid_certs",
            "is on, danger: certificates of application services, push gateways and previewed pages \
             are not checked",
        );
        warn(
            self.federation.allow_private_addresses,
            "federation.allow_private_addresses",
            "is on, danger: other servers can make this one connect to its own network",
        );
        warn(
            self.outbound.allow_private_addresses,
            "outbound.allow_private_addresses",
            "is on, danger: requests can reach this server's own network",
        );
        warnings
    }
}

impl Listener {
    fn check(&self) -> Result<(), ConfigError> {
        let fault = |key: &str, fault: String| Err(ConfigError::new(listener_key(key), fault));
        if self.bind.parse::<IpAddr>().is_err() {
            return fault("bind", format!("`{}` is not an address", self.bind));
        }
        for (key, file) in [("cert_file", &self.cert_file), ("key_file", &self.key_file)] {
            match file {
                None if self.tls => return fault(key, "is needed with `tls`".to_owned()),
                Some(file) if self.tls && !file.is_file() => {
                    return fault(key, format!("`{}` is not a file", file.display()));
                }
                Some(_) | None => {}
            }
        }
        if self.serves.is_empty() {
            return fault("serves", "is empty".to_owned());
        }
        if let Some(other) = self.serves.iter().find(|s| *s != "client" && *s != "federation") {
            return fault("serves", format!("`{other}` is neither `client` nor `federation`"));
        }
        self.trusted_networks().map(drop)
    }

    /// `trusted_proxies`, parsed.
    pub fn trusted_networks(&self) -> Result<Vec<IpNet>, ConfigError> {
        let parse = |text: &String| {
            text.parse()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| text.clone())
        };
        self.trusted_proxies.iter().map(parse).collect::<Result<_, _>>().map_err(|text| {
            ConfigError::new(
                listener_key("trusted_proxies"),
                format!("`{text}` is neither an address nor a network such as `10.0.0.0/8`"),
            )
        })
    }
}

fn check_url(key: &str, url: &str) -> Result<(), ConfigError> {
    match url.parse::<http::Uri>() {
        Ok(uri) if matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none() => {
            Ok(())
        }
        _ => Err(ConfigError::new(key, "is not an address such as `https://matrix.example.org`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(text: &str) -> String {
        Config::parse(text, Path::new("/etc/sealpost")).map(drop).unwrap_err().to_string()
    }

    fn parse(text: &str) -> Config {
        Config::parse(text, Path::new("/etc/sealpost")).unwrap()
    }

    #[test]
    fn relative_paths_count_from_the_folder_of_the_file() {
        let config = parse("server_name = \"a.b\"\nmedia.path = \"files\"");
        assert_eq!(config.database.url, "sqlite:///etc/sealpost/sealpost.db");
        assert_eq!(config.media.path, Path::new("/etc/sealpost/files"));
        assert_eq!(config.server.signing_key_file, Path::new("/etc/sealpost/signing.key"));
        let config = parse("server_name = \"a.b\"\ndatabase.url = \"sqlite:///var/a.db\"");
        assert_eq!(config.database.url, "sqlite:///var/a.db");
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest_known_one() {
        assert_eq!(
            fault_of("server_name = \"a.b\"\n[registration]\nenabeld = true"),
            "`registration.enabeld`: unknown key, did you mean `registration.enabled`?"
        );
        assert_eq!(
            fault_of("server_name = \"a.b\"\n[registraton]\nenabled = true"),
            "`registraton`: unknown key, did you mean `registration`?"
        );
        assert_eq!(
            fault_of("server_name = \"a.b\"\n[[listeners]]\nprot = 1"),
            "`listeners.prot`: unknown key, did you mean `listeners.port`?"
        );
    }

    #[test]
    fn a_fault_is_one_line_that_names_the_key() {
        for (text, key) in [
            ("", "`server_name`"),
            ("server_name = \"not a name\"", "`server_name`"),
            ("server_name = 5", "`server_name`"),
            ("server_name = \"a.b\"\npublic_base_url = \"nowhere\"", "`public_base_url`"),
            ("server_name = \"a.b\"\nregistration.enabled = \"yes\"", "`registration.enabled`"),
            ("server_name = \"a.b\"\nlog.level = \"loud\"", "`log.level`"),
            ("server_name = \"a.b\"\n[[listeners]]\nport = 70000", "`listeners.port`"),
            ("server_name = \"a.b\"\n[[listeners]]\ntls = true", "`listeners.cert_file`"),
            ("server_name = \"a.b\"\n[[listeners]]\nserves = [\"x\"]", "`listeners.serves`"),
            (
                "server_name = \"a.b\"\n[[listeners]]\ntrusted_proxies = [\"x\"]",
                "`listeners.trusted_proxies`",
            ),
            ("server_name = \"a.b\"\nlisteners = 1", "`listeners`"),
            ("server_name = \"a.b\"\ndatabase.url = \"mysql://x\"", "`database.url`"),
            (
                "server_name = \"a.b\"\npassword_hashing.memory_kib = 1",
                "`password_hashing.memory_kib`",
            ),
            ("server_name = ", "line 1"),
        ] {
            let fault = fault_of(text);
            assert!(fault.contains(key), "{fault} does not name {key}");
            assert!(!fault.contains('\n'), "{fault}");
        }
    }

    #[test]
    fn postgresql_far_away_demands_sslmode_disable() {
        let url = |url: &str| {
            Config::parse(
                &format!("server_name = \"a.b\"\ndatabase.url = \"{url}\""),
                Path::new("/"),
            )
            .is_ok()
        };
        assert!(url("postgres://u:p@localhost/db"));
        assert!(url("postgres://u@127.0.0.1:5433/db"));
        assert!(url("postgres://u@[::1]:5433/db"));
        assert!(url("postgres:///db?host=/run/postgresql"));
        assert!(!url("postgres://u@db.example.org/db"));
        assert!(!url("postgres://u@db.example.org/db?sslmode=require"));
        assert!(url("postgres://u@db.example.org/db?sslmode=disable"));
    }

    #[test]
    fn parts_not_built_yet_are_accepted_with_a_warning() {
        let config = parse("server_name = \"a.b\"\nurl_previews.enabled = true");
        assert!(config.warnings().iter().any(|w| w.starts_with("`url_previews.enabled`")));
        assert!(parse("server_name = \"a.b\"").warnings().is_empty());
    }

    /// As test suites from outside write it.
    #[test]
    fn every_key_of_the_contract_is_known() {
        let config = parse(
            r#"
            server_name = "localhost:8800"
            public_base_url = "https://localhost:8800"
            signing_key_file = "/tmp/signing.key"
            [[listeners]]
            bind = "127.0.0.1"
            port = 8800
            tls = false
            cert_file = "tls.crt"
            key_file = "tls.key"
            serves = ["client", "federation"]
            trusted_proxies = ["127.0.0.1", "10.0.0.0/8"]
            [[listeners]]
            bind = "::1"
            port = 8801
            [database]
            url = "sqlite:///tmp/homeserver.db"
            [media]
            path = "media"
            allow_unauthenticated = true
            [log]
            level = "debug"
            format = "json"
            [registration]
            enabled = true
            allow_guests = true
            shared_secret = "reg_secret"
            tokens_required = false
            [password_hashing]
            memory_kib = 8
            [rate_limits]
            enabled = false
            [federation]
            enabled = true
            ca_files = ["ca.crt"]
            allow_private_addresses = true
            notaries = ["a.test"]
            allowed_servers = ["a.test", "localhost:8448"]
            denied_servers = []
            [outbound]
            ca_files = ["ca.crt"]
            allow_private_addresses = true
            accept_invalid_certs = true
            [rooms]
            default_version = "10"
            [room_directory]
            public_without_auth = true
            public_over_federation = true
            anyone_may_publish = true
            [url_previews]
            enabled = true
            [appservices]
            registration_files = []
            [well_known]
            server = "a.test:443"
            [turn]
            uris = ["turn:a.test"]
            [cache]
            max_mb = 16
            [metrics]
            bind = "127.0.0.1"
            port = 9000
            [email]
            smtp_host = "localhost"
            smtp_port = 2525
            from = "sealpost@localhost"
            [presence]
            enabled = true
            "#,
        );
        assert_eq!(config.listeners.len(), 2);
        let dangers = config.warnings().iter().filter(|w| w.contains("danger")).count();
        assert_eq!(dangers, 4);
    }

    #[test]
    fn a_secret_is_not_printed() {
        let config = parse("server_name = \"a.b\"\nregistration.shared_secret = \"hush\"");
        assert!(!format!("{config:?}").contains("hush"));
    }
}
