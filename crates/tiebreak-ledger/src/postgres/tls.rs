//! TLS to the database, always with the server's certificate checked.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::options::Address;
use crate::LedgerError;

/// A connector that trusts the certificates in the address's `sslrootcert`, else those of this machine.
pub(super) fn connector(address: &Address) -> Result<MakeRustlsConnect, LedgerError> {
    let fail = |why: String| LedgerError::Unavailable(format!("TLS to {address} cannot be prepared: {why}"));
    let mut roots = rustls::RootCertStore::empty();
    match &address.roots {
        Some(path) => {
            let shown = path.display();
            let read = |e: rustls::pki_types::pem::Error| fail(format!("{shown} cannot be read as certificates: {e}"));
            for certificate in CertificateDer::pem_file_iter(path).map_err(read)? {
                let certificate = certificate.map_err(read)?;
                roots.add(certificate).map_err(|e| fail(format!("{shown}: {e}")))?;
            }
            if roots.is_empty() {
                return Err(fail(format!("{shown} holds no certificate")));
            }
        }
        None => {
            // A certificate of the system that cannot be read is no reason not to use the others.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| fail(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
