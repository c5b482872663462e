//! The wire: one request out, what is known of it back.
//!
//! | file | what |
//! |---|---|
//! | `authority`, `origins` | where a connection leads to, and what is said of single origins |
//! | `http` | requests out, answers back |
//! | `content` | what goes out after a head, perhaps only once it is asked for |
//! | `pool`, `idle` | connections, kept for reuse; the end of those that nobody uses |
//! | `bound`, `places` | origins that take only so many connections; waiting in order of arrival |
//! | `http2`, `heard` | a connection that requests share: proofs, silence |
//! | `tls`, `pem` | TLS, with files that are read anew when they change |

pub mod authority;
mod bound;
pub mod content;
mod heard;
pub mod http;
mod http2;
mod idle;
pub mod origins;
pub mod pem;
mod places;
mod pool;
pub mod tls;

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use tiebreak_core::delivery::Delivery;

/// Among a request's extensions: when whoever sends it stops waiting. If the head of an answer has come by then, and its content
/// has not, the answer counts without the rest.
#[derive(Debug, Clone, Copy)]
pub struct AnswerBy(pub tokio::time::Instant);

/// What came of sending.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Delivery> + Send + 'a>>;

/// Sends one request and tells what is known of it.
///
/// An implementation never sends a request twice, never follows a redirect, and says *not sent* only with
/// proof. A caller that stops waiting drops the future; the request counts as *unknown* then.
pub trait Transport: Send + Sync + 'static {
    /// Sends `request`, whose URI is absolute. Of the answer's content at most `keep` bytes are read.
    fn send(&self, request: ::http::Request<Bytes>, keep: usize) -> Sending<'_>;
}
