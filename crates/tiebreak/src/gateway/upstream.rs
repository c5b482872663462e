//! The origin behind the gateway: over HTTP, or embedded.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderValue, Request, header};
use tiebreak_client::transport::authority::Authority;
use tiebreak_client::transport::http::HttpTransport;
use tiebreak_client::transport::origins::{OriginSettings, Origins};
use tiebreak_client::transport::tls::{OriginTls, TlsFiles};
use tiebreak_client::transport::{Sending, Transport};
use tiebreak_core::delivery::Delivery;
use tiebreak_core::response::Response;
use tiebreak_origin::Origin;

use super::forwarding::VIA;
use crate::config::Config;

/// Where requests go.
#[derive(Debug, Clone)]
pub(super) enum Upstream {
    /// An HTTP API.
    Http(Remote),
    /// The embedded JSON origin.
    Embedded(Arc<Origin>),
}

/// An HTTP API.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(super) authority: Arc<Authority>,
    /// The value of `Host`.
    pub(super) host: HeaderValue,
    /// Scheme and authority, as they begin a target URI.
    pub(super) prefix: String,
    /// The path under which the API lies, without a slash at its end.
    pub(super) base: String,
    /// Whether the client's own `Host` reaches it.
    preserve_host: bool,
}

impl Remote {
    /// Reads the URL of an origin.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn parse(text: &str) -> Result<Remote, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "it is no URL")?;
        let scheme = match uri.scheme_str() {
            Some(scheme @ ("http" | "https")) => scheme.to_owned(),
            _ => return Err("it must begin with http:// or https://"),
        };
        if uri.query().is_some() {
            return Err("it has a query");
        }
        let authority = Authority::of(&uri).ok_or("it names no host")?;
        let named = uri.authority().map_or("", |a| a.as_str());
        if named.contains('@') {
            return Err("it holds a user name; send credentials in the Authorization field instead");
        }
        Ok(Remote {
            host: HeaderValue::from_str(named).map_err(|_| "its host is malformed")?,
            prefix: format!("{scheme}://{named}"),
            authority: Arc::new(authority),
            base: uri.path().trim_end_matches('/').to_owned(),
            preserve_host: false,
        })
    }

    /// The same, where the client's own `Host` may have to reach it.
    #[must_use]
    pub(super) fn preserving_host(mut self, preserve: bool) -> Remote {
        self.preserve_host = preserve;
        self
    }

    /// The `Host` for a request with these fields.
    pub(super) fn host_for(&self, headers: &HeaderMap) -> HeaderValue {
        let own = headers.get(header::HOST).filter(|_| self.preserve_host);
        own.unwrap_or(&self.host).clone()
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.prefix, self.base)
    }

    /// The path under which the API lies, without a slash at its end.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Whether TLS is spoken with it.
    pub(crate) fn speaks_tls(&self) -> bool {
        self.authority.tls
    }

    /// Whether connections to the one serve for the other.
    pub(crate) fn is_beside(&self, other: &Remote) -> bool {
        self.authority == other.authority
    }

    /// The target at the origin for a request target of the gateway, in origin-form.
    pub(super) fn path(&self, asked: &PathAndQuery) -> Option<PathAndQuery> {
        // `OPTIONS *` asks about the server as a whole (RFC 9110 §7.1).
        if self.base.is_empty() || asked.as_str() == "*" {
            // The path of `http://host` is empty, and reads as a slash; it has to be written as one too.
            let root = asked.as_str() == "/";
            return Some(if root {
                PathAndQuery::from_static("/")
            } else {
                asked.clone()
            });
        }
        format!("{}{asked}", self.base).parse().ok()
    }
}

impl Upstream {
    /// Whether the origin gets the client's own `Host`, and so knows itself by the name that clients know.
    pub(super) fn preserves_host(&self) -> bool {
        matches!(self, Upstream::Http(remote) if remote.preserve_host)
    }

    /// The absolute target URI for a request target of the gateway.
    pub(super) fn target(&self, asked: &PathAndQuery) -> String {
        // The target of a request for `http://host?query` has none.
        let slash = if asked.as_str().starts_with('?') { "/" } else { "" };
        match self {
            Upstream::Http(remote) => [&remote.prefix, &remote.base, slash, asked.as_str()].concat(),
            Upstream::Embedded(_) => [EMBEDDED, slash, asked.as_str()].concat(),
        }
    }

