//! The one thread that writes: everything that waits goes into one transaction and shares its sync.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::change::{Change, Slot};
use super::desk::Desk;
use super::error::{is_busy, is_damage, is_full, using};
use super::queue::Took;
use super::reserve::{self, Reserve};
use super::{Options, Shared};
use crate::LedgerError;

/// Without work for this long the writer counts as idle.
const IDLE: Duration = Duration::from_millis(20);

/// With nothing to do later either, it looks around this often.
const LONG: Duration = Duration::from_secs(1);

/// Why a batch was not committed.
enum Failed {
    /// There is no room; nothing has changed.
    Full,
    /// Nothing has changed.
    Unchanged(LedgerError),
    /// It is not known what is durable.
    Lost(String),
}

/// The thread's state.
struct Writer<'c> {
    desk: Desk<'c>,
    shared: Arc<Shared>,
    options: Options,
    reserve: Reserve,
    /// About how many pages the log has.
    log: usize,
    commits: u64,
    lost: Option<String>,
}

/// Works until the ledger is closed. Returns whom to tell when that is done, and whether all is well.
pub(super) fn run(
    conn: &Connection,
    shared: &Arc<Shared>,
    options: Options,
    reserve: Reserve,
    last_row: i64,
) -> (Option<Slot<()>>, Result<(), LedgerError>) {
    let desk = match Desk::new(conn, Arc::clone(shared), options.bounds, last_row) {
        Ok(desk) => desk,
        Err(error) => {
            let error = using(&error);
            return (refuse_everything(shared, &error), Err(error));
        }
    };
    let mut writer = Writer {
        desk,
        shared: Arc::clone(shared),
        options,
        reserve,
        log: 0,
        commits: 0,
        lost: None,
    };
    let closing = writer.work();
    (closing, writer.lost.map_or(Ok(()), |why| Err(LedgerError::Lost(why))))
}

/// For a store that could be opened but not used.
fn refuse_everything(shared: &Shared, error: &LedgerError) -> Option<Slot<()>> {
    let mut jobs = VecDeque::new();
    while shared.changes.wait(LONG) != Took::Closed {
        shared.changes.drain(&mut jobs);
        for job in jobs.drain(..) {
            match job {
                Change::Close(slot) => return Some(slot),
                other => other.fail(error.clone()),
            }
        }
    }
    None
}

