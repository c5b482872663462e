//! What may be set for the gateway as a whole: at the top of the file.

use std::net::SocketAddr;
use std::path::PathBuf;

use tiebreak_origin::StaleStatus;

use super::fault::Wrong;
use super::node::{Node, Value};
use super::reading::{show_size, show_text};
use super::setting::Setting;

/// The settings of the gateway as a whole.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// The URL of the origin, or the name of an upstream; `None`: the embedded origin.
    pub(crate) upstream: Option<String>,
    /// The ledger's file, or `memory`.
    pub(crate) ledger: PathBuf,
    /// The embedded origin's file, or `memory`.
    pub(crate) data: PathBuf,
    /// How the embedded origin answers a stale `If-Match`.
    pub(crate) stale_status: StaleStatus,
    /// At most so many client connections.
    pub(crate) max_connections: usize,
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
            listen: SocketAddr::from(([127, 0, 0, 1], 4090)),
            upstream: None,
            ledger: "tiebreak.ledger".into(),
            data: "tiebreak.origin".into(),
            stale_status: StaleStatus::Conflict,
            max_connections: 10_000,
            memory: None,
            observe: false,
            observe_file: None,
        }
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
            s.listen = node.text()?.parse().map_err(|_| {
                Wrong::expected(
                    "an address and a port, such as \"127.0.0.1:4090\" or \"[::1]:4090\"",
                    node,
                )
            })?;
            Ok(())
        },
        |s| Some(show_text(&s.listen.to_string())),
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
        |s| Some(show_text(&s.ledger.display().to_string())),
    ),
    at_start(
        "data",
        |s, node| node.text().map(|path| s.data = path.into()),
        |s| Some(show_text(&s.data.display().to_string())),
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
        |s, node| node.count(1..=1_000_000).map(|n| s.max_connections = n),
        |s| Some(s.max_connections.to_string()),
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
