//! TLS towards clients (rustls): certificate and key from files, read anew when they change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const LOOKS: Duration = Duration::from_secs(2);

/// Speaks TLS with what the files hold.
#[derive(Debug)]
pub(crate) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
}

/// By what it is seen that a file has changed.
type Stamp = Option<(SystemTime, u64)>;

impl Tls {
    /// Reads the files; the error completes "failed to …".
    pub(crate) fn open(certificate: &Path, key: &Path) -> Result<Tls, String> {
        Ok(Tls {
            current: RwLock::new(load(certificate, key)?),
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        })
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)).into()
    }

    /// Reads the files anew whenever they have changed. What cannot be used changes nothing, and is said.
    pub(crate) async fn watch(self: Arc<Self>) {
        let stamps = || [stamp(&self.certificate), stamp(&self.key)];
        let mut seen = stamps();
        let mut every = tokio::time::interval(LOOKS);
        loop {
            every.tick().await;
            let now = stamps();
            if now == seen {
                continue;
            }
            seen = now;
            match load(&self.certificate, &self.key) {
                Ok(config) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
                    eprintln!("tiebreak: read {} anew", self.certificate.display());
                }
                Err(why) => eprintln!("tiebreak: the TLS certificate stays as it was: failed to {why}"),
            }
        }
    }
}

fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

fn load(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let from =
        |path: &Path, why: &dyn std::fmt::Display| format!("read {}: {why}; it has to be a PEM file", path.display());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|e| from(certificate, &e))?;
    if chain.is_empty() {
        return Err(from(certificate, &"there is no certificate in it"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| from(key, &e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("set up TLS: {e}"))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| {
            let (certificate, key) = (certificate.display(), key.display());
            format!("use {certificate} with the key in {key}: {e}")
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