impl Writer<'_> {
    fn work(&mut self) -> Option<Slot<()>> {
        let mut jobs = VecDeque::new();
        let mut closing = None;
        loop {
            let patience = if self.worth_a_checkpoint() { IDLE } else { LONG };
            match self.shared.changes.wait(patience) {
                Took::Closed => return closing,
                Took::Nothing => self.idle(),
                Took::Jobs => {
                    // Those that were woken by the last commit come with their next request now: batches grow from
                    // a few to nearly all callers, and each costs one sync.
                    std::thread::yield_now();
                    self.shared.changes.drain(&mut jobs);
                    if let Some(Change::Close(_)) = jobs.back()
                        && let Some(Change::Close(slot)) = jobs.pop_back()
                    {
                        closing = Some(slot);
                    }
                    self.batch(&mut jobs);
                    // Without a reserve the log must not grow.
                    if self.log >= self.options.log_pages || (!self.reserve.is_held() && self.log > 0) {
                        self.checkpoint();
                    }
                }
            }
        }
    }

    fn idle(&mut self) {
        if self.worth_a_checkpoint() {
            self.checkpoint();
        }
        self.restore();
    }

    fn worth_a_checkpoint(&self) -> bool {
        self.log > self.options.log_pages / 16
    }

    /// Commits `jobs` together and answers them.
    fn batch(&mut self, jobs: &mut VecDeque<Change>) {
        if jobs.iter().any(Change::takes_room) && !self.has_room(jobs) {
            refuse_claims(jobs);
        }
        let mut done = self.attempt(jobs);
        if matches!(done, Err(Failed::Full)) && self.make_room() {
            refuse_claims(jobs);
            done = self.attempt(jobs);
        }
        match done {
            Ok(()) => {
                for job in jobs.drain(..) {
                    if let Some(unseen) = job.answer() {
                        // If it is closed by now, the claim will be found in doubt.
                        let _closed = self.shared.changes.push(unseen, usize::MAX);
                    }
                }
            }
            Err(Failed::Full) => fail_all(jobs, &LedgerError::Full),
            Err(Failed::Unchanged(error)) => fail_all(jobs, &error),
            Err(Failed::Lost(why)) => {
                self.lose(&why);
                fail_all(jobs, &LedgerError::Lost(why));
            }
        }
    }

    fn attempt(&mut self, jobs: &mut VecDeque<Change>) -> Result<(), Failed> {
        if let Some(why) = &self.lost {
            return Err(Failed::Lost(why.clone()));
        }
        if jobs.is_empty() {
            return Ok(());
        }
        let made = self.make(jobs);
        let Err((error, committing)) = made else {
            self.log += 3 + jobs.iter().map(Change::weight).sum::<usize>();
            return Ok(());
        };
        if let Err(error) = self.desk.roll_back() {
            return Err(Failed::Lost(error.to_string()));
        }
        // A log that could not be written in full holds no commit. After any other failure of a commit (above all
        // a failed sync) it may be there or not.
        if is_full(&error) {
            Err(Failed::Full)
        } else if is_damage(&error) || (committing && !is_busy(&error)) {
            Err(Failed::Lost(error.to_string()))
        } else {
            Err(Failed::Unchanged(using(&error)))
        }
    }

    /// One transaction. With an error goes whether it was the commit's.
    fn make(&mut self, jobs: &mut VecDeque<Change>) -> Result<(), (rusqlite::Error, bool)> {
        self.desk.begin().map_err(|e| (e, false))?;
        for job in jobs {
            job.perform(&mut self.desk).map_err(|e| (e, false))?;
        }
        self.commits += 1;
        self.desk.commit().map_err(|e| (e, true))?;
        if self.options.pretend.sync_fails_at == Some(self.commits) {
            return Err((failed_sync(), true));
        }
        Ok(())
    }

    /// Gives up the reserve and moves the log, so that its blocks can be written again. Returns whether that made room.
    fn make_room(&mut self) -> bool {
        if !self.reserve.is_held() {
            return false;
        }
        tracing::warn!("no space is left for the ledger: no claims are taken until there is");
        self.desk.bounds = reserve::tight(&self.options.bounds);
        if let Err(error) = self.reserve.give_up(self.desk.conn()) {
            self.lose(&error.to_string());
        }
        self.checkpoint();
        self.lost.is_none()
    }

    /// Whether there is room for these claims beside that for the settlements of all.
    fn has_room(&mut self, jobs: &VecDeque<Change>) -> bool {
        self.restore();
        if self.reserve.is_held() {
            return true;
        }
        // A change touches a few pages of each table.
        let pages = jobs.iter().map(|job| 4 * job.weight()).sum();
        match self.reserve.is_within(self.desk.conn(), pages) {
            Ok(within) => {
                let bounds = &self.options.bounds;
                self.desk.bounds = if within { *bounds } else { reserve::tight(bounds) };
                within
            }
            Err(error) => {
                self.lose(&error.to_string());
                false
            }
        }
    }

    fn restore(&mut self) {
        if self.reserve.is_held() {
            return;
        }
        if let Err(error) = self.reserve.restore(self.desk.conn()) {
            self.lose(&error.to_string());
        } else if self.reserve.is_held() {
            self.desk.bounds = self.options.bounds;
        }
    }

    /// Moves the log into the database, so that it is written from its beginning again. Readers are not waited for.
    fn checkpoint(&mut self) {
        if self.lost.is_some() || self.options.pretend.keep_log {
            return;
        }
        self.log = 0;
        let moved = (self.desk.conn()).query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        match moved {
            Ok(()) => {}
            // With the room made, it is tried once more.
            Err(error) if is_full(&error) => drop(self.make_room()),
            Err(error) if is_busy(&error) => {}
            // A database whose sync failed once cannot be trusted to be complete when a later one succeeds.
            Err(error) => self.lose(&error.to_string()),
        }
    }

    fn lose(&mut self, why: &str) {
        if self.lost.is_none() {
            tracing::error!("the ledger takes no more changes: {why}");
            self.lost = Some(why.to_owned());
        }
    }
}

/// The error of a commit that reached the log, whose sync then failed.
fn failed_sync() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
    rusqlite::Error::SqliteFailure(code, None)
}

fn refuse_claims(jobs: &mut VecDeque<Change>) {
    for _ in 0..jobs.len() {
        match jobs.pop_front() {
            Some(job) if job.takes_room() => job.fail(LedgerError::Full),
            Some(job) => jobs.push_back(job),
            None => {}
        }
    }
}

fn fail_all(jobs: &mut VecDeque<Change>, error: &LedgerError) {
    for job in jobs.drain(..) {
        job.fail(error.clone());
    }
}
