//! Reads of resources to which their origin gives no entity tag, where the route makes one ([`tiebreak_core::virtual_tag`]): the
//! answer is shown with it, and the client's own preconditions are evaluated by it.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, response};
use http_body_util::BodyExt;
use tiebreak_client::transport::http::Streamed;
use tiebreak_core::merge::Representation;
use tiebreak_core::policy::Policy;
use tiebreak_core::precondition::{Current, Evaluation, Preconditions, evaluate};
use tiebreak_core::problem::{Kind, Problem};
use tiebreak_core::signature::is_signed;
use tiebreak_core::validator::EntityTag;
use tokio::time::{Instant, timeout_at};

use super::body::{Content, problem, whole};
use super::read::{Reader, could_be_base, pass_on};
use super::route::Gateway;

/// A read whose answer may get a tag.
pub(super) struct Tagged {
    method: Method,
    /// What its client asks, by tags that only we may know.
    preconditions: Preconditions,
}

impl Tagged {
    /// Makes of a read one whose answer can be given a tag: of the whole representation, without content coding, and with no
    /// condition for the origin, which are ours to evaluate. `None`: it passes as it came.
    pub(super) fn ask(policy: &Policy, head: &mut Parts) -> Option<Tagged> {
        let reads = head.method == Method::GET || head.method == Method::HEAD;
        if !policy.gives_tags() || !reads || is_signed(&head.headers, &head.uri) {
            return None;
        }
        let headers = &mut head.headers;
        let preconditions = Preconditions::of(headers).ok()?;
        let by_tag = preconditions.if_match.is_some() || preconditions.if_none_match.is_some();
        if headers.contains_key(header::RANGE) && !by_tag && !headers.contains_key(header::IF_RANGE) {
            return None; // a part has no tag
        }
        headers.remove(header::RANGE);
        headers.remove(header::IF_RANGE);
        if by_tag {
            for name in [
                header::IF_MATCH,
                header::IF_NONE_MATCH,
                header::IF_MODIFIED_SINCE,
                header::IF_UNMODIFIED_SINCE,
            ] {
                headers.remove(name);
            }
        }
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let method = std::mem::replace(&mut head.method, Method::GET);
        Some(Tagged { method, preconditions })
    }

    /// The answer as the client gets it.
    pub(super) async fn answer(
        self,
        gateway: &Gateway,
        policy: &Policy,
        reader: Option<Reader>,
        response: Response<Streamed>,
    ) -> Response<Content> {
        if response.status() != StatusCode::OK {
            return self.without_content(pass_on(gateway, reader, response));
        }
        if let Some(tag) = response.headers().get(header::ETAG) {
            let tag = tag.to_str().ok().and_then(|t| EntityTag::parse(t).ok());
            let (head, body) = response.into_parts();
            if let Some(decided) = self.decided(&head, tag.as_ref()) {
                if let Some(reader) = reader.filter(|_| decided.status() == StatusCode::NOT_MODIFIED) {
                    let read = reader.served(StatusCode::NOT_MODIFIED, &head.headers);
                    reader.note(read, None);
                }
                return decided;
            }
            return self.without_content(pass_on(gateway, reader, Response::from_parts(head, body)));
        }
        if !is_finite(response.headers()) {
            return self.untagged(pass_on(gateway, reader, response));
        }
        let (mut head, body) = response.into_parts();
        let (limit, until) = (
            gateway.engine.options().reads.content,
            Instant::now() + policy.attempt_timeout,
        );
        match collect(body, limit, until).await {
            Err(_) => problem(&Problem::new(
                Kind::BadAnswer,
                "the origin's answer to this read was cut",
            )),
            Ok(Collected::Open(first, rest)) => {
                match reader {
                    Some(reader) if could_be_base(head.status, &head.headers) => {
                        let read = reader.served(head.status, &head.headers);
                        reader.note(read, None);
                    }
                    Some(reader) => reader.shown(),
                    None => {}
                }
                self.untagged(Response::from_parts(head, Content::Resumed(first, rest)))
            }
            Ok(Collected::Whole(content)) => {
                let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
                let representation = Representation::new(content_type.unwrap_or_default(), content.clone());
                let tag = policy.virtual_tag(&representation);
                match reader {
                    Some(reader) if could_be_base(head.status, &head.headers) => {
                        // As the origin gave it: the tag is known from the content.
                        let read = reader.served(head.status, &head.headers);
                        let kept = read.keeps.then(|| content.clone());
                        reader.note(read, kept);
                    }
                    Some(reader) => reader.shown(),
                    None => {}
                }
                if let Some(value) = tag.as_ref().and_then(|t| HeaderValue::from_str(&t.to_string()).ok()) {
                    head.headers.insert(header::ETAG, value);
                }
                match self.decided(&head, tag.as_ref()) {
                    Some(decided) => decided,
                    None => self.without_content(Response::from_parts(head, whole(content))),
                }
            }
        }
    }

    /// The answer to a read whose preconditions do not let it be performed, if they do not.
    fn decided(&self, head: &response::Parts, tag: Option<&EntityTag>) -> Option<Response<Content>> {
        let state = Current {
            exists: true,
            etag: tag,
            last_modified: None,
        };
        match evaluate(&self.method, &self.preconditions, state) {
            Evaluation::Perform => None,
            Evaluation::NotModified => Some(not_modified(head)),
            Evaluation::Failed(_) => {
                let detail =
                    "the resource is not at the version that you name; read it without If-Match to see the current one";
                let failed = Problem::new(Kind::Stale, detail)
                    .with_status(412)
                    .with("current", tag.map(ToString::to_string));
                Some(problem(&failed))
            }
        }
    }

    /// An answer that has no tag at all, for want of a bound.
    fn untagged(&self, answer: Response<Content>) -> Response<Content> {
        let (head, body) = answer.into_parts();
        match self.decided(&head, None) {
            Some(decided) => decided,
            None => self.without_content(Response::from_parts(head, body)),
        }
    }

    /// A HEAD was sent as GET, and is answered without the content (RFC 9110 §9.3.2).
    fn without_content(&self, answer: Response<Content>) -> Response<Content> {
        if self.method == Method::HEAD {
            answer.map(|_| whole(Bytes::new()))
        } else {
            answer
        }
    }
}

/// 304 with the fields that such an answer has (RFC 9110 §15.4.5).
fn not_modified(head: &response::Parts) -> Response<Content> {
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

/// Whether an answer can be held until it is whole: a stream of events never is, and what has trailers keeps them.
pub(super) fn is_finite(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
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

pub(super) async fn collect(mut body: Streamed, limit: usize, until: Instant) -> Result<Collected, hyper::Error> {
    let (mut parts, mut length) = (VecDeque::new(), 0);
    loop {
        let Ok(frame) = timeout_at(until, body.frame()).await else {
            return Ok(Collected::Open(parts, body));
        };
        let Some(frame) = frame.transpose()? else { break };
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
