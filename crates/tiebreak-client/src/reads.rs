//! What was served to whom: the candidates for a write's base.
//!
//! Bounded by bytes, by count and by age. What is dropped early is not forgotten silently: the answer says that
//! it is incomplete, and the core then refuses to guess among the rest.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tiebreak_core::base::{Candidates, Connections, Served};
use tiebreak_core::caller::CallerId;
use tiebreak_core::merge::Representation;
use tiebreak_core::time::Time;
use tiebreak_core::validator::EntityTag;

/// Bounds of what is remembered of reads.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// The longest content that is remembered, in bytes.
    pub content: usize,
    /// All content together, in bytes.
    pub total: usize,
    /// At most so many reads of one target by one caller.
    pub per_target: usize,
    /// How long content may be the base of a write.
    pub window: Duration,
    /// How long a version without its content is remembered.
    pub tags: Duration,
}

impl Default for ReadLimits {
    fn default() -> ReadLimits {
        ReadLimits {
            content: 1 << 20,
            total: 128 << 20,
            per_target: 512,
            window: Duration::from_secs(15 * 60),
            tags: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// A read: who read what, on which connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Who read.
    pub caller: CallerId,
    /// The target URI.
    pub target: String,
    /// The connection, as the door numbers them.
    pub connection: u64,
}

/// What was served, by caller and target.
#[derive(Debug)]
pub struct Reads {
    limits: ReadLimits,
    state: Mutex<State>,
}

type Key = (CallerId, String);

#[derive(Debug, Default)]
struct State {
    targets: HashMap<Key, Target>,
    /// Targets in the order of their use, with the number of the use; an older number of the same target is void.
    order: VecDeque<(u64, Key)>,
    uses: u64,
    bytes: usize,
    pooled: HashMap<CallerId, Time>,
    /// Until then, a write may have been made from a read that is not remembered here.
    incomplete_until: Option<Time>,
}

#[derive(Debug, Default)]
struct Target {
    reads: VecDeque<Served>,
    dropped_at: Option<Time>,
    used: u64,
}

/// How long it is remembered that a caller's connections are pooled.
const POOLED_FOR: Duration = Duration::from_secs(60 * 60);

impl Reads {
    /// A memory with these bounds.
    #[must_use]
    pub fn new(limits: ReadLimits) -> Reads {
        Reads {
            limits,
            state: Mutex::default(),
        }
    }

    /// Remembers what was served. Content that was served before is shared, not kept twice.
    pub fn note(&self, read: Read, etag: Option<EntityTag>, content: Option<Representation>, now: Time) {
        let mut state = self.lock();
        let key = (read.caller, read.target);
        let used = state.touch(&key);
        let mut bytes = 0_isize;
        let target = state.targets.entry(key).or_default();
        target.used = used;
        let twin = target
            .reads
            .iter()
            .rev()
            .find(|s| etag.is_some() && s.etag == etag && s.content.is_some());
        let content = match (twin.and_then(|t| t.content.clone()), content) {
            (Some(twin), None) => Some(twin),
            (Some(twin), Some(new)) if twin.same_bytes(&new) => Some(twin),
            (_, new) => {
                bytes += new.as_ref().map_or(0, |c| size(c.content().len()));
                new
            }
        };
        // An older read of the same version on the same connection says nothing more than this one.
        let same = |s: &Served| s.connection == Some(read.connection) && s.etag == etag && etag.is_some();
        target.reads.retain(|s| !same(s));
        target.reads.push_back(Served {
            etag,
            content,
            at: now,
            connection: Some(read.connection),
            written_since: false,
        });
        bytes -= target.trim(&self.limits, now);
        state.bytes = state.bytes.saturating_add_signed(bytes);
        state.evict(self.limits.total);
    }

    /// The candidates for the base of a write that comes now; from here on the connection's reads have been written from.
    pub fn candidates(&self, caller: CallerId, target: &str, connection: Option<u64>, now: Time) -> Candidates {
        let mut state = self.lock();
        let pooled = state.pooled.get(&caller).is_some_and(|until| *until > now);
        let connections = if pooled {
            Connections::Pooled
        } else {
            Connections::Unknown
        };
        let all = state.incomplete_until.is_none_or(|until| until <= now);
        let key = (caller, target.to_owned());
        let Some(found) = state.targets.get_mut(&key) else {
            return Candidates {
                served: Vec::new(),
                complete: all,
                connections,
            };
        };
        let freed = found.trim(&self.limits, now);
        let served: Vec<Served> = found.reads.iter().cloned().collect();
        let complete = all && found.dropped_at.is_none_or(|at| at.after(self.limits.window) <= now);
        for read in found
            .reads
            .iter_mut()
            .filter(|r| r.connection.is_some() && r.connection == connection)
        {
            read.written_since = true;
        }
        state.bytes = state.bytes.saturating_add_signed(-freed);
        Candidates {
            served,
            complete,
            connections,
        }
    }

    /// It was seen that this caller's connections are pooled among several readers.
    pub fn note_pooled(&self, caller: CallerId, now: Time) {
        let mut state = self.lock();
        state.pooled.retain(|_, until| *until > now);
        state.pooled.insert(caller, now.after(POOLED_FOR));
    }

    /// Reads happened that are not remembered here: in an earlier process, or through another gateway. For as long as
    /// one of them may be the base of a write, nothing is inferred from what is missing.
    pub fn forgot(&self, now: Time) {
        self.lock().incomplete_until = Some(now.after(self.limits.window));
    }

    /// Bytes of content that are remembered.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn touch(&mut self, key: &Key) -> u64 {
        self.uses += 1;
        // One entry for each burst of uses is enough, and keeps the queue short.
        let recent = self.targets.get(key).is_some_and(|t| t.used + 64 > self.uses);
        if recent && let Some(target) = self.targets.get(key) {
            return target.used;
        }
        self.order.push_back((self.uses, key.clone()));
        self.uses
    }

    /// Drops the contents of the targets that were used longest ago; their versions stay known by their tags.
    fn evict(&mut self, total: usize) {
        while self.bytes > total {
            let Some((used, key)) = self.order.pop_front() else {
                return;
            };
            let Some(target) = self.targets.get_mut(&key).filter(|t| t.used == used) else {
                continue;
            };
            let mut freed = 0;
            for read in &mut target.reads {
                freed += read.content.take().map_or(0, |c| size(c.content().len()));
            }
            self.bytes = self.bytes.saturating_add_signed(-freed);
            target.reads.retain(|r| r.etag.is_some());
        }
    }
}

impl Target {
    /// Drops what is too old or too much; returns the bytes that this frees. Shared content is counted with the read that brought it.
    fn trim(&mut self, limits: &ReadLimits, now: Time) -> isize {
        let mut freed = 0;
        while let Some(oldest) = self.reads.front() {
            let age = oldest.at.until(now);
            let expired = age > limits.tags || (age > limits.window && oldest.etag.is_none());
            if !expired && self.reads.len() <= limits.per_target {
                break;
            }
            if !expired && age <= limits.window {
                self.dropped_at = Some(now);
            }
            if let Some(read) = self.reads.pop_front() {
                freed += self.weight(&read);
            }
        }
        for at in 0..self.reads.len() {
            if self.reads[at].at.until(now) <= limits.window {
                break;
            }
            if let Some(content) = self.reads[at].content.take() {
                let read = Served {
                    content: Some(content),
                    ..self.reads[at].clone()
                };
                freed += self.weight(&read);
            }
        }
        freed
    }

    /// What dropping this read frees: nothing while another read shares its content.
    fn weight(&self, read: &Served) -> isize {
        let Some(content) = &read.content else { return 0 };
        let shared = self
            .reads
            .iter()
            .any(|r| r.content.as_ref().is_some_and(|c| c.same_bytes(content)));
        if shared { 0 } else { size(content.content().len()) }
    }
}

fn size(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}
