//! How a process uses a shared ledger.

use std::time::Duration;

use crate::bounds::Bounds;

/// How the ledger uses the database.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much of a write is kept.
    pub bounds: Bounds,
    /// For so long this process counts as alive after it last said so. Where it cannot say so any more, it sends nothing.
    pub lease: Duration,
    /// So long before the lease ends nothing is sent any more, and what is on the wire is given up.
    pub margin: Duration,
    /// For so long after its lease ended, a request of a dead process may still arrive.
    pub late_after: Duration,
    /// A claim or a reading waits so long for a database that cannot be reached.
    pub wait: Duration,
    /// What belongs to a claim waits so long until its caller is told that it is not recorded; it is recorded later all the same.
    pub wait_to_record: Duration,
    /// Claims that may wait at once.
    pub queue: usize,
    /// At most so many changes go into one transaction; 1 for comparisons.
    pub batch: usize,
    /// The name of this process, for people.
    pub name: String,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            bounds: Bounds::default(),
            lease: Duration::from_secs(10),
            margin: Duration::from_secs(1),
            late_after: Duration::from_secs(10),
            wait: Duration::from_secs(2),
            wait_to_record: Duration::from_secs(10),
            queue: 16_384,
            batch: 256,
            name: format!("process {}", std::process::id()),
        }
    }
}
