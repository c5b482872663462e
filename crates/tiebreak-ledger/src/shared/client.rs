//! A ledger that several processes share, whatever the database.
//!
//! Changes go through a queue to one task (`writer`), which makes everything that waits in one transaction (`batch`); a conflict of
//! one is no error of the others. Where the answer to a commit was lost, the same batch is made again, and what it finds made
//! already was made by it (`standing`): nothing is sent before that is known.
//!
//! A process is an *owner* with a lease that it renews (`keeper`). Whoever finds a lease run out, by the database's clock, puts
//! what that owner had claimed in doubt.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tiebreak_core::fingerprint::Digest;
use tiebreak_core::key::KeyTrace;
use tiebreak_core::lane::LaneId;
use tiebreak_core::record::{Claim, Doubt, Fence, Record, Settlement, Sought, WriteId};
use tiebreak_core::time::Time;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use super::change::{Change, Job, LaneKey, Reply, Slot};
use super::database::{Asked, Database, Keeping, Reading, Trouble};
use super::keeper::{self, Tenure};
use super::latest::Latest;
use super::options::Options;
use super::writer::Writer;
use super::{Grant, Left, Life, SharedLanes};
use crate::search::{Found, Query};
use crate::waiting::{Waiting, granted};
use crate::{Claimed, Ledger, LedgerError, Pending, Resolution, ResolvedBy, Stats};

/// A ledger in a shared database. Dropping it finishes what was submitted and signs out.
pub struct SharedLedger<D: Database> {
    shared: Arc<Shared<D>>,
    /// The thread that does the work, where it has one.
    thread: Option<JoinHandle<()>>,
    done: watch::Receiver<Option<Result<(), LedgerError>>>,
    began: Time,
}

/// What the tasks share.
pub(super) struct Shared<D: Database> {
    pub(super) options: Options,
    pub(super) database: D,
    queue: Mutex<Queue>,
    /// Something was submitted, or the ledger was closed.
    pub(super) submitted: Notify,
    /// The lease is to be renewed now.
    pub(super) beat: Notify,
    /// The writer has ended.
    pub(super) written_out: Notify,
    /// The database told something.
    pub(super) hint: Arc<Notify>,
    pub(super) tenures: Latest<Tenure>,
    pub(super) readers: Latest<Option<Arc<D::Reading>>>,
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) jobs: VecDeque<Job>,
    pub(super) closed: bool,
}

impl<D: Database> Shared<D> {
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tenure(&self) -> Tenure {
        self.tenures.get()
    }

    /// Puts back what was given out and nobody took.
    pub(super) fn put_back(&self, id: WriteId, fence: Fence) {
        self.queue().jobs.push_back(Job::new(Change::PutBack(id, Some(fence))));
        self.submitted.notify_one();
    }

    /// The database knows this owner no more: waits a little for the next life.
    pub(super) async fn is_dead(&self, owner: i64) {
        self.beat.notify_one();
        let next = self.tenures.wait_for(|t| t.owner != owner);
        let _later = tokio::time::timeout(Duration::from_secs(1), next).await;
    }
}

impl<D: Database> SharedLedger<D> {
    /// Signs in to `database`, and puts in doubt what processes whose lease ran out had claimed. What comes with the
    /// ledger does its work: it must be driven until it ends, which it does when the ledger was closed.
    ///
    /// # Errors
    /// If the database cannot be used.
    pub async fn sign_in(
        database: D,
        options: Options,
    ) -> Result<(SharedLedger<D>, impl Future<Output = ()> + Send), Trouble> {
        let hint = Arc::new(Notify::new());
        let session = database.keeping(Arc::clone(&hint)).await?;
        let (tenure, began) = keeper::register(&session, &options).await?;
        session.reap(tenure.owner).await?;
        let reader = database.reading().await?;
        let shared = Arc::new(Shared {
            options,
            database,
            queue: Mutex::default(),
            submitted: Notify::new(),
            beat: Notify::new(),
            written_out: Notify::new(),
            hint,
            tenures: Latest::new(tenure),
            readers: Latest::new(Some(Arc::new(reader))),
        });
        let (ending, done) = watch::channel(None);
        let ledger = SharedLedger {
            shared: Arc::clone(&shared),
            thread: None,
            done,
            began,
        };
        let work = async move {
            let writer = Writer::new(Arc::clone(&shared));
            let writing = async {
                writer.run().await;
                shared.written_out.notify_one();
            };
            let (kept, ()) = tokio::join!(keeper::run(Arc::clone(&shared), Some(session)), writing);
            ending.send_replace(Some(kept.map_err(Trouble::told)));
        };
        Ok((ledger, work))
    }

