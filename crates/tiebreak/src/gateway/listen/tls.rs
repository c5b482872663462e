//! TLS towards clients (rustls): certificate and key from files, read anew when they change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tiebreak_client::transport::pem::{Stamp, authorities, certificates, private_key, stamp, unusable};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const LOOKS: Duration = Duration::from_secs(2);

/// Which clients are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ClientAuth {
    /// Those that show a certificate.
    #[default]
    Required,
    /// All; a certificate that is shown has to be in order.
    Optional,
}

impl ClientAuth {
    /// The words for them in the configuration.
    pub(crate) const WORDS: &'static [(&'static str, ClientAuth)] =
        &[("required", ClientAuth::Required), ("optional", ClientAuth::Optional)];
}

/// What is asked of clients.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    /// The authorities that their certificates have to come from, a PEM file.
    pub(crate) ca: PathBuf,
    pub(crate) auth: ClientAuth,
}

/// The files.
#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    clients: Option<Clients>,
}

/// Speaks TLS with what the files hold.
#[derive(Debug)]
pub(crate) struct Tls {
    files: Files,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the files; the error completes "failed to …".
    pub(crate) fn open(certificate: &Path, key: &Path, clients: Option<Clients>) -> Result<Tls, String> {
        let files = Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            clients,
        };
        Ok(Tls {
            current: RwLock::new(files.load()?),
            files,
        })
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)).into()
    }

    /// Reads the files anew whenever they have changed. What cannot be used changes nothing, and is said.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut seen = self.files.stamps();
        let mut every = tokio::time::interval(LOOKS);
        loop {
            every.tick().await;
            let now = self.files.stamps();
            if now == seen {
                continue;
            }
            seen = now;
            match self.files.load() {
                Ok(config) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
                    eprintln!("tiebreak: read {} anew", self.files.certificate.display());
                }
                Err(why) => eprintln!("tiebreak: the TLS certificate stays as it was: failed to {why}"),
            }
        }
    }
}

impl Files {
    fn stamps(&self) -> Vec<Stamp> {
        let ca = self.clients.as_ref().map(|clients| &clients.ca);
        [&self.certificate, &self.key]
            .into_iter()
            .chain(ca)
            .map(|path| stamp(path))
            .collect()
    }

    fn load(&self) -> Result<Arc<ServerConfig>, String> {
        let chain = certificates(&self.certificate)?;
        let private = private_key(&self.key)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| format!("set up TLS: {e}"))?;
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(Clients { ca, auth }) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(ca)?), provider);
                let verifier = match auth {
                    ClientAuth::Required => verifier,
                    ClientAuth::Optional => verifier.allow_unauthenticated(),
                };
                builder.with_client_cert_verifier(verifier.build().map_err(|e| unusable(ca, &e))?)
            }
        };
        let mut config = builder.with_single_cert(chain, private).map_err(|e| {
            let (certificate, key) = (self.certificate.display(), self.key.display());
            format!("use {certificate} with the key in {key}: {e}")
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
