//! HTTP to origins, over hyper.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response as HttpResponse, StatusCode, Uri, Version, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tiebreak_core::delivery::{Delivery, NotSent, Unknown};
use tiebreak_core::method::is_safe;
use tiebreak_core::response::Response;
use tokio::time::{Instant, timeout_at};

use super::authority::Authority;
use super::content::{Expectation, OutBody};
use super::http2;
use super::origins::Origins;
use super::pool::{Made, Pool, SharedPool, Within};
use super::{AnswerBy, Sending, Transport};

/// So often a read goes out that was proven not to have been looked at.
const ROUNDS: u32 = 3;

/// An answer without the rest of its content is told so long before nobody waits for it any more.
const BEFORE: Duration = Duration::from_millis(20);

/// Why a streamed request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardError {
    /// It was not sent.
    NotSent(NotSent),
    /// It was sent, and no answer came.
    Unknown(Unknown),
}

/// Sends requests over pooled connections.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    pool: SharedPool,
    connect_timeout: Duration,
    /// How answers say that they passed here.
    via: Option<Via>,
}

/// The values of `Via` under one name, by the version of HTTP in which a message was received.
#[derive(Debug, Clone, Copy)]
pub struct Via {
    /// `1.0 name`
    pub http10: &'static str,
    /// `1.1 name`
    pub http11: &'static str,
    /// `2 name`
    pub http2: &'static str,
}

impl Default for HttpTransport {
    fn default() -> HttpTransport {
        HttpTransport::new(Arc::default())
    }
}

impl HttpTransport {
    /// A transport with a pool of its own, to origins of which this is said.
    #[must_use]
    pub fn new(origins: Arc<Origins>) -> HttpTransport {
        HttpTransport {
            pool: Arc::new(Pool::new(origins)),
            connect_timeout: Duration::from_secs(5),
            via: None,
        }
    }

    /// A gateway's: answers say in `Via` that they passed it, which got them in the version that the origin speaks (RFC 9110
    /// §7.6.3).
    #[must_use]
    pub fn of_gateway(mut self, via: Via) -> HttpTransport {
        self.via = Some(via);
        self
    }

