//! Counts of writes: since the start, and by the second for the last hour. Of bounded size, whatever happens.

mod latency;
mod second;

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tiebreak_core::exchange::Answer;
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::problem::Kind;
use tiebreak_core::time::Time;
use tiebreak_core::verdict::Class;

pub use latency::Latency;
use second::Seconds;
pub use second::{HISTORY, Second};

const OUTCOMES: usize = Outcome::ALL.len();
/// One more than there are classes: for writes that met no conflict.
const CLASSES: usize = Class::ALL.len() + 1;
const GUARANTEES: usize = 4;

/// Something on the way of a write that is worth counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// An attempt was sent.
    Sent,
    /// An attempt got no answer.
    Lost,
    /// A target was read.
    Fetched,
    /// A change was merged into a newer version.
    Merged,
    /// A write waited before it went on.
    Waited,
    /// A repeat waited for the running original.
    Joined,
    /// An earlier answer was given again.
    Replayed,
    /// A write ended in doubt.
    Doubted,
    /// A write over the bound on content was streamed on unprotected.
    Passed,
}

impl Step {
    /// Every step.
    pub const ALL: [Step; 9] = [
        Step::Sent,
        Step::Lost,
        Step::Fetched,
        Step::Merged,
        Step::Waited,
        Step::Joined,
        Step::Replayed,
        Step::Doubted,
        Step::Passed,
    ];

    /// The word used in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Sent => "sent",
            Step::Lost => "lost",
            Step::Fetched => "fetched",
            Step::Merged => "merged",
            Step::Waited => "waited",
            Step::Joined => "joined",
            Step::Replayed => "replayed",
            Step::Doubted => "doubted",
            Step::Passed => "passed",
        }
    }
}

/// Something that a door did at one of its bounds, of which there is no write to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtBound {
    /// A connection was not served: as many were open as the gateway takes.
    Connections,
    /// A connection was not served: as many were open from its address as the gateway takes.
    ConnectionsOfAddress,
    /// The answer to a read was cut: the origin sent no more of its content for too long.
    ReadStalled,
}

impl AtBound {
    /// Every one.
    pub const ALL: [AtBound; 3] = [
        AtBound::Connections,
        AtBound::ConnectionsOfAddress,
        AtBound::ReadStalled,
    ];

    /// The word used in reports: the setting that holds the bound.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AtBound::Connections => "max_connections",
            AtBound::ConnectionsOfAddress => "max_connections_per_address",
            AtBound::ReadStalled => "read_idle_timeout",
        }
    }
}

/// Writes that came to the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// What became of them.
    pub outcome: Outcome,
    /// The class of their conflict.
    pub class: Option<Class>,
    /// How strong the promise was.
    pub guarantee: Guarantee,
    /// How many.
    pub count: u64,
}

/// Counts of writes.
#[derive(Debug)]
pub struct Figures {
    writes: Vec<AtomicU64>,
    /// How often each class was met, also where it was overcome.
    classes: [AtomicU64; Class::ALL.len()],
    steps: [AtomicU64; Step::ALL.len()],
    /// How often origins answered a write with each status, from 100.
    answered: Vec<AtomicU64>,
    problems: Vec<AtomicU64>,
    bounds: [AtomicU64; AtBound::ALL.len()],
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    latency: Latency,
    seconds: Seconds,
}

fn zeros(n: usize) -> Vec<AtomicU64> {
    (0..n).map(|_| AtomicU64::new(0)).collect()
}

impl Default for Figures {
    fn default() -> Figures {
        Figures {
            writes: zeros(OUTCOMES * CLASSES * GUARANTEES),
            classes: Default::default(),
            steps: Default::default(),
            answered: zeros(500),
            problems: zeros(Kind::ALL.len()),
            bounds: Default::default(),
            rest: Mutex::default(),
        }
    }
}

fn place<T: PartialEq>(all: &[T], one: &T) -> usize {
    all.iter().position(|t| t == one).unwrap_or_default()
}

