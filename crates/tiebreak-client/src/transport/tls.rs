//! TLS to origins (rustls): with the roots of the operating system, or with what files of an origin's own say.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::pem::{Stamp, authorities, certificates, private_key, stamp};

/// HTTP/2, as it is called when TLS begins.
pub(super) const H2: &[u8] = b"h2";

/// What TLS with one origin takes; all files are PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificates that are trusted, instead of those of the operating system.
    pub ca: Option<PathBuf>,
    /// Our own certificate chain and its private key, for an origin that asks who we are.
    pub client: Option<(PathBuf, PathBuf)>,
    /// Whether HTTP/2 is offered besides HTTP/1.1.
    pub offers_http2: bool,
}

/// TLS with one origin. Files that have changed are read anew before the next connection.
#[derive(Debug)]
pub struct OriginTls {
    pub(super) files: TlsFiles,
    current: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    stamps: Vec<Stamp>,
    config: Arc<ClientConfig>,
}

impl OriginTls {
    /// Reads the files.
    ///
    /// # Errors
    /// What cannot be used, as a fragment that completes "failed to …".
    pub fn open(files: TlsFiles) -> Result<OriginTls, String> {
        let current = Mutex::new(Loaded {
            stamps: files.stamps(),
            config: files.load()?,
        });
        Ok(OriginTls { files, current })
    }

    /// For the next connection. What cannot be used changes nothing, and is said.
    pub(super) fn config(&self) -> Arc<ClientConfig> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = self.files.stamps();
        if stamps != current.stamps {
            current.stamps = stamps;
            match self.files.load() {
                Ok(config) => current.config = config,
                Err(why) => tracing::warn!("TLS with an origin stays as it was: failed to {why}"),
            }
        }
        Arc::clone(&current.config)
    }
}

impl TlsFiles {
    fn stamps(&self) -> Vec<Stamp> {
        let client = self.client.iter().flat_map(|(chain, key)| [chain, key]);
        self.ca.iter().chain(client).map(|path| stamp(path)).collect()
    }

    fn load(&self) -> Result<Arc<ClientConfig>, String> {
        let roots = match &self.ca {
            Some(path) => authorities(path)?,
            None => system_roots(),
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| format!("set up TLS: {e}"))?
            .with_root_certificates(roots);
        let mut config = match &self.client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let private = private_key(key)?;
                builder
                    .with_client_auth_cert(certificates(chain)?, private)
                    .map_err(|e| format!("use {} with the key in {}: {e}", chain.display(), key.display()))?
            }
        };
        let offered = self.offers_http2.then(|| H2.to_vec());
        config.alpn_protocols = offered.into_iter().chain([b"http/1.1".to_vec()]).collect();
        Ok(Arc::new(config))
    }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a root certificate could not be read");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

/// What TLS is spoken with to an origin of which nothing else is said.
fn usual() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let load = || {
        TlsFiles::default()
            .load()
            .expect("ring supports the default protocol versions")
    };
    Arc::clone(CONFIG.get_or_init(load))
}

/// The handshake, or the name, failed.
#[derive(Debug)]
pub(super) struct TlsFailed;

/// Speaks TLS over `stream` with `host`; `own` is what is said of this origin.
pub(super) async fn connect(
    host: &str,
    stream: TcpStream,
    own: Option<&OriginTls>,
) -> Result<TlsStream<TcpStream>, TlsFailed> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsFailed)?;
    TlsConnector::from(own.map_or_else(usual, OriginTls::config))
        .connect(name, stream)
        .await
        .map_err(|error| {
            tracing::warn!(host, %error, "the TLS handshake failed");
            TlsFailed
        })
}
