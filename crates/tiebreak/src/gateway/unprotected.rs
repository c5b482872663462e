//! Writes with more content than the bound, where the route lets them pass: each is streamed on once, as it comes. It is not queued,
//! claimed or merged, and its answer says so.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tiebreak_client::Answer;
use tiebreak_client::reads::Read;
use tiebreak_client::service::into_response;
use tiebreak_client::story::AtDoor;
use tiebreak_client::transport::http::{ForwardError, Streamed};
use tiebreak_core::caller::CallerId;
use tiebreak_core::delivery::{NotSent, Unknown};
use tiebreak_core::exchange::strip_preference;
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::key::IdempotencyKey;
use tiebreak_core::lane::{LaneId, lanes_about};
use tiebreak_core::method::acts_on_target;
use tiebreak_core::outcome::{Outcome, Report};
use tiebreak_core::policy::{KeyRule, Unguarded};
use tiebreak_core::problem::{Kind, Problem};
use tiebreak_core::record::WriteId;
use tiebreak_core::request::{Target, WriteRequest};
use tiebreak_core::response::Response as Answered;
use tiebreak_core::signature::is_signed;
use tiebreak_core::time::Time;
use tiebreak_core::validator::EntityTag;
use tiebreak_core::variant::Variant;
use tiebreak_core::virtual_tag::VirtualTags;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::body::{Content, problem, whole};
use super::content::{GRACE, too_large};
use super::forward::{self, Unanswered};
use super::limits::Place;
use super::marked::{is_json, name_as_origin};
use super::route::{Connection, Gateway};
use super::routing::Route;
use super::stalled;
use super::upstream::{Remote, Upstream};
use super::write::{self, Guard};
use crate::config::OverBound;

/// Content over the bound: what was read before that was known, and the rest.
#[derive(Debug)]
pub(super) struct Over {
    pub(super) first: Bytes,
    pub(super) rest: Incoming,
}

/// What a write holds until it is answered.
type Held = (OwnedSemaphorePermit, Place<CallerId>);

/// Where a write with more content than the bound may go unprotected; otherwise why it is refused.
pub(super) fn may_pass<'a>(route: &'a Route, head: &Parts) -> Result<&'a Remote, Problem> {
    let settings = &route.config.settings.values;
    let policy = &route.config.policy;
    let (Upstream::Http(remote), OverBound::Pass) = (&route.upstream, settings.over_bound) else {
        return Err(too_large(settings.max_content));
    };
    let refuse = |kind, why: &str| {
        let detail = format!(
            "the content has more than {} bytes, so it could only pass unprotected here, and {why}; nothing was sent",
            settings.max_content
        );
        Err(Problem::new(kind, detail))
    };
    let asks = |name: &HeaderName| head.headers.contains_key(name);
    let names_a_version = asks(&header::IF_MATCH) || asks(&header::IF_NONE_MATCH);
    if policy.least < Guarantee::D {
        let why = format!(
            "this address demands guarantee {}, which content of that length cannot have",
            policy.least.as_str()
        );
        return refuse(Kind::GuaranteeTooWeak, &why);
    }
    let keyed = IdempotencyKey::sent(&head.headers, &policy.keys)?.is_some();
    if keyed || policy.keys.rule == KeyRule::Derived {
        return refuse(Kind::TooLarge, "its key could not be kept");
    }
    if settings.mark_reads.is_some() && is_json(&head.headers) {
        return refuse(Kind::TooLarge, "the mark of what was read could not be taken out of it");
    }
    if names_a_version && policy.virtual_tags != VirtualTags::Off {
        return refuse(Kind::TooLarge, "the tag that it names could not be compared");
    }
    if policy.unguarded == Unguarded::Refuse && acts_on_target(&head.method) && !names_a_version {
        return refuse(
            Kind::Unguarded,
            "it names no version; send If-Match with the one that you read",
        );
    }
    Ok(remote)
}

