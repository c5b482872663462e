//! What the origin is told of the client: `Via` (RFC 9110 §7.6.3), `Forwarded` (RFC 7239), and the older `X-Forwarded-*`.
//!
//! What came with the request stays, and ours comes last. Nothing here is believed: the gateway itself decides nothing by it.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

use tiebreak_client::transport::http::{Via, add_via};

use super::listen::Identity;

/// Who is at the other end of a connection.
#[derive(Debug)]
pub(super) struct Peer {
    /// `None`: it came through a Unix socket.
    address: Option<IpAddr>,
    tls: bool,
    /// The identity that its certificate gives it, if it has shown one.
    certificate: Option<Identity>,
    /// The last `Forwarded` element, for the `Host` that it was made for.
    last: Mutex<Option<(Option<HeaderValue>, HeaderValue)>>,
}

/// Which fields tell the origin about the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forwarding {
    /// `Forwarded` (RFC 7239)
    Forwarded,
    /// `X-Forwarded-For`, `X-Forwarded-Host` and `X-Forwarded-Proto`
    X,
    /// both
    Both,
    /// neither
    None,
}

impl Forwarding {
    /// The words for them in the configuration.
    pub(crate) const WORDS: &'static [(&'static str, Forwarding)] = &[
        ("forwarded", Forwarding::Forwarded),
        ("x", Forwarding::X),
        ("both", Forwarding::Both),
        ("none", Forwarding::None),
    ];
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

impl Forwarding {
    /// Adds the fields to a request that came as HTTP `version`.
    pub(super) fn mark(self, headers: &mut HeaderMap, peer: &Peer, version: Version) {
        if matches!(self, Forwarding::Forwarded | Forwarding::Both) {
            let element = peer.element(headers.get(header::HOST));
            headers.append(header::FORWARDED, element);
        }
        if matches!(self, Forwarding::X | Forwarding::Both) {
            let address = peer.address.map(|a| a.to_string()).unwrap_or_else(|| "unknown".into());
            let value = match headers.get(FORWARDED_FOR).map(HeaderValue::as_bytes) {
                Some(earlier) => HeaderValue::from_bytes(&[earlier, b", ", address.as_bytes()].concat()),
                None => HeaderValue::from_str(&address),
            };
            if let Ok(value) = value {
                headers.insert(FORWARDED_FOR, value);
            }
            if let Some(host) = headers.get(header::HOST).cloned() {
                headers.insert(FORWARDED_HOST, host);
            }
            headers.insert(FORWARDED_PROTO, HeaderValue::from_static(peer.scheme()));
        }
        add_via(headers, version, &VIA);
    }
}

impl Peer {
    pub(super) fn new(address: Option<IpAddr>, tls: bool, certificate: Option<Identity>) -> Peer {
        Peer {
            address,
            tls,
            certificate,
            last: Mutex::default(),
        }
    }

    /// Where it is, unless it came through a Unix socket.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The identity that its certificate gives it, if it has shown one.
    pub(super) fn certificate(&self) -> Option<&Identity> {
        self.certificate.as_ref()
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// The element of `Forwarded` for a request with this `Host`; it seldom differs from the one before.
    fn element(&self, host: Option<&HeaderValue>) -> HeaderValue {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, element)) = &*last
            && of.as_ref() == host
        {
            return element.clone();
        }
        let node = match self.address {
            Some(IpAddr::V4(address)) => address.to_string(),
            Some(IpAddr::V6(address)) => format!("\"[{address}]\""),
            None => "unknown".into(),
        };
        let proto = self.scheme();
        // A host has no characters that would have to be escaped in quotes.
        let element = match host.and_then(|h| h.to_str().ok()) {
            Some(host) if !host.is_empty() => format!("for={node};host=\"{host}\";proto={proto}"),
            _ => format!("for={node};proto={proto}"),
        };
        let element = HeaderValue::from_str(&element).unwrap_or(HeaderValue::from_static("for=unknown"));
        *last = Some((host.cloned(), element.clone()));
        element
    }
}

/// How this gateway names itself in `Via` (by a pseudonym, RFC 9110 §7.6.3).
pub(super) const VIA: Via = Via {
    http10: "1.0 tiebreak",
    http11: "1.1 tiebreak",
    http2: "2 tiebreak",
};

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(how: Forwarding, peer: &Peer, fields: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        how.mark(&mut headers, peer, Version::HTTP_11);
        let told = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
        headers.iter().map(told).filter(|f| f.contains("forwarded")).collect()
    }

    #[test]
    fn ours_comes_after_what_came_and_is_never_taken_from_it() {
        let peer = Peer::new(Some("192.0.2.7".parse().unwrap()), true, None);
        let came = [
            ("host", "api:8080"),
            ("forwarded", "for=1.2.3.4"),
            ("x-forwarded-for", "5.6.7.8"),
        ];
        assert_eq!(
            marked(Forwarding::Both, &peer, &came),
            [
                "forwarded: for=1.2.3.4",
                "forwarded: for=192.0.2.7;host=\"api:8080\";proto=https",
                "x-forwarded-for: 5.6.7.8, 192.0.2.7",
                "x-forwarded-host: api:8080",
                "x-forwarded-proto: https",
            ]
        );
        let untouched = ["forwarded: for=1.2.3.4", "x-forwarded-for: 5.6.7.8"];
        assert_eq!(marked(Forwarding::None, &peer, &came), untouched);
    }

    #[test]
    fn each_request_gets_its_own_host() {
        let peer = Peer::new(Some("::1".parse().unwrap()), false, None);
        for host in ["a", "b", "b", "a"] {
            let mut fields = marked(Forwarding::Forwarded, &peer, &[("host", host)]);
            assert_eq!(
                fields.pop(),
                Some(format!("forwarded: for=\"[::1]\";host=\"{host}\";proto=http"))
            );
        }
        let local = Peer::new(None, false, None);
        assert_eq!(
            marked(Forwarding::Forwarded, &local, &[]),
            ["forwarded: for=unknown;proto=http"]
        );
    }
}
