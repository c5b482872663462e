//! A ledger in an SQLite file: the embedded default, used by one process at a time.
//!
//! Changes go through `queue` to one thread (`writer`) that commits everything that waits in one transaction;
//! reads go to a few threads with connections of their own and never hold it up. Which rows may hold a key or a doubt
//! is known in memory (`index`), so that a new key costs no read and no index on disk.

mod change;
mod desk;
mod error;
mod files;
mod finding;
mod index;
mod options;
mod queue;
mod recovery;
mod reserve;
mod row;
mod schema;
mod searching;
mod writer;

use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use tiebreak_core::key::KeyTrace;
use tiebreak_core::record::{Claim, Doubt, Fence, Record, Settlement, Sought, WriteId};
use tiebreak_core::time::Time;
use tokio::sync::oneshot;

use self::change::{Change, NewClaim, Reply, Settling, Slot};
use self::desk::Counts;
use self::files::Paths;
use self::finding::{Hashes, Places};
use self::index::{Hasher, Index};
pub use self::options::{Options, Pretend};
use self::queue::{Queue, Refused};
use self::reserve::Reserve;
use crate::bounds::Bounds;
use crate::search::{Found, Query};
use crate::waiting::{Waiting, granted};
use crate::{Claimed, Ledger, LedgerError, Pending, Resolution, ResolvedBy, Stats};

/// A ledger in an SQLite file. Dropping it finishes what was submitted.
pub struct SqliteLedger {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

/// A job for a reader.
type Read = Box<dyn FnOnce(&Connection) + Send>;

/// What the threads and the tasks share.
struct Shared {
    paths: Paths,
    bounds: Bounds,
    bound: usize,
    hasher: Hasher,
    index: Mutex<Index>,
    counts: Mutex<Counts>,
    /// No settled record expires before this (ms).
    earliest: AtomicI64,
    changes: Queue<Change>,
    reads: Queue<Read>,
}

impl Shared {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SqliteLedger {
    /// Opens the ledger at `path`, or makes one. Blocks: it reads every record once (about a second per million).
    ///
    /// # Errors
    /// [`LedgerError::Held`], [`LedgerError::Newer`], [`LedgerError::Damaged`], [`LedgerError::Full`], or
    /// [`LedgerError::Unavailable`] where the file cannot be used for another reason.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<SqliteLedger, LedgerError> {
        let paths = Paths {
            ledger: path.as_ref().to_owned(),
        };
        let lock = files::lock(&paths)?;
        let mut conn = files::open_writer(&paths)?;
        let hasher = Hasher::default();
        let now = options.now.unwrap_or_else(system_time);
        let sqlite = |e| error::opening(&paths.shown(), &e);
        let found = recovery::recover(&mut conn, &hasher, now).map_err(sqlite)?;
        let reserve = Reserve::new(paths.beside("-reserve"), &options);
        reserve.pretend(&conn).map_err(sqlite)?;
        let mut readers = Vec::new();
        for _ in 0..options.readers.max(1) {
            readers.push(files::open_reader(&paths)?);
        }
        let shared = Arc::new(Shared {
            paths,
            bounds: options.bounds,
            bound: options.queue,
            hasher,
            index: Mutex::new(found.index),
            counts: Mutex::new(found.counts),
            earliest: AtomicI64::new(found.earliest),
            changes: Queue::new(),
            reads: Queue::new(),
        });
        // From here on, dropping the ledger ends the threads that were started.
        let mut ledger = SqliteLedger {
            shared: Arc::clone(&shared),
            writer: None,
        };
        let mut threads = Vec::new();
        for conn in readers {
            let shared = Arc::clone(&shared);
            threads.push(start("ledger-read", move || {
                while let Some(read) = shared.reads.pop() {
                    read(&conn);
                }
            })?);
        }
        let work = move || {
            let (closed, done) = writer::run(&conn, &shared, options, reserve, found.last_row);
            shared.reads.close(None);
            for thread in threads {
                let _panicked = thread.join();
            }
            // As the last connection it moves the log into the database and removes it; then the file is free.
            let done = done.and(conn.close().map_err(|(_, e)| error::using(&e)));
            drop(lock);
            if let Some(slot) = closed {
                slot.answer(done);
            }
        };
        ledger.writer = Some(start("ledger-write", work)?);
        Ok(ledger)
    }

