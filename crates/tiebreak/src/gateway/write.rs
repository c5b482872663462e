//! Writes: through the engine, each in a task of its own, since hyper drops the future of a request whose
//! client goes away.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use tiebreak_client::service::into_response;
use tiebreak_client::{Answer, Submission};
use tiebreak_core::key::IdempotencyKey;
use tiebreak_core::problem::{Kind, Problem};
use tiebreak_core::request::{Target, WriteRequest};
use tiebreak_core::signature::is_signed;
use tokio::sync::oneshot;

use super::body::{Content, problem, whole};
use super::content::{self, Taken, busy};
use super::marked;
use super::refusal::Asked;
use super::route::{Connection, Gateway, Running};
use super::routing::Route;
use super::unprotected::{self, Over};

const PREFERENCE: &str = "tiebreak=rebase";

/// Performs one write.
pub(super) async fn perform(
    gateway: Arc<Gateway>,
    route: Arc<Route>,
    request: Request<Incoming>,
    connection: Connection,
) -> Response<Content> {
    let (mut head, body) = request.into_parts();
    let caller = route.caller(&gateway.callers, &head.headers, &connection.peer);
    let refuse = |target: &str, refusal| {
        let asked = Asked {
            method: &head.method,
            target,
            keyed: head.headers.contains_key(&route.config.policy.keys.field),
            anonymous: caller.is_anonymous(),
        };
        gateway.refuse(asked, refusal)
    };
    let Some(path) = head.uri.path_and_query() else {
        let why = Problem::new(Kind::BadRequest, "the request target is malformed");
        return refuse(head.uri.path(), why);
    };
    let target = match Target::parse(&route.upstream.target(path)) {
        Ok(target) => target,
        Err(error) => {
            let why = Problem::new(Kind::BadRequest, format!("failed to {error}"));
            return refuse(path.as_str(), why);
        }
    };
    let Some(place) = gateway.writing.take(caller) else {
        let why = busy("as many of your writes are on their way as this gateway takes from one caller");
        return refuse(target.as_str(), why.with_status(429));
    };
    // The engine asks the same, but with the content in its hands: here the refusal comes before it.
    if let Err(refusal) = IdempotencyKey::sent(&head.headers, &route.config.policy.keys) {
        return refuse(target.as_str(), refusal);
    }
    let max_content = route.config.settings.values.max_content;
    let (content, memory) = match content::take_in(&gateway, max_content, &head.headers, body).await {
        Ok(Taken::Whole(content, memory)) => (content, memory),
        Ok(Taken::Over(first, memory, rest)) => {
            let remote = match unprotected::may_pass(&route, &head) {
                Ok(remote) => remote,
                Err(refusal) => return refuse(target.as_str(), refusal),
            };
            let over = Over { first, rest };
            let from = (caller, connection.clone());
            return unprotected::pass(&gateway, &route, remote, (head, target, over), from, (memory, place)).await;
        }
        Err(refusal) => return refuse(target.as_str(), refusal),
    };
    let (mut content, mut mark) = (content, None);
    let marks = route.config.settings.values.mark_reads.as_deref();
    let unmarked = marks.filter(|_| !is_signed(&head.headers, target.uri()));
    if let Some(member) = marks {
        let taken = match unmarked {
            Some(_) => marked::unmark(member, &head.method, &head.headers, &mut content),
            None => marked::refuse_mark(member, &head.headers, &content).map(|()| None),
        };
        mark = match taken {
            Ok(mark) => mark,
            Err(refusal) => return refuse(target.as_str(), refusal),
        };
    }
    let marks = unmarked.map(str::to_owned);
    if marks.is_some() {
        marked::name_as_origin(&mut head.headers);
    }
    let prefers = prefers_rebase(&head.headers);
    if let Some(Ok(there)) = destination(&route, &head.headers) {
        head.headers.insert("destination", there);
    }
    if !route.upstream.preserves_host() {
        head.headers.remove(header::HOST);
    }
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.remove(header::EXPECT);
    let write = WriteRequest {
        method: head.method,
        target,
        headers: head.headers,
        content,
    };
    let (here, gone) = oneshot::channel();
    let submission = Submission {
        caller: Some(caller),
        connection: connection.evidence(head.version),
        remembers: true,
        sender: connection.peer.address().map(|address| address.to_string()),
        lanes: route.lanes(head.uri.path(), &write),
        policy: Some(Arc::clone(&route.config.policy)),
        mark,
        gone: Some(gone),
        ..Submission::default()
    };
    let running = Guard::new(&gateway.running);
    let shared = Arc::clone(&gateway);
    // All writes to one target run on one thread, so that a lane moves on without waking another.
    let task = gateway.writer_for(write.target.path()).spawn(async move {
        let (_running, _memory, _place) = (running, memory, place);
        shared.engine.write(write, submission).await
    });
    let answered = task.await;
    drop(here);
    match answered {
        Ok(answer) => respond(&route, marks.as_deref(), answer, prefers),
        Err(error) => {
            tracing::error!(%error, "an exchange ended in a panic");
            problem(&Problem::new(
                Kind::InDoubt,
                "an internal error ended this write; it is not known whether it was applied",
            ))
        }
    }
}

