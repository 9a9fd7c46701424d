//! The listeners, as they are configured: their certificates and their addresses.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::{
    config::{Config, ConfigError, Listener},
    http::{
        server::{Bound, Serves},
        tls::{Certificate, CertificateError},
    },
};

/// How often the files of certificates are looked at.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(5);

/// The certificate of each listener, read before anything is created.
pub(super) fn certificates(config: &Config) -> Result<Vec<Option<Arc<Certificate>>>, ConfigError> {
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

/// Reads certificates again when their files change.
pub(super) async fn reload(certificates: Vec<Arc<Certificate>>, stopping: CancellationToken) {
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

/// Binds a listener as it is configured.
pub(super) fn bind(
    listener: &Listener,
    certificate: Option<Arc<Certificate>>,
    federation: bool,
) -> Result<Bound, StartError> {
    let serves = |side: &str| listener.serves.iter().any(|served| served == side);
    let serves =
        Serves::Matrix { client: serves("client"), federation: serves("federation") && federation };
    bind_at(&listener.bind, listener.port, serves, listener.trusted_networks()?, certificate)
}

pub(super) fn bind_at(
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