/// How much content there will be, where the client has said so.
fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Streams one write on, and its answer back.
pub(super) async fn pass(
    gateway: &Arc<Gateway>,
    route: &Arc<Route>,
    remote: &Remote,
    (mut head, target, over): (Parts, Target, Over),
    (caller, connection): (CallerId, Connection),
    held: Held,
) -> Response<Content> {
    let id = gateway.engine.new_id();
    let story = gateway.engine.options().watch.as_ref().map(|watch| {
        watch.passing(&AtDoor {
            id,
            method: head.method.as_str(),
            target: target.as_str(),
            anonymous: caller.is_anonymous(),
            keyed: false,
            bytes: announced(&head.headers).unwrap_or(over.first.len()),
            at: gateway.engine.clock().now(),
        })
    });
    if let Some(Ok(there)) = write::destination(route, &head.headers) {
        head.headers.insert("destination", there);
    }
    let wake = Wake::of(route, &head, target, caller, &connection);
    head.headers.remove(header::EXPECT);
    if !is_signed(&head.headers, wake.write.target.uri()) {
        strip_preference(&mut head.headers);
        if route.config.settings.values.mark_reads.is_some() {
            name_as_origin(&mut head.headers);
        }
    }
    let (shared, of, asked, worker) = (
        Arc::clone(gateway),
        Arc::clone(route),
        head.uri.clone(),
        connection.worker,
    );
    let (gateway, remote) = (Arc::clone(gateway), remote.clone());
    let running = Guard::new(&gateway.running);
    let limit = wake.route.config.policy.attempt_timeout;
    // A task of its own: what came of it is to be known, also if the client goes away.
    let task = tokio::spawn(async move {
        let _held = (held, running);
        let came = stream(&gateway, &remote, head, over, limit, worker).await;
        let learned = learned(&came);
        let (answer, content) = answer(&wake, id, came);
        let now = gateway.engine.clock().now();
        wake.note(&gateway, &answer, now);
        if let Some(story) = story {
            story.ended(&learned, &answer, now);
        }
        (answer, content)
    });
    match task.await {
        Ok((answer, content)) => {
            let answer = into_response(answer).map(|ours| content.map_or_else(|| whole(ours), Content::Streamed));
            stalled::bound(&shared, &of, worker, asked, answer)
        }
        Err(error) => {
            tracing::error!(%error, "a write that was streamed on ended in a panic");
            problem(&Problem::new(
                Kind::InDoubt,
                "an internal error ended this write; it is not known whether it was applied",
            ))
        }
    }
}

/// Sends it, for as long as its content keeps coming and the answer does not take longer than an attempt may.
async fn stream(
    gateway: &Gateway,
    remote: &Remote,
    head: Parts,
    over: Over,
    limit: Duration,
    worker: usize,
) -> Result<Response<Streamed>, Unanswered> {
    let pace = Arc::new(Pace::begin(over.first.len(), announced(&head.headers)));
    let body = Flowing {
        first: Some(over.first).filter(|first| !first.is_empty()),
        rest: over.rest,
        pace: Arc::clone(&pace),
    };
    let until = || pace.until(gateway.limits.stall_timeout, gateway.limits.min_rate, limit);
    let mut sent = pin!(forward::send(gateway, remote, head, body, worker));
    loop {
        tokio::select! {
            biased;
            came = &mut sent => return came,
            () = sleep_until(until()) => {
                if until() <= Instant::now() {
                    return Err(Unanswered::Failed(ForwardError::Unknown(Unknown::Timeout)));
                }
            }
        }
    }
}

/// What its story is told.
fn learned(came: &Result<Response<Streamed>, Unanswered>) -> Result<(u16, Option<Box<str>>), ForwardError> {
    match came {
        Ok(response) => {
            let tag = response.headers().get(header::ETAG).and_then(|v| v.to_str().ok());
            Ok((response.status().as_u16(), tag.map(Into::into)))
        }
        Err(Unanswered::Failed(why)) => Err(*why),
        Err(Unanswered::Target) => Err(ForwardError::NotSent(NotSent::ClosedBeforeSend)),
    }
}

/// What became of it, as far as the status alone says.
fn outcome(status: StatusCode) -> Outcome {
    match status.as_u16() {
        202 => Outcome::Accepted,
        200..=299 | 303 => Outcome::Applied,
        408 | 500..=599 => Outcome::InDoubt,
        _ => Outcome::Refused,
    }
}

/// What its client is told: the origin's answer, whose content follows, or ours.
fn answer(wake: &Wake, id: WriteId, came: Result<Response<Streamed>, Unanswered>) -> (Answer, Option<Streamed>) {
    let report = |outcome, attempts| Report {
        outcome,
        attempts,
        id: Some(id),
        unprotected: true,
        ..Report::unsent()
    };
    let unanswered = match came {
        Ok(response) => {
            let (head, content) = response.into_parts();
            let outcome = outcome(head.status);
            let mut headers = head.headers;
            write::bring_here(&wake.route, &mut headers);
            if outcome == Outcome::InDoubt {
                // Nobody is to repeat it blindly.
                headers.remove(header::RETRY_AFTER);
                headers.insert("x-should-retry", HeaderValue::from_static("false"));
            }
            let answered = Answered {
                status: head.status,
                headers,
                content: Bytes::new(),
                complete: true,
            };
            return (Answer::from_origin(answered, None, report(outcome, 1)), Some(content));
        }
        Err(Unanswered::Failed(ForwardError::Unknown(why))) => {
            let detail = format!(
                "it is not known whether this write was applied: {}; its content is over the bound, so it was streamed on \
                 unprotected and nothing of it is recorded; read the resource before you send it again",
                why.why()
            );
            let problem = Problem::new(Kind::InDoubt, detail).with("target", wake.write.target.as_str());
            return (
                Answer::ours(problem.with("id", id.to_string()), report(Outcome::InDoubt, 1)),
                None,
            );
        }
        Err(unanswered) => unanswered,
    };
    let problem = unanswered.problem("write").with("id", id.to_string());
    (Answer::ours(problem, report(Outcome::NotSent, 0)), None)
}

