//! The terms around HTTP conflicts: one file each in this folder, read once.
//!
//! A file begins with `key: value` lines (title, group, short, source; counts; and the connections), then `---`, then
//! Markdown with the sections that every term has. A test checks that each is complete and that every link leads somewhere.

mod read;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

/// What kind of term it is; the groups of the index and of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// Status codes.
    Status,
    /// Validators and preconditions.
    Version,
    /// What goes wrong.
    Conflict,
    /// What prevents it.
    Guard,
    /// What resolves it.
    Remedy,
    /// What stands before the API.
    Barrier,
}

impl Group {
    /// Every group, in the order of the index.
    pub(crate) const ALL: [Group; 6] = [
        Group::Conflict,
        Group::Status,
        Group::Version,
        Group::Guard,
        Group::Remedy,
        Group::Barrier,
    ];

    /// The word in the files and in style sheets.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Group::Status => "status",
            Group::Version => "version",
            Group::Conflict => "conflict",
            Group::Guard => "guard",
            Group::Remedy => "remedy",
            Group::Barrier => "barrier",
        }
    }

    /// The heading.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Group::Status => "Status codes",
            Group::Version => "Versions and conditions",
            Group::Conflict => "What goes wrong",
            Group::Guard => "What prevents it",
            Group::Remedy => "What resolves it",
            Group::Barrier => "Walls before the API",
        }
    }
}

/// How one term is connected with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Causes,
    Prevents,
    Resolves,
    ConfusedWith,
    KindOf,
}

impl Verb {
    /// Every verb.
    pub(crate) const ALL: [Verb; 5] = [
        Verb::Causes,
        Verb::Prevents,
        Verb::Resolves,
        Verb::ConfusedWith,
        Verb::KindOf,
    ];

    /// The key in the files, and the word in style sheets.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Verb::Causes => "causes",
            Verb::Prevents => "prevents",
            Verb::Resolves => "resolves",
            Verb::ConfusedWith => "confused",
            Verb::KindOf => "kind",
        }
    }

    /// Said from where the connection starts: "A causes B".
    pub(crate) fn forth(self) -> &'static str {
        match self {
            Verb::Causes => "causes",
            Verb::Prevents => "prevents",
            Verb::Resolves => "resolves",
            Verb::ConfusedWith => "is confused with",
            Verb::KindOf => "is a kind of",
        }
    }

    /// Said from where it ends: "B is caused by A".
    pub(crate) fn back(self) -> &'static str {
        match self {
            Verb::Causes => "is caused by",
            Verb::Prevents => "is prevented by",
            Verb::Resolves => "is resolved by",
            Verb::ConfusedWith => "is confused with",
            Verb::KindOf => "includes",
        }
    }
}

/// What of Tiebreak's own counting belongs to a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// A member of `/api/counts`: `statuses`, `classes`, `outcomes`, `problems` or `steps`.
    pub(crate) of: &'static str,
    /// Which one.
    pub(crate) value: &'static str,
}

/// A question that people ask.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) question: &'static str,
    /// Markdown.
    pub(crate) answer: String,
}

/// One term.
#[derive(Debug)]
pub(crate) struct Term {
    /// Its name in URLs.
    pub(crate) slug: &'static str,
    pub(crate) title: &'static str,
    pub(crate) group: Group,
    /// The definition, in one sentence.
    pub(crate) short: &'static str,
    /// Where it is defined.
    pub(crate) source: &'static str,
    pub(crate) counts: Option<Counts>,
    /// Quick facts: name and Markdown.
    pub(crate) facts: Vec<(&'static str, &'static str)>,
    /// Heading and Markdown.
    pub(crate) sections: Vec<(&'static str, String)>,
    pub(crate) questions: Vec<Question>,
}

/// A connection, by the positions of its terms in [`Terms::all`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) from: usize,
    pub(crate) verb: Verb,
    pub(crate) to: usize,
}

/// Every term and every connection.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) all: Vec<Term>,
    pub(crate) links: Vec<Link>,
}

impl Terms {
    /// The terms in the binary.
    pub(crate) fn get() -> &'static Terms {
        static TERMS: LazyLock<Terms> = LazyLock::new(|| read::all(FILES));
        &TERMS
    }

    /// Where `slug` is in [`Terms::all`].
    pub(crate) fn position(&self, slug: &str) -> Option<usize> {
        self.all.iter().position(|t| t.slug == slug)
    }

    /// The terms of a group, in the order of the files.
    pub(crate) fn of(&self, group: Group) -> impl Iterator<Item = &Term> {
        self.all.iter().filter(move |t| t.group == group)
    }

    /// The connections of a term as seen from it: what is said, and the other term.
    pub(crate) fn around(&self, at: usize) -> Vec<(Verb, bool, &Term)> {
        let mut around: Vec<(Verb, bool, usize)> = self
            .links
            .iter()
            .filter_map(|l| match (l.from == at, l.to == at) {
                (true, _) => Some((l.verb, true, l.to)),
                (_, true) => Some((l.verb, l.verb == Verb::ConfusedWith, l.from)),
                _ => None,
            })
            .collect();
        around.sort_by_key(|(verb, forth, other)| (*verb, !*forth, *other));
        around
            .into_iter()
            .map(|(v, f, other)| (v, f, &self.all[other]))
            .collect()
    }
}

macro_rules! files {
    ($($slug:literal)*) => {
        &[$(($slug, include_str!(concat!($slug, ".md"))),)*]
    };
}

/// Every file of this folder, in the order of the index.
const FILES: &[(&str, &str)] = files! {
    "lost-update" "duplicate-create" "stale-version" "overlapping-edit" "racing-writes" "state-conflict" "key-reuse"
    "blind-retry" "lost-answer" "late-arrival" "in-doubt" "lagging-replica"
    "409" "412" "422" "423" "425" "428" "429" "400" "403" "404" "405" "408" "410" "207" "502" "503" "504"
    "etag" "strong-validator" "weak-validator" "last-modified" "conditional-request" "if-match" "if-none-match"
    "compare-and-set"
    "optimistic-concurrency" "pessimistic-concurrency" "idempotent" "safe-method" "idempotency-key" "fingerprint"
    "de-duplication" "exactly-once" "serialisation" "lane" "lease" "fencing-token" "guarantee"
    "three-way-merge" "merge-patch" "json-patch" "retry" "backoff" "jitter" "retry-after" "prover" "problem-details"
    "bot-block" "challenge-page" "browser-hand-off"
};
