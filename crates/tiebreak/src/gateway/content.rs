//! The content of a write, taken in whole, within bounds on size, memory and time.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tiebreak_core::problem::{Kind, Problem};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::route::Gateway;

/// Content that takes no longer than this may come as slowly as it likes.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// The content of a write.
pub(super) enum Taken {
    /// All of it, and the memory that it takes.
    Whole(Bytes, OwnedSemaphorePermit),
    /// More than the bound: what was read of it, with its memory, and the rest.
    Over(Bytes, OwnedSemaphorePermit, Incoming),
}

/// Reads the content of a request, and holds the memory that it takes. Whatever can be refused without the content has been
/// refused before: asking for it is what tells a client that waits for `100 Continue` to send it.
pub(super) async fn take_in(
    gateway: &Gateway,
    max: usize,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Taken, Problem> {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    // Content of unknown length counts as the longest that is accepted.
    let over = length.is_some_and(|n| n > max);
    let expected = match length {
        _ if body.is_end_stream() || over => 0,
        Some(length) => length,
        None => max,
    };
    let Ok(memory) = Arc::clone(&gateway.memory).try_acquire_many_owned(u32::try_from(expected).unwrap_or(u32::MAX))
    else {
        return Err(busy(
            "too much content is waiting already; nothing was sent, try again later",
        ));
    };
    if over {
        // Not read: whether it is wanted is to be decided first.
        return Ok(Taken::Over(Bytes::new(), memory, body));
    }
    if body.is_end_stream() {
        return Ok(Taken::Whole(Bytes::new(), memory));
    }
    Ok(match read(gateway, max, body).await? {
        (all, None) => Taken::Whole(all, memory),
        (first, Some(rest)) => Taken::Over(first, memory, rest),
    })
}

/// All of the content; or, if it is more than `max`, what was read of it and the rest.
async fn read(gateway: &Gateway, max: usize, mut body: Incoming) -> Result<(Bytes, Option<Incoming>), Problem> {
    let begun = Instant::now();
    let (stall, rate) = (gateway.limits.stall_timeout, gateway.limits.min_rate);
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    loop {
        let so_far = first.len() + all.len();
        let fair = begun + GRACE + Duration::from_secs_f64(so_far as f64 / rate as f64);
        let until = fair.min(Instant::now() + stall);
        let Ok(frame) = timeout_at(until, body.frame()).await else {
            return Err(Problem::new(
                Kind::TooSlow,
                "the content came too slowly; nothing was sent, send it again over a better connection",
            ));
        };
        let Some(frame) = frame else { break };
        let Ok(frame) = frame else {
            return Err(Problem::new(
                Kind::BadRequest,
                "the content ended early, or is malformed; nothing was sent",
            ));
        };
        // Trailers of a write are left out (RFC 9110 §6.5.1 allows it): they come after what was to be decided upon.
        let Ok(data) = frame.into_data() else { continue };
        let over = so_far + data.len() > max;
        match (first.is_empty(), all.is_empty()) {
            (true, true) => first = data,
            (false, true) => {
                all.extend_from_slice(&std::mem::take(&mut first));
                all.extend_from_slice(&data);
            }
            _ => all.extend_from_slice(&data),
        }
        if over {
            return Ok((taken(first, all), Some(body)));
        }
    }
    Ok((taken(first, all), None))
}

fn taken(first: Bytes, all: BytesMut) -> Bytes {
    if all.is_empty() { first } else { all.freeze() }
}

/// There is more than the bound, and it may not pass.
pub(super) fn too_large(limit: usize) -> Problem {
    Problem::new(
        Kind::TooLarge,
        format!("the content of a write may have at most {limit} bytes here; nothing was sent"),
    )
}

/// One more cannot be taken now.
pub(super) fn busy(why: &str) -> Problem {
    Problem::new(Kind::Busy, why)
}
