//! TLS to origins: rustls with the roots of the operating system.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The handshake, or the name, failed.
#[derive(Debug)]
pub(super) struct TlsFailed;

/// Speaks TLS over `stream` with `host`.
pub(super) async fn connect(host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, TlsFailed> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsFailed)?;
    TlsConnector::from(config())
        .connect(name, stream)
        .await
        .map_err(|error| {
            tracing::warn!(host, %error, "the TLS handshake failed");
            TlsFailed
        })
}

fn config() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    Arc::clone(CONFIG.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a root certificate could not be read");
        }
        roots.add_parsable_certificates(found.certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring supports the default protocol versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Writes go over HTTP/1.1, where a lost connection concerns one request only.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }))
}