    /// Submits a change. What belongs to a granted claim is bounded with the claims and never refused.
    fn submit<T: Send + 'static>(
        &self,
        bound: usize,
        change: impl FnOnce(Slot<T>) -> Change,
    ) -> Result<Reply<T>, LedgerError> {
        let (slot, reply) = Slot::new();
        self.shared.changes.push(change(slot), bound).map_err(refused)?;
        Ok(reply)
    }

    fn change<T: Send + 'static>(&self, bound: usize, change: impl FnOnce(Slot<T>) -> Change) -> Pending<'_, T> {
        let submitted = self.submit(bound, change);
        Box::pin(async move { submitted?.await.unwrap_or(Err(LedgerError::Closed)) })
    }

    /// Submits a change that gives out a fence; if nobody takes it, it is put back.
    fn grant<T: Send + 'static>(
        &self,
        id: WriteId,
        fence: fn(&T) -> Option<Fence>,
        change: impl FnOnce(Slot<T>) -> Change,
    ) -> Pending<'_, T> {
        let put_back = move |fence| {
            let _closed = self.shared.changes.push(Change::PutBack(id, fence), usize::MAX);
        };
        let submitted = self.submit(self.shared.bound, change);
        let waiting = submitted.map(|reply| Waiting::new(reply, fence, put_back));
        Box::pin(async move { waiting?.answer().await })
    }

    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> Pending<'_, T> {
        let (reply, receiver) = oneshot::channel();
        let job: Read = Box::new(move |conn| drop(reply.send(read(conn))));
        let pushed = self.shared.reads.push(job, self.shared.bound).map_err(refused);
        Box::pin(async move {
            pushed?;
            receiver.await.unwrap_or(Err(LedgerError::Closed))
        })
    }

    async fn purge_all(&self, now: i64) -> Result<u64, LedgerError> {
        let earliest = self.shared.earliest.swap(i64::MAX, Relaxed);
        if earliest > now {
            self.shared.earliest.fetch_min(earliest, Relaxed);
            return Ok(0);
        }
        let done = self.purge_slices(now).await;
        // What settled meanwhile has told its own time.
        let next = done.as_ref().map_or(earliest, |(_, next)| *next);
        self.shared.earliest.fetch_min(next, Relaxed);
        done.map(|(count, _)| count)
    }

    async fn purge_slices(&self, now: i64) -> Result<(u64, i64), LedgerError> {
        let (mut count, mut earliest, mut next) = (0, i64::MAX, Some(0));
        while let Some(after) = next {
            let slice = self.read(move |conn| finding::expired(conn, after, now).map_err(|e| error::using(&e)));
            let slice = slice.await?;
            earliest = earliest.min(slice.earliest);
            next = slice.next;
            for rows in slice.rows.chunks(500) {
                let rows = rows.to_vec();
                count += self
                    .change(self.shared.bound, |slot| Change::Purge(rows, now, slot))
                    .await?;
            }
        }
        Ok((count, earliest))
    }
}

impl Drop for SqliteLedger {
    fn drop(&mut self) {
        self.shared.changes.close(None);
        self.shared.reads.close(None);
        if let Some(writer) = self.writer.take() {
            let _panicked = writer.join();
        }
    }
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, LedgerError> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    let unavailable = |e: std::io::Error| LedgerError::Unavailable(format!("no thread could be started: {e}"));
    builder.spawn(work).map_err(unavailable)
}

fn refused(why: Refused) -> LedgerError {
    match why {
        Refused::Closed => LedgerError::Closed,
        Refused::Busy => LedgerError::Unavailable("too many requests wait for it; try again later".into()),
    }
}

fn system_time() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Time(since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
}

