//! Safe methods: streamed through untouched; what they served is remembered as a base for later writes.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tiebreak_client::reads::Read;
use tiebreak_client::transport::http::Streamed;
use tiebreak_core::merge::{Representation, is_mergeable_type};
use tiebreak_core::problem::{Kind, Problem};
use tiebreak_core::validator::EntityTag;
use tiebreak_core::variant::Variant;

use super::body::{Content, Remembered, problem, whole};
use super::forward;
use super::forwarding::Peer;
use super::marked::Marked;
use super::route::{Connection, Gateway};
use super::routing::Route;
use super::stalled;
use super::tagged::Tagged;
use super::upstream::{Remote, Upstream};

/// Forwards a safe request and streams the answer back.
pub(super) async fn forward(
    gateway: &Arc<Gateway>,
    route: Arc<Route>,
    request: Request<Incoming>,
    connection: Connection,
) -> Response<Content> {
    match &route.upstream {
        Upstream::Http(remote) => over_http(gateway, &route, remote, request, connection).await,
        Upstream::Embedded(origin) => {
            let (mut head, body) = request.into_parts();
            let method = head.method.clone();
            let marked = Marked::ask(&route, &mut head);
            let reader = Reader::of(gateway, &route, &method, &head, &connection);
            if let (Some(marked), Some(reader)) = (&marked, &reader) {
                marked.ask_anew(reader, &mut head.headers);
            }
            let content = match Limited::new(body, route.config.settings.values.max_content)
                .collect()
                .await
            {
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
                reader.took(head.status, &head.headers, Some(&content));
            }
            match marked {
                Some(marked) => marked.held(head, content),
                None => Response::from_parts(head, whole(content)),
            }
        }
    }
}

async fn over_http(
    gateway: &Arc<Gateway>,
    route: &Arc<Route>,
    remote: &Remote,
    request: Request<Incoming>,
    connection: Connection,
) -> Response<Content> {
    let (mut head, body) = request.into_parts();
    let (asked, method) = (head.uri.clone(), head.method.clone());
    let policy = &route.config.policy;
    let (tagged, marked) = match gateway.observer {
        None => (Tagged::ask(policy, &mut head), Marked::ask(route, &mut head)),
        Some(_) => (None, None), // nothing is altered
    };
    let reader = Reader::of(gateway, route, &method, &head, &connection);
    if let (Some(marked), Some(reader)) = (&marked, &reader) {
        marked.ask_anew(reader, &mut head.headers);
    }
    let limit = route.config.policy.attempt_timeout;
    let sent = pin!(forward::send(gateway, remote, head, body, connection.worker));
    let response = match gateway.timers[connection.worker].within(limit, sent).await {
        Some(Ok(response)) => response,
        Some(Err(unanswered)) => return problem(&unanswered.problem("read")),
        None => {
            let detail = format!(
                "the origin did not answer this read within {} s (with the wait for a connection, where max_connections bounds them)",
                limit.as_secs()
            );
            return problem(&Problem::new(Kind::OriginTimeout, detail));
        }
    };
    let answer = match (tagged, marked) {
        (Some(tagged), _) => tagged.answer(gateway, policy, reader, response).await,
        (None, Some(marked)) => marked.answer(gateway, policy, reader, response).await,
        (None, None) => pass_on(gateway, reader, response),
    };
    stalled::bound(gateway, route, connection.worker, asked, answer)
}

/// Streams the answer of an origin back.
pub(super) fn pass_on(gateway: &Gateway, reader: Option<Reader>, response: Response<Streamed>) -> Response<Content> {
    let (head, body) = response.into_parts();
    let Some(reader) = reader else {
        return Response::from_parts(head, Content::Streamed(body));
    };
    if tells_a_base(head.status, &head.headers) {
        let read = reader.served(head.status, &head.headers);
        if read.keeps {
            let limit = gateway.engine.options().reads.content;
            let remembered = Remembered::new(body, limit, move |content| reader.note(read, content));
            return Response::from_parts(head, Content::Remembered(remembered.boxed_unsync()));
        }
    }
    reader.took(head.status, &head.headers, None);
    Response::from_parts(head, Content::Streamed(body))
}

/// Whether this answer holds or names what its reader may edit.
fn tells_a_base(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::NOT_MODIFIED || could_be_base(status, headers)
}

