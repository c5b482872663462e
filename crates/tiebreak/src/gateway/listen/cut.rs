//! Answers of unknown length to clients of HTTP/1.0: their end is the end of the connection, so that one that is cut has to
//! end otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Response, Version, header};
use http_body::Body;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// A connection that can be ended so that its client takes nothing for whole.
pub(super) trait Reset {
    /// Makes the close that follows a reset.
    fn reset(&self);
}

impl Reset for TcpStream {
    fn reset(&self) {
        if let Err(error) = self.set_zero_linger() {
            tracing::debug!(%error, "a connection could not be reset");
        }
    }
}

impl<S: Reset> Reset for TlsStream<S> {
    fn reset(&self) {
        self.get_ref().0.reset();
    }
}

impl Reset for UnixStream {
    /// There is no such thing.
    fn reset(&self) {}
}

/// Whether the answer that is being written ends with its connection.
#[derive(Debug, Clone, Default)]
pub(super) struct EndsByClose(Arc<AtomicBool>);

impl EndsByClose {
    /// Takes note of the answer that is given next.
    pub(super) fn note<B: Body>(&self, asked: Version, answer: &Response<B>) {
        let has_length =
            answer.body().size_hint().exact().is_some() || answer.headers().contains_key(header::CONTENT_LENGTH);
        self.0
            .store(asked == Version::HTTP_10 && !has_length, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
