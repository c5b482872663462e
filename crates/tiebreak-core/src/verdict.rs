//! What an answer means: class and evidence.

use std::borrow::Cow;
use std::time::Duration;

use crate::remedy::Remedy;

/// The class of a verdict.
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

impl Evidence {
    /// The place in plain words: "in the body, at `error` → `code`", "in the response header `etag`".
    #[must_use]
    pub fn where_seen(&self) -> String {
        let (part, rest) = self.place.split_once(' ').unwrap_or((&self.place, ""));
        match (part, rest) {
            ("status", _) => "the status code".into(),
            ("history", _) => "what happened before".into(),
            ("header", name) => format!("in the response header `{name}`"),
            ("request", name) => format!("in your request, `{name}`"),
            ("body", "") => "in the body".into(),
            ("body", "title") => "in the title of the page".into(),
            ("body", "text") => "in the text of the page".into(),
            ("body", "markup") => "in the source of the page".into(),
            ("body", path) => {
                let steps: Vec<String> = path
                    .split('/')
                    .filter(|step| !step.is_empty())
                    .map(|step| match step.parse::<u32>() {
                        Ok(index) => format!("item {}", index.saturating_add(1)),
                        Err(_) => format!("`{step}`"),
                    })
                    .collect();
                format!("in the body, at {}", steps.join(" → "))
            }
            _ => self.place.to_string(),
        }
    }
}

/// What a conflict is about, beyond the target URI: writes that share it clash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// The resource at the target URI.
    Resource,
    /// A name or another unique value.
    Name,
    /// The collection or parent in which the resource lives.
    Parent,
    /// A branch, a repository, a document tree.
    Branch,
    /// Everything of one account, project or database.
    Account,
    /// An idempotency key.
    Key,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 6] = [
        Scope::Resource,
        Scope::Name,
        Scope::Parent,
        Scope::Branch,
        Scope::Account,
        Scope::Key,
    ];

    /// The word used in reports and dialect packs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Resource => "resource",
            Scope::Name => "name",
            Scope::Parent => "parent",
            Scope::Branch => "branch",
            Scope::Account => "account",
            Scope::Key => "key",
        }
    }

    /// The scope with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|s| s.as_str() == word)
    }
}

/// What the answer says about one field of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field, as the answer names it: `email`, `/data/attributes/name`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// The verdict on one item of a bulk answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Which item, from 0, in the order of the answer.
    pub index: usize,
    /// Its identifier or URL, where the answer names it.
    pub id: Option<String>,
    /// Its own status code, where it has one.
    pub status: Option<u16>,
    /// What it means.
    pub verdict: Verdict,
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
    /// Whether what stands in the way is held by somebody until they let go, as a lock or a lease is: how long that takes,
    /// only `retry_after` can say.
    pub held: bool,
    /// What clashed, where it is known to be more or other than the target URI.
    pub scope: Option<Scope>,
    /// What the answer says about single fields of the request.
    pub fields: Vec<FieldError>,
    /// The items of a bulk answer that were not applied, each with its own verdict.
    pub items: Vec<Item>,
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
            held: false,
            scope: None,
            fields: Vec::new(),
            items: Vec::new(),
        }
    }

    /// Whether to wait, which is of no use where nothing says that the holder ever lets go.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.remedy == Remedy::Wait && (!self.held || self.retry_after.is_some())
    }

    /// The strongest signal as one line, in plain words: `signal (place: excerpt)`.
    #[must_use]
    pub fn reason(&self) -> String {
        self.evidence.first().map_or_else(String::new, |e| {
            if e.excerpt.is_empty() {
                e.signal.to_string()
            } else {
                format!("{} ({}: {})", e.signal, e.where_seen(), e.excerpt)
            }
        })
    }
}
