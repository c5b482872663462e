//! Sends a request on as it came, but for `Host` (unless that is preserved), and streams the answer back.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body::Body;
use http_body_util::BodyExt;
use tiebreak_client::transport::content::OutBody;
use tiebreak_client::transport::http::{ForwardError, Streamed};
use tiebreak_core::problem::{Kind, Problem};

use super::route::Gateway;
use super::upstream::Remote;

/// Why there is no answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unanswered {
    /// The request target is malformed.
    Target,
    /// It was not sent, or nothing came back.
    Failed(ForwardError),
}

impl Unanswered {
    /// What the client is told; `what` is what it asked for: a read, a write.
    pub(super) fn problem(self, what: &str) -> Problem {
        match self {
            Unanswered::Target => Problem::new(Kind::BadRequest, "the request target is malformed"),
            Unanswered::Failed(ForwardError::NotSent(why)) => Problem::new(
                Kind::OriginUnreachable,
                format!("the origin could not be reached: {}", why.why()),
            ),
            Unanswered::Failed(ForwardError::Unknown(why)) => Problem::new(
                Kind::BadAnswer,
                format!("the origin gave no answer to this {what}: {}", why.why()),
            ),
        }
    }
}

/// Sends the request with this head and this content.
pub(super) async fn send<B>(
    gateway: &Gateway,
    remote: &Remote,
    mut head: Parts,
    body: B,
    worker: usize,
) -> Result<Response<Streamed>, Unanswered>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Send + 'static,
{
    let path = head.uri.path_and_query().and_then(|asked| remote.path(asked));
    head.uri = Uri::from(path.ok_or(Unanswered::Target)?);
    head.version = http::Version::HTTP_11;
    let host = remote.host_for(&head.headers);
    head.headers.insert(header::HOST, host);
    let body = if body.is_end_stream() {
        OutBody::from(Bytes::new())
    } else {
        if !head.headers.contains_key(header::CONTENT_LENGTH) {
            // Of unknown length; without this field hyper would leave it out of a GET.
            head.headers
                .insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        OutBody::Streamed(body.boxed_unsync())
    };
    let sent = gateway.readers[worker].forward_to(&remote.authority, Request::from_parts(head, body));
    sent.await.map_err(Unanswered::Failed)
}
