//! The writer thread: many writes share one transaction, and so one fsync.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use super::super::{OpenError, Store as _, StoreError};
use super::SqliteStore;
use crate::answer::Answer;
use crate::engine::Engine;
use crate::incoming::Write;
use crate::options::OriginOptions;
use crate::refusal;

/// The most writes in one transaction: more would let the first ones wait long for little.
const BATCH: usize = 512;

/// After so long without a write the writer tidies up.
const IDLE: Duration = Duration::from_millis(200);

/// A busy writer tidies up after so many batches.
const TIDY_EVERY: u32 = 256;

struct Job {
    write: Write,
    reply: oneshot::Sender<Answer>,
}

/// The handle of the thread; dropping it ends the thread, after what is queued was written.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// Why a write was not queued.
pub(super) enum Refused {
    /// Too many wait.
    Full,
    /// The thread is gone.
    Gone,
}

impl Writer {
    /// Starts the thread on `store`, whose versions go on after `last`.
    pub(super) fn start(
        store: SqliteStore,
        last: u64,
        options: &OriginOptions,
        published: Arc<AtomicU64>,
        now: u64,
    ) -> Result<Writer, OpenError> {
        let unnamed = |why: String| OpenError::Failed {
            path: "the store".to_owned(),
            why,
        };
        let epoch = getrandom::u32().map_err(|e| unnamed(e.to_string()))?;
        let mut work = Work {
            engine: Engine::new(store, last, epoch, options),
            published,
            broken: None,
        };
        work.set_up(options, now)?;
        let (queue, jobs) = sync_channel(options.queue.max(1));
        let thread = std::thread::Builder::new()
            .name("tiebreak-origin".to_owned())
            .spawn(move || work.run(&jobs))
            .map_err(|e| unnamed(e.to_string()))?;
        Ok(Writer {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    pub(super) fn submit(&self, write: Write) -> Result<oneshot::Receiver<Answer>, Refused> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(Refused::Gone)?;
        queue.try_send(Job { write, reply }).map_err(|e| match e {
            TrySendError::Full(_) => Refused::Full,
            TrySendError::Disconnected(_) => Refused::Gone,
        })?;
        Ok(answer)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the origin's writer had panicked");
        }
    }
}

struct Work {
    engine: Engine<SqliteStore>,
    published: Arc<AtomicU64>,
    /// Why nothing is written any more: after a failed fsync nobody knows what is on the disk.
    broken: Option<StoreError>,
}

/// Readers must not wait for a writer that is gone.
impl Drop for Work {
    fn drop(&mut self) {
        self.published.store(u64::MAX, Ordering::Release);
    }
}

impl Work {
    fn set_up(&mut self, options: &OriginOptions, now: u64) -> Result<(), OpenError> {
        let failed = |e: StoreError| OpenError::Failed {
            path: "the store".to_owned(),
            why: e.to_string(),
        };
        let stored = self.engine.store.collections().map_err(failed)?;
        self.engine.reload(stored)?;
        self.engine.store.begin().map_err(failed)?;
        for (name, settings) in &options.collections {
            self.engine.declare(name, settings, now)?;
        }
        self.engine.store.commit(self.engine.last()).map_err(failed)?;
        self.publish();
        Ok(())
    }

    fn run(&mut self, jobs: &Receiver<Job>) {
        let mut untidy = 0;
        loop {
            let first = if untidy == 0 {
                jobs.recv().map_err(RecvTimeoutError::from)
            } else {
                jobs.recv_timeout(IDLE)
            };
            match first {
                Ok(first) => {
                    // One turn for those who are about to send: batches grow, and fsyncs become fewer.
                    std::thread::yield_now();
                    let mut batch = vec![first];
                    batch.extend(jobs.try_iter().take(BATCH - 1));
                    self.perform(batch);
                    untidy += 1;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.tidy();
                    untidy = 0;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if untidy >= TIDY_EVERY {
                self.tidy();
                untidy = 1;
            }
        }
    }

    fn perform(&mut self, batch: Vec<Job>) {
        let begun = match &self.broken {
            Some(broken) => Err(broken.clone()),
            None => self.engine.store.begin(),
        };
        if let Err(error) = begun {
            return refuse(batch, &error);
        }
        let writes: Vec<Write> = batch.iter().map(|job| job.write.clone()).collect();
        let several = writes.len() > 1;
        match self.transaction(writes) {
            Ok(answers) => {
                for (job, answer) in batch.into_iter().zip(answers) {
                    // Whoever asked may be gone; the write is durable all the same.
                    drop(job.reply.send(answer));
                }
            }
            // One of them does not fit: it must not take the others with it.
            Err(_) if several && self.broken.is_none() => {
                batch.into_iter().for_each(|job| self.perform(vec![job]));
            }
            Err(error) => refuse(batch, &error),
        }
    }

    /// Performs `writes` in the transaction that was begun, and ends it.
    fn transaction(&mut self, writes: Vec<Write>) -> Result<Vec<Answer>, StoreError> {
        let answers = writes.into_iter().map(|write| self.engine.perform(write));
        let performed = answers.collect::<Result<Vec<_>, _>>();
        let committed = performed.and_then(|answers| {
            self.engine.store.commit(self.engine.last()).inspect_err(|e| {
                if *e != StoreError::Full {
                    self.broken = Some(stopped(e));
                }
            })?;
            Ok(answers)
        });
        let error = match committed {
            Ok(answers) => {
                self.publish();
                return Ok(answers);
            }
            Err(error) => error,
        };
        tracing::error!(%error, "a batch of writes was undone");
        let undone = self.engine.store.undo();
        let reloaded = undone.and_then(|stored| {
            let reloaded = self.engine.reload(stored);
            reloaded.map_err(|e| StoreError::Failed(e.to_string()))
        });
        if let Err(worse) = reloaded {
            self.broken = Some(stopped(&worse));
        }
        if self.broken.is_some() {
            // Nothing is published any more, so readers need not wait for it.
            self.published.store(u64::MAX, Ordering::Release);
        }
        Err(error)
    }

    fn publish(&mut self) {
        self.engine.store.publish();
        self.published.store(self.engine.last(), Ordering::Release);
    }

    /// Forgets expired keys, and moves the log into the file.
    fn tidy(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let tidied = self
            .engine
            .store
            .purge(now)
            .and_then(|_| self.engine.store.checkpoint());
        if let Err(error) = tidied {
            tracing::warn!(%error, "could not tidy up");
        }
    }
}

fn refuse(batch: Vec<Job>, error: &StoreError) {
    for job in batch {
        drop(job.reply.send(refusal::store(error)));
    }
}

/// What later writes are told after `error`.
fn stopped(error: &StoreError) -> StoreError {
    StoreError::Failed(format!("{error}; open the store anew to go on"))
}
