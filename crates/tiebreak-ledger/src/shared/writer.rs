//! The one task that makes changes, many in one transaction.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tiebreak_core::record::{Claim, Fence, Record, WriteId};

use super::Grant;
use super::batch::{self, Marks, Open};
use super::change::{Change, Job, send};
use super::client::Shared;
use super::database::{Asked, Database, Done, Trouble, Writing};
use super::standing::{self, Answer, Standing};
use crate::{Claimed, LedgerError};

/// A database that says nothing for so long is taken for unreachable.
const SILENCE: Duration = Duration::from_secs(5);

/// So soon an unreachable database is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// A change that has to be made, and that the database fails to make for a reason of its own, is tried so often.
const FAILURES: u32 = 5;

/// So often at most the processor is left to others before a batch is made.
const GATHERING: u32 = 16;

pub(super) struct Writer<D: Database> {
    shared: Arc<Shared<D>>,
    session: Option<D::Writing>,
    /// So many sessions were asked for.
    sessions: i64,
    owner: i64,
    open: HashMap<WriteId, Open>,
}

impl<D: Database> Writer<D> {
    pub(super) fn new(shared: Arc<Shared<D>>) -> Writer<D> {
        let owner = shared.tenure().owner;
        Writer {
            shared,
            session: None,
            sessions: 0,
            owner,
            open: HashMap::new(),
        }
    }

    /// Makes changes until the ledger is closed and everything that was submitted is made.
    pub(super) async fn run(mut self) {
        loop {
            self.gather();
            let jobs = {
                let mut queue = self.shared.queue();
                batch::take(&mut queue.jobs, &self.open, self.shared.options.batch)
            };
            if jobs.is_empty() {
                if self.shared.queue().closed {
                    return;
                }
                self.shared.submitted.notified().await;
                continue;
            }
            self.make(jobs).await;
        }
    }

    /// Lets the tasks that were just answered submit what comes next, for as long as more comes: one batch instead of two, and
    /// one flush of the database's log.
    fn gather(&self) {
        let mut before = None;
        for _ in 0..GATHERING {
            std::thread::yield_now();
            let waiting = self.shared.queue().jobs.len();
            if before.replace(waiting) == Some(waiting) {
                break;
            }
        }
    }