    /// Sends `request`, in the form that it has on the wire (origin-form target and a `Host` field), and streams the answer back.
    ///
    /// # Errors
    /// If no answer came.
    pub async fn forward_to(
        &self,
        to: &Arc<Authority>,
        mut request: Request<OutBody>,
    ) -> Result<HttpResponse<Streamed>, ForwardError> {
        let fresh = !is_safe(request.method());
        let takes_trailers = request.headers().contains_key(header::TE);
        let within = self.within(&request, fresh);
        let mut rounds = 0;
        let (made, response) = loop {
            rounds += 1;
            let mut made = self.pool.take(to, fresh, within).await.map_err(ForwardError::NotSent)?;
            // What an origin closes an HTTP/2 connection under, or refuses on it, it did not look at: a read is sent then.
            let spare = made.is_shared() && !fresh && rounds < ROUNDS && request.body().is_end_stream();
            let spare = spare.then(|| copy(&request));
            let sent = match &mut made {
                Made::Http1 { sender, .. } => sender.try_send_request(request).await,
                Made::Http2(stream) => {
                    let scheme = if to.tls { Scheme::HTTPS } else { Scheme::HTTP };
                    stream.send(request, scheme).await
                }
            };
            match (sent, spare) {
                (Ok(response), _) => break (made, response),
                (Err(failed), spare) => match (failure(failed), spare) {
                    (ForwardError::NotSent(_), Some(spare)) => request = spare,
                    (failure, _) => return Err(failure),
                },
            }
        };
        let (mut head, body) = response.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            // Nobody asked for another protocol: what follows is no HTTP.
            return Err(ForwardError::Unknown(Unknown::Garbage));
        }
        // It is about the message, though it is dropped with the rest from requests, whose trailers go no further.
        let trailer = head.headers.get(header::TRAILER).cloned();
        strip_hop_by_hop(&mut head.headers);
        let brings_trailers = takes_trailers && trailer.is_some();
        if brings_trailers {
            // HTTP/2 may give a length beside them; HTTP/1.1 has no place for them then (RFC 9112 §7.1.2).
            head.headers.remove(header::CONTENT_LENGTH);
        }
        if let Some(names) = trailer {
            head.headers.insert(header::TRAILER, names);
        }
        if let Some(via) = &self.via {
            add_via(&mut head.headers, head.version, via);
        }
        let lease = Lease {
            made: Some(made),
            to: Arc::clone(to),
            pool: self.pool.clone(),
        };
        Ok(HttpResponse::from_parts(
            head,
            Streamed {
                body,
                lease,
                brings_trailers,
            },
        ))
    }

    /// A read waits for a place as long as whoever asked for it does. A write is not sent at all rather than so late that there is
    /// no time for its answer: it has a third of its time for a place, as much for a connection, and as much for the answer.
    fn within(&self, request: &Request<OutBody>, fresh: bool) -> Within {
        let connect = self.connect_timeout;
        if !fresh {
            let place = Duration::MAX;
            return Within {
                connect,
                place,
                by: None,
            };
        }
        let now = Instant::now();
        let left = |by: &AnswerBy| by.0.saturating_duration_since(now);
        match request.extensions().get().map(left) {
            None => Within {
                connect,
                place: connect,
                by: None,
            },
            Some(left) => Within {
                connect: connect.min(left / 3),
                place: left / 3,
                by: Some(now + left / 3 * 2),
            },
        }
    }

    async fn exchange(&self, request: Request<Bytes>, keep: usize) -> Delivery {
        let mut request = request;
        if request.body().is_empty() && !is_safe(request.method()) && request.method() != http::Method::DELETE {
            // Content that is empty is said to be (RFC 9110 §8.6): some origins answer 411 otherwise.
            request
                .headers_mut()
                .insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let by = request.extensions().get::<AnswerBy>().map(|by| by.0 - BEFORE);
        let Some(to) = Authority::of(request.uri()).map(Arc::new) else {
            return Delivery::NotSent(NotSent::NameNotFound);
        };
        let (request, expectation) = self.expecting(&to, on_the_wire(request));
        let response = match self.forward_to(&to, request).await {
            Ok(response) => response,
            Err(ForwardError::NotSent(why)) => return Delivery::NotSent(why),
            Err(ForwardError::Unknown(why)) => return Delivery::Unknown(why),
        };
        let declined = expectation.as_ref().is_some_and(Expectation::answered);
        let (head, mut body) = response.into_parts();
        if expectation.is_some() && head.status == StatusCode::EXPECTATION_FAILED {
            self.pool.origins().expects_nothing(&to);
            if declined {
                return Delivery::NotSent(NotSent::Expectation);
            }
        }
        if declined {
            // What is to follow the head on this connection is that content, and nothing else.
            body.lease.made = None;
        }
        let mut content = BytesMut::new();
        let mut complete = true;
        loop {
            // A head that came says what became of the write, whatever becomes of its content.
            let frame = match by {
                Some(by) => timeout_at(by, body.frame()).await,
                None => Ok(body.frame().await),
            };
            let frame = match frame {
                Ok(None) => break,
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_))) | Err(_) => {
                    complete = false;
                    break;
                }
            };
            let Ok(data) = frame.into_data() else { continue };
            let room = keep.saturating_sub(content.len());
            content.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                complete = false;
                break;
            }
        }
        let response = Response {
            status: head.status,
            headers: head.headers,
            content: content.freeze(),
            complete,
        };
        if declined {
            Delivery::Declined(response)
        } else {
            Delivery::Answered(response)
        }
    }

    /// Holds the content back, where the request says so and the origin bears it.
    fn expecting(&self, to: &Authority, mut request: Request<Bytes>) -> (Request<OutBody>, Option<Expectation>) {
        let asked = request.headers().contains_key(header::EXPECT) && !request.body().is_empty();
        if !asked || !self.pool.origins().bears_expectations(to) {
            request.headers_mut().remove(header::EXPECT);
            return (request.map(OutBody::from), None);
        }
        let (head, content) = request.into_parts();
        let (expectation, withheld) = Expectation::of(content);
        let mut request = Request::from_parts(head, OutBody::Withheld(withheld));
        expectation.listen(&mut request);
        (request, Some(expectation))
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: Request<Bytes>, keep: usize) -> Sending<'_> {
        Box::pin(self.exchange(request, keep))
    }
}

/// The same request, without content.
fn copy(request: &Request<OutBody>) -> Request<OutBody> {
    let mut copy = Request::new(OutBody::from(Bytes::new()));
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    copy
}

