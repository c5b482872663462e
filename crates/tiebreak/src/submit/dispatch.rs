//! In which order entries are sent, and how many at a time.
//!
//! Entries of one target go one after the other, as they stand in the input; different targets go side by side, at
//! most `workers` at a time. What has been read ahead is bounded (`window`, and bytes in `input`), so that one slow
//! target holds up the others only after many of its own lines.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};

use super::entry::{Digests, Entry};
use super::input::{Held, Item};
use super::notes::{Met, NoteError, Notes};
use super::outcome::{Came, LineResult, Reached};
use super::perform::Performer;
use super::progress::Progress;
use tiebreak_core::verdict::Class;

/// So many lines in a row without any that landed end a job whose target is not there or lets nobody in.
const HOPELESS: u32 = 32;

/// How a run came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The whole input was read.
    Whole,
    /// A person stopped it.
    Interrupted,
    /// The target is not there (any more).
    Unreachable(String),
    /// The target refused the credentials.
    Forbidden(String),
    /// The ledger takes no more writes.
    LedgerFailed(String),
    /// The input could not be read on; completes "failed to …".
    Broken(String),
}

/// How many lines came to what.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) came: [u64; Came::ALL.len()],
    /// Of those that were updated: how many were merged into a newer version.
    pub(super) rebased: u64,
    /// How many had been done by an earlier run.
    pub(super) earlier: u64,
}

impl Tally {
    pub(super) fn lines(&self) -> u64 {
        self.came.iter().sum()
    }

    /// How many lines need nothing more.
    pub(super) fn landed(&self) -> u64 {
        Came::ALL.into_iter().filter(|c| c.landed()).map(|c| self.of(c)).sum()
    }

    pub(super) fn of(&self, came: Came) -> u64 {
        self.came[Came::ALL.iter().position(|c| *c == came).unwrap_or(0)]
    }

    fn add(&mut self, result: &LineResult) {
        if let Some(at) = Came::ALL.iter().position(|c| *c == result.outcome) {
            self.came[at] += 1;
        }
        self.rebased += u64::from(result.rebased);
        self.earlier += u64::from(result.earlier && result.outcome.landed());
    }
}

/// An entry that waits or is on its way.
struct Waiting {
    entry: Box<Entry>,
    digests: Digests,
    /// What it took of the input.
    bytes: u64,
    held: Held,
}

/// What a task brings back.
struct Done {
    result: LineResult,
    reached: Reached,
    #[allow(dead_code, reason = "gives its share of the bound back with the entry")]
    held: Held,
}

/// What is known of a task without it, also when it ended in a panic.
struct About {
    line: u64,
    bytes: u64,
    order: Option<String>,
}

/// A run.
pub(super) struct Dispatch<'a> {
    performer: Arc<Performer>,
    notes: &'a Notes,
    progress: &'a mut Progress,
    workers: usize,
    /// At most so many entries wait.
    window: usize,
    /// Entries whose turn has come.
    ready: VecDeque<Waiting>,
    /// Order keys on their way, with what waits behind each.
    behind: HashMap<String, VecDeque<Waiting>>,
    waiting: usize,
    running: JoinSet<Done>,
    abouts: HashMap<Id, About>,
    tally: Tally,
    landed: bool,
    hopeless: u32,
    end: Option<End>,
}