impl Figures {
    /// A write has ended with `answer` after so long.
    pub(crate) fn count(&self, answer: &Answer, at: Time, took: Duration) {
        let report = &answer.report;
        let outcome = place(&Outcome::ALL, &report.outcome);
        let class = report.class.map_or(Class::ALL.len(), |c| place(&Class::ALL, &c));
        let guarantee = report.guarantee as usize;
        self.writes[(outcome * CLASSES + class) * GUARANTEES + guarantee].fetch_add(1, Relaxed);
        if let Some(problem) = &answer.problem {
            self.problems[place(Kind::ALL, &problem.kind())].fetch_add(1, Relaxed);
        }
        let mut rest = self.rest();
        rest.latency.add(took);
        let second = rest.seconds.at(at);
        second.writes += 1;
        second.outcomes[outcome] += 1;
        second.guarantees[guarantee] += 1;
        second.latency.add(took);
        drop(rest);
    }

    /// A request was refused of which no more is known than why.
    pub fn turned_away(&self, problem: Kind) {
        self.problems[place(Kind::ALL, &problem)].fetch_add(1, Relaxed);
    }

    /// A bound was met by something that is no write.
    pub fn at_bound(&self, bound: AtBound) {
        self.bounds[bound as usize].fetch_add(1, Relaxed);
    }

    /// How often each of these bounds was met since the start.
    #[must_use]
    pub fn bounds(&self) -> [(AtBound, u64); AtBound::ALL.len()] {
        std::array::from_fn(|n| (AtBound::ALL[n], self.bounds[n].load(Relaxed)))
    }

    /// A verdict of this class was given.
    pub(crate) fn met(&self, class: Class, at: Time) {
        let n = place(&Class::ALL, &class);
        self.classes[n].fetch_add(1, Relaxed);
        self.rest().seconds.at(at).classes[n] += 1;
    }

    pub(crate) fn step(&self, step: Step) {
        self.steps[step as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn answered(&self, status: u16) {
        if let Some(count) = self.answered.get(usize::from(status).wrapping_sub(100)) {
            count.fetch_add(1, Relaxed);
        }
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        // A panic while the lock was held leaves whole counts.
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All writes since the start, by what they came to; without zeros.
    #[must_use]
    pub fn tallies(&self) -> Vec<Tally> {
        let mut all = Vec::new();
        for (o, outcome) in Outcome::ALL.into_iter().enumerate() {
            for c in 0..CLASSES {
                for (g, guarantee) in GUARANTEE.into_iter().enumerate() {
                    let count = self.writes[(o * CLASSES + c) * GUARANTEES + g].load(Relaxed);
                    if count > 0 {
                        let class = Class::ALL.get(c).copied();
                        all.push(Tally {
                            outcome,
                            class,
                            guarantee,
                            count,
                        });
                    }
                }
            }
        }
        all
    }

    /// How often each class was met since the start, also where it was overcome.
    #[must_use]
    pub fn classes(&self) -> [(Class, u64); Class::ALL.len()] {
        std::array::from_fn(|n| (Class::ALL[n], self.classes[n].load(Relaxed)))
    }

    /// How often each step was made since the start.
    #[must_use]
    pub fn steps(&self) -> [(Step, u64); Step::ALL.len()] {
        std::array::from_fn(|n| (Step::ALL[n], self.steps[n].load(Relaxed)))
    }

    /// The statuses with which origins answered writes, and how often; without zeros.
    #[must_use]
    pub fn statuses(&self) -> Vec<(u16, u64)> {
        let counts = (100..).zip(&self.answered).map(|(status, n)| (status, n.load(Relaxed)));
        counts.filter(|(_, n)| *n > 0).collect()
    }

    /// The problems that were answered, and how often; without zeros.
    #[must_use]
    pub fn problems(&self) -> Vec<(Kind, u64)> {
        let counts = Kind::ALL
            .iter()
            .zip(&self.problems)
            .map(|(kind, n)| (*kind, n.load(Relaxed)));
        counts.filter(|(_, n)| *n > 0).collect()
    }

    /// How long writes took since the start.
    #[must_use]
    pub fn latency(&self) -> Latency {
        self.rest().latency.clone()
    }

    /// The seconds from `since` on that are still remembered, with gaps where nothing was written.
    #[must_use]
    pub fn seconds(&self, since: Time) -> Vec<Second> {
        self.rest().seconds.since(since)
    }
}

/// Every guarantee, in the order of its number.
const GUARANTEE: [Guarantee; GUARANTEES] = [Guarantee::A, Guarantee::B, Guarantee::C, Guarantee::D];
