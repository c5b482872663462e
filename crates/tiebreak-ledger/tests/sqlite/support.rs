//! Files for tests.

use std::path::{Path, PathBuf};

use tiebreak_core::time::Time;
use tiebreak_ledger::bounds::Bounds;
use tiebreak_ledger::sqlite::Options;

/// The ledger's path in `dir`.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("t.ledger")
}

/// `path` with a suffix, as SQLite names its files.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Copies database and log from one directory to another, as a crash would leave them.
pub(crate) fn copy(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let source = beside(&path(from), suffix);
        if source.exists() {
            std::fs::copy(source, beside(&path(to), suffix)).unwrap();
        }
    }
}

/// Options with these bounds, and a short queue.
pub(crate) fn options(bounds: Bounds) -> Options {
    Options {
        bounds,
        queue: 128,
        now: Some(Time(1_800_000_000_500)),
        ..Options::default()
    }
}