    /// The value of a `Destination` field (RFC 4918 §10.3) as the origin must see it; `here` is our own authority.
    pub(super) fn destination(&self, value: &str, here: &str) -> Option<String> {
        let path = match value.split_once("://") {
            Some((_, rest)) => rest.strip_prefix(here).filter(|p| p.starts_with('/'))?,
            None => value,
        };
        Some(self.target(&path.parse().ok()?))
    }

    /// The prefix that `Location` fields of the origin begin with, and what stands for it here.
    pub(super) fn relative(&self, location: &str) -> Option<String> {
        let prefix = match self {
            Upstream::Http(remote) => format!("{}{}", remote.prefix, remote.base),
            Upstream::Embedded(_) => EMBEDDED.to_owned(),
        };
        let path = match self {
            Upstream::Http(remote) if !location.starts_with("//") => location.strip_prefix(&remote.base),
            _ => None,
        };
        let rest = location
            .strip_prefix(&prefix)
            .or(path.filter(|_| location.starts_with('/')))?;
        match rest.chars().next() {
            Some('/') => Some(rest.to_owned()),
            Some('?' | '#') => Some(format!("/{rest}")),
            None => Some("/".to_owned()),
            Some(_) => None,
        }
    }
}

/// What is said of each origin; the error completes "failed to …".
pub(super) fn own_settings(config: &Config) -> Result<HashMap<Authority, OriginSettings>, String> {
    let mut all = HashMap::new();
    for upstream in &config.upstreams {
        let (settings, files) = (&upstream.settings.values, upstream.settings.values.tls_files());
        let Some(remote) = &settings.remote else { continue };
        let own = OriginSettings {
            http2: settings.http2,
            ping: settings.http2_ping,
            max_connections: settings.max_connections,
            tls: match files == TlsFiles::default() {
                true => None,
                false => Some(Arc::new(OriginTls::open(files)?)),
            },
        };
        all.insert(remote.authority.as_ref().clone(), own);
    }
    Ok(all)
}

/// Whether a target is of the embedded origin.
pub(crate) fn is_embedded(target: &str) -> bool {
    target.strip_prefix(EMBEDDED).is_some_and(|rest| rest.starts_with('/'))
}

/// The authority under which the embedded origin is known to the engine.
const EMBEDDED: &str = "http://origin.tiebreak.invalid";
const EMBEDDED_HOST: &str = "origin.tiebreak.invalid";

/// Calls the embedded origin in this process: what was called has been answered, unless it was dropped.
#[derive(Debug, Clone)]
pub(crate) struct EmbeddedTransport(pub(crate) Arc<Origin>);

impl Transport for EmbeddedTransport {
    fn send(&self, request: Request<Bytes>, _keep: usize) -> Sending<'_> {
        Box::pin(async move {
            let response = self.0.handle(request).await;
            let (head, content) = response.into_parts();
            Delivery::Answered(Response {
                status: head.status,
                headers: head.headers,
                content,
                complete: true,
            })
        })
    }
}

/// Sends what is meant for the embedded origin there, and everything else over HTTP.
#[derive(Debug)]
pub(super) struct GatewayTransport {
    http: HttpTransport,
    embedded: Option<EmbeddedTransport>,
}

impl GatewayTransport {
    pub(super) fn new(embedded: Option<Arc<Origin>>, origins: Arc<Origins>) -> GatewayTransport {
        GatewayTransport {
            http: HttpTransport::new(origins).of_gateway(VIA),
            embedded: embedded.map(EmbeddedTransport),
        }
    }
}

impl Transport for GatewayTransport {
    fn send(&self, request: Request<Bytes>, keep: usize) -> Sending<'_> {
        let embedded = self
            .embedded
            .as_ref()
            .filter(|_| request.uri().host() == Some(EMBEDDED_HOST));
        match embedded {
            Some(embedded) => embedded.send(request, keep),
            None => self.http.send(request, keep),
        }
    }
}
