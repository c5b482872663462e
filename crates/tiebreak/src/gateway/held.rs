//! Answers that are held until they are whole, since something is said of them that depends on their content.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Response, StatusCode, header, response};
use http_body_util::BodyExt;
use tiebreak_client::transport::http::Streamed;
use tiebreak_core::merge::essence;
use tiebreak_core::problem::{Kind, Problem};
use tokio::time::{Instant, timeout_at};

use super::body::{Content, whole};

/// Whether an answer can be held until it is whole: a stream of events never is, and what has trailers keeps them.
pub(super) fn is_finite(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let kind = essence(kind).to_ascii_lowercase();
    let streams = [
        "text/event-stream",
        "multipart/x-mixed-replace",
        "application/x-ndjson",
        "application/json-seq",
    ];
    let coded = headers.contains_key(header::CONTENT_ENCODING);
    let open = !headers.contains_key(header::CONTENT_LENGTH) && streams.contains(&kind.as_str());
    !coded && !open && !headers.contains_key(header::TRAILER)
}

/// What was read of an answer.
pub(super) enum Collected {
    Whole(Bytes),
    /// The beginning, and where the rest comes from: it is longer than what is kept, or too slow.
    Open(VecDeque<Bytes>, Streamed),
}

/// Reads an answer: at most `limit` bytes and not after `until`, or what the client is told if it was cut.
pub(super) async fn collect(mut body: Streamed, limit: usize, until: Instant) -> Result<Collected, Problem> {
    let (mut parts, mut length) = (VecDeque::new(), 0);
    loop {
        let Ok(frame) = timeout_at(until, body.frame()).await else {
            return Ok(Collected::Open(parts, body));
        };
        let cut = |_| Problem::new(Kind::BadAnswer, "the origin's answer to this read was cut");
        let Some(frame) = frame.transpose().map_err(cut)? else {
            break;
        };
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        parts.push_back(data);
        if length > limit {
            return Ok(Collected::Open(parts, body));
        }
    }
    Ok(Collected::Whole(match parts.len() {
        0 | 1 => parts.pop_front().unwrap_or_default(),
        _ => {
            let mut all = BytesMut::with_capacity(length);
            parts.iter().for_each(|part| all.extend_from_slice(part));
            all.freeze()
        }
    }))
}

/// The answer to a request of this method: a HEAD that was sent as GET is answered without the content (RFC 9110 §9.3.2).
pub(super) fn for_method(method: &Method, answer: Response<Content>) -> Response<Content> {
    if *method == Method::HEAD {
        answer.map(|_| whole(Bytes::new()))
    } else {
        answer
    }
}

/// 304 with the fields that such an answer has (RFC 9110 §15.4.5).
pub(super) fn not_modified(head: &response::Parts) -> Response<Content> {
    let mut answer = Response::new(whole(Bytes::new()));
    *answer.status_mut() = StatusCode::NOT_MODIFIED;
    *answer.headers_mut() = head.headers.clone();
    for name in [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::TRAILER,
    ] {
        answer.headers_mut().remove(name);
    }
    answer
}
