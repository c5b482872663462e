//! The phrase table and its automaton.

use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// What a phrase speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mark {
    /// The subject is an idempotency key; the next five say what about it.
    Key,
    Differs,
    Reused,
    Running,
    Created,
    Faulty,
    /// A clash with something that happens right now.
    Race,
    /// It is there already.
    Duplicate,
    /// Written against an old version.
    Stale,
    /// The state forbids it.
    State,
    /// A fault of the content.
    Invalid,
    /// No conflict: access, rate, outage, absence.
    Other,
}

impl Mark {
    fn from_word(word: &str) -> Option<Mark> {
        Some(match word {
            "key" => Mark::Key,
            "differs" => Mark::Differs,
            "reused" => Mark::Reused,
            "running" => Mark::Running,
            "created" => Mark::Created,
            "faulty" => Mark::Faulty,
            "race" => Mark::Race,
            "duplicate" => Mark::Duplicate,
            "stale" => Mark::Stale,
            "state" => Mark::State,
            "invalid" => Mark::Invalid,
            "other" => Mark::Other,
            _ => return None,
        })
    }

    /// Whether "not" before the phrase takes it back. The others are negative themselves.
    fn can_be_negated(self) -> bool {
        matches!(
            self,
            Mark::Race | Mark::Duplicate | Mark::Stale | Mark::Running | Mark::Reused | Mark::Created
        )
    }
}

/// One phrase that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) mark: Mark,
    /// The lower, the more it counts.
    pub(crate) rank: u8,
    /// Where it stands in the normalised text.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

struct Phrase {
    mark: Mark,
    rank: u8,
    open_start: bool,
    open_end: bool,
    /// What must follow within a few words (`a ... b`).
    then: Option<String>,
}

/// The compiled table.
pub(crate) struct Lexicon {
    /// All phrases. Most texts are ASCII, so that this one is seldom built.
    automaton: OnceLock<Option<AhoCorasick>>,
    patterns: Vec<&'static str>,
    /// Those in ASCII, the only ones that an ASCII text can hold: few states and few kinds of bytes, so that a table
    /// of all transitions stays small.
    ascii: Option<AhoCorasick>,
    /// What the phrases of `ascii` are among all.
    numbers: Vec<usize>,
    phrases: Vec<Phrase>,
}

/// How many hits of one text are looked at.
const MAX_HITS: usize = 96;
/// How far apart the two halves of `a ... b` may stand, in bytes.
const GAP: usize = 90;

impl Lexicon {
    /// Compiles phrase files. A line in no known section is left out; a test sees to it that there is none.
    pub(crate) fn build(files: &[&'static str]) -> Lexicon {
        let mut phrases = Vec::new();
        let mut patterns: Vec<&'static str> = Vec::new();
        for file in files {
            let mut section = None;
            for line in file.lines().map(str::trim) {
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                if let Some(head) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                    let (mark, rank) = head.split_once(' ').unwrap_or((head, ""));
                    section = Mark::from_word(mark).zip(rank.parse().ok());
                    continue;
                }
                let Some((mark, rank)) = section else { continue };
                let (first, then) = match line.split_once(" ... ") {
                    Some((first, then)) => (first, Some(then.to_owned())),
                    None => (line, None),
                };
                patterns.push(first.trim_matches('*'));
                phrases.push(Phrase {
                    mark,
                    rank,
                    open_start: first.starts_with('*'),
                    open_end: first.ends_with('*'),
                    then,
                });
            }
        }
        let numbers: Vec<usize> = (0..patterns.len()).filter(|at| patterns[*at].is_ascii()).collect();
        let ascii = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(numbers.iter().map(|at| patterns[*at]))
            .ok();
        Lexicon {
            automaton: OnceLock::new(),
            patterns,
            ascii,
            numbers,
            phrases,
        }
    }

    fn all(&self) -> &Option<AhoCorasick> {
        self.automaton.get_or_init(|| {
            AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .build(&self.patterns)
                .ok()
        })
    }

