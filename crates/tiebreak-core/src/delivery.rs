//! What is known of one attempt.

use crate::response::Response;

/// What is known of one attempt to perform a write at the origin.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// Proof that the origin did not receive it: no connection, or the request was never serialised.
    NotSent(NotSent),
    /// A complete head came back. Whether that means *applied*, *accepted*, *refused* or *unknown* is the
    /// judge's to say: [`crate::judge::Judge::reading`].
    Answered(Response),
    /// The origin answered the head of the request before any of its content was sent (RFC 9110 §10.1.1): unless the answer
    /// says so, the write was not applied.
    Declined(Response),
    /// No answer, or not a whole head: it may have been applied, or may still be.
    Unknown(Unknown),
}

/// Why an attempt never reached the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSent {
    /// The name did not resolve.
    NameNotFound,
    /// Nobody listens there, or no route leads there.
    Unreachable,
    /// The TLS handshake failed.
    Tls,
    /// No connection within the time allowed.
    ConnectTimeout,
    /// The connection closed before the request was serialised.
    ClosedBeforeSend,
    /// It said REFUSED_STREAM: it did not look at the request (RFC 9113 §8.7).
    Refused,
    /// It closed the connection with a GOAWAY that names an earlier request as the last one that it looked at (RFC 9113 §6.8).
    GoingAway,
    /// It takes so many requests at a time on its HTTP/2 connection, and all of them were on their way for too long.
    NoStream,
    /// It takes so many connections, and all of them were in use for too long.
    NoPlace,
    /// It answered 417 to `Expect: 100-continue`, before any content was sent; the next attempt does not say that.
    Expectation,
}

impl NotSent {
    /// A fragment that completes "the origin could not be reached: …".
    #[must_use]
    pub fn why(self) -> &'static str {
        match self {
            NotSent::NameNotFound => "its name does not resolve",
            NotSent::Unreachable => "it refused the connection",
            NotSent::Tls => "the TLS handshake failed",
            NotSent::ConnectTimeout => "it did not accept a connection in time",
            NotSent::ClosedBeforeSend => "it closed the connection before the request was sent",
            NotSent::Refused => "it refused the request without looking at it (REFUSED_STREAM)",
            NotSent::GoingAway => "it closed the connection without looking at the request (GOAWAY)",
            NotSent::Expectation => "it does not bear Expect: 100-continue",
            NotSent::NoStream => "it took no further request at the same time",
            NotSent::NoPlace => "all connections that `max_connections` allows were in use for too long",
        }
    }
}

/// Why nothing is known of an attempt that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// No answer within the time allowed.
    Timeout,
    /// The connection ended before a complete head.
    Closed,
    /// What came back is not HTTP.
    Garbage,
    /// An answer that leaves it open, such as 408 or a 5xx that no dialect explains.
    Status(u16),
    /// The process that sent it ended before its answer was recorded.
    Crash,
}

impl Unknown {
    /// A fragment that completes "it is not known whether the write was applied: …".
    #[must_use]
    pub fn why(self) -> String {
        match self {
            Unknown::Timeout => "the origin did not answer in time".into(),
            Unknown::Closed => "the connection ended before the answer".into(),
            Unknown::Garbage => "the answer was not HTTP".into(),
            Unknown::Status(code) => format!("the origin answered {code}, which leaves it open"),
            Unknown::Crash => "Tiebreak stopped before the answer was recorded".into(),
        }
    }
}

/// How an answered attempt is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// A complete 2xx or 303 head: the origin performed it.
    Applied,
    /// 202: taken, not applied yet.
    Accepted,
    /// The origin says that it did not apply it.
    Refused,
    /// It may have been applied, or may still be.
    Unknown,
}
