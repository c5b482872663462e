//! What may be set for the gateway as a whole: at the top of the file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tiebreak_origin::StaleStatus;

use super::fault::Wrong;
use super::node::{Node, Value};
use super::reading::{show_duration, show_list, show_size, show_text, show_word};
use super::setting::Setting;
use crate::gateway::{Address, ClientAuth, Clients, Forwarding, Limits};
use crate::stores::SharedLedger;

/// The settings of the gateway as a whole.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) listen: Vec<Address>,
    /// The certificate chain for TLS, a PEM file.
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key, a PEM file.
    pub(crate) tls_key: Option<PathBuf>,
    /// The authorities that clients' certificates have to come from, a PEM file; `None`: none is asked for.
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// Whether clients have to show a certificate.
    pub(crate) tls_client_auth: ClientAuth,
    /// What the origin is told of clients.
    pub(crate) forwarded: Forwarding,
    /// The bounds on clients.
    pub(crate) limits: Limits,
    /// The URL of the origin, or the name of an upstream; `None`: the embedded origin.
    pub(crate) upstream: Option<String>,
    /// The ledger's file, `memory`, or the address of a database.
    pub(crate) ledger: PathBuf,
    /// How a ledger in a database is used.
    pub(crate) shared: SharedLedger,
    /// The embedded origin's file, or `memory`.
    pub(crate) data: PathBuf,
    /// How the embedded origin answers a stale `If-Match`.
    pub(crate) stale_status: StaleStatus,
    /// The folder of the profiles of browsers that checks are handed to; `None`: each hand-off has a new one.
    pub(crate) browser_profile: Option<PathBuf>,
    /// Bytes of content that all writes together may hold in memory; see [`super::Config::memory`].
    pub(crate) memory: Option<usize>,
    /// Whether writes are forwarded as they come, and only looked at.
    pub(crate) observe: bool,
    /// Where what is observed goes; `None`: standard error.
    pub(crate) observe_file: Option<PathBuf>,
}

impl Default for Server {
    fn default() -> Server {
        Server {
            listen: vec![Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 4090)))],
            tls_cert: None,
            tls_key: None,
            tls_client_ca: None,
            tls_client_auth: ClientAuth::default(),
            forwarded: Forwarding::Forwarded,
            limits: Limits::default(),
            upstream: None,
            ledger: "tiebreak.ledger".into(),
            shared: SharedLedger::default(),
            data: "tiebreak.origin".into(),
            stale_status: StaleStatus::Conflict,
            browser_profile: None,
            memory: None,
            observe: false,
            observe_file: None,
        }
    }
}

impl Server {
    /// What is asked of clients when TLS begins.
    pub(crate) fn tls_clients(&self) -> Option<Clients> {
        let auth = self.tls_client_auth;
        self.tls_client_ca.clone().map(|ca| Clients { ca, auth })
    }
}

/// A setting that takes effect only at the next start.
const fn at_start(
    name: &'static str,
    read: fn(&mut Server, &Node) -> Result<(), Wrong>,
    show: fn(&Server) -> Option<String>,
) -> Setting<Server> {
    Setting {
        name,
        read,
        show,
        at_start: true,
    }
}

