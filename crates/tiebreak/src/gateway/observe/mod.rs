//! `--observe`: every write is forwarded as it came, and beside it an exchange runs that decides what Tiebreak would have done.
//!
//! That exchange is the engine's own, with nothing changed but its two ends: its ledger is in memory, and its transport
//! sends nothing. Its first attempt gets the answer that the origin really gave to the forwarded request; so verdicts, bases,
//! merges and keys are decided by the very code that decides them otherwise.
//!
//! | file | what |
//! |---|---|
//! | `mod` | forwards a write, and feeds the exchange beside it |
//! | `sight` | what the transport of that exchange answers |
//! | `finding` | what would have been done, read off the exchange's story |
//! | `sink` | where findings go, and the summary |

mod finding;
mod sight;
mod sink;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response, header};
use http_body::Body;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tiebreak_client::reads::Read;
use tiebreak_client::story::Watch;
use tiebreak_client::transport::http::{ForwardError, Streamed};
use tiebreak_client::{Answer, Submission};
use tiebreak_core::delivery::{Delivery, Unknown};
use tiebreak_core::lane::{LaneId, default_lanes};
use tiebreak_core::merge::Representation;
use tiebreak_core::problem::{Kind, Problem};
use tiebreak_core::request::{Target, WriteRequest};
use tiebreak_core::response::Response as Answered;
use tokio::sync::oneshot;

pub(super) use sight::{ObservedTransport, Seen};
pub(super) use sink::Sink;

use super::body::{Content, Remembered, problem};
use super::forward::{self, Unanswered};
use super::forwarding::Peer;
use super::route::{Connection, Gateway};
use super::routing::Route;
use super::upstream::Upstream;
use super::write::{self, Guard};
use finding::Finding;
use sight::{SIGHT, Sight};

/// What observing needs besides the gateway.
#[derive(Debug)]
pub(super) struct Observer {
    pub(super) seen: Arc<Seen>,
    pub(super) sink: Sink,
    pub(super) watch: Arc<Watch>,
}

/// Forwards one write as it came, and finds out beside it what would have been done.
pub(super) async fn forward(
    gateway: &Arc<Gateway>,
    observer: &Arc<Observer>,
    route: &Arc<Route>,
    request: Request<Incoming>,
    connection: Connection,
) -> Response<Content> {
    let Upstream::Http(remote) = &route.upstream else {
        return problem(&Problem::new(Kind::BadRequest, "there is no API here to observe"));
    };
    let running = Guard::new(&gateway.running);
    let (mut head, body) = request.into_parts();
    let worker = connection.worker;
    let beside = Beside::start(gateway, observer, route, &head, body.size_hint().exact(), connection);
    let (tell_content, tell_delivery) = (beside.content, beside.delivery);
    if let Some(Ok(there)) = write::destination(route, &head.headers) {
        head.headers.insert("destination", there);
    }
    // Answered by this gateway's own connection already.
    head.headers.remove(header::EXPECT);
    let empty = body.is_end_stream();
    let passed = Arc::new(AtomicBool::new(false));
    let passes = Arc::clone(&passed);
    let mut body = Remembered::new(body, beside.limit, move |content| {
        passes.store(true, Ordering::Release);
        let _gone = tell_content.send(content);
    });
    if empty {
        body.finish();
    }
    match forward::send(gateway, remote, head, body, worker).await {
        Ok(response) => {
            // What the client reads from here on was not read before this write.
            if passed.load(Ordering::Acquire) {
                let _begun_or_not = beside.begun.await;
            }
            returned(response, gateway.engine.options().max_answer, tell_delivery, running)
        }
        Err(unanswered) => {
            let _gone = tell_delivery.send(match unanswered {
                Unanswered::Failed(ForwardError::NotSent(why)) => Delivery::NotSent(why),
                Unanswered::Failed(ForwardError::Unknown(why)) => Delivery::Unknown(why),
                Unanswered::Target => Delivery::Unknown(Unknown::Garbage),
            });
            problem(&unanswered.problem("write"))
        }
    }
}

/// Streams the answer back, and tells the exchange beside it what it was.
fn returned(
    response: Response<Streamed>,
    limit: usize,
    tell: oneshot::Sender<Delivery>,
    running: Guard,
) -> Response<Content> {
    let (head, body) = response.into_parts();
    let (status, headers) = (head.status, head.headers.clone());
    let empty = body.is_end_stream();
    let mut body = Remembered::new(body, limit, move |content| {
        let _running = running;
        let _gone = tell.send(Delivery::Answered(Answered {
            status,
            headers,
            complete: content.is_some(),
            content: content.unwrap_or_default(),
        }));
    });
    if empty {
        body.finish();
    }
    Response::from_parts(head, Content::Remembered(body.boxed_unsync()))
}

/// The exchange beside a forwarded write.
struct Beside {
    /// Takes the write's content once it has passed; `None`: it is too large to be kept.
    content: oneshot::Sender<Option<Bytes>>,
    /// Takes what the origin really answered.
    delivery: oneshot::Sender<Delivery>,
    /// Resolves when the exchange has taken notice of what its caller had read, or never will.
    begun: oneshot::Receiver<()>,
    /// The longest content that is kept for it.
    limit: usize,
}

