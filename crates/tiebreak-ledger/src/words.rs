//! The words with which both databases write what is an enum here.

use tiebreak_core::delivery::Unknown;

use crate::ResolvedBy;

pub(crate) const CLAIMED: &str = "claimed";
pub(crate) const SETTLED: &str = "settled";
pub(crate) const DOUBTED: &str = "doubted";

/// How the reason of a doubt is written.
pub(crate) fn unknown(reason: Unknown) -> String {
    match reason {
        Unknown::Timeout => "timeout".into(),
        Unknown::Closed => "closed".into(),
        Unknown::Garbage => "garbage".into(),
        Unknown::Status(code) => format!("status {code}"),
        Unknown::Crash => "crash".into(),
    }
}

pub(crate) fn parse_unknown(text: &str) -> Option<Unknown> {
    match text {
        "timeout" => Some(Unknown::Timeout),
        "closed" => Some(Unknown::Closed),
        "garbage" => Some(Unknown::Garbage),
        "crash" => Some(Unknown::Crash),
        other => Some(Unknown::Status(other.strip_prefix("status ")?.parse().ok()?)),
    }
}

/// How it is written who ended a doubt.
pub(crate) fn resolver(by: ResolvedBy) -> &'static str {
    match by {
        ResolvedBy::Proof => "proof",
        ResolvedBy::Person => "person",
    }
}

/// Reads what [`resolver`] wrote.
pub(crate) fn parse_resolver(text: &str) -> Option<ResolvedBy> {
    [ResolvedBy::Proof, ResolvedBy::Person]
        .into_iter()
        .find(|by| resolver(*by) == text)
}