/// What is known of a request that got no answer.
fn failure(mut failed: TrySendError<Request<OutBody>>) -> ForwardError {
    // hyper gives the request back only if it was never serialised: proof of *not sent*.
    if failed.take_message().is_some() {
        return ForwardError::NotSent(NotSent::ClosedBeforeSend);
    }
    match http2::proof(failed.error()) {
        Some(proof) => ForwardError::NotSent(proof),
        None => ForwardError::Unknown(why(failed.error())),
    }
}

fn why(error: &hyper::Error) -> Unknown {
    if error.is_parse() {
        Unknown::Garbage
    } else {
        Unknown::Closed
    }
}

/// Puts the request into the form it has on the wire: origin-form target and a `Host` field (RFC 9112 §3.2), unless it brings one
/// along: an origin may have to be asked under the name that a client signed.
fn on_the_wire<B>(mut request: Request<B>) -> Request<B> {
    if !request.headers().contains_key(header::HOST)
        && let Some(host) = request
            .uri()
            .authority()
            .and_then(|a| HeaderValue::from_str(a.as_str()).ok())
    {
        request.headers_mut().insert(header::HOST, host);
    }
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    if let Ok(uri) = path.parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    *request.version_mut() = http::Version::HTTP_11;
    request
}

/// Says that a message that came as HTTP `version` has passed the hop that these values name (RFC 9110 §7.6.3).
pub fn add_via(headers: &mut HeaderMap, version: Version, via: &Via) {
    let value = match version {
        Version::HTTP_10 => via.http10,
        Version::HTTP_2 => via.http2,
        _ => via.http11,
    };
    headers.append(header::VIA, HeaderValue::from_static(value));
}

/// Whether a field concerns one connection only (RFC 9110 §7.6.1).
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "http2-settings"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "trailer"
    )
}

/// Removes the fields that concern one connection only, and those that `Connection` lists (RFC 9110 §7.6.1).
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // Most messages have none.
    let found: Vec<HeaderName> = headers.keys().filter(|name| is_hop_by_hop(name)).cloned().collect();
    if found.contains(&header::CONNECTION) {
        let listed: Vec<String> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .map(|name| name.trim().to_ascii_lowercase())
            .collect();
        for name in listed {
            headers.remove(name.as_str());
        }
    }
    for name in found {
        headers.remove(name);
    }
}

/// Content that is streamed from an origin; its connection is reused once it was read to the end.
#[derive(Debug)]
pub struct Streamed {
    body: Incoming,
    lease: Lease,
    /// Trailers follow, so that no length may be given.
    brings_trailers: bool,
}

#[derive(Debug)]
struct Lease {
    made: Option<Made>,
    to: Arc<Authority>,
    pool: SharedPool,
}

impl Lease {
    fn give_back(&mut self) {
        if let Some(made) = self.made.take() {
            self.pool.put(&self.to, made);
        }
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || this.body.is_end_stream() {
            this.lease.give_back();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.brings_trailers {
            SizeHint::new()
        } else {
            self.body.size_hint()
        }
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        // An answer without content is never polled.
        if self.body.is_end_stream() {
            self.lease.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::num::NonZeroUsize;

    use super::*;
    use crate::transport::origins::OriginSettings;

    #[tokio::test(start_paused = true)]
    async fn a_write_that_waits_in_vain_is_known_not_to_be_sent_before_its_time_is_up() {
        let request = |by| {
            let request = Request::put("http://127.0.0.1:1/x").extension(AnswerBy(by));
            request.body(Bytes::from_static(b"1")).expect("a request")
        };
        let begun = Instant::now();
        let by = begun + Duration::from_secs(3);
        let to = Authority::of(request(by).uri()).expect("an authority");
        let settings = OriginSettings {
            max_connections: NonZeroUsize::new(1),
            ..OriginSettings::default()
        };
        let origins = Arc::new(Origins::default());
        origins.replace(HashMap::from([(to.clone(), settings)]));
        let _only = origins.bound(&to).expect("a bound").turn().await;
        let transport = HttpTransport::new(origins);
        let came = tokio::time::timeout_at(by, transport.send(request(by), 1)).await;
        assert!(matches!(came, Ok(Delivery::NotSent(NotSent::NoPlace))), "{came:?}");
        let took = begun.elapsed();
        assert!(
            took >= Duration::from_secs(1) && took < Duration::from_secs(2),
            "{took:?}"
        );
    }
}
