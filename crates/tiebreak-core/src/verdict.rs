//! What an answer means: class and evidence.

use std::borrow::Cow;
use std::time::Duration;

use crate::remedy::Remedy;

/// The class of a verdict (DESIGN section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// It exists already.
    Duplicate,
    /// Written against an old version.
    Stale,
    /// Another operation is running; the same request may succeed later.
    Race,
    /// The first request with this key is still running.
    InProgress,
    /// This key was used for something else.
    KeyReuse,
    /// The state forbids it, and time will not help.
    State,
    /// A fault of the content, whatever the status.
    Invalid,
    /// A bot block or challenge, not the API speaking.
    Blocked,
    /// Not a conflict: success, authentication, rate limit, outage.
    Other,
    /// Not understood, hence not acted upon.
    Unclear,
}

impl Class {
    /// Every class.
    pub const ALL: [Class; 10] = [
        Class::Duplicate,
        Class::Stale,
        Class::Race,
        Class::InProgress,
        Class::KeyReuse,
        Class::State,
        Class::Invalid,
        Class::Blocked,
        Class::Other,
        Class::Unclear,
    ];

    /// The word used in reports, records and the `Tiebreak` field.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Duplicate => "duplicate",
            Class::Stale => "stale",
            Class::Race => "race",
            Class::InProgress => "in_progress",
            Class::KeyReuse => "key_reuse",
            Class::State => "state",
            Class::Invalid => "invalid",
            Class::Blocked => "blocked",
            Class::Other => "other",
            Class::Unclear => "unclear",
        }
    }

    /// The class with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|c| c.as_str() == word)
    }
}

/// How sure the judge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Confidence {
    /// A weak signal decided: status and method only.
    Low,
    /// Wording or a generic form decided.
    Medium,
    /// A documented code, form or signature decided.
    High,
}

/// One signal that led to the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What was seen, in plain words.
    pub signal: Cow<'static, str>,
    /// Where: `status`, `header etag`, `body /error/code`, `request if-match` …
    pub place: Cow<'static, str>,
    /// The exact text that was seen there, bounded.
    pub excerpt: String,
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The class.
    pub class: Class,
    /// What is advised; policy decides whether it is done.
    pub remedy: Remedy,
    /// The signals that decided, the strongest first.
    pub evidence: Vec<Evidence>,
    /// The dialect pack that spoke, if one did.
    pub dialect: Option<Cow<'static, str>>,
    /// How sure the judge is.
    pub confidence: Confidence,
    /// Identifier or URL of the resource that exists already, where the answer reveals it.
    pub existing: Option<String>,
    /// How long the origin asks to wait.
    pub retry_after: Option<Duration>,
    /// Whether the dialect says that a 5xx (or other open answer) means *not applied*.
    pub proves_refusal: bool,
}

impl Verdict {
    /// A verdict of `class` and `remedy` on one signal.
    #[must_use]
    pub fn new(class: Class, remedy: Remedy, confidence: Confidence, evidence: Evidence) -> Verdict {
        Verdict {
            class,
            remedy,
            evidence: vec![evidence],
            dialect: None,
            confidence,
            existing: None,
            retry_after: None,
            proves_refusal: false,
        }
    }

    /// The strongest signal as one line: `signal (place: excerpt)`.
    #[must_use]
    pub fn reason(&self) -> String {
        self.evidence
            .first()
            .map_or_else(String::new, |e| format!("{} ({}: {})", e.signal, e.place, e.excerpt))
    }
}
