//! What does this answer mean?
//!
//! Pure: (request summary, history, response) → verdict.

pub mod block;
mod general;

use http::{HeaderMap, Method, StatusCode};

use crate::delivery::Reading;
use crate::response::Response;
use crate::verdict::Verdict;

/// What the judge needs to know of the request.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The request method.
    pub method: &'a Method,
    /// The path and query of the target.
    pub path: &'a str,
    /// The header fields as they were sent, with attached preconditions.
    pub headers: &'a HeaderMap,
    /// What earlier attempts of this write are known to have done.
    pub earlier: Earlier,
}

/// What earlier attempts of the same write are known to have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Earlier {
    /// There was none, or each was refused or never sent.
    #[default]
    Nothing,
    /// One may have been applied: a conflict may be with our own write.
    MayHaveApplied,
}

/// The judge, with the dialect packs that it knows.
#[derive(Debug, Clone, Default)]
pub struct Judge {}

impl Judge {
    /// The judge with the built-in dialect packs.
    #[must_use]
    pub fn standard() -> Judge {
        Judge {}
    }

    /// What `response` to `asked` means. Total: every answer gets a verdict.
    #[must_use]
    pub fn judge(&self, asked: &Asked<'_>, response: &Response) -> Verdict {
        block::detect(asked, response).unwrap_or_else(|| general::read(asked, response))
    }

    /// How an answered attempt is to be read, given its verdict (DESIGN section 2, *delivery*).
    #[must_use]
    pub fn reading(&self, status: StatusCode, verdict: &Verdict) -> Reading {
        match status.as_u16() {
            202 => Reading::Accepted,
            200..=299 | 303 => Reading::Applied,
            408 | 500..=599 if !verdict.proves_refusal => Reading::Unknown,
            _ => Reading::Refused,
        }
    }
}