/// The `Destination` of a MOVE or COPY, where it names this gateway.
pub(super) fn destination(
    route: &Route,
    headers: &HeaderMap,
) -> Option<Result<HeaderValue, header::InvalidHeaderValue>> {
    if route.upstream.preserves_host() {
        return None; // the origin knows itself by the name that the client uses
    }
    let value = headers.get("destination")?.to_str().ok()?;
    let here = headers.get(header::HOST)?.to_str().ok()?;
    Some(HeaderValue::from_str(&route.upstream.destination(value, here)?))
}

fn prefers_rebase(headers: &HeaderMap) -> bool {
    let asks = |v: &HeaderValue| {
        v.to_str()
            .is_ok_and(|v| v.split(',').any(|p| p.trim().eq_ignore_ascii_case(PREFERENCE)))
    };
    headers.get_all("prefer").iter().any(asks)
}

/// The answer as the client gets it. `marks`: the member by which it is marked, where the write was free to have its mark taken out.
fn respond(route: &Route, marks: Option<&str>, mut answer: Answer, prefers: bool) -> Response<Content> {
    if let Some(member) = marks {
        marked::mark_answer(member, &mut answer);
    }
    let applied = answer.honours_preference;
    let bodiless = answer.status == http::StatusCode::NO_CONTENT;
    let mut response = into_response(answer).map(|content| whole(if bodiless { Bytes::new() } else { content }));
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    bring_here(route, headers);
    if prefers && applied {
        headers.append(
            HeaderName::from_static("preference-applied"),
            HeaderValue::from_static(PREFERENCE),
        );
    }
    response
}

/// Addresses in an answer to a write that name the origin name this gateway instead.
pub(super) fn bring_here(route: &Route, headers: &mut HeaderMap) {
    let operation = ["operation-location", "azure-asyncoperation"].map(HeaderName::from_static);
    for name in [header::LOCATION, header::CONTENT_LOCATION]
        .into_iter()
        .chain(operation)
    {
        let here = headers
            .get(&name)
            .and_then(|v| route.upstream.relative(v.to_str().ok()?));
        if let Some(Ok(value)) = here.map(|h| HeaderValue::from_str(&h)) {
            headers.insert(name, value);
        }
    }
}

/// Counts one exchange for as long as it runs.
pub(super) struct Guard(Arc<Running>);

impl Guard {
    pub(super) fn new(running: &Arc<Running>) -> Guard {
        running.count.fetch_add(1, Ordering::AcqRel);
        Guard(Arc::clone(running))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.notify_one();
    }
}
