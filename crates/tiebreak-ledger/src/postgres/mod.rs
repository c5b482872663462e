//! A ledger in PostgreSQL that many processes share.
//!
//! Changes go through a queue to one task (`writer`), which makes everything that waits in one transaction and one round
//! trip (`batch`, `perform`); a conflict of one is no error of the others. Where the answer to a commit was lost, the same
//! batch is made again, and what it finds made already was made by it (`standing`): nothing is sent before that is known.
//!
//! A process is an *owner* with a lease that it renews (`owner`, `keeper`). Whoever finds a lease run out, by the
//! database's clock, puts what that owner had claimed in doubt.

mod arrays;
mod batch;
mod change;
mod check;
mod connect;
mod error;
mod keeper;
mod lanes;
mod options;
mod owner;
mod perform;
mod row;
mod schema;
mod searching;
mod standing;
mod statements;
mod tls;
mod writer;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tiebreak_core::key::KeyTrace;
use tiebreak_core::record::{Claim, Doubt, Fence, Record, Settlement, Sought, WriteId};
use tiebreak_core::time::Time;
use tokio::sync::{Notify, oneshot, watch};

use self::change::{Change, Job, Reply, Slot};
use self::connect::Connector;
use self::error::{Trouble, trouble};
use self::keeper::ReadSession;
pub use self::options::{Address, BadAddress, Options};
use self::owner::Tenure;
use self::row::millis;
use self::writer::Writer;
use crate::search::{Found, Query};
use crate::shared::SharedLanes;
use crate::waiting::{Waiting, granted};
use crate::words::parse_resolver;
use crate::{Claimed, Ledger, LedgerError, MAX_PAGE, Pending, Resolution, ResolvedBy, Stats};

/// A ledger in PostgreSQL. Dropping it finishes what was submitted and signs out.
pub struct PgLedger {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    done: watch::Receiver<Option<Result<(), LedgerError>>>,
    began: Time,
}

/// What the tasks share.
struct Shared {
    options: Options,
    connector: Connector,
    queue: Mutex<Queue>,
    /// Something was submitted, or the ledger was closed.
    submitted: Notify,
    /// The lease is to be renewed now.
    beat: Notify,
    /// The writer has ended.
    written_out: Notify,
    /// The server told something.
    hint: Arc<Notify>,
    tenures: watch::Sender<Tenure>,
    readers: watch::Sender<Option<Arc<ReadSession>>>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tenure(&self) -> Tenure {
        *self.tenures.borrow()
    }

    /// Puts back what was given out and nobody took.
    fn put_back(&self, id: WriteId, fence: Fence) {
        self.queue().jobs.push_back(Job::new(Change::PutBack(id, Some(fence))));
        self.submitted.notify_one();
    }

    /// The database knows this owner no more: waits a little for the next life.
    async fn is_dead(&self, owner: i64) {
        let mut tenures = self.tenures.subscribe();
        self.beat.notify_one();
        let next = tenures.wait_for(|t| t.owner != owner);
        let _later = tokio::time::timeout(Duration::from_secs(1), next).await;
    }
}

