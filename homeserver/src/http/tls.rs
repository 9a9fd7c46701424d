//! Certificates of the TLS listeners, read again when their files change.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use parking_lot::{Mutex, RwLock};
use rustls::{
    ServerConfig,
    crypto::ring,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

/// A certificate chain and its key.
pub struct Certificate {
    cert_file: PathBuf,
    key_file: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
    read_at: Mutex<Stamp>,
}

/// When the files were last written.
type Stamp = [Option<SystemTime>; 2];

/// Which file is at fault, and how.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("{0}")]
    Certificate(String),
    #[error("{0}")]
    Key(String),
}

impl Certificate {
    pub fn load(cert_file: &Path, key_file: &Path) -> Result<Arc<Self>, CertificateError> {
        let read_at = stamp(cert_file, key_file);
        let current = read(cert_file, key_file)?;
        Ok(Arc::new(Self {
            cert_file: cert_file.to_owned(),
            key_file: key_file.to_owned(),
            current: RwLock::new(current),
            read_at: Mutex::new(read_at),
        }))
    }

    /// Reads the files again when they have changed; what is faulty is not taken. Tells whether it was.
    pub fn reload(&self) -> bool {
        let now = stamp(&self.cert_file, &self.key_file);
        let mut read_at = self.read_at.lock();
        if *read_at == now {
            return false;
        }
        *read_at = now;
        match read(&self.cert_file, &self.key_file) {
            Ok(certificate) => {
                *self.current.write() = certificate;
                tracing::info!(file = %self.cert_file.display(), "certificate read again");
                true
            }
            Err(error) => {
                let file = self.cert_file.display();
                tracing::warn!(%file, %error, "changed certificate is faulty, keeping the old one");
                false
            }
        }
    }

    pub fn server_config(self: Arc<Self>) -> io::Result<ServerConfig> {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_cert_resolver(self);
        Ok(config)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("cert_file", &self.cert_file).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}

fn stamp(cert_file: &Path, key_file: &Path) -> Stamp {
    [cert_file, key_file].map(|file| fs::metadata(file).and_then(|data| data.modified()).ok())
}

fn read(cert_file: &Path, key_file: &Path) -> Result<Arc<CertifiedKey>, CertificateError> {
    let chain = CertificateDer::pem_file_iter(cert_file)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(|e| CertificateError::Certificate(format!("cannot be read: {e}")))?;
    if chain.is_empty() {
        return Err(CertificateError::Certificate("holds no certificate".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key_file)
        .map_err(|e| CertificateError::Key(format!("cannot be read: {e}")))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map(Arc::new)
        .map_err(|e| CertificateError::Key(format!("does not go with the certificate: {e}")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn write(folder: &Path, name: &str) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    }

    fn age(folder: &Path, seconds: u64) {
        for file in ["cert.pem", "key.pem"] {
            let file = fs::File::options().write(true).open(folder.join(file)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        }
    }

    #[test]
    fn changed_files_are_read_again_and_faulty_ones_are_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        write(path, "one.example");
        age(path, 1);
        let certificate = Certificate::load(&path.join("cert.pem"), &path.join("key.pem")).unwrap();
        let first = certificate.current.read().cert.clone();
        assert!(!certificate.reload());

        write(path, "two.example");
        age(path, 2);
        assert!(certificate.reload());
        let second = certificate.current.read().cert.clone();
        assert_ne!(first, second);

        fs::write(path.join("cert.pem"), "no certificate").unwrap();
        age(path, 3);
        assert!(!certificate.reload());
        assert_eq!(certificate.current.read().cert, second);
    }
}
