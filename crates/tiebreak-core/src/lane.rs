//! Lanes: which writes must not run at the same time.

use std::fmt;

use crate::method::acts_on_target;
use crate::request::{Target, WriteRequest};

/// The name of a lane: a target URI, or the conflict domain that a route declares.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(pub String);

/// What begins the name of a declared lane. No URI begins so.
const DECLARED: &str = "lane ";

impl LaneId {
    /// The lane of a conflict domain that a route declares: all writes that name it so queue in it.
    #[must_use]
    pub fn declared(name: &str) -> LaneId {
        LaneId(format!("{DECLARED}{name}"))
    }

    /// Whether it is the lane of a declared conflict domain, and not that of one target: what a write produced at its
    /// target says nothing to the others in such a lane.
    #[must_use]
    pub fn is_declared(&self) -> bool {
        self.0.starts_with(DECLARED)
    }
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The lanes of `request` by default, sorted: its target URI, and for MOVE and COPY that of
/// `Destination` as well (RFC 4918 §10.3). A POST has none: it creates under its target or processes
/// its content, and such requests seldom conflict with each other.
#[must_use]
pub fn default_lanes(request: &WriteRequest) -> Vec<LaneId> {
    lanes_about(request, &request.target)
}

/// As [`default_lanes`], where the target names a version as well: `resource` is what the write is about.
#[must_use]
pub fn lanes_about(request: &WriteRequest, resource: &Target) -> Vec<LaneId> {
    if !acts_on_target(&request.method) {
        return Vec::new();
    }
    let mut lanes = vec![LaneId(resource.as_str().to_owned())];
    if let Some(destination) = request.field("destination") {
        lanes.push(LaneId(destination.to_owned()));
    }
    lanes.sort();
    lanes.dedup();
    lanes
}
