//! Reads of resources to which their origin gives no entity tag, where the route makes one ([`tiebreak_core::virtual_tag`]): the
//! answer is shown with it, and the client's own preconditions are evaluated by it.

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header, response};
use tiebreak_client::transport::http::Streamed;
use tiebreak_core::merge::Representation;
use tiebreak_core::policy::Policy;
use tiebreak_core::precondition::{Current, Evaluation, Preconditions, evaluate};
use tiebreak_core::problem::{Kind, Problem};
use tiebreak_core::signature::is_signed;
use tiebreak_core::validator::EntityTag;
use tokio::time::Instant;

use super::body::{Content, problem, whole};
use super::held::{Collected, collect, for_method, is_finite, not_modified};
use super::read::{Reader, pass_on};
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
            return for_method(&self.method, pass_on(gateway, reader, response));
        }
        if let Some(tag) = response.headers().get(header::ETAG) {
            let tag = tag.to_str().ok().and_then(|t| EntityTag::parse(t).ok());
            let (head, body) = response.into_parts();
            if let Some(decided) = self.decided(&head, tag.as_ref()) {
                if let Some(reader) = reader.filter(|_| decided.status() == StatusCode::NOT_MODIFIED) {
                    reader.took(StatusCode::NOT_MODIFIED, &head.headers, None);
                }
                return decided;
            }
            return for_method(&self.method, pass_on(gateway, reader, Response::from_parts(head, body)));
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
            Err(cut) => problem(&cut),
            Ok(Collected::Open(first, rest)) => {
                if let Some(reader) = reader {
                    reader.took(head.status, &head.headers, None);
                }
                self.untagged(Response::from_parts(head, Content::Resumed(first, rest)))
            }
            Ok(Collected::Whole(content)) => {
                let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
                let representation = Representation::new(content_type.unwrap_or_default(), content.clone());
                let tag = policy.virtual_tag(&representation);
                if let Some(reader) = reader {
                    // As the origin gave it: the tag is known from the content.
                    reader.took(head.status, &head.headers, Some(&content));
                }
                if let Some(value) = tag.as_ref().and_then(|t| HeaderValue::from_str(&t.to_string()).ok()) {
                    head.headers.insert(header::ETAG, value);
                }
                match self.decided(&head, tag.as_ref()) {
                    Some(decided) => decided,
                    None => for_method(&self.method, Response::from_parts(head, whole(content))),
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
            None => for_method(&self.method, Response::from_parts(head, body)),
        }
    }
}