    /// The phrases in `text`, which is in normal form, in order of their ends; at most 96.
    pub(crate) fn hits(&self, text: &str) -> Vec<Hit> {
        let mut hits = Vec::with_capacity(16);
        let plain = text.is_ascii();
        let Some(automaton) = (if plain { &self.ascii } else { self.all() }) else {
            return hits;
        };
        for found in automaton.find_overlapping_iter(text).take(512) {
            let at = found.pattern().as_usize();
            let at = if plain { self.numbers.get(at).copied() } else { Some(at) };
            let Some(phrase) = at.and_then(|at| self.phrases.get(at)) else {
                continue;
            };
            let (start, mut end) = (found.start(), found.end());
            if (!phrase.open_start && is_inside(text, start)) || (!phrase.open_end && is_inside(text, end)) {
                continue;
            }
            let before = text.get(..start).unwrap_or("");
            let after = text.get(end..).unwrap_or("");
            if let Some(then) = &phrase.then {
                match super::super::body::clip(after, GAP).find(then.as_str()) {
                    Some(at) => end += at + then.len(),
                    None => continue,
                }
            }
            if phrase.mark.can_be_negated() && negated(before) {
                continue;
            }
            hits.push(Hit {
                mark: phrase.mark,
                rank: phrase.rank,
                start,
                end,
            });
            if hits.len() >= MAX_HITS {
                break;
            }
        }
        hits
    }
}

/// Whether `at` is inside a word.
fn is_inside(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let (Some(left), Some(right)) = (at.checked_sub(1).and_then(|a| bytes.get(a)), bytes.get(at)) else {
        return false;
    };
    if left.is_ascii() && right.is_ascii() {
        return left.is_ascii_alphanumeric() && right.is_ascii_alphanumeric();
    }
    let (before, after) = text.split_at_checked(at).unwrap_or(("", ""));
    joins(before.chars().next_back(), after.chars().next())
}

/// Whether two characters belong to one word. Scripts that set no blanks have no word boundaries.
fn joins(left: Option<char>, right: Option<char>) -> bool {
    let word = |c: char| {
        c.is_alphanumeric() && !matches!(c, '\u{2E80}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}')
    };
    left.is_some_and(word) && right.is_some_and(word)
}

/// Whether one of the two words before a phrase takes it back: "is not yet …", "no longer …".
fn negated(before: &str) -> bool {
    let mut rest = before.as_bytes();
    for _ in 0..2 {
        while let [head @ .., b' '] = rest {
            rest = head;
        }
        let start = memchr::memrchr(b' ', rest).map_or(0, |at| at + 1);
        let (head, word) = rest.split_at_checked(start).unwrap_or((&[], rest));
        // Another sentence, or another value.
        let Some(last) = word.last() else { return false };
        if matches!(last, b'.' | b';' | b',' | b':' | b'!' | b'?' | b'(') || word.contains(&b'\n') {
            return false;
        }
        if word.ends_with(b"n't") || NOT.iter().any(|not| not.as_bytes() == word) {
            return true;
        }
        rest = head;
    }
    false
}

/// Words that take back what follows.
const NOT: [&str; 13] = [
    "not", "no", "never", "without", "nicht", "kein", "keine", "pas", "não", "non", "niet", "не", "nie",
];

#[cfg(test)]
mod tests {
    use super::super::LEXICON;

    #[test]
    fn every_phrase_is_in_normal_form_and_in_a_section() {
        assert!(LEXICON.all().is_some() && LEXICON.ascii.is_some());
        assert!(LEXICON.phrases.len() > 900, "{}", LEXICON.phrases.len());
        for file in [
            include_str!("en.txt"),
            include_str!("de.txt"),
            include_str!("romance.txt"),
            include_str!("slavic.txt"),
            include_str!("nl.txt"),
            include_str!("cjk.txt"),
            include_str!("ar.txt"),
        ] {
            for line in file.lines().filter(|l| !l.starts_with('#') && !l.starts_with('[')) {
                let mut normal = Vec::new();
                super::super::normalise(&line.replace(" ... ", " "), false, &mut normal);
                assert_eq!(
                    String::from_utf8_lossy(&normal),
                    line.replace(" ... ", " "),
                    "not in normal form"
                );
            }
        }
    }
}
