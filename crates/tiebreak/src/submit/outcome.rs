//! What became of a line: one object of `results.ndjson`.

use http::{Method, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tiebreak_core::exchange::Answer;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::problem::Kind;
use tiebreak_core::verdict::Class;

use super::entry::Entry;

/// The longest problem document that is copied into a result, in bytes.
const MAX_PROBLEM: usize = 64 << 10;

/// The longest evidence, in characters.
const MAX_EVIDENCE: usize = 500;

/// The word that says what became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Came {
    /// The target made a new resource.
    Created,
    /// The target changed a resource.
    Updated,
    /// The target removed a resource.
    Deleted,
    /// The target performed it; what that came to only the target knows (POST without 201, MOVE …).
    Applied,
    /// The target took it (202) and had not performed it yet.
    Accepted,
    /// An equal resource was there before.
    AlreadyThere,
    /// The same submission as an earlier line; not sent.
    Duplicate,
    /// A person has to decide.
    NeedsYou,
    /// The target says that the content is not valid.
    Invalid,
    /// Sent, and nobody can yet prove whether it was applied.
    InDoubt,
    /// Not applied, for a reason that may pass; the next run sends it.
    NotSent,
    /// The line could not be read.
    Malformed,
}

impl Came {
    /// All, in the order of the table.
    pub(super) const ALL: [Came; 12] = [
        Came::Created,
        Came::Updated,
        Came::Deleted,
        Came::Applied,
        Came::Accepted,
        Came::AlreadyThere,
        Came::Duplicate,
        Came::NeedsYou,
        Came::Invalid,
        Came::Malformed,
        Came::InDoubt,
        Came::NotSent,
    ];

    /// Whether nothing is left to do about it.
    pub(super) fn landed(self) -> bool {
        match self {
            Came::Created
            | Came::Updated
            | Came::Deleted
            | Came::Applied
            | Came::Accepted
            | Came::AlreadyThere
            | Came::Duplicate => true,
            Came::NeedsYou | Came::Invalid | Came::InDoubt | Came::NotSent | Came::Malformed => false,
        }
    }
}

/// What became of one line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LineResult {
    pub(super) line: u64,
    pub(super) outcome: Came,
    /// The status that the target (or Tiebreak, see `problem`) answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    /// The class of the conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) class: Option<String>,
    /// What decided, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) evidence: String,
    /// How often it was sent.
    pub(super) attempts: u32,
    /// How strong the promise was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) guarantee: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<String>,
    /// The write's id in the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    /// Where the new resource is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) location: Option<String>,
    /// The line whose submission this one repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) duplicate_of: Option<u64>,
    /// What became of that line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) first: Option<Came>,
    /// The earlier line that it contradicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) contradicts: Option<u64>,
    /// It was merged into a newer version than the one it was made from.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) rebased: bool,
    /// It was done by an earlier run of this job.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) earlier: bool,
    /// The problem document (RFC 9457), with the conflicting fields where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Whether an answer says that the target could not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// It answered.
    Yes,
    /// Nobody answered; nothing was sent.
    No,
    /// It does not let this job in: 401, 403 or 407.
    Forbidden,
    /// The ledger could not record the write.
    LedgerFailed,
}

impl LineResult {
    /// A line that nothing was sent for.
    pub(super) fn unsent(line: u64, outcome: Came, class: Option<Class>, evidence: impl Into<String>) -> LineResult {
        LineResult {
            line,
            outcome,
            status: None,
            class: class.map(|c| c.as_str().to_owned()),
            evidence: evidence.into(),
            attempts: 0,
            guarantee: None,
            method: None,
            target: None,
            id: None,
            location: None,
            duplicate_of: None,
            first: None,
            contradicts: None,
            rebased: false,
            earlier: false,
            problem: None,
        }
    }

    /// The same, with what the line asked for.
    pub(super) fn asked(mut self, entry: &Entry) -> LineResult {
        self.method = Some(entry.method.as_str().to_owned());
        self.target = Some(super::report::shown_target(entry.target.as_str()).to_owned());
        self
    }

    /// A line that repeats the submission of line `of`; what became of that one is filled in at the end.
    pub(super) fn repeat(entry: &Entry, of: u64) -> LineResult {
        let mut result = LineResult::unsent(entry.line, Came::Duplicate, None, "").asked(entry);
        result.duplicate_of = Some(of);
        result
    }

