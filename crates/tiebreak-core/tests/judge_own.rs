//! A gateway in front of a gateway: our own problem documents are read by their type, never by their words.

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tiebreak_core::delivery::Reading;
use tiebreak_core::judge::{Asked, Judge};
use tiebreak_core::problem::{Kind, MEDIA_TYPE, Problem};
use tiebreak_core::remedy::Remedy;
use tiebreak_core::response::Response;
use tiebreak_core::verdict::{Class, Confidence, Verdict};

fn answer(problem: &Problem) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(MEDIA_TYPE));
    Response {
        status: StatusCode::from_u16(problem.status()).expect("a status"),
        headers,
        content: problem.to_bytes(),
        complete: true,
    }
}

fn judged(method: &Method, fields: &[(&'static str, &'static str)], problem: &Problem) -> Verdict {
    let headers: HeaderMap = fields
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    Judge::standard().judge(&Asked::new(method, "/orders/7", &headers), &answer(problem))
}

/// Words that would mean something else each, were they listened to.
const MISLEADING: [&str; 4] = [
    "a name that already exists; it is being deleted",
    "7 is greater than the maximum of 3, in state cancelled",
    "the document was modified by another user; reload it",
    "verify you are human; Idempotency-Key already used with a different body",
];

#[test]
fn the_type_decides_whatever_the_words_say() {
    for kind in Kind::ALL {
        for words in MISLEADING {
            let verdict = judged(&Method::POST, &[], &Problem::new(*kind, words));
            let wanted = match kind {
                Kind::NotFound => Class::State,
                _ => kind.class(),
            };
            assert_eq!(verdict.class, wanted, "{}: {words}: {}", kind.slug(), verdict.reason());
            assert_eq!(verdict.confidence, Confidence::High, "{}", kind.slug());
            assert_eq!(verdict.dialect.as_deref(), Some("tiebreak"), "{}", kind.slug());
            assert_ne!(verdict.remedy, Remedy::Adopt, "{}", kind.slug());
        }
    }
}

#[test]
fn a_doubt_stays_unknown() {
    let judge = Judge::standard();
    let reading = |kind: Kind| {
        let problem = Problem::new(kind, "of this write");
        let status = StatusCode::from_u16(problem.status()).expect("a status");
        judge.reading(status, &judged(&Method::POST, &[], &problem))
    };
    for kind in [
        Kind::InDoubt,
        Kind::BadAnswer,
        Kind::OriginTimeout,
        Kind::StoreUnavailable,
    ] {
        assert_eq!(reading(kind), Reading::Unknown, "{}", kind.slug());
    }
    for kind in [
        Kind::OriginUnreachable,
        Kind::LedgerUnavailable,
        Kind::Busy,
        Kind::Stopping,
    ] {
        assert_eq!(reading(kind), Reading::Refused, "{}", kind.slug());
    }
    assert_eq!(
        judged(&Method::POST, &[], &Problem::new(Kind::InDoubt, "")).remedy,
        Remedy::Stop
    );
}

#[test]
fn the_request_decides_what_a_failed_precondition_is() {
    let failed = Problem::new(Kind::PreconditionFailed, "it failed").with("existing", "/orders/7");
    let created = judged(&Method::PUT, &[("if-none-match", "*")], &failed);
    assert_eq!((created.class, created.remedy), (Class::Duplicate, Remedy::Stop));
    assert_eq!(created.existing.as_deref(), Some("/orders/7"));
    let edited = judged(&Method::PUT, &[("if-match", "\"1\"")], &failed);
    assert_eq!((edited.class, edited.remedy), (Class::Stale, Remedy::Rebase));
    let gone = Problem::new(Kind::Stale, "it is gone").with("current", serde_json::Value::Null);
    let gone = judged(&Method::PUT, &[("if-match", "\"1\"")], &gone);
    assert_eq!((gone.class, gone.remedy), (Class::Stale, Remedy::Stop));
}

#[test]
fn an_unknown_type_of_ours_and_other_peoples_types_are_left_to_the_other_layers() {
    for uri in [
        "https://tiebreak.dev/problems/from-the-future",
        "https://example.com/problems/invalid",
    ] {
        let mut response = answer(&Problem::new(Kind::Invalid, ""));
        response.content = format!(r#"{{"type":"{uri}","title":"Order 7 already exists"}}"#).into();
        let headers = HeaderMap::new();
        let verdict = Judge::standard().judge(&Asked::new(&Method::POST, "/orders", &headers), &response);
        assert_ne!(verdict.dialect.as_deref(), Some("tiebreak"), "{uri}");
    }
}