/// Whether somebody could edit what this answer holds, and it could be merged.
pub(super) fn could_be_base(status: StatusCode, headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    status == StatusCode::OK && is_mergeable_type(kind)
}

/// What of an answer is remembered with its content.
struct Served {
    status: StatusCode,
    /// Whether the content can be kept as a base.
    keeps: bool,
    variant: Variant,
    etag: Option<EntityTag>,
    content_type: String,
}

/// Who reads what, so that the answer can be remembered.
pub(super) struct Reader {
    gateway: Arc<Gateway>,
    route: Arc<Route>,
    /// What was asked for, and where the credential is.
    asked: HeaderMap,
    target: PathAndQuery,
    connection: Option<u64>,
    peer: Arc<Peer>,
}

impl Reader {
    /// Only a GET of the whole representation is a base; neither 206 nor HEAD is. `head` is the request as the origin gets it,
    /// `method` what its client asked.
    fn of(
        gateway: &Arc<Gateway>,
        route: &Arc<Route>,
        method: &Method,
        head: &Parts,
        connection: &Connection,
    ) -> Option<Reader> {
        if method != Method::GET || head.headers.contains_key(header::RANGE) {
            return None;
        }
        Some(Reader {
            gateway: Arc::clone(gateway),
            route: Arc::clone(route),
            asked: head.headers.clone(),
            target: head.uri.path_and_query()?.clone(),
            connection: connection.evidence(head.version),
            peer: Arc::clone(&connection.peer),
        })
    }

    /// What this answer, of which [`tells_a_base`] was asked, gives its reader.
    fn served(&self, status: StatusCode, headers: &HeaderMap) -> Served {
        let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
        let variant = Variant::of(&self.asked, headers);
        Served {
            status,
            keeps: status == StatusCode::OK && variant.is_some() && !headers.contains_key(header::CONTENT_ENCODING),
            // Of `Vary: *` only the tag is kept, which names what was served whatever chose it.
            variant: variant.unwrap_or_default(),
            etag: text(header::ETAG).and_then(|t| EntityTag::parse(t).ok()),
            content_type: text(header::CONTENT_TYPE).unwrap_or_default().to_owned(),
        }
    }

    fn read(&self, variant: Variant) -> Read {
        Read {
            caller: self.route.caller(&self.gateway.callers, &self.asked, &self.peer),
            target: self.route.upstream.target(&self.target),
            variant,
            connection: self.connection,
        }
    }

    /// Whether what this reader was served under this tag may be the base of a write yet, with its content.
    pub(super) fn remembers(&self, etag: &EntityTag) -> bool {
        let read = self.read(Variant::default());
        let now = self.gateway.engine.clock().now();
        self.gateway.engine.reads().holds(&read, etag, now)
    }

    /// Remembers an answer: with its content, if that is at hand and can be kept.
    pub(super) fn took(self, status: StatusCode, headers: &HeaderMap, content: Option<&Bytes>) {
        if tells_a_base(status, headers) {
            // What is compressed or oddly negotiated cannot be kept, but it was served.
            let read = self.served(status, headers);
            let kept = content.filter(|_| read.keeps).cloned();
            self.note(read, kept);
        } else if status == StatusCode::OK {
            let read = self.read(Variant::default());
            let now = self.gateway.engine.clock().now();
            self.gateway.engine.reads().note_shown(read, now);
        }
    }

    fn note(self, served: Served, content: Option<Bytes>) {
        if served.status == StatusCode::NOT_MODIFIED && served.etag.is_none() {
            return; // it says only that nothing was served
        }
        let read = self.read(served.variant);
        let now = self.gateway.engine.clock().now();
        let reads = self.gateway.engine.reads();
        let read = match (&content, &self.gateway.observer) {
            (Some(content), None) => {
                let etag = served.etag.as_ref();
                match reads.note_again(read, etag, &served.content_type, content, now) {
                    Ok(()) => return,
                    Err(read) => read,
                }
            }
            _ => read,
        };
        // Copied: these bytes are part of a buffer that would be kept whole, and is not counted.
        let content =
            content.map(|content| Representation::new(&served.content_type, Bytes::copy_from_slice(&content)));
        if let Some(observer) = &self.gateway.observer {
            observer.seen.read(&read.target, served.etag.as_ref(), content.as_ref());
        }
        let etag = self.route.config.policy.tag_of(served.etag, content.as_ref());
        reads.note(read, etag, content, now);
    }
}