    /// A line whose write was answered. `evidence` is what the ledger knows of the answer, for a replay.
    pub(super) fn answered(entry: &Entry, answer: &Answer, evidence: Option<String>) -> LineResult {
        let report = &answer.report;
        let class = class(answer);
        let outcome = came(entry, answer, class);
        let told = answer
            .verdict
            .as_ref()
            .map(tiebreak_core::verdict::Verdict::reason)
            .or(evidence);
        let problem = if outcome.landed() { None } else { problem(answer) };
        let detail = || {
            let problem = problem.as_ref()?;
            Some(problem.get("detail")?.as_str()?.to_owned())
        };
        // Our own words say more than the status of our own answer.
        let evidence = match &answer.problem {
            Some(problem) => problem.detail().to_owned(),
            None => told
                .filter(|t| !t.is_empty() && outcome != Came::AlreadyThere)
                .or_else(detail)
                .unwrap_or_else(|| plain_evidence(outcome, answer)),
        };
        let field = |name: &header::HeaderName| Some(answer.headers.get(name)?.to_str().ok()?.to_owned());
        LineResult {
            status: Some(answer.status.as_u16()),
            class: class.filter(|_| !outcome.landed()).map(|c| c.as_str().to_owned()),
            evidence: evidence.chars().take(MAX_EVIDENCE).collect(),
            attempts: report.attempts,
            guarantee: (report.attempts > 0 || outcome.landed()).then(|| report.guarantee.as_str().to_owned()),
            id: report.id.map(|id| id.to_string()),
            location: field(&header::LOCATION).filter(|_| outcome.landed()),
            rebased: report.rebased,
            earlier: answer.replayed,
            problem,
            ..LineResult::unsent(entry.line, outcome, None, "")
        }
        .asked(entry)
    }
}

/// Whether the target was there at all.
pub(super) fn reached(answer: &Answer) -> Reached {
    match answer.problem.as_ref().map(tiebreak_core::problem::Problem::kind) {
        Some(Kind::OriginUnreachable | Kind::OriginTimeout) => Reached::No,
        Some(Kind::LedgerUnavailable) => Reached::LedgerFailed,
        Some(Kind::BadAnswer)
            if answer
                .content
                .windows(12)
                .any(|w| w == b"answered 401" || w == b"answered 403") =>
        {
            Reached::Forbidden
        }
        Some(_) => Reached::Yes,
        None if matches!(answer.status.as_u16(), 401 | 403 | 407) && !answer.replayed => Reached::Forbidden,
        None => Reached::Yes,
    }
}

fn came(entry: &Entry, answer: &Answer, class: Option<Class>) -> Came {
    match answer.report.outcome {
        Outcome::Applied => applied(entry, answer),
        Outcome::Accepted => Came::Accepted,
        Outcome::Adopted => Came::AlreadyThere,
        Outcome::InDoubt => Came::InDoubt,
        Outcome::Refused => match class {
            Some(Class::Invalid) => Came::Invalid,
            Some(Class::Race | Class::InProgress) => Came::NotSent,
            Some(Class::Other) if matches!(answer.status.as_u16(), 425 | 429 | 500..=599) => Came::NotSent,
            _ => Came::NeedsYou,
        },
        Outcome::NotSent => match answer.problem.as_ref().map(tiebreak_core::problem::Problem::kind) {
            Some(
                Kind::OriginUnreachable
                | Kind::OriginTimeout
                | Kind::LedgerUnavailable
                | Kind::Busy
                | Kind::Stopping
                | Kind::InProgress
                | Kind::StillBusy,
            ) => Came::NotSent,
            Some(Kind::BadRequest) => Came::Malformed,
            _ => Came::NeedsYou,
        },
    }
}

/// The class of the conflict: what a problem of ours says of itself, wherever it comes from (this engine, the embedded
/// origin, a gateway in between), else the judge's reading.
fn class(answer: &Answer) -> Option<Class> {
    let kind = match &answer.problem {
        Some(problem) => Some(problem.kind()),
        None => problem(answer).and_then(|p| kind_of(&p)),
    };
    // A problem that is no conflict (a doubt, an outage) says nothing of what the target's answer meant.
    kind.and_then(Kind::conflict).or(answer.report.class)
}

/// The kind of a problem document of ours.
pub(super) fn kind_of(problem: &Value) -> Option<Kind> {
    Kind::from_type(problem.get("type")?.as_str()?)
}

fn applied(entry: &Entry, answer: &Answer) -> Came {
    let creates = entry.headers.get(header::IF_NONE_MATCH).is_some_and(|v| v == "*");
    match (&entry.method, answer.status.as_u16()) {
        (&Method::DELETE, _) => Came::Deleted,
        (_, 201) => Came::Created,
        (&Method::PUT, _) if creates => Came::Created,
        (&Method::PUT | &Method::PATCH, _) => Came::Updated,
        _ => Came::Applied,
    }
}

fn plain_evidence(outcome: Came, answer: &Answer) -> String {
    match outcome {
        Came::AlreadyThere => "the target was read and holds what was asked".into(),
        _ => format!("the target answered {}", answer.status),
    }
}

fn problem(answer: &Answer) -> Option<Value> {
    if let Some(problem) = &answer.problem {
        return Some(problem.to_json());
    }
    let kind = answer.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if !kind.contains("json") || answer.content.len() > MAX_PROBLEM {
        return None;
    }
    serde_json::from_slice(&answer.content).ok().filter(Value::is_object)
}