impl Beside {
    fn start(
        gateway: &Arc<Gateway>,
        observer: &Arc<Observer>,
        route: &Arc<Route>,
        head: &Parts,
        length: Option<u64>,
        connection: Connection,
    ) -> Beside {
        let (content, content_is) = oneshot::channel();
        let (delivery, delivery_is) = oneshot::channel();
        let (begins, begun) = oneshot::channel();
        let longest = route.config.settings.values.max_content;
        let size = length
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(longest)
            .min(longest);
        let room = Arc::clone(&gateway.memory).try_acquire_many_owned(u32::try_from(size).unwrap_or(u32::MAX));
        let limit = if room.is_ok() { longest } else { 0 };
        let observed = Observed {
            gateway: Arc::clone(gateway),
            observer: Arc::clone(observer),
            route: Arc::clone(route),
            path: head.uri.path().to_owned(),
            on: connection.evidence(head.version),
            sender: connection.peer.address().map(|address| address.to_string()),
            peer: connection.peer,
        };
        let target = head.uri.path_and_query().map(|path| route.upstream.target(path));
        let (method, headers) = (head.method.clone(), head.headers.clone());
        let running = Guard::new(&gateway.running);
        gateway.writer_for(head.uri.path()).spawn(async move {
            let (_running, room) = (running, room);
            let why = match (content_is.await, target.map(|t| Target::parse(&t))) {
                (Err(_), _) => "their content was cut",
                (Ok(None), _) if room.is_err() => "too much content was on its way",
                (Ok(None), _) => "their content is over max_content",
                (_, None | Some(Err(_))) => "their target is malformed",
                (Ok(Some(content)), Some(Ok(target))) => {
                    let write = WriteRequest {
                        method,
                        target,
                        headers,
                        content,
                    };
                    return observed.perform(write, delivery_is, begins).await;
                }
            };
            observed.observer.sink.unobserved(why);
        });
        Beside {
            content,
            delivery,
            begun,
            limit,
        }
    }
}

/// Whose write is observed.
struct Observed {
    gateway: Arc<Gateway>,
    observer: Arc<Observer>,
    route: Arc<Route>,
    /// The path that the client asked for.
    path: String,
    /// The connection that it came on, where that is evidence.
    on: Option<u64>,
    sender: Option<String>,
    peer: Arc<Peer>,
}

impl Observed {
    /// Runs the exchange, and reports what it decided.
    async fn perform(
        self,
        mut write: WriteRequest,
        delivery: oneshot::Receiver<Delivery>,
        begins: oneshot::Sender<()>,
    ) {
        let engine = &self.gateway.engine;
        let caller = self.route.caller(&self.gateway.callers, &write.headers, &self.peer);
        for name in [header::HOST, header::CONTENT_LENGTH, header::EXPECT] {
            write.headers.remove(name);
        }
        let mut lanes = self.route.lanes(&self.path, &write);
        let id = engine.new_id();
        let submission = Submission {
            id: Some(id),
            caller: Some(caller),
            connection: self.on,
            remembers: true,
            sender: self.sender.clone(),
            lanes: lanes.clone(),
            policy: Some(Arc::clone(&self.route.config.policy)),
            ..Submission::default()
        };
        lanes.extend(default_lanes(&write));
        let behind = engine.lanes().standing(&lanes);
        let own = has_own_precondition(&write.headers);
        let sight = Sight::new(write.method.clone(), delivery, Arc::clone(&self.observer.seen));
        let (target, sent) = (write.target.as_str().to_owned(), Sent::of(&write));
        let answer = {
            let mut exchange = pin!(SIGHT.scope(Arc::clone(&sight), engine.write(write, submission)));
            let first = poll_fn(|cx| Poll::Ready(exchange.as_mut().poll(cx))).await;
            drop(begins);
            match first {
                Poll::Ready(answer) => answer,
                Poll::Pending => exchange.await,
            }
        };
        let read = Read {
            caller,
            target,
            variant: answer.variant.clone(),
            connection: self.on,
        };
        let real = self.catch_up(&sight, read, &lanes, sent, &answer).await;
        let Some(story) = self.observer.watch.story(id) else {
            return self.observer.sink.unobserved("too many were on their way");
        };
        let mut finding = Finding::of(&story, &self.route.config.name, behind, own, sight.is_blind());
        finding.status = finding.status.or(real);
        if sight.is_lost() {
            finding.would(finding::Would::Doubted);
        }
        self.observer.sink.take(&finding);
    }

    /// What the origin has really done may differ from what the exchange believes; later ones start from what is so. Returns
    /// the status of the origin's answer, where the exchange has not asked for it.
    async fn catch_up(
        &self,
        sight: &Sight,
        read: Read,
        lanes: &[LaneId],
        sent: Option<Sent>,
        answer: &Answer,
    ) -> Option<u16> {
        let engine = &self.gateway.engine;
        if let Some(untaken) = sight.untaken() {
            // Tiebreak would not have sent it; it was sent all the same.
            let Ok(Delivery::Answered(response)) = untaken.await else {
                return None;
            };
            if response.status.is_success() {
                self.observer.seen.forget(&read.target);
                engine.lanes().forget(lanes);
                if let Some(Sent(content)) = sent {
                    let now = engine.clock().now();
                    engine.reads().note(read, response.etag(), Some(content), now);
                }
            }
            return Some(response.status.as_u16());
        }
        if let Some(produced) = &answer.produced {
            let (etag, content) = (produced.etag.as_ref(), &produced.representation);
            self.observer.seen.written(&read.target, etag, content);
        }
        if answer.report.rebased {
            // What was merged was never sent.
            engine.lanes().forget(lanes);
        }
        None
    }
}

/// What a PUT leaves at its target, as its caller knows it.
struct Sent(Representation);

impl Sent {
    fn of(write: &WriteRequest) -> Option<Sent> {
        let content_type = write.field("content-type").unwrap_or_default();
        (write.method == http::Method::PUT).then(|| Sent(Representation::new(content_type, write.content.clone())))
    }
}

fn has_own_precondition(headers: &HeaderMap) -> bool {
    [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_UNMODIFIED_SINCE]
        .iter()
        .any(|name| headers.contains_key(name))
}