    /// As [`SharedLedger::sign_in`], with a thread of its own that does the work. `database` is made there.
    #[cfg(feature = "postgres")]
    pub(crate) async fn on_thread(
        name: &str,
        database: impl Future<Output = Asked<D>> + Send + 'static,
        options: Options,
    ) -> Result<SharedLedger<D>, LedgerError> {
        let (ready, opened) = oneshot::channel();
        let work = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(e) => {
                    let error = LedgerError::Unavailable(format!("no runtime could be started: {e}"));
                    return drop(ready.send(Err(error)));
                }
            };
            runtime.block_on(async {
                let signed_in = async { SharedLedger::sign_in(database.await?, options).await };
                match signed_in.await {
                    Err(error) => drop(ready.send(Err(error.told()))),
                    Ok((ledger, work)) => {
                        // Dropped if nobody wants it any more, which ends the work.
                        drop(ready.send(Ok(ledger)));
                        work.await;
                    }
                }
            });
        };
        let unavailable = |e: std::io::Error| LedgerError::Unavailable(format!("no thread could be started: {e}"));
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(unavailable)?;
        let mut ledger = opened.await.unwrap_or(Err(LedgerError::Closed))?;
        ledger.thread = Some(thread);
        Ok(ledger)
    }

    /// The database's time when the ledger was opened.
    #[must_use]
    pub fn began(&self) -> Time {
        self.began
    }

    fn submit<T>(&self, change: impl FnOnce(Slot<T>) -> Change) -> Result<Reply<T>, LedgerError> {
        let (slot, reply) = oneshot::channel();
        let change = change(Some(slot));
        let mut queue = self.shared.queue();
        if queue.closed {
            return Err(LedgerError::Closed);
        }
        if change.begins() && queue.jobs.len() >= self.shared.options.queue {
            return Err(LedgerError::Unavailable(
                "too many requests wait for it; try again later".into(),
            ));
        }
        queue.jobs.push_back(Job::new(change));
        drop(queue);
        self.shared.submitted.notify_one();
        Ok(reply)
    }

    fn change<T: Send + 'static>(&self, change: impl FnOnce(Slot<T>) -> Change) -> Pending<'_, T> {
        let submitted = self.submit(change);
        Box::pin(async move { submitted?.await.unwrap_or(Err(LedgerError::Closed)) })
    }

    /// Submits a change that gives out a fence; if nobody takes it, it is put back.
    fn grant<T: Send + 'static>(
        &self,
        id: WriteId,
        fence: fn(&T) -> Option<Fence>,
        change: impl FnOnce(Slot<T>) -> Change,
    ) -> Pending<'_, T> {
        let put_back = move |fence| self.shared.put_back(id, fence);
        let submitted = self.submit(change);
        let waiting = submitted.map(|reply| Waiting::new(reply, fence, put_back));
        Box::pin(async move { waiting?.answer().await })
    }

    /// Reads, in another session if the one at hand is lost, for as long as a reading may wait.
    async fn read<T, F: Future<Output = Asked<T>> + Send>(
        &self,
        read: impl Fn(Arc<D::Reading>) -> F + Send,
    ) -> Result<T, LedgerError> {
        let give_up = Instant::now() + self.shared.options.wait;
        loop {
            let session = self.reader(give_up).await?;
            match read(session).await {
                Ok(value) => return Ok(value),
                Err(Trouble::Gone(_) | Trouble::Again(_)) if Instant::now() < give_up => {
                    self.shared.beat.notify_one();
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => return Err(error.told()),
            }
        }
    }

    async fn reader(&self, give_up: Instant) -> Result<Arc<D::Reading>, LedgerError> {
        if self.shared.queue().closed {
            return Err(LedgerError::Closed);
        }
        let usable = |r: &Option<Arc<D::Reading>>| r.as_ref().is_some_and(|r| !r.is_closed());
        if !usable(&self.shared.readers.get()) {
            self.shared.beat.notify_one();
        }
        let waiting = tokio::time::timeout_at(give_up, self.shared.readers.wait_for(usable));
        let unreachable = || LedgerError::Unavailable("the database cannot be reached".into());
        waiting.await.ok().flatten().ok_or_else(unreachable)
    }

    fn closing(&self) {
        self.shared.queue().closed = true;
        self.shared.submitted.notify_one();
    }

    fn give(&self, lane: LaneKey, fence: Option<Fence>, left: Left, only_if_wanted: bool) -> Pending<'_, bool> {
        self.change(|slot| Change::Pass {
            lane,
            fence,
            left,
            only_if_wanted,
            slot,
        })
    }
}

impl<D: Database> Drop for SharedLedger<D> {
    fn drop(&mut self) {
        self.closing();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl<D: Database> Ledger for SharedLedger<D> {
    fn look_up(&self, sought: Sought, now: Time) -> Pending<'_, Option<Record>> {
        Box::pin(self.read(move |session| async move { session.look_up(&sought, now).await }))
    }

    fn traced(&self, trace: KeyTrace, limit: usize) -> Pending<'_, Vec<Record>> {
        Box::pin(self.read(move |session| async move { session.traced(trace, limit).await }))
    }

