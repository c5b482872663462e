//! Searching what a ledger holds, for people: by when a write came, what it was about, and what became of it.

use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::{Record, State, WriteId};
use tiebreak_core::time::Time;
use tiebreak_core::verdict::Class;

/// The most records that [`Ledger::search`](crate::Ledger::search) returns at once.
pub const MAX_FOUND: usize = 200;

/// So many records are looked at in one search; then it says where to go on.
pub const MAX_LOOKED_AT: usize = 10_000;

/// What is searched for. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// The target URI contains this text: letter by letter, without wildcards.
    pub target: Option<String>,
    /// It is settled, and its conflict was of this class.
    pub class: Option<Class>,
    /// What became of it.
    pub state: Option<Became>,
    /// It came at or after this time, as its id says.
    pub from: Option<Time>,
    /// It came before this time.
    pub to: Option<Time>,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// It is claimed.
    Claimed,
    /// It is in doubt.
    InDoubt,
    /// It is settled.
    Settled,
    /// It is settled with this outcome.
    Outcome(Outcome),
}

impl Became {
    /// Reads `claimed`, `settled`, `in-doubt` or the token of an outcome.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Became> {
        match word {
            "claimed" => Some(Became::Claimed),
            "settled" => Some(Became::Settled),
            "in-doubt" => Some(Became::InDoubt),
            other => Outcome::from_token(other).map(Became::Outcome),
        }
    }
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The newest first.
    pub records: Vec<Record>,
    /// Where to go on: as `before` of the next search. `None`: there is nothing more.
    pub next: Option<WriteId>,
}

impl Query {
    /// The ids between which to look: from the first (inclusive) up to the second (exclusive). Ids begin with the time at which
    /// their writes came.
    #[must_use]
    pub fn ids(&self, before: Option<WriteId>) -> (WriteId, WriteId) {
        let first = |time| WriteId::new(time, [0; 10]);
        let last = WriteId([u8::MAX; 16]);
        let low = self.from.map_or(WriteId([0; 16]), first);
        let high = self.to.map_or(last, first).min(before.unwrap_or(last));
        (low, high)
    }

    /// Whether a record is what is searched for, its time aside.
    #[must_use]
    pub fn matches(&self, record: &Record) -> bool {
        let (outcome, class) = match &record.state {
            State::Settled(settlement) => (Some(settlement.outcome), settlement.class),
            State::Claimed | State::InDoubt(_) => (None, None),
        };
        let state = match self.state {
            None => true,
            Some(Became::Claimed) => record.state == State::Claimed,
            Some(Became::InDoubt) => matches!(record.state, State::InDoubt(_)),
            Some(Became::Settled) => outcome.is_some(),
            Some(Became::Outcome(wanted)) => outcome == Some(wanted),
        };
        state
            && self.class.is_none_or(|wanted| class == Some(wanted))
            && self
                .target
                .as_ref()
                .is_none_or(|part| record.claim.target.contains(part.as_str()))
    }
}
