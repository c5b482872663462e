//! The answer to a write.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::exchange::Carried;
use crate::outcome::{Outcome, Report};
use crate::problem::{MEDIA_TYPE, Problem};
use crate::record::{Record, Settlement};
use crate::response::Response;
use crate::variant::Variant;
use crate::verdict::Verdict;

/// What the caller of a write gets.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The header fields, without `Tiebreak` and `Idempotency-Replayed`.
    pub headers: HeaderMap,
    /// The content.
    pub content: Bytes,
    /// What the `Tiebreak` field says.
    pub report: Report,
    /// What the last answer of the origin meant, unless it was a success.
    pub verdict: Option<Verdict>,
    /// Our own problem, where the answer is not the origin's.
    pub problem: Option<Problem>,
    /// Whether it is the replay of an earlier answer.
    pub replayed: bool,
    /// The representation that the write produced, where the answer holds it.
    pub produced: Option<Carried>,
    /// The variant of what the write was made from, as far as that is known.
    pub variant: Variant,
    /// Whether `Prefer: tiebreak=rebase` was honoured.
    pub honours_preference: bool,
    /// Whether the write showed that its caller's connections are pooled among several readers.
    pub pooled: bool,
}

impl Answer {
    /// The origin's answer, unchanged.
    #[must_use]
    pub fn from_origin(response: Response, verdict: Option<Verdict>, report: Report) -> Answer {
        Answer {
            status: response.status,
            headers: response.headers,
            content: response.content,
            report,
            verdict,
            problem: None,
            replayed: false,
            produced: None,
            variant: Variant::default(),
            pooled: false,
            honours_preference: false,
        }
    }

    /// Our own answer.
    #[must_use]
    pub fn ours(problem: Problem, report: Report) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if report.outcome == Outcome::InDoubt {
            // Asks clients that repeat blindly to leave it.
            headers.insert(
                HeaderName::from_static("x-should-retry"),
                HeaderValue::from_static("false"),
            );
        }
        Answer {
            status: StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers,
            content: problem.to_bytes(),
            report,
            verdict: None,
            problem: Some(problem),
            replayed: false,
            produced: None,
            variant: Variant::default(),
            pooled: false,
            honours_preference: false,
        }
    }

    /// The answer that was given before.
    #[must_use]
    pub fn replay(record: &Record, settlement: &Settlement) -> Answer {
        let mut headers = HeaderMap::new();
        for (name, value) in &settlement.fields {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
                headers.append(name, value);
            }
        }
        let report = Report {
            outcome: settlement.outcome,
            attempts: settlement.attempts,
            guarantee: settlement.guarantee,
            id: Some(record.claim.id),
            class: settlement.class,
            rebased: false,
            unguarded: false,
            unprotected: false,
            key_expires: record.claim.key.and(record.claim.expires),
        };
        Answer {
            status: StatusCode::from_u16(settlement.status).unwrap_or(StatusCode::OK),
            headers,
            content: settlement.content.clone(),
            report,
            verdict: None,
            problem: None,
            replayed: true,
            produced: None,
            variant: Variant::default(),
            pooled: false,
            honours_preference: false,
        }
    }

    /// The same answer for somebody who joined.
    #[must_use]
    pub fn joined(mut self) -> Answer {
        self.replayed = self.report.outcome != Outcome::InDoubt;
        self
    }
}

/// The response fields that the ledger keeps for a replay: what a client needs to go on, and nothing that
/// could be a secret.
const KEPT: [&str; 17] = [
    "content-type",
    "content-encoding",
    "content-disposition",
    "content-language",
    "content-location",
    "location",
    "operation-location",
    "azure-asyncoperation",
    "etag",
    "last-modified",
    "link",
    "allow",
    "accept-patch",
    "preference-applied",
    "retry-after",
    "cache-control",
    "vary",
];

/// The fields of `headers` that may be kept.
#[must_use]
pub(super) fn kept_fields(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut kept = Vec::new();
    for (name, value) in headers {
        if KEPT.contains(&name.as_str())
            && let Ok(text) = value.to_str()
        {
            kept.push((name.as_str().to_owned(), text.to_owned()));
        }
    }
    kept
}
