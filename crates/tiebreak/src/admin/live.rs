//! What happens now, as server-sent events, and the last hour as figures.
//!
//! One task takes a sample each second and hands it to every client. A client that does not keep up is dropped: its queue
//! is short, and nobody waits for it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body::Frame;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tiebreak_client::figures::{HISTORY, Latency, Second};
use tiebreak_core::outcome::Outcome;
use tiebreak_core::time::Time;
use tiebreak_core::verdict::Class;
use tokio::sync::mpsc;

use super::Desk;
use super::refusal::refusal;

/// So many clients may listen at once.
const CLIENTS: usize = 32;

/// So many events may wait for a client.
const QUEUE: usize = 16;

/// So many lanes are named, the longest first.
const LANES: usize = 12;

/// Unless asked for more, so many seconds of history are told.
const DEFAULT: usize = 300;

/// Who listens.
#[derive(Debug, Default)]
pub(super) struct Live {
    clients: Mutex<Vec<mpsc::Sender<Bytes>>>,
}

/// `/api/live` and `/api/history`.
pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/api/live", get(live))
        .route("/api/history", get(history))
}

#[derive(Debug, Deserialize)]
struct Span {
    /// How far back, in seconds.
    seconds: Option<usize>,
    /// How many seconds one entry stands for.
    step: Option<u64>,
}

async fn history(State(desk): State<Arc<Desk>>, Query(span): Query<Span>) -> Json<Value> {
    Json(past(&desk, &span))
}

fn past(desk: &Desk, span: &Span) -> Value {
    let now = desk.engine.clock().now();
    let back = span.seconds.unwrap_or(DEFAULT).min(HISTORY) as u64;
    let step = span.step.unwrap_or(1).clamp(1, HISTORY as u64);
    let since = Time(now.0.saturating_sub(back * 1_000));
    let mut entries: Vec<Second> = Vec::new();
    for second in desk.watch.figures().seconds(since) {
        let at = second.at - second.at % step;
        match entries.last_mut().filter(|last| last.at == at) {
            Some(last) => last.merge(&second),
            None => entries.push(Second { at, ..second }),
        }
    }
    let entries: Vec<Value> = entries.iter().map(entry).collect();
    json!({ "now": now.0 / 1_000, "seconds": back, "step": step, "entries": entries })
}

/// The figures of one second, or of several. What is zero is left out of the objects.
fn entry(second: &Second) -> Value {
    let outcomes = Outcome::ALL.map(Outcome::as_str);
    let classes = Class::ALL.map(Class::as_str);
    json!({
        "at": second.at,
        "writes": second.writes,
        "outcomes": named(&outcomes, &second.outcomes),
        "classes": named(&classes, &second.classes),
        "guarantees": named(&["A", "B", "C", "D"], &second.guarantees),
        "ms": quantiles(&second.latency),
    })
}

fn named(names: &[&str], counts: &[u32]) -> Map<String, Value> {
    let met = names.iter().zip(counts).filter(|(_, n)| **n > 0);
    met.map(|(name, n)| ((*name).to_owned(), (*n).into())).collect()
}

fn quantiles(latency: &Latency) -> Value {
    let ms = |share| latency.quantile(share).map(|s| (s * 10_000.0).round() / 10.0);
    json!({ "p50": ms(0.5), "p95": ms(0.95), "p99": ms(0.99) })
}

/// What is the case now, beside the figures of the last second.
async fn gauges(desk: &Desk) -> Value {
    let stats = desk.engine.ledger().stats().await.ok();
    let conceal = desk.watch.conceal();
    let lanes = desk.engine.lanes().longest(LANES);
    let lanes: Vec<Value> = lanes
        .iter()
        .map(|(lane, waiting)| json!({ "lane": conceal.target(&lane.0), "writes": waiting }))
        .collect();
    json!({
        "lanes": lanes,
        "running": desk.watch.running(),
        "doubts": stats.map(|s| s.in_doubt),
        "settled": stats.map(|s| s.settled),
        "ledger_bytes": stats.map(|s| s.bytes),
    })
}

async fn live(State(desk): State<Arc<Desk>>, Query(span): Query<Span>) -> Response {
    let (give, take) = mpsc::channel(QUEUE);
    let first = message("history", &past(&desk, &span));
    let now = message("now", &gauges(&desk).await);
    let _room = give.try_send(first).and_then(|()| give.try_send(now));
    {
        let mut clients = desk.live.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|client| !client.is_closed());
        if clients.len() >= CLIENTS {
            let detail = "too many pages listen already; close one, or read /api/history";
            return refusal(StatusCode::SERVICE_UNAVAILABLE, detail);
        }
        clients.push(give);
    }
    let mut response = Response::new(Body::new(Events(take)));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn message(event: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {event}\ndata: {data}\n\n"))
}

/// Takes a sample each second, for as long as the process lives.
pub(super) async fn sample(desk: Arc<Desk>) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if desk
            .live
            .clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
        {
            continue;
        }
        // The second that is over: nothing is added to it any more.
        let at = (desk.engine.clock().now().0 / 1_000).saturating_sub(1);
        let figures = desk.watch.figures().seconds(Time(at * 1_000));
        let empty = Second::new(at);
        let second = figures.iter().find(|s| s.at == at).unwrap_or(&empty);
        let mut told = entry(second);
        told["now"] = gauges(&desk).await;
        let told = message("second", &told);
        let mut clients = desk.live.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|client| client.try_send(told.clone()).is_ok());
    }
}

/// The content of an event stream.
struct Events(mpsc::Receiver<Bytes>);

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}
