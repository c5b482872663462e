//! What can be proven of a doubt whose content and credentials are gone: from its record, a read by somebody whom the
//! operator trusts, and what other writes came to. Only what follows; a guess is left open.

use std::time::Duration;

use http::Method;

use crate::fingerprint::Fingerprint;
use crate::method::acts_on_target;
use crate::outcome::Outcome;
use crate::record::{Doubt, Held, HeldValidator, Record, State};
use crate::request::{Target, WriteRequest};
use crate::response::Response;
use crate::time::Time;
use crate::validator::EtagKind;

/// What follows for a write in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// It was applied.
    Applied(&'static str),
    /// It was not applied, and will not be.
    NotApplied(&'static str),
    /// Nothing follows: why, and what may help.
    Open(&'static str),
}

/// What is known beside the record.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// What the origin's entity tags are worth.
    pub etag: EtagKind,
    /// How long a request may apply after its answer was lost.
    pub late_after: Duration,
    /// The time now.
    pub now: Time,
    /// What a read of the target brought; `None`: it was not read.
    pub read: Option<&'a Response>,
}

/// Whether `other` is known to have been applied at the very version that the doubtful write was guarded by. A version that never
/// recurs is followed by one other only, so the doubtful write cannot have been applied, nor can it be later.
#[must_use]
pub fn is_superseded(doubtful: &Record, other: &Record, etag: EtagKind) -> bool {
    let State::Settled(settlement) = &other.state else {
        return false;
    };
    let applied = settlement.outcome == Outcome::Applied;
    let tags = |record: &Record| record.claim.held.as_deref().and_then(Held::parse);
    match (tags(doubtful), tags(other)) {
        (Some(ours), Some(theirs)) => {
            let same = ours.tag().zip(theirs.tag()).is_some_and(|(a, b)| a.strong_eq(b));
            let version = ours.tag().is_some_and(|tag| etag.is_version(tag, None));
            applied
                && same
                && version
                && other.claim.target == doubtful.claim.target
                && other.claim.id != doubtful.claim.id
        }
        _ => false,
    }
}

/// What follows from a look at the target.
#[must_use]
pub fn weigh(record: &Record, doubt: &Doubt, known: Known<'_>) -> Proof {
    let Ok(method) = record.claim.method.parse::<Method>() else {
        return Proof::Open("its method is not understood");
    };
    if method == Method::POST || !acts_on_target(&method) {
        return Proof::Open(
            "what it creates is not at its target; look for it with the API's own means, then settle the doubt",
        );
    }
    let Some(response) = known.read.filter(|r| r.complete) else {
        return Proof::Open("the target could not be read whole; try again later");
    };
    let Some(held) = record.claim.held.as_deref().and_then(Held::parse) else {
        return Proof::Open(
            "it was sent without a precondition, so its target does not show whose doing it is; its caller can repeat it, or settle the doubt",
        );
    };
    let late = known.now < doubt.since.after(known.late_after);
    match (&held.validator, response.status.as_u16()) {
        (HeldValidator::Nothing, 404 | 410) if late => Proof::Open(LATE),
        (HeldValidator::Nothing, 404 | 410) => {
            Proof::NotApplied("it was to create its target, which is not there, and nothing can arrive late any more")
        }
        (HeldValidator::Tag(_), 404 | 410) => Proof::Open("its target is gone, and nothing tells who deleted it"),
        (HeldValidator::Tag(tag), 200) if response.etag().is_some_and(|now| now.strong_eq(tag)) => {
            if !known.etag.is_version(tag, None) {
                Proof::Open(
                    "its target has the same entity tag as before, but the tag follows the content and may have come back",
                )
            } else if late {
                Proof::Open(LATE)
            } else {
                Proof::NotApplied(
                    "its target is still the version that it was to change, and nothing can arrive late any more",
                )
            }
        }
        (_, 200) if held.new && method == Method::PUT && is_what_was_put(record, response) => {
            Proof::Applied("its target holds exactly what was to be written, did not before, and has another version")
        }
        (_, 200) => Proof::Open(
            "its target was changed, but not to exactly what was to be written; its caller can repeat it, or settle the doubt",
        ),
        (_, 401 | 403 | 407) => Proof::Open("the prover credential may not read the target"),
        _ => Proof::Open("the origin's answer to the read says nothing about it"),
    }
}

const LATE: &str = "it was not applied so far, but may still arrive; prove again after late-after has passed";

/// Whether the representation is, byte for byte, what the write had as its content: then its fingerprint is the same.
fn is_what_was_put(record: &Record, response: &Response) -> bool {
    let Ok(target) = Target::parse(&record.claim.target) else {
        return false;
    };
    if response.headers.contains_key(http::header::CONTENT_ENCODING) {
        return false;
    }
    let mut write = WriteRequest {
        method: Method::PUT,
        target,
        headers: http::HeaderMap::new(),
        content: response.content.clone(),
    };
    if let Some(kind) = response.headers.get(http::header::CONTENT_TYPE) {
        write.headers.insert(http::header::CONTENT_TYPE, kind.clone());
    }
    Fingerprint::of(&write) == record.claim.fingerprint
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, StatusCode, header};

    use super::*;
    use crate::caller::CallerId;
    use crate::delivery::Unknown;
    use crate::guarantee::Guarantee;
    use crate::record::{Claim, Fence, Settlement, WriteId};

    const SINCE: Time = Time(1_000_000);

    fn doubt() -> Doubt {
        Doubt {
            reason: Unknown::Timeout,
            attempts: 1,
            guarantee: Guarantee::A,
            since: SINCE,
        }
    }

    /// A doubt about a write of `asked` as JSON, guarded by `held`.
    fn record(method: &str, held: Option<&str>, asked: &'static str) -> Record {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let write = WriteRequest {
            method: method.parse().unwrap(),
            target: Target::parse("http://a.example/x").unwrap(),
            headers,
            content: Bytes::from_static(asked.as_bytes()),
        };
        Record {
            claim: Claim {
                id: WriteId([1; 16]),
                key: None,
                trace: None,
                caller: CallerId::ANONYMOUS,
                fingerprint: Fingerprint::of(&write),
                method: method.into(),
                target: "http://a.example/x".into(),
                lanes: vec![],
                attempt: 1,
                held: held.map(Into::into),
                at: SINCE,
                expires: None,
            },
            fence: Fence(1),
            state: State::InDoubt(doubt()),
        }
    }

    fn read(status: u16, etag: &'static str, content: &'static str) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if !etag.is_empty() {
            headers.insert(header::ETAG, HeaderValue::from_static(etag));
        }
        Response {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            content: Bytes::from_static(content.as_bytes()),
            complete: true,
        }
    }

    fn word(record: &Record, etag: EtagKind, after: u64, read: &Response) -> &'static str {
        let known = Known {
            etag,
            late_after: Duration::from_secs(10),
            now: Time(SINCE.0 + after),
            read: Some(read),
        };
        match weigh(record, &doubt(), known) {
            Proof::Applied(_) => "applied",
            Proof::NotApplied(_) => "not applied",
            Proof::Open(_) => "open",
        }
    }

    #[test]
    fn only_what_follows_is_said() {
        use EtagKind::{Digest, Version};
        let put = |held| record("PUT", held, "{\"a\":1}");
        let there = read(200, "\"v8\"", "{\"a\":1}");
        let unchanged = read(200, "\"v7\"", "{\"a\":0}");
        let other = read(200, "\"v8\"", "{\"a\":2}");
        let gone = read(404, "", "");
        for (record, etag, after, read, expected) in [
            (put(Some("\"v7\";new")), Version, 1, &there, "applied"),
            (put(Some("\"v7\"")), Version, 1, &there, "open"),
            (put(None), Version, 1, &there, "open"),
            (put(Some("*;new")), Version, 1, &there, "applied"),
            (put(Some("\"v7\";new")), Version, 60_000, &other, "open"),
            (put(Some("\"v7\";new")), Version, 9_999, &unchanged, "open"),
            (put(Some("\"v7\";new")), Version, 10_000, &unchanged, "not applied"),
            (put(Some("\"v7\";new")), Digest, 60_000, &unchanged, "open"),
            (put(Some("*;new")), Version, 9_999, &gone, "open"),
            (put(Some("*;new")), Version, 10_000, &gone, "not applied"),
            (put(Some("\"v7\";new")), Version, 60_000, &gone, "open"),
            (record("DELETE", Some("\"v7\""), ""), Version, 60_000, &gone, "open"),
            (
                record("DELETE", Some("\"v7\""), ""),
                Version,
                60_000,
                &unchanged,
                "not applied",
            ),
            (
                record("POST", Some("*;new"), "{\"a\":1}"),
                Version,
                60_000,
                &there,
                "open",
            ),
            (
                record("PATCH", Some("\"v7\";new"), "{\"a\":1}"),
                Version,
                1,
                &there,
                "open",
            ),
            (put(Some("\"v7\";new")), Version, 60_000, &read(403, "", ""), "open"),
        ] {
            assert_eq!(
                word(&record, etag, after, read),
                expected,
                "{record:?} {after} {read:?}"
            );
        }
        let cut = Response {
            complete: false,
            ..there
        };
        assert_eq!(word(&put(Some("\"v7\";new")), Version, 1, &cut), "open");
    }

    #[test]
    fn another_write_at_the_same_version_rules_ours_out() {
        let settled = |held: Option<&str>, outcome| {
            let mut other = record("PUT", held, "{}");
            other.claim.id = WriteId([2; 16]);
            other.state = State::Settled(Settlement {
                outcome,
                status: 200,
                fields: vec![],
                content: Bytes::new(),
                truncated: false,
                class: None,
                evidence: String::new(),
                guarantee: Guarantee::A,
                attempts: 1,
                at: SINCE,
            });
            other
        };
        let ours = record("PUT", Some("\"v7\";new"), "{}");
        let applied = settled(Some("\"v7\""), Outcome::Applied);
        assert!(is_superseded(&ours, &applied, EtagKind::Version));
        assert!(!is_superseded(&ours, &applied, EtagKind::Digest));
        assert!(!is_superseded(
            &ours,
            &settled(Some("\"v7\""), Outcome::Refused),
            EtagKind::Version
        ));
        assert!(!is_superseded(
            &ours,
            &settled(Some("\"v6\""), Outcome::Applied),
            EtagKind::Version
        ));
        assert!(!is_superseded(
            &ours,
            &settled(None, Outcome::Applied),
            EtagKind::Version
        ));
        assert!(!is_superseded(&ours, &ours, EtagKind::Version));
        let mut elsewhere = applied;
        elsewhere.claim.target = "http://a.example/y".into();
        assert!(!is_superseded(&ours, &elsewhere, EtagKind::Version));
    }
}
