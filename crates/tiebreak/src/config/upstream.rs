//! The origins that the gateway stands in front of.

use super::fault::Wrong;
use super::node::Node;
use super::reading::show_text;
use super::setting::{Layered, Setting};
use crate::gateway::Remote;

/// The name under which routes know the origin that the top of the file names.
pub(crate) const MAIN: &str = "";

/// Which origin: a name under `[upstreams]`, or [`MAIN`].
pub(crate) type UpstreamName = String;

/// One origin.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpstreamSettings {
    /// Where it is; `None`: the embedded origin.
    pub(crate) remote: Option<Remote>,
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

/// What may stand under `[upstreams.NAME]`.
pub(crate) const SETTINGS: &[Setting<UpstreamSettings>] = &[Setting {
    name: "url",
    read: |u: &mut UpstreamSettings, node: &Node| {
        u.remote = Some(url(node.text()?)?);
        Ok(())
    },
    show: |u| u.remote.as_ref().map(|remote| show_text(&remote.url())),
    at_start: false,
}];