impl PgLedger {
    /// Opens the ledger at `address`, making or updating its tables, and puts in doubt what processes whose lease ran out
    /// had claimed.
    ///
    /// # Errors
    /// [`LedgerError::Newer`] or [`LedgerError::Damaged`] if the tables are not of this version, [`LedgerError::Unavailable`]
    /// if the database cannot be used.
    pub async fn open(address: Address, options: Options) -> Result<PgLedger, LedgerError> {
        let connector = Connector::new(address)?;
        let (ready, opened) = oneshot::channel();
        let (done, ended) = watch::channel(None);
        let work = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(e) => {
                    let error = LedgerError::Unavailable(format!("no runtime could be started: {e}"));
                    return drop(ready.send(Err(error)));
                }
            };
            runtime.block_on(async {
                match begin(connector, options).await {
                    Err(error) => drop(ready.send(Err(error.told()))),
                    Ok((shared, client, began)) => {
                        let keeper = keeper::run(Arc::clone(&shared), Some(client));
                        let writer = Writer::new(Arc::clone(&shared));
                        let unwanted = ready.send(Ok((Arc::clone(&shared), began))).is_err();
                        if unwanted {
                            shared.queue().closed = true;
                        }
                        let writing = async {
                            writer.run().await;
                            shared.written_out.notify_one();
                        };
                        let (kept, ()) = tokio::join!(keeper, writing);
                        done.send_replace(Some(kept.map_err(Trouble::told)));
                    }
                }
            });
        };
        let unavailable = |e: std::io::Error| LedgerError::Unavailable(format!("no thread could be started: {e}"));
        let thread = std::thread::Builder::new()
            .name("ledger-pg".into())
            .spawn(work)
            .map_err(unavailable)?;
        let (shared, began) = opened.await.unwrap_or(Err(LedgerError::Closed))?;
        Ok(PgLedger {
            shared,
            thread: Some(thread),
            done: ended,
            began,
        })
    }

    /// Makes the tables at `address`, or brings them up to this version, without signing in. Returns the version before (0: there were
    /// none) and after.
    ///
    /// # Errors
    /// As [`PgLedger::open`].
    pub async fn migrate(address: Address) -> Result<(u32, u32), LedgerError> {
        let connector = Connector::new(address)?;
        let client = connector.open(None).await.map_err(Trouble::told)?;
        let address = &connector.address;
        let before = schema::migrate(&client, &address.schema, &address.to_string())
            .await
            .map_err(Trouble::told)?;
        Ok((before.unsigned_abs(), schema::VERSION.unsigned_abs()))
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
    async fn read<T, F: Future<Output = Result<T, Trouble>> + Send>(
        &self,
        read: impl Fn(Arc<ReadSession>) -> F + Send,
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

    async fn reader(&self, give_up: Instant) -> Result<Arc<ReadSession>, LedgerError> {
        if self.shared.queue().closed {
            return Err(LedgerError::Closed);
        }
        let mut readers = self.shared.readers.subscribe();
        let usable = |r: &Option<Arc<ReadSession>>| r.as_ref().is_some_and(|r| !r.client.is_closed());
        if !usable(&readers.borrow()) {
            self.shared.beat.notify_one();
        }
        let waiting = tokio::time::timeout_at(give_up.into(), readers.wait_for(usable));
        let unreachable = || LedgerError::Unavailable("the database cannot be reached".into());
        let session = waiting
            .await
            .map_err(|_| unreachable())?
            .map_err(|_| LedgerError::Closed)?;
        session.clone().ok_or_else(unreachable)
    }

    fn closing(&self) {
        self.shared.queue().closed = true;
        self.shared.submitted.notify_one();
    }
}

/// Connects, prepares the tables, signs in and looks after those who are gone.
async fn begin(connector: Connector, options: Options) -> Result<(Arc<Shared>, tokio_postgres::Client, Time), Trouble> {
    let hint = Arc::new(Notify::new());
    let late = |_| Trouble::Gone("it did not accept a connection in time".into());
    let opening = connector.open(Some(Arc::clone(&hint)));
    let client = tokio::time::timeout(Duration::from_secs(10), opening)
        .await
        .map_err(late)??;
    let address = &connector.address;
    schema::migrate(&client, &address.schema, &address.to_string()).await?;
    client.batch_execute("LISTEN tiebreak_lanes").await.map_err(trouble)?;
    let (tenure, now) = owner::register(&client, &options).await?;
    owner::reap(&client, tenure.owner).await?;
    let shared = Arc::new(Shared {
        options,
        connector,
        queue: Mutex::default(),
        submitted: Notify::new(),
        beat: Notify::new(),
        written_out: Notify::new(),
        hint,
        tenures: watch::Sender::new(tenure),
        readers: watch::Sender::new(None),
    });
    let reader = keeper::open_reader(&shared).await?;
    shared.readers.send_replace(Some(Arc::new(reader)));
    Ok((shared, client, Time(now.unsigned_abs())))
}

impl Drop for PgLedger {
    fn drop(&mut self) {
        self.closing();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Ledger for PgLedger {
    fn look_up(&self, sought: Sought, now: Time) -> Pending<'_, Option<Record>> {
        Box::pin(self.read(move |session| async move {
            arrays::look_up(&session.client, &session.reading.look_up, &sought, now).await
        }))
    }

    fn traced(&self, trace: KeyTrace, limit: usize) -> Pending<'_, Vec<Record>> {
        Box::pin(self.read(move |session| async move {
            let most = i64::try_from(limit.min(MAX_PAGE)).unwrap_or(0);
            let rows = session
                .client
                .query(&session.reading.traced, &[&&trace.digest.0[..], &most])
                .await;
            let rows = rows.map_err(trouble)?;
            rows.iter()
                .map(row::decode)
                .collect::<Result<_, _>>()
                .map_err(Trouble::Rule)
        }))
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
        Box::pin(self.read(move |session| async move {
            let row = session
                .client
                .query_opt(&session.reading.get, &[&&id.0[..]])
                .await
                .map_err(trouble)?;
            row.as_ref().map(row::decode).transpose().map_err(Trouble::Rule)
        }))
    }

    fn resolution(&self, id: WriteId) -> Pending<'_, Option<Resolution>> {
        Box::pin(self.read(move |session| async move {
            let got = session.client.query_opt(&session.reading.get, &[&&id.0[..]]).await;
            let Some(row) = got.map_err(trouble)? else {
                return Ok(None);
            };
            let read = || {
                let by: Option<&str> = row::get(&row, "resolved_by")?;
                let Some(by) = by.and_then(parse_resolver) else {
                    return Ok(None);
                };
                let reason = row::get(&row, "resolution")?;
                Ok(Some(Resolution { by, reason }))
            };
            read().map_err(Trouble::Rule)
        }))
    }

    fn doubts(&self, after: Option<WriteId>, limit: usize) -> Pending<'_, Vec<Record>> {
        Box::pin(self.read(move |session| async move {
            let from: i64 = match after {
                None => 0,
                Some(id) => {
                    let sql = "SELECT row FROM writes WHERE id = $1";
                    let row = session.client.query_opt(sql, &[&&id.0[..]]).await.map_err(trouble)?;
                    row.ok_or(Trouble::Rule(LedgerError::NotFound(id)))?.get(0)
                }
            };
            let most = i64::try_from(limit.min(MAX_PAGE)).unwrap_or(0);
            let rows = session
                .client
                .query(&session.reading.doubts, &[&from, &most])
                .await
                .map_err(trouble)?;
            rows.iter()
                .map(row::decode)
                .collect::<Result<_, _>>()
                .map_err(Trouble::Rule)
        }))
    }

    fn search(&self, query: Query, before: Option<WriteId>, limit: usize) -> Pending<'_, Found> {
        Box::pin(async move {
            let query = &query;
            self.read(move |session| async move { searching::search(&session, query, before, limit).await })
                .await
        })
    }

    fn purge(&self, now: Time) -> Pending<'_, u64> {
        Box::pin(async move {
            let mut count = 0;
            loop {
                let slice = self.read(move |session| async move {
                    let purged = session.client.execute(&session.reading.purge, &[&millis(now)]).await;
                    purged.map_err(trouble)
                });
                let slice = slice.await?;
                count += slice;
                if slice < 500 {
                    break;
                }
            }
            // What a lane carried an hour ago helps nobody.
            self.read(move |session| async move {
                let idle = "DELETE FROM lanes WHERE owner IS NULL AND touched < clock_timestamp() - interval '1 hour'
                            AND coalesce(suspect_until < clock_timestamp(), true)";
                session.client.execute(idle, &[]).await.map_err(trouble)
            })
            .await?;
            Ok(count)
        })
    }

    fn stats(&self) -> Pending<'_, Stats> {
        Box::pin(self.read(move |session| async move {
            let sql = "SELECT (SELECT count(*) FROM writes WHERE state = 'claimed'),
                              (SELECT count(*) FROM writes WHERE state = 'settled'),
                              (SELECT count(*) FROM writes WHERE state = 'doubted'),
                              (SELECT pg_total_relation_size('writes') + pg_total_relation_size('lanes'))";
            let row = session.client.query_one(sql, &[]).await.map_err(trouble)?;
            let count = |at| row.get::<_, i64>(at).unsigned_abs();
            Ok(Stats {
                claimed: count(0),
                settled: count(1),
                in_doubt: count(2),
                bytes: count(3),
            })
        }))
    }

    fn check(&self) -> Pending<'_, Vec<String>> {
        Box::pin(self.read(move |session| async move { check::check(&session.client).await }))
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
