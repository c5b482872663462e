//! Certificates and keys from PEM files, for both sides of TLS. Errors complete "failed to …".

use std::fmt::Display;
use std::path::Path;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// By what it is seen that a file has changed: when, and how many bytes it has. `None`: it cannot be looked at.
pub type Stamp = Option<(SystemTime, u64)>;

/// The file's stamp as it is now.
#[must_use]
pub fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

/// The certificates in a file, in order.
///
/// # Errors
/// If it cannot be read, or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|e| unusable(path, &e))?;
    if found.is_empty() {
        return Err(unusable(path, &"there is no certificate in it"));
    }
    Ok(found)
}

/// The authorities whose certificates are in a file.
///
/// # Errors
/// As [`certificates`], or if one of them cannot be an authority's.
pub fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|e| unusable(path, &e))?;
    }
    Ok(roots)
}

/// The private key in a file.
///
/// # Errors
/// If it cannot be read, or holds none.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|e| unusable(path, &e))
}

/// What is wrong with a file.
#[must_use]
pub fn unusable(path: &Path, why: &dyn Display) -> String {
    format!("read {}: {why}; it has to be a PEM file", path.display())
}
