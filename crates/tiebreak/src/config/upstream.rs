//! The origins that the gateway stands in front of.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tiebreak_client::transport::origins::{Http2, PING};
use tiebreak_client::transport::tls::TlsFiles;

use super::fault::Wrong;
use super::node::{Node, Value};
use super::reading::{show_duration, show_text};
use super::setting::{Layered, Setting};
use crate::gateway::Remote;

/// The name under which routes know the origin that the top of the file names.
pub(crate) const MAIN: &str = "";

/// Which origin: a name under `[upstreams]`, or [`MAIN`].
pub(crate) type UpstreamName = String;

/// One origin.
#[derive(Debug, Clone)]
pub(crate) struct UpstreamSettings {
    /// Where it is; `None`: the embedded origin.
    pub(crate) remote: Option<Remote>,
    /// The certificates that its own has to come from, a PEM file; `None`: those of the operating system.
    pub(crate) ca: Option<PathBuf>,
    /// The certificate chain that we show it, a PEM file.
    pub(crate) client_cert: Option<PathBuf>,
    /// The private key of that certificate, a PEM file.
    pub(crate) client_key: Option<PathBuf>,
    /// Whether the client's own `Host` reaches it.
    pub(crate) preserve_host: bool,
    /// Whether HTTP/2 is spoken with it.
    pub(crate) http2: Http2,
    /// How often it is asked on HTTP/2 whether it is still there, and how long it has to say so.
    pub(crate) http2_ping: Duration,
    /// At most so many HTTP/1.1 connections at a time, idle ones counted.
    pub(crate) max_connections: Option<NonZeroUsize>,
}

impl Default for UpstreamSettings {
    fn default() -> UpstreamSettings {
        UpstreamSettings {
            remote: None,
            ca: None,
            client_cert: None,
            client_key: None,
            preserve_host: false,
            http2: Http2::default(),
            http2_ping: PING,
            max_connections: None,
        }
    }
}

impl UpstreamSettings {
    /// What TLS with it takes.
    pub(crate) fn tls_files(&self) -> TlsFiles {
        TlsFiles {
            ca: self.ca.clone(),
            client: self.client_cert.clone().zip(self.client_key.clone()),
            offers_http2: self.http2 == Http2::Offered,
        }
    }
}

/// A named origin.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    pub(crate) name: UpstreamName,
    /// Where it begins in the file.
    pub(crate) at: Option<std::ops::Range<usize>>,
    pub(crate) settings: Layered<UpstreamSettings>,
}

impl Upstream {
    /// Whether this is the origin inside of this process.
    pub(crate) fn is_embedded(&self) -> bool {
        self.settings.values.remote.is_none()
    }
}

/// Reads the URL of an origin.
pub(crate) fn url(text: &str) -> Result<Remote, Wrong> {
    Remote::parse(text).map_err(|why| {
        Wrong::new(format!("{text:?} is no origin: {why}")).with("write it like \"https://api.example.com\"")
    })
}

fn shown(path: &Path) -> String {
    show_text(&path.display().to_string())
}

fn http2(node: &Node) -> Result<Http2, Wrong> {
    match &node.value {
        Value::Bool(false) => Ok(Http2::Off),
        Value::Bool(true) => Ok(Http2::Offered),
        Value::Text(text) if text == PRIOR => Ok(Http2::Prior),
        _ => Err(Wrong::expected("true, false or \"prior-knowledge\"", node)),
    }
}

const PRIOR: &str = "prior-knowledge";

const fn setting(
    name: &'static str,
    read: fn(&mut UpstreamSettings, &Node) -> Result<(), Wrong>,
    show: fn(&UpstreamSettings) -> Option<String>,
) -> Setting<UpstreamSettings> {
    Setting {
        name,
        read,
        show,
        at_start: false,
    }
}

/// What may stand under `[upstreams.NAME]`.
pub(crate) const SETTINGS: &[Setting<UpstreamSettings>] = &[
    Setting {
        name: "url",
        read: |u: &mut UpstreamSettings, node: &Node| {
            u.remote = Some(url(node.text()?)?);
            Ok(())
        },
        show: |u| u.remote.as_ref().map(|remote| show_text(&remote.url())),
        at_start: false,
    },
    setting(
        "ca",
        |u, node| node.text().map(|path| u.ca = Some(path.into())),
        |u| u.ca.as_deref().map(shown),
    ),
    setting(
        "client_cert",
        |u, node| node.text().map(|path| u.client_cert = Some(path.into())),
        |u| u.client_cert.as_deref().map(shown),
    ),
    setting(
        "client_key",
        |u, node| node.text().map(|path| u.client_key = Some(path.into())),
        |u| u.client_key.as_deref().map(shown),
    ),
    Setting {
        name: "preserve_host",
        read: |u: &mut UpstreamSettings, node: &Node| node.yes().map(|yes| u.preserve_host = yes),
        show: |u| Some(u.preserve_host.to_string()),
        at_start: false,
    },
    setting(
        "http2",
        |u, node| http2(node).map(|http2| u.http2 = http2),
        |u| {
            Some(match u.http2 {
                Http2::Off => "false".to_owned(),
                Http2::Offered => "true".to_owned(),
                Http2::Prior => show_text(PRIOR),
            })
        },
    ),
    setting(
        "http2_ping",
        |u, node| match node.duration()? {
            d if d < Duration::from_millis(10) => Err(Wrong::expected("a duration of 10ms or more", node)),
            d => {
                u.http2_ping = d;
                Ok(())
            }
        },
        |u| Some(show_duration(u.http2_ping)),
    ),
    setting(
        "max_connections",
        |u, node| {
            node.count(1..=1_000_000)
                .map(|n| u.max_connections = NonZeroUsize::new(n))
        },
        |u| u.max_connections.map(|n| n.to_string()),
    ),
];
