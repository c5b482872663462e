//! Room set aside for the settlements of what is claimed.
//!
//! A claim says that a write may have been sent, so its settlement must find room even when the disk is full by then.
//! A zero-filled file beside the ledger holds that room: [`PER_CLAIM`] bytes for each claim that may be outstanding,
//! and what it takes to move a full write-ahead log into the database. When SQLite reports a full disk, the batch is
//! rolled back, the file is given up, the log is moved, and the batch is done again *without its claims*, which are
//! answered [`LedgerError::Full`](crate::LedgerError::Full) from then on. So what the file held is there for
//! amendments, doubts and settlements alone. The log needs no new room meanwhile: it is moved after each batch, keeps
//! its blocks and is written over. Settlements are cut to [`tight`] bounds (and say so), which is what makes
//! [`PER_CLAIM`] enough: at most 1.5 kB and an amended row, on pages that others share. Claims are taken again when
//! the file could be filled once more, or while a purge has left as much room within the database.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::schema::pragma;
use super::{Options, Pretend};
use crate::bounds::Bounds;

/// Bytes set aside for one outstanding claim: two pages.
const PER_CLAIM: u64 = 8 << 10;

/// Bytes of a page.
const PAGE: u64 = 4 << 10;

/// How often it is tried to fill the file again.
const RETRY: Duration = Duration::from_secs(1);

/// What is kept of a settlement while the disk is full.
pub(super) fn tight(bounds: &Bounds) -> Bounds {
    Bounds {
        content: bounds.content.min(512),
        fields: bounds.fields.min(512),
        evidence: bounds.evidence.min(256),
        ..*bounds
    }
}

/// The file, or the memory of it.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    size: u64,
    held: bool,
    tried: Option<Instant>,
    pretend: Pretend,
}

impl Reserve {
    /// Sets the room aside. Without success the ledger opens all the same, to settle and resolve what it holds.
    pub(super) fn new(path: PathBuf, options: &Options) -> Reserve {
        let size = options.bounds.outstanding as u64 * PER_CLAIM + options.log_pages as u64 * PAGE;
        let mut reserve = Reserve {
            path,
            size,
            held: false,
            tried: None,
            pretend: options.pretend,
        };
        reserve.held = reserve.fill().is_ok();
        reserve
    }

    /// Whether claims may be taken.
    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    /// Gives the room up.
    pub(super) fn give_up(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        self.held = false;
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(
                "the ledger's reserve {} could not be removed: {error}",
                self.path.display()
            );
        }
        self.tried = Some(Instant::now());
        self.pretend(conn)
    }

    /// Tries to set the room aside again, now and then.
    pub(super) fn restore(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        if self.held || self.tried.is_some_and(|at| at.elapsed() < RETRY) {
            return Ok(());
        }
        self.tried = Some(Instant::now());
        if self.pretend.no_refill {
            return Ok(());
        }
        if self.pretend.full_at.is_some() {
            let used: u32 = pragma::<u32>(conn, "page_count")? - pragma::<u32>(conn, "freelist_count")?;
            if Some(used) >= self.pretend.full_at {
                return Ok(());
            }
        }
        match self.fill() {
            Ok(()) => {
                tracing::info!("the ledger has room again and takes claims");
                self.held = true;
            }
            Err(_) => drop(std::fs::remove_file(&self.path)),
        }
        self.pretend(conn)
    }

    /// Whether as much room is free within the database, apart from `pages` about to be used.
    pub(super) fn is_within(&self, conn: &Connection, pages: usize) -> rusqlite::Result<bool> {
        let free: u32 = pragma(conn, "freelist_count")?;
        Ok(u64::from(free) * PAGE >= self.size + pages as u64 * PAGE)
    }

    /// Makes SQLite find the disk full, or not any more.
    pub(super) fn pretend(&self, conn: &Connection) -> rusqlite::Result<()> {
        let Some(pages) = self.pretend.full_at else {
            return Ok(());
        };
        let reserve = if self.held { 0 } else { (self.size / PAGE) as u32 };
        conn.pragma_update_and_check(None, "max_page_count", pages + reserve, |_| Ok(()))
    }

    fn fill(&self) -> io::Result<()> {
        if std::fs::metadata(&self.path).is_ok_and(|m| m.len() == self.size) {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        let mut file: File = options.create(true).truncate(true).write(true).open(&self.path)?;
        let zeros = vec![0; 1 << 16];
        let mut left = self.size;
        while left > 0 {
            let part = left.min(zeros.len() as u64);
            file.write_all(&zeros[..part as usize])?;
            left -= part;
        }
        file.sync_all()
    }
}
