//! Who a client is by its certificate.

use std::fmt;

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};

/// Subject Alternative Name (RFC 5280 §4.2.1.6).
const ALTERNATIVE_NAMES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// What stays the same when a certificate is renewed: its subject and its alternative names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    digest: [u8; 32],
    subject: String,
}

impl Identity {
    /// That of the certificate that a client has shown, and rustls has verified. `None`: it names nobody.
    pub(super) fn of(shown: &CertificateDer<'_>) -> Option<Identity> {
        let certificate = Certificate::from_der(shown).ok()?.tbs_certificate;
        let subject = certificate.subject.to_der().ok()?;
        let extensions = certificate.extensions.unwrap_or_default();
        let names = extensions.iter().find(|e| e.extn_id == ALTERNATIVE_NAMES);
        let names = names.map_or(&b""[..], |e| e.extn_value.as_bytes());
        if certificate.subject.is_empty() && names.is_empty() {
            return None;
        }
        let mut digest = Sha256::new();
        for part in [&subject[..], names] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Some(Identity {
            digest: digest.finalize().into(),
            subject: certificate.subject.to_string(),
        })
    }

    /// What callers are told apart by.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digest
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn shown(subject: &str, names: &[&str]) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if !subject.is_empty() {
            params.distinguished_name.push(DnType::CommonName, subject);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn a_renewed_certificate_is_the_same_client_and_another_name_another() {
        let of = |subject, names| Identity::of(&shown(subject, names));
        let one = of("worker-1", &["one.example"]);
        assert!(one.is_some());
        assert_eq!(one, of("worker-1", &["one.example"]), "each has a key of its own");
        for other in [
            of("worker-2", &["one.example"]),
            of("worker-1", &["two.example"]),
            of("worker-1", &[]),
            of("", &["one.example"]),
        ] {
            assert!(other.is_some() && other != one);
        }
        assert_eq!(of("", &[]), None);
        assert_eq!(one.unwrap().to_string(), "CN=worker-1");
    }
}