    /// Makes `jobs`, or answers why not. What belongs to a claim is tried until it is made or the ledger is closed.
    async fn make(&mut self, mut jobs: Vec<Job>) {
        let mut trouble = None;
        loop {
            self.settle_in();
            self.expire(&mut jobs, trouble.as_ref());
            if jobs.is_empty() {
                return;
            }
            if let Err(error) = self.session().await {
                // Whatever the reason: it was asked for none of them.
                trouble = Some(error.why());
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            self.refuse_too_many(&mut jobs).await;
            match self.perform(&jobs).await {
                Ok(done) => {
                    jobs = self.answer(jobs, done).await;
                    trouble = None;
                    continue;
                }
                Err(Trouble::Again(_)) => {}
                Err(Trouble::Gone(why)) => {
                    jobs.iter_mut().for_each(|job| job.tried = true);
                    self.session = None;
                    trouble = Some(why);
                }
                Err(other) if jobs.len() > 1 => {
                    tracing::debug!(?other, "a batch failed; its changes are made one by one");
                    // In the queue, where a claim does not wait for ever behind what has to be made.
                    let queue = &mut self.shared.queue().jobs;
                    for mut job in jobs.into_iter().rev() {
                        job.alone = true;
                        queue.push_front(job);
                    }
                    return;
                }
                Err(Trouble::Full) if jobs.iter().all(|j| !j.change.begins()) => {
                    trouble = Some(Trouble::Full.why());
                }
                Err(other) => {
                    jobs = jobs.into_iter().filter_map(|job| failed(job, &other)).collect();
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Takes notice of a new life: what the last one had claimed is not ours any more.
    fn settle_in(&mut self) {
        let owner = self.shared.tenure().owner;
        if owner != self.owner {
            self.owner = owner;
            self.session = None;
            self.open.clear();
        }
    }

    async fn session(&mut self) -> Asked<()> {
        if self.session.as_ref().is_none_or(Writing::is_closed) {
            self.session = None;
            self.sessions += 1;
            let session = self.shared.database.writing(self.owner, self.sessions);
            // What the last session left unfinished may have to end first.
            let session = tokio::time::timeout(SILENCE * 2, session).await;
            self.session = Some(session.map_err(|_| Trouble::silent())??);
        }
        Ok(())
    }

    fn session_of(&self) -> Asked<&D::Writing> {
        let lost = || Trouble::Gone("the connection is gone".into());
        self.session.as_ref().ok_or_else(lost)
    }

    async fn perform(&self, jobs: &[Job]) -> Asked<Done> {
        if jobs.is_empty() {
            let alive = true;
            return Ok(Done {
                alive,
                ..Done::default()
            });
        }
        let work = self.session_of()?.perform(jobs);
        tokio::time::timeout(SILENCE, work)
            .await
            .map_err(|_| Trouble::silent())?
    }

    /// Fails what has waited too long: claims, and nothing of them remains. What must be made is, later.
    fn expire(&self, jobs: &mut Vec<Job>, trouble: Option<&String>) {
        let options = &self.shared.options;
        let why = trouble.map_or("it is busy; try again later", String::as_str);
        let error = LedgerError::Unavailable(format!("the database cannot be used: {why}"));
        let closed = self.shared.queue().closed;
        let expired = |job: &mut Job| {
            let wait = if job.change.must_be_made() {
                options.wait_to_record
            } else {
                options.wait
            };
            if trouble.is_none() || job.since.elapsed() < wait {
                return false;
            }
            job.change.fail(error.clone());
            if !job.change.must_be_made()
                && let Some(instead) = job.change.instead(job.tried)
            {
                job.change = instead;
            }
            closed || !job.change.must_be_made()
        };
        jobs.retain_mut(|job| !expired(job));
        self.shared.queue().jobs.retain_mut(|job| !expired(job));
    }

    /// Refuses what is over the bound of open claims; what is taken already is told all the same.
    async fn refuse_too_many(&self, jobs: &mut Vec<Job>) {
        let mut room = self.shared.options.bounds.outstanding.saturating_sub(self.open.len());
        let mut kept = Vec::with_capacity(jobs.len());
        for mut job in jobs.drain(..) {
            if job.change.begins() && room == 0 {
                let found = match &job.change {
                    Change::Claim(claim, _) => self.look_up(claim).await,
                    _ => Ok(None),
                };
                match (&mut job.change, found) {
                    (Change::Claim(_, slot), Ok(Some(record))) => {
                        send(slot, Ok(Claimed::Taken(Box::new(record))));
                    }
                    (change, _) => change.fail(self.shared.options.bounds.too_many()),
                }
                continue;
            }
            room -= usize::from(job.change.begins());
            kept.push(job);
        }
        *jobs = kept;
    }

    async fn look_up(&self, claim: &Claim) -> Asked<Option<Record>> {
        let sought = [claim];
        let work = self.session_of()?.taken_by(&sought);
        let found = tokio::time::timeout(SILENCE, work).await;
        Ok(found.map_err(|_| Trouble::silent())??.pop().flatten())
    }

    /// Answers what was made. Returns what is to be tried again.
    async fn answer(&mut self, jobs: Vec<Job>, mut done: Done) -> Vec<Job> {
        let mut left = Vec::new();
        for mut job in jobs {
            let id = job.change.id();
            match &mut job.change {
                Change::Claim(claim, slot) => match done.granted.remove(&id) {
                    Some(fence) => {
                        let marks = Some(Marks::of(claim));
                        self.open.insert(id, Open { fence, marks });
                        self.give(id, fence, send(slot, Ok(Claimed::Granted(fence))));
                    }
                    None => left.push(job),
                },
                Change::Retake(.., slot) => match done.granted.remove(&id) {
                    Some(fence) => {
                        self.open.insert(id, Open { fence, marks: None });
                        self.give(id, fence, send(slot, Ok(fence)));
                    }
                    None => left.push(job),
                },
                Change::Amend(.., slot) => match done.granted.remove(&id) {
                    Some(fence) => {
                        self.open.entry(id).and_modify(|open| open.fence = fence);
                        send(slot, Ok(fence));
                    }
                    None => left.push(job),
                },
                Change::Settle(.., slot) | Change::Doubt(.., slot) | Change::Release(.., slot) => {
                    match done.ended.remove(&id) {
                        Some(_) => {
                            self.open.remove(&id);
                            send(slot, Ok(()));
                        }
                        None => left.push(job),
                    }
                }
                Change::Resolve(.., slot) => match done.ended.remove(&id).flatten() {
                    Some(record) => {
                        send(slot, Ok(record));
                    }
                    None => left.push(job),
                },
                Change::PutBack(..) => {
                    self.open.remove(&id);
                }
                Change::Ask(lane, slot) => {
                    let grant = done.taken.remove(lane).map(|taken| Grant {
                        life: self.owner.unsigned_abs(),
                        fence: taken.fence,
                        suspect_for: taken.suspect_for,
                        tag: taken.tag,
                    });
                    // Nobody hears it: then its place was given up, and passing the lane on was submitted after this.
                    send(slot, Ok(grant));
                }
                Change::Pass { lane, slot, .. } => {
                    // If the answer was lost once, the lane may have been passed on then: asking again tells.
                    send(slot, Ok(job.tried || done.passed.contains(lane)));
                }
            }
        }
        if !done.alive {
            self.shared.is_dead(self.owner).await;
        }
        self.explain(left, done.alive).await
    }

    /// What was given out and nobody took is put back.
    fn give(&self, id: WriteId, fence: Fence, heard: bool) {
        if !heard {
            self.shared.put_back(id, fence);
        }
    }

    /// Answers what the database did not make: what stands against it, or that it was made before its answer was lost.
    async fn explain(&mut self, jobs: Vec<Job>, alive: bool) -> Vec<Job> {
        if jobs.is_empty() {
            return jobs;
        }
        let looked = tokio::time::timeout(SILENCE, self.look(&jobs)).await;
        let looked = looked.unwrap_or_else(|_| Err(Trouble::silent()));
        let (found, mut taken) = match looked {
            Ok(looked) => looked,
            // The same batch is made again, which then finds out.
            Err(why) => {
                if matches!(why, Trouble::Gone(_)) {
                    self.session = None;
                }
                tokio::time::sleep(AGAIN).await;
                return jobs;
            }
        };
        let mut again = Vec::new();
        for mut job in jobs {
            let id = job.change.id();
            let ours = self.open.get(&id).map(|open| open.fence);
            let answer = standing::explain(&job.change, job.tried, self.owner, ours, found.get(&id));
            match (&mut job.change, answer) {
                (Change::Claim(claim, slot), Answer::Granted(fence)) => {
                    let marks = Some(Marks::of(claim));
                    self.open.insert(id, Open { fence, marks });
                    self.give(id, fence, send(slot, Ok(Claimed::Granted(fence))));
                }
                (Change::Claim(_, slot), Answer::Free) => match taken.remove(&id) {
                    Some(record) => {
                        send(slot, Ok(Claimed::Taken(Box::new(record))));
                    }
                    // What stood in the way is gone, or this process was taken for dead.
                    None => again.push(job),
                },
                (Change::Retake(.., slot), Answer::Granted(fence)) => {
                    self.open.insert(id, Open { fence, marks: None });
                    self.give(id, fence, send(slot, Ok(fence)));
                }
                (Change::Retake(..), Answer::Free) if !alive => again.push(job),
                (Change::Amend(.., slot), Answer::Granted(fence)) => {
                    self.open.entry(id).and_modify(|open| open.fence = fence);
                    send(slot, Ok(fence));
                }
                (Change::Settle(.., slot) | Change::Doubt(.., slot) | Change::Release(.., slot), Answer::Made) => {
                    self.open.remove(&id);
                    send(slot, Ok(()));
                }
                (Change::Resolve(.., slot), Answer::Made) => {
                    let record = found.get(&id).map(|s| s.record.clone());
                    send(slot, record.ok_or(LedgerError::NotFound(id)));
                }
                (_, Answer::Under(fence)) => {
                    self.open.entry(id).and_modify(|open| open.fence = fence);
                    job.change.renumber(fence);
                    again.push(job);
                }
                (change, Answer::Refused(error)) => {
                    if matches!(error, LedgerError::NotFound(_)) {
                        self.open.remove(&id);
                    }
                    change.fail(error);
                }
                (change, _) => change.fail(LedgerError::NotFound(id)),
            }
        }
        again
    }

    /// How the records of `jobs` stand, and what stands in the way of those claims of which the ledger knows nothing.
    async fn look(&self, jobs: &[Job]) -> Asked<(HashMap<WriteId, Standing>, HashMap<WriteId, Record>)> {
        let session = self.session_of()?;
        let ids: Vec<WriteId> = jobs.iter().map(|j| j.change.id()).collect();
        let found = session.standing(&ids).await?;
        let claims = jobs.iter().filter_map(|job| match &job.change {
            Change::Claim(claim, _) if !found.contains_key(&claim.id) => Some(&**claim),
            _ => None,
        });
        let claims: Vec<&Claim> = claims.collect();
        let taken = session.taken_by(&claims).await?;
        let taken = claims.iter().zip(taken).filter_map(|(c, t)| Some((c.id, t?)));
        let taken = taken.collect();
        Ok((found, taken))
    }
}

/// What is tried again of `job`, which the database did not make for this reason.
fn failed(mut job: Job, why: &Trouble) -> Option<Job> {
    job.failures += 1;
    let must = job.change.must_be_made();
    if must && job.failures < FAILURES {
        return Some(job);
    }
    job.change.fail(why.clone().told());
    let instead = job.change.instead(job.tried);
    if must && instead.is_none() {
        tracing::error!(
            why = why.why(),
            "the database refuses a change for good; what it was to give back is kept until this process ends"
        );
    }
    instead.map(Job::new)
}