    fn claim(&self, claim: Claim) -> Pending<'_, Claimed> {
        if let Err(error) = self.shared.options.bounds.check(&claim) {
            return Box::pin(std::future::ready(Err(error)));
        }
        self.grant(claim.id, granted, |slot| Change::Claim(Box::new(claim), slot))
    }

    fn amend(&self, id: WriteId, fence: Fence, attempt: u32, held: Option<String>) -> Pending<'_, Fence> {
        self.change(|slot| Change::Amend(id, fence, attempt, held, slot))
    }

    fn settle(&self, id: WriteId, fence: Fence, mut settlement: Settlement) -> Pending<'_, ()> {
        self.shared.options.bounds.cut(&mut settlement);
        self.change(|slot| Change::Settle(id, fence, Box::new(settlement), slot))
    }

    fn doubt(&self, id: WriteId, fence: Fence, doubt: Doubt) -> Pending<'_, ()> {
        self.change(|slot| Change::Doubt(id, fence, doubt, slot))
    }

    fn release(&self, id: WriteId, fence: Fence) -> Pending<'_, ()> {
        self.change(|slot| Change::Release(id, fence, slot))
    }

    fn resolve(
        &self,
        id: WriteId,
        mut settlement: Settlement,
        by: ResolvedBy,
        mut reason: String,
    ) -> Pending<'_, Record> {
        self.shared.options.bounds.cut(&mut settlement);
        self.shared.options.bounds.cut_text(&mut reason);
        let with = Box::new((settlement, Resolution { by, reason }));
        self.change(|slot| Change::Resolve(id, with, slot))
    }

    fn retake(&self, id: WriteId, attempt: u32, held: Option<String>) -> Pending<'_, Fence> {
        let fence: fn(&Fence) -> Option<Fence> = |fence| Some(*fence);
        self.grant(id, fence, |slot| Change::Retake(id, attempt, held, slot))
    }

    fn get(&self, id: WriteId) -> Pending<'_, Option<Record>> {
        Box::pin(self.read(move |session| async move { session.get(id).await }))
    }

    fn resolution(&self, id: WriteId) -> Pending<'_, Option<Resolution>> {
        Box::pin(self.read(move |session| async move { session.resolution(id).await }))
    }

    fn doubts(&self, after: Option<WriteId>, limit: usize) -> Pending<'_, Vec<Record>> {
        Box::pin(self.read(move |session| async move { session.doubts(after, limit).await }))
    }

    fn search(&self, query: Query, before: Option<WriteId>, limit: usize) -> Pending<'_, Found> {
        Box::pin(async move {
            let query = &query;
            self.read(move |session| async move { session.search(query, before, limit).await })
                .await
        })
    }

    fn purge(&self, now: Time) -> Pending<'_, u64> {
        Box::pin(async move {
            let mut count = 0;
            loop {
                let slice = self.read(move |session| async move { session.purge(now).await });
                let (slice, more) = slice.await?;
                count += slice;
                if !more {
                    return Ok(count);
                }
            }
        })
    }

    fn stats(&self) -> Pending<'_, Stats> {
        Box::pin(self.read(move |session| async move { session.stats().await }))
    }

    fn check(&self) -> Pending<'_, Vec<String>> {
        Box::pin(self.read(move |session| async move { session.check().await }))
    }

    fn shared(&self) -> Option<&dyn SharedLanes> {
        Some(self)
    }

    fn close(&self) -> Pending<'_, ()> {
        self.closing();
        let mut done = self.done.clone();
        Box::pin(async move {
            let ended = done.wait_for(Option::is_some).await;
            ended.map_or(Ok(()), |done| done.clone().unwrap_or(Ok(())))
        })
    }
}

fn key(lane: &LaneId) -> LaneKey {
    Digest::of(&[lane.0.as_bytes()]).0
}

impl<D: Database> SharedLanes for SharedLedger<D> {
    fn life(&self) -> Life {
        let tenure = self.shared.tenure();
        let margin = self.shared.options.margin;
        Life {
            number: tenure.owner.unsigned_abs(),
            until: tenure.until.checked_sub(margin).unwrap_or(tenure.until),
        }
    }

    fn ask(&self, lane: &LaneId) -> Pending<'_, Option<Grant>> {
        let lane = key(lane);
        self.change(|slot| Change::Ask(lane, slot))
    }

    fn pass(&self, lane: &LaneId, fence: Option<Fence>, left: Left) -> Pending<'_, ()> {
        let passing = self.give(key(lane), fence, left, false);
        Box::pin(async move { passing.await.map(drop) })
    }

    fn offer(&self, lane: &LaneId, fence: Fence, left: Left) -> Pending<'_, bool> {
        self.give(key(lane), Some(fence), left, true)
    }

    fn hint(&self) -> &Notify {
        &self.shared.hint
    }
}