impl<'a> Dispatch<'a> {
    pub(super) fn new(
        performer: Performer,
        notes: &'a Notes,
        progress: &'a mut Progress,
        workers: usize,
    ) -> Dispatch<'a> {
        Dispatch {
            performer: Arc::new(performer),
            notes,
            progress,
            workers,
            window: 1024.max(workers * 64),
            ready: VecDeque::new(),
            behind: HashMap::new(),
            waiting: 0,
            running: JoinSet::new(),
            abouts: HashMap::new(),
            tally: Tally::default(),
            landed: false,
            hopeless: 0,
            end: None,
        }
    }

    /// Sends all that `input` brings. `stop` says when to begin nothing new.
    pub(super) async fn run(
        mut self,
        mut input: mpsc::Receiver<Item>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(Tally, End), NoteError> {
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        let mut open = true;
        loop {
            while self.end.is_none() && self.running.len() < self.workers {
                let Some(next) = self.ready.pop_front() else { break };
                self.begin(next);
            }
            let begins = self.end.is_none();
            if self.running.is_empty() && (!begins || (!open && self.waiting == 0)) {
                break;
            }
            tokio::select! {
                biased;
                _ = stop.wait_for(|s| *s), if begins => self.end = Some(End::Interrupted),
                Some(done) = self.running.join_next_with_id(), if !self.running.is_empty() => self.finish(done)?,
                item = input.recv(), if open && begins && self.waiting < self.window => match item {
                    None => open = false,
                    Some(Item::Broken(why)) => {
                        // What was read before it is sent all the same.
                        open = false;
                        self.drain().await?;
                        self.end = self.end.take().or(Some(End::Broken(why)));
                    }
                    Some(Item::Line { line, bytes, what, held }) => self.take(line, bytes, what, held)?,
                },
                _ = tick.tick() => self.progress.show(&self.tally),
            }
        }
        self.leave_the_rest()?;
        self.progress.finish(&self.tally);
        Ok((self.tally, self.end.unwrap_or(End::Whole)))
    }

    /// Sends all that waits, without reading more.
    async fn drain(&mut self) -> Result<(), NoteError> {
        loop {
            while self.end.is_none() && self.running.len() < self.workers {
                let Some(next) = self.ready.pop_front() else { break };
                self.begin(next);
            }
            match self.running.join_next_with_id().await {
                Some(done) => self.finish(done)?,
                None => return Ok(()),
            }
        }
    }

    /// Takes one line of the input.
    fn take(&mut self, line: u64, bytes: u64, what: Result<Box<Entry>, String>, held: Held) -> Result<(), NoteError> {
        let entry = match what {
            Ok(entry) => entry,
            Err(why) => {
                let result = LineResult::unsent(line, Came::Malformed, None, format!("failed to {why}"));
                return self.note(&result, bytes);
            }
        };
        let digests = entry.digests();
        if !self.performer.each {
            match self.notes.meet(&entry, &digests)? {
                Met::New => {}
                Met::Same(first) => return self.note(&LineResult::repeat(&entry, first), bytes),
                Met::Contradicts(first, name) => {
                    let class = match &name {
                        super::entry::Name::Key(_) => Class::KeyReuse,
                        super::entry::Name::Record(_) => Class::Duplicate,
                    };
                    let why = format!(
                        "line {first} has {} too and asks for something else; nothing was sent for this line",
                        name.text()
                    );
                    let mut result = LineResult::unsent(line, Came::NeedsYou, Some(class), why).asked(&entry);
                    result.contradicts = Some(first);
                    return self.note(&result, bytes);
                }
            }
        }
        let order = entry.order.clone();
        let waiting = Waiting {
            entry,
            digests,
            bytes,
            held,
        };
        self.waiting += 1;
        match order {
            None => self.ready.push_back(waiting),
            Some(order) => match self.behind.get_mut(&order) {
                Some(queue) => queue.push_back(waiting),
                None => {
                    self.behind.insert(order, VecDeque::new());
                    self.ready.push_back(waiting);
                }
            },
        }
        Ok(())
    }

    fn begin(&mut self, next: Waiting) {
        self.waiting -= 1;
        let performer = Arc::clone(&self.performer);
        let about = About {
            line: next.entry.line,
            bytes: next.bytes,
            order: next.entry.order.clone(),
        };
        let task = self.running.spawn(async move {
            let Waiting {
                entry, digests, held, ..
            } = next;
            let (result, reached) = performer.perform(&entry, &digests).await;
            Done { result, reached, held }
        });
        self.abouts.insert(task.id(), about);
    }

    fn finish(&mut self, done: Result<(Id, Done), tokio::task::JoinError>) -> Result<(), NoteError> {
        let id = done.as_ref().map_or_else(tokio::task::JoinError::id, |(id, _)| *id);
        let Some(About { line, bytes, order }) = self.abouts.remove(&id) else {
            return Ok(());
        };
        let (result, reached) = match done {
            Ok((_, done)) => (done.result, done.reached),
            Err(error) => {
                tracing::error!(%error, "an exchange ended in a panic");
                let why = "an internal error ended this write; it is not known whether it was applied; \
                           the next run looks at it again";
                (LineResult::unsent(line, Came::InDoubt, None, why), Reached::Yes)
            }
        };
        self.weigh(&result, reached);
        if let Some(order) = order
            && let Some(queue) = self.behind.get_mut(&order)
        {
            match queue.pop_front() {
                // First in line: it came before all that is ready.
                Some(next) => self.ready.push_front(next),
                None => {
                    self.behind.remove(&order);
                }
            }
        }
        self.note(&result, bytes)
    }

    /// Ends the run where going on makes no sense: lines that cannot land would only be counted one by one.
    fn weigh(&mut self, result: &LineResult, reached: Reached) {
        if result.outcome.landed() && !result.earlier {
            self.landed = true;
        }
        let end = match reached {
            Reached::Yes => {
                if !result.earlier {
                    self.hopeless = 0;
                }
                return;
            }
            Reached::LedgerFailed => {
                self.end.get_or_insert(End::LedgerFailed(result.evidence.clone()));
                return;
            }
            Reached::No => End::Unreachable(result.evidence.clone()),
            // A target that let some lines in may well forbid others.
            Reached::Forbidden if self.landed => return,
            Reached::Forbidden => End::Forbidden(result.evidence.clone()),
        };
        self.hopeless += 1;
        let limit = HOPELESS.min(u32::try_from(self.workers).unwrap_or(HOPELESS));
        if self.hopeless >= limit.max(2) {
            self.end.get_or_insert(end);
        }
    }

    /// Notes what became of a line of `bytes` bytes.
    fn note(&mut self, result: &LineResult, bytes: u64) -> Result<(), NoteError> {
        self.progress.done(bytes);
        self.tally.add(result);
        self.notes.put(result)
    }

    /// What was read and not begun is said to be unsent.
    fn leave_the_rest(&mut self) -> Result<(), NoteError> {
        let ready = std::mem::take(&mut self.ready);
        let behind = std::mem::take(&mut self.behind);
        for waiting in ready.into_iter().chain(behind.into_values().flatten()) {
            let why = "the job was stopped before its turn";
            let result = LineResult::unsent(waiting.entry.line, Came::NotSent, None, why).asked(&waiting.entry);
            self.note(&result, 0)?;
        }
        Ok(())
    }
}
