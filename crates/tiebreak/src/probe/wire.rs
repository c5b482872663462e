//! One request out, its answer back.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use tiebreak_client::transport::Transport;
use tiebreak_client::transport::http::HttpTransport;
use tiebreak_core::delivery::{Delivery, Unknown};
use tiebreak_core::request::Target;
use tiebreak_core::response::Response;

use crate::exit::{FAILED, Failure, UNREACHABLE};

/// At most so much of an answer is read: 16 MiB.
const KEEP: usize = 16 << 20;

/// How the origin is reached. Nothing is ever sent twice.
pub(super) struct Wire {
    transport: HttpTransport,
    headers: HeaderMap,
    timeout: Duration,
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    method: Method,
    to: &'a Target,
    more: Vec<(HeaderName, HeaderValue)>,
    content: Bytes,
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, to: &'a Target) -> Ask<'a> {
        Ask {
            method,
            to,
            more: Vec::new(),
            content: Bytes::new(),
        }
    }

    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Ask<'a> {
        // What comes from an answer, or is made here, has been a field value before.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.more.push((name, value));
        }
        self
    }

    pub(super) fn content(self, media_type: &str, content: Bytes) -> Ask<'a> {
        Ask { content, ..self }.with(header::CONTENT_TYPE, media_type)
    }

    /// The fields that this request adds, for the judge.
    pub(super) fn headers(&self) -> HeaderMap {
        self.more.iter().cloned().collect()
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    pub(super) fn to(&self) -> &Target {
        self.to
    }
}

impl Wire {
    pub(super) fn new(headers: HeaderMap, timeout: Duration) -> Wire {
        Wire {
            transport: HttpTransport::default(),
            headers,
            timeout,
        }
    }

    /// Sends it once.
    pub(super) async fn send(&self, ask: &Ask<'_>) -> Result<Response, Failure> {
        let mut request = Request::new(ask.content.clone());
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = ask.to.uri().clone();
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        headers.insert(header::USER_AGENT, HeaderValue::from_static("tiebreak-probe"));
        headers.extend(ask.more.iter().cloned());
        let sent = self.transport.send(request, KEEP);
        let what = format!("{} {}", ask.method, ask.to.as_str());
        match tokio::time::timeout(self.timeout, sent).await {
            Ok(Delivery::Answered(response) | Delivery::Declined(response)) => Ok(response),
            Ok(Delivery::NotSent(why)) => Err(Failure::new(
                UNREACHABLE,
                format!("reach the origin for {what}: {}", why.why()),
            )),
            Ok(Delivery::Unknown(why)) => Err(lost(&what, why)),
            Err(_) => Err(lost(&what, Unknown::Timeout)),
        }
    }
}

fn lost(what: &str, why: Unknown) -> Failure {
    Failure::new(
        FAILED,
        format!(
            "get an answer to {what}: {}; look at the resource before you probe it again",
            why.why()
        ),
    )
}