/// What may stand at the top of the file.
pub(crate) const SETTINGS: &[Setting<Server>] = &[
    at_start(
        "listen",
        |s, node| {
            s.listen = node.list()?.iter().map(address).collect::<Result<_, _>>()?;
            match s.listen.is_empty() {
                true => Err(Wrong::expected("at least one address", node)),
                false => Ok(()),
            }
        },
        |s| {
            let told: Vec<String> = s.listen.iter().map(ToString::to_string).collect();
            Some(match &told[..] {
                [one] => show_text(one),
                several => show_list(several.iter().map(String::as_str)),
            })
        },
    ),
    at_start(
        "tls_cert",
        |s, node| node.text().map(|path| s.tls_cert = Some(path.into())),
        |s| s.tls_cert.as_ref().map(|path| show_text(&path.display().to_string())),
    ),
    at_start(
        "tls_key",
        |s, node| node.text().map(|path| s.tls_key = Some(path.into())),
        |s| s.tls_key.as_ref().map(|path| show_text(&path.display().to_string())),
    ),
    at_start(
        "tls_client_ca",
        |s, node| node.text().map(|path| s.tls_client_ca = Some(path.into())),
        |s| {
            s.tls_client_ca
                .as_ref()
                .map(|path| show_text(&path.display().to_string()))
        },
    ),
    at_start(
        "tls_client_auth",
        |s, node| node.word(ClientAuth::WORDS).map(|auth| s.tls_client_auth = auth),
        |s| Some(show_word(ClientAuth::WORDS, s.tls_client_auth)),
    ),
    at_start(
        "forwarded",
        |s, node| node.word(Forwarding::WORDS).map(|which| s.forwarded = which),
        |s| Some(show_word(Forwarding::WORDS, s.forwarded)),
    ),
    Setting {
        name: "upstream",
        read: |s, node| {
            s.upstream = Some(node.text()?.to_owned());
            Ok(())
        },
        show: |s| s.upstream.as_deref().map(show_text),
        at_start: false,
    },
    at_start(
        "ledger",
        |s, node| node.text().map(|path| s.ledger = path.into()),
        |s| Some(show_text(&crate::stores::shown(&s.ledger))),
    ),
    at_start(
        "ledger_password_file",
        |s, node| node.text().map(|path| s.shared.password_file = Some(path.into())),
        |s| {
            let path = s.shared.password_file.as_ref();
            path.map(|path| show_text(&path.display().to_string()))
        },
    ),
    at_start(
        "ledger_lease",
        |s, node| {
            let lease = node.duration()?;
            let some = (Duration::from_secs(2)..=Duration::from_secs(600)).contains(&lease);
            let wrong = || Wrong::expected("a duration from \"2s\" to \"10m\"", node);
            some.then(|| s.shared.lease = lease).ok_or_else(wrong)
        },
        |s| Some(show_duration(s.shared.lease)),
    ),
    at_start(
        "secret",
        |s, node| node.text().map(|path| s.shared.secret = Some(path.into())),
        |s| {
            let path = s.shared.secret.as_ref();
            path.map(|path| show_text(&path.display().to_string()))
        },
    ),
    at_start(
        "data",
        |s, node| node.text().map(|path| s.data = path.into()),
        |s| Some(show_text(&s.data.display().to_string())),
    ),
    at_start(
        "browser_profile",
        |s, node| node.text().map(|path| s.browser_profile = Some(path.into())),
        |s| {
            s.browser_profile
                .as_ref()
                .map(|path| show_text(&path.display().to_string()))
        },
    ),
    at_start(
        "stale_status",
        |s, node| {
            s.stale_status = match &node.value {
                Value::Integer(code) if code == "409" => StaleStatus::Conflict,
                Value::Integer(code) if code == "412" => StaleStatus::PreconditionFailed,
                _ => return Err(Wrong::expected("409 or 412", node)),
            };
            Ok(())
        },
        |s| {
            Some(match s.stale_status {
                StaleStatus::Conflict => "409".to_owned(),
                StaleStatus::PreconditionFailed => "412".to_owned(),
            })
        },
    ),
    at_start(
        "max_connections",
        |s, node| node.count(1..=1_000_000).map(|n| s.limits.max_connections = n),
        |s| Some(s.limits.max_connections.to_string()),
    ),
    at_start(
        "max_connections_per_address",
        |s, node| {
            node.count(1..=1_000_000)
                .map(|n| s.limits.max_connections_per_address = n)
        },
        |s| Some(s.limits.max_connections_per_address.to_string()),
    ),
    at_start(
        "max_writes_per_caller",
        |s, node| node.count(1..=1_000_000).map(|n| s.limits.max_writes_per_caller = n),
        |s| Some(s.limits.max_writes_per_caller.to_string()),
    ),
    at_start(
        "max_head",
        |s, node| node.size(1 << 10..=1 << 20).map(|n| s.limits.max_head = n),
        |s| Some(show_size(s.limits.max_head as u64)),
    ),
    at_start(
        "head_timeout",
        |s, node| bound(node).map(|d| s.limits.head_timeout = d),
        |s| Some(show_duration(s.limits.head_timeout)),
    ),
    at_start(
        "stall_timeout",
        |s, node| bound(node).map(|d| s.limits.stall_timeout = d),
        |s| Some(show_duration(s.limits.stall_timeout)),
    ),
    at_start(
        "min_rate",
        |s, node| node.count(1..=1_000_000_000).map(|n| s.limits.min_rate = n),
        |s| Some(s.limits.min_rate.to_string()),
    ),
    at_start(
        "idle_timeout",
        |s, node| bound(node).map(|d| s.limits.idle_timeout = d),
        |s| Some(show_duration(s.limits.idle_timeout)),
    ),
    at_start(
        "drain_timeout",
        |s, node| bound(node).map(|d| s.limits.drain_timeout = d),
        |s| Some(show_duration(s.limits.drain_timeout)),
    ),
    at_start(
        "memory",
        |s, node| node.size(1 << 20..=1 << 40).map(|n| s.memory = Some(n)),
        |s| s.memory.map(|n| show_size(n as u64)),
    ),
    at_start(
        "observe",
        |s, node| node.yes().map(|yes| s.observe = yes),
        |s| Some(s.observe.to_string()),
    ),
    at_start(
        "observe_file",
        |s, node| node.text().map(|path| s.observe_file = Some(path.into())),
        |s| {
            s.observe_file
                .as_ref()
                .map(|path| show_text(&path.display().to_string()))
        },
    ),
];

fn address(node: &Node) -> Result<Address, Wrong> {
    let wrong = |_| {
        let expected = "an address and a port, such as \"127.0.0.1:4090\" or \"[::1]:4090\", or \"unix:\" and a file";
        Wrong::expected(expected, node)
    };
    node.text()?.parse().map_err(wrong)
}

/// A time that a client is given: some.
fn bound(node: &Node) -> Result<Duration, Wrong> {
    match node.duration()? {
        Duration::ZERO => Err(Wrong::expected("a duration over zero", node)),
        some => Ok(some),
    }
}
