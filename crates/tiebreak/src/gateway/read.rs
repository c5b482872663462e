//! Safe methods: streamed through untouched; what they served is remembered as a base for later writes.

use std::sync::Arc;

use bytes::Bytes;
use http::uri::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body::Body;
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use tiebreak_client::reads::Read;
use tiebreak_client::transport::http::ForwardError;
use tiebreak_core::merge::Representation;
use tiebreak_core::problem::{Kind, Problem};
use tiebreak_core::validator::EntityTag;

use super::body::{Content, Remembered, problem, whole};
use super::route::{Gateway, add_via};
use super::upstream::{Remote, Upstream};

/// Forwards a safe request and streams the answer back.
pub(super) async fn forward(gateway: &Arc<Gateway>, request: Request<Incoming>, connection: u64) -> Response<Content> {
    match &gateway.upstream {
        Upstream::Http(remote) => over_http(gateway, remote, request, connection).await,
        Upstream::Embedded(origin) => {
            let reader = Reader::of(gateway, &request, connection);
            let (head, body) = request.into_parts();
            let content = match Limited::new(body, gateway.max_content).collect().await {
                Ok(collected) => collected.to_bytes(),
                Err(_) => {
                    return problem(&Problem::new(
                        Kind::BadRequest,
                        "the content of this request is too large, or was cut",
                    ));
                }
            };
            let (head, content) = origin.handle(Request::from_parts(head, content)).await.into_parts();
            if let Some(reader) = reader {
                reader.served(head.status, &head.headers, Some(content.clone()));
            }
            Response::from_parts(head, whole(content))
        }
    }
}

async fn over_http(
    gateway: &Arc<Gateway>,
    remote: &Remote,
    mut request: Request<Incoming>,
    connection: u64,
) -> Response<Content> {
    let reader = Reader::of(gateway, &request, connection);
    let Some(path) = remote.path(request.uri()) else {
        return problem(&Problem::new(Kind::BadRequest, "the request target is malformed"));
    };
    let mut parts = Parts::default();
    parts.path_and_query = Some(path);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    *request.version_mut() = http::Version::HTTP_11;
    request.headers_mut().insert(header::HOST, remote.host.clone());
    add_via(request.headers_mut());
    let request = request.map(|body| {
        if body.is_end_stream() {
            Either::Left(Full::new(Bytes::new()))
        } else {
            Either::Right(body)
        }
    });
    let limit = gateway.engine.options().policy.attempt_timeout;
    let response = match tokio::time::timeout(limit, remote.transport.forward_to(&remote.authority, request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(ForwardError::NotSent(why))) => {
            return problem(&Problem::new(
                Kind::OriginUnreachable,
                format!("the origin could not be reached: {}", why.why()),
            ));
        }
        Ok(Err(ForwardError::Unknown(why))) => {
            return problem(&Problem::new(
                Kind::BadAnswer,
                format!("the origin gave no answer to this read: {}", why.why()),
            ));
        }
        Err(_) => {
            let detail = format!("the origin did not answer this read within {} s", limit.as_secs());
            return problem(&Problem::new(Kind::OriginTimeout, detail));
        }
    };
    let (mut head, body) = response.into_parts();
    add_via(&mut head.headers);
    let Some(reader) = reader else {
        return Response::from_parts(head, Content::Streamed(body));
    };
    if head.status != StatusCode::OK || !reader.wants(&head.headers) {
        reader.served(head.status, &head.headers, None);
        return Response::from_parts(head, Content::Streamed(body));
    }
    let (headers, limit) = (head.headers.clone(), gateway.engine.options().reads.content);
    let remembered = Remembered::new(body, limit, move |content| {
        reader.served(StatusCode::OK, &headers, Some(content))
    });
    Response::from_parts(head, Content::Remembered(Box::new(remembered)))
}

/// Who reads what, so that the answer can be remembered.
struct Reader {
    gateway: Arc<Gateway>,
    read: Read,
}

impl Reader {
    /// Only a GET of the whole representation is a base; neither 206 nor HEAD is.
    fn of(gateway: &Arc<Gateway>, request: &Request<Incoming>, connection: u64) -> Option<Reader> {
        if request.method() != Method::GET || request.headers().contains_key(header::RANGE) {
            return None;
        }
        let read = Read {
            caller: gateway.callers.of(request.headers()),
            target: gateway.upstream.target(request.uri())?.to_string(),
            connection,
        };
        Some(Reader {
            gateway: Arc::clone(gateway),
            read,
        })
    }

    /// Whether the content of this answer could ever be merged.
    fn wants(&self, headers: &HeaderMap) -> bool {
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        !headers.contains_key(header::CONTENT_ENCODING) && tiebreak_core::merge::is_mergeable_type(kind)
    }

    fn served(self, status: StatusCode, headers: &HeaderMap, content: Option<Bytes>) {
        let etag = headers
            .get(header::ETAG)
            .and_then(|v| v.to_str().ok())
            .and_then(|t| EntityTag::parse(t).ok());
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        let now = self.gateway.engine.clock().now();
        let reads = self.gateway.engine.reads();
        match (status, content) {
            (StatusCode::OK, Some(content)) => {
                reads.note(self.read, etag, Some(Representation::new(kind, content)), now)
            }
            (StatusCode::OK | StatusCode::NOT_MODIFIED, None) if etag.is_some() => {
                reads.note(self.read, etag, None, now)
            }
            _ => {}
        }
    }
}
