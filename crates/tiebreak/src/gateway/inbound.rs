//! What is made of a request before it is a read or a write: refused, or brought into the form that origins get.

use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Request, header};
use hyper::body::Incoming;
use tiebreak_core::problem::{Kind, Problem};

/// Requests that mean different things to different readers, or that are none of ours. What is wrong with the bytes of an
/// HTTP/1.1 request has been refused by `listen::framing` already, and by hyper for HTTP/2.
pub(super) fn refuse(request: &Request<Incoming>) -> Option<Problem> {
    let headers = request.headers();
    if request.method() == http::Method::CONNECT {
        return Some(Problem::new(
            Kind::MethodNotAllowed,
            "this is a gateway to one origin, not a proxy; it opens no tunnels",
        ));
    }
    if request.uri().path().is_empty()
        || (request.uri().authority().is_none()
            && !headers.contains_key(header::HOST)
            && request.version() == http::Version::HTTP_2)
    {
        return Some(Problem::new(
            Kind::BadRequest,
            "the request names no path, or no host (RFC 9113 §8.3.1)",
        ));
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Some(Problem::new(
            Kind::BadRequest,
            "the request has more than one Host field; send one (RFC 9112 §3.2)",
        ));
    }
    if let Some(authority) = request.uri().authority()
        && (authority.as_str().contains('@') || host.is_some_and(|host| !names(host, authority)))
    {
        return Some(Problem::new(
            Kind::BadRequest,
            "the request target and the Host field name different hosts (RFC 9112 §3.2.2, RFC 9113 §8.3.1)",
        ));
    }
    if request.version() < http::Version::HTTP_2 {
        return upgrade(headers);
    }
    None
}

/// Whether the Host field says the same as the target.
fn names(host: &HeaderValue, authority: &Authority) -> bool {
    let without_port = |text: &str| match text.rsplit_once(':') {
        Some((name, "" | "80" | "443")) => name.to_ascii_lowercase(),
        _ => text.to_ascii_lowercase(),
    };
    host.to_str()
        .is_ok_and(|host| without_port(host) == without_port(authority.as_str()))
}

/// Another protocol is not spoken here. An offer of HTTP/2, as many clients make it, may be passed over (RFC 9110 §7.8).
fn upgrade(headers: &HeaderMap) -> Option<Problem> {
    let asked = headers.get(header::UPGRADE)?.to_str().unwrap_or("?");
    let passed_over = |protocol: &str| {
        let protocol = protocol.trim().to_ascii_lowercase();
        protocol == "h2c" || protocol.starts_with("tls/") || protocol.starts_with("http/")
    };
    if asked.split(',').all(passed_over) {
        return None;
    }
    let detail =
        format!("this gateway does not change to another protocol ({asked}); connect to the API itself for that");
    Some(Problem::new(Kind::NotSupported, detail))
}

/// Gives a request that came over HTTP/2 the form that it has in HTTP/1.1: a `Host` field, and one `Cookie` field (RFC 9113
/// §8.2.3, §8.3.1).
pub(super) fn to_http1(request: &mut Request<Incoming>) {
    if request.version() != http::Version::HTTP_2 {
        return;
    }
    if !request.headers().contains_key(header::HOST)
        && let Some(host) = request.uri().authority().map(Authority::as_str)
        && let Ok(host) = HeaderValue::from_str(host)
    {
        request.headers_mut().insert(header::HOST, host);
    }
    let crumbs: Vec<&[u8]> = request
        .headers()
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if crumbs.len() > 1
        && let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        request.headers_mut().insert(header::COOKIE, cookie);
    }
}

/// Whether the client takes trailer fields (RFC 9110 §10.1.4).
pub(super) fn takes_trailers(headers: &HeaderMap) -> bool {
    let named = |value: &HeaderValue| {
        value
            .to_str()
            .is_ok_and(|v| v.split(',').any(|t| t.trim().eq_ignore_ascii_case("trailers")))
    };
    headers.get_all(header::TE).iter().any(named)
}