impl Ledger for SqliteLedger {
    fn look_up(&self, sought: Sought, now: Time) -> Pending<'_, Option<Record>> {
        let hashes = Hashes::of(&sought, &self.shared.hasher);
        let places = Places::of(&self.shared.index(), hashes, &sought);
        if places.is_empty() {
            let closed = self.shared.changes.is_closed();
            let answer = if closed { Err(LedgerError::Closed) } else { Ok(None) };
            return Box::pin(std::future::ready(answer));
        }
        self.read(move |conn| {
            let found = places.look(conn, &sought, now);
            found.map_err(|e| error::using(&e))
        })
    }

    fn traced(&self, trace: KeyTrace, limit: usize) -> Pending<'_, Vec<Record>> {
        let rows = self.shared.index().traces.rows(self.shared.hasher.trace(&trace.digest));
        self.read(move |conn| finding::traced(conn, &rows, trace, limit).map_err(|e| error::using(&e)))
    }

    fn claim(&self, claim: Claim) -> Pending<'_, Claimed> {
        if let Err(error) = self.shared.bounds.check(&claim) {
            return Box::pin(std::future::ready(Err(error)));
        }
        let new = Box::new(NewClaim::new(claim, &self.shared.hasher));
        self.grant(new.claim.id, granted, |slot| Change::Claim(new, slot))
    }

    fn amend(&self, id: WriteId, fence: Fence, attempt: u32, held: Option<String>) -> Pending<'_, Fence> {
        self.change(usize::MAX, |slot| Change::Amend(id, fence, attempt, held, slot))
    }

    fn settle(&self, id: WriteId, fence: Fence, settlement: Settlement) -> Pending<'_, ()> {
        let settling = Box::new(Settling::new(settlement, &self.shared.bounds));
        self.change(usize::MAX, |slot| Change::Settle(id, fence, settling, slot))
    }

    fn doubt(&self, id: WriteId, fence: Fence, doubt: Doubt) -> Pending<'_, ()> {
        self.change(usize::MAX, |slot| Change::Doubt(id, fence, doubt, slot))
    }

    fn release(&self, id: WriteId, fence: Fence) -> Pending<'_, ()> {
        self.change(usize::MAX, |slot| Change::Release(id, fence, slot))
    }

    fn resolve(&self, id: WriteId, settlement: Settlement, by: ResolvedBy, mut reason: String) -> Pending<'_, Record> {
        let settling = Settling::new(settlement, &self.shared.bounds);
        self.shared.bounds.cut_text(&mut reason);
        let with = Box::new((settling, Resolution { by, reason }));
        self.change(self.shared.bound, |slot| Change::Resolve(id, with, Box::new(slot)))
    }

    fn retake(&self, id: WriteId, attempt: u32, held: Option<String>) -> Pending<'_, Fence> {
        let fence: fn(&Fence) -> Option<Fence> = |fence| Some(*fence);
        self.grant(id, fence, |slot| Change::Retake(id, attempt, held, slot))
    }

    fn get(&self, id: WriteId) -> Pending<'_, Option<Record>> {
        self.read(move |conn| row::by_id(conn, id).map_err(|e| error::using(&e)))
    }

    fn resolution(&self, id: WriteId) -> Pending<'_, Option<Resolution>> {
        self.read(move |conn| finding::resolution(conn, id).map_err(|e| error::using(&e)))
    }

    fn doubts(&self, after: Option<WriteId>, limit: usize) -> Pending<'_, Vec<Record>> {
        self.read(move |conn| finding::doubts(conn, after, limit))
    }

    fn search(&self, query: Query, before: Option<WriteId>, limit: usize) -> Pending<'_, Found> {
        self.read(move |conn| searching::search(conn, &query, before, limit).map_err(|e| error::using(&e)))
    }

    fn purge(&self, now: Time) -> Pending<'_, u64> {
        Box::pin(self.purge_all(row::millis(now)))
    }

    fn stats(&self) -> Pending<'_, Stats> {
        let shared = Arc::clone(&self.shared);
        self.read(move |_| {
            let bytes = shared.paths.bytes();
            let counts = *shared.counts();
            Ok(Stats {
                claimed: counts.claimed,
                settled: counts.settled,
                in_doubt: counts.in_doubt,
                bytes,
            })
        })
    }

    fn check(&self) -> Pending<'_, Vec<String>> {
        self.read(move |conn| finding::check(conn).map_err(|e| error::using(&e)))
    }

    fn close(&self) -> Pending<'_, ()> {
        let (slot, reply) = Slot::new();
        self.shared.reads.close(None);
        self.shared.changes.close(Some(Change::Close(slot)));
        // When it was closed before, the slot is dropped.
        Box::pin(async move { reply.await.unwrap_or(Ok(())) })
    }
}
