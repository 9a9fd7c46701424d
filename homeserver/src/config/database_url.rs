//! `database.url`: which database, read from the configuration.

use std::path::{Path, PathBuf};

/// A checked `database.url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// The database file.
    Sqlite(PathBuf),
    /// A connection URL for libpq.
    Postgres(String),
}

impl DatabaseUrl {
    /// Reads `sqlite:///absolute/file.db`, `sqlite://relative/file.db` (from `folder`) or `postgres://…`.
    /// The error is a clause that says what is wrong.
    pub fn parse(url: &str, folder: &Path) -> Result<Self, String> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            if path.is_empty() || path.ends_with('/') {
                return Err("names no file after sqlite://".to_owned());
            }
            return Ok(Self::Sqlite(folder.join(path)));
        }
        let Some(rest) =
            url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"))
        else {
            return Err("must begin with sqlite:// or postgres://".to_owned());
        };
        check_transport(rest)?;
        Ok(Self::Postgres(url.to_owned()))
    }
}

/// This build of libpq has no TLS: whatever leaves the machine must be asked for in clear words.
fn check_transport(rest: &str) -> Result<(), String> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let parameters =
        || query.split('&').map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")));
    match parameters().rfind(|(name, _)| *name == "sslmode") {
        Some((_, "disable")) => return Ok(()),
        Some((_, "require" | "verify-ca" | "verify-full")) => {
            return Err("asks for TLS, which this build has not for PostgreSQL".to_owned());
        }
        _ => {}
    }
    let authority = place.split('/').next().unwrap_or_default();
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let listed = hosts.split(',').map(without_port);
    let named = parameters()
        .filter(|(name, _)| matches!(*name, "host" | "hostaddr"))
        .flat_map(|(_, value)| value.split(','));
    match listed.chain(named).find(|host| !is_local(host)) {
        Some(host) => Err(format!(
            "leads to {host} without TLS, which this build has not for PostgreSQL: \
             add ?sslmode=disable if the network between is safe"
        )),
        None => Ok(()),
    }
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn is_local(host: &str) -> bool {
    // Empty, or a folder: a socket.
    host.is_empty()
        || host.starts_with('/')
        || host.to_ascii_lowercase().starts_with("%2f")
        || host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<DatabaseUrl, String> {
        DatabaseUrl::parse(url, Path::new("/etc/sealpost"))
    }

    #[test]
    fn relative_files_count_from_the_folder_of_the_configuration() {
        let sqlite = |path: &str| Ok(DatabaseUrl::Sqlite(path.into()));
        assert_eq!(parse("sqlite://sealpost.db"), sqlite("/etc/sealpost/sealpost.db"));
        assert_eq!(parse("sqlite:///var/sealpost.db"), sqlite("/var/sealpost.db"));
        assert!(parse("sqlite://").is_err());
        assert!(parse("mysql://x").is_err());
    }

    #[test]
    fn postgresql_over_a_network_wants_its_missing_tls_acknowledged() {
        for local in [
            "postgres:///sealpost",
            "postgres://localhost/sealpost",
            "postgres://me:pw@127.0.0.1:5432/sealpost",
            "postgres://[::1]/sealpost",
            "postgresql:///sealpost?host=/run/postgresql",
            "postgres://%2Frun%2Fpostgresql/sealpost",
            "postgres://db.example.org/sealpost?sslmode=disable",
        ] {
            assert!(parse(local).is_ok(), "{local}");
        }
        for remote in [
            "postgres://db.example.org/sealpost",
            "postgres://me:pw@10.0.0.1/sealpost",
            "postgres://localhost,db.example.org/sealpost",
            "postgres:///sealpost?host=db.example.org",
            "postgres://db.example.org/sealpost?sslmode=prefer",
            "postgres://localhost/sealpost?sslmode=require",
        ] {
            assert!(parse(remote).is_err(), "{remote}");
        }
    }
}