/// What a write leaves behind it for those that come after.
struct Wake {
    route: Arc<Route>,
    /// Without its content.
    write: WriteRequest,
    lanes: Vec<LaneId>,
    caller: CallerId,
    connection: Option<u64>,
}

impl Wake {
    fn of(route: &Arc<Route>, head: &Parts, target: Target, caller: CallerId, connection: &Connection) -> Wake {
        let write = WriteRequest {
            method: head.method.clone(),
            target,
            headers: head.headers.clone(),
            content: Bytes::new(),
        };
        let mut lanes = lanes_about(&write, &route.config.policy.resource(&write.target));
        lanes.extend(route.lanes(head.uri.path(), &write));
        Wake {
            route: Arc::clone(route),
            lanes,
            write,
            caller,
            connection: connection.evidence(head.version),
        }
    }

    /// What lanes carry and what its caller had read may be outdated now, and what nobody answered may still arrive.
    fn note(&self, gateway: &Gateway, answer: &Answer, now: Time) {
        let outcome = answer.report.outcome;
        if matches!(outcome, Outcome::NotSent | Outcome::Refused) {
            return;
        }
        gateway.engine.lanes().forget(&self.lanes);
        let policy = &self.route.config.policy;
        if outcome == Outcome::InDoubt {
            gateway
                .engine
                .lanes()
                .suspect(&self.lanes, now.after(policy.late_after));
        }
        if self.write.method != Method::PUT {
            return;
        }
        let read = Read {
            caller: self.caller,
            target: policy.resource(&self.write.target).as_str().to_owned(),
            variant: Variant::default(),
            connection: self.connection,
        };
        let tag = answer.headers.get(header::ETAG);
        let tag = tag.and_then(|tag| EntityTag::parse(tag.to_str().ok()?).ok());
        match outcome {
            Outcome::Applied if tag.is_none() => gateway.engine.reads().forget(&read),
            // Of what it wrote its version is known at most.
            _ => gateway.engine.reads().note(read, tag, None, now),
        }
    }
}

/// How the content of a write goes.
#[derive(Debug)]
struct Pace(Mutex<Gone>);

#[derive(Debug, Clone, Copy)]
struct Gone {
    begun: Instant,
    last: Instant,
    bytes: usize,
    /// How many there will be, where that was said: HTTP/2 may tell the end in a frame of its own, for which nobody waits.
    announced: Option<usize>,
    ended: bool,
}

impl Pace {
    fn begin(bytes: usize, announced: Option<usize>) -> Pace {
        let now = Instant::now();
        Pace(Mutex::new(Gone {
            begun: now,
            last: now,
            bytes,
            announced,
            ended: false,
        }))
    }

    fn goes(&self, bytes: usize, ended: bool) {
        let mut gone = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gone.last = Instant::now();
        gone.bytes += bytes;
        gone.ended |= ended;
    }

    /// When it is given up, as things are: `stall` and `rate` (bytes a second) hold for its content, `limit` for the answer.
    fn until(&self, stall: Duration, rate: usize, limit: Duration) -> Instant {
        let gone = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if gone.ended || gone.announced.is_some_and(|all| gone.bytes >= all) {
            return gone.last + limit;
        }
        let fair = gone.begun + GRACE + Duration::from_secs_f64(gone.bytes as f64 / rate as f64);
        fair.min(gone.last + stall)
    }
}

/// The content on its way, without trailer fields.
struct Flowing {
    first: Option<Bytes>,
    rest: Incoming,
    pace: Arc<Pace>,
}

impl Body for Flowing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        loop {
            let frame = ready!(Pin::new(&mut this.rest).poll_frame(cx));
            let bytes = match &frame {
                Some(Ok(frame)) => frame.data_ref().map(Bytes::len),
                Some(Err(_)) | None => Some(0),
            };
            this.pace
                .goes(bytes.unwrap_or(0), frame.is_none() || this.rest.is_end_stream());
            if bytes.is_some() {
                return Poll::Ready(frame);
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn content_has_ended_once_all_that_was_announced_came() {
        let (stall, limit) = (Duration::from_secs(10), Duration::from_secs(60));
        let waits = |pace: &Pace| pace.until(stall, 1, limit) - Instant::now();
        // The end of a stream may come in a frame of its own, after all the content.
        let told = Pace::begin(4, Some(10));
        told.goes(5, false);
        assert_eq!(waits(&told), stall);
        told.goes(1, false);
        assert_eq!(waits(&told), limit);
        assert_eq!(waits(&Pace::begin(10, Some(10))), limit);
        // Without a length only the end of the stream says so.
        let untold = Pace::begin(10, None);
        assert_eq!(waits(&untold), stall);
        untold.goes(0, true);
        assert_eq!(waits(&untold), limit);
    }
}
