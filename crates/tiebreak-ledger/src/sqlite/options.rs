//! How a ledger file is opened.

use tiebreak_core::time::Time;

use crate::bounds::Bounds;

/// How a ledger file is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much is kept of a write. Eight kilobytes of disk are set aside per claim that may be outstanding.
    pub bounds: Bounds,
    /// How many claims may wait for the writer, and how many reads for a reader; more are refused.
    pub queue: usize,
    /// Threads that read.
    pub readers: usize,
    /// Pages (of 4 kB) in the write-ahead log that make a checkpoint due; a sixteenth of that if the writer is idle.
    /// Disk for as many pages is set aside.
    pub log_pages: usize,
    /// When the doubts about what a dead process left claimed begin; `None`: now, by the system's clock.
    pub now: Option<Time>,
    /// What goes wrong on purpose, in tests.
    #[doc(hidden)]
    pub pretend: Pretend,
}

/// What goes wrong on purpose, in tests.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Pretend {
    /// The disk is full when the database has this many pages and the reserve is held.
    pub full_at: Option<u32>,
    /// The sync of this commit, counted from one, fails. What was written may be there all the same.
    pub sync_fails_at: Option<u64>,
    /// The reserve cannot be filled again once it was given up.
    pub no_refill: bool,
    /// No checkpoints are made.
    pub keep_log: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            bounds: Bounds::default(),
            queue: 4096,
            readers: 2,
            log_pages: 4_000,
            now: None,
            pretend: Pretend::default(),
        }
    }
}
