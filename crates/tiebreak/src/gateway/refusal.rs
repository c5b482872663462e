//! Refusals that come before any exchange: each is told as a story, so that a person finds why a write was refused, or at least
//! counted, where there is no telling what it was.

use http::{HeaderValue, Method, Response, header};
use tiebreak_client::Answer;
use tiebreak_client::service::into_response;
use tiebreak_client::story::AtDoor;
use tiebreak_core::method::is_safe;
use tiebreak_core::outcome::Report;
use tiebreak_core::problem::{Kind, Problem};

use super::body::{Content, problem, whole};
use super::route::Gateway;

/// A request that is refused, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    /// The target URI at the origin, or the path where no route was chosen yet.
    pub(super) target: &'a str,
    /// Whether an idempotency key came with it.
    pub(super) keyed: bool,
    /// Whether no credential came with it.
    pub(super) anonymous: bool,
}

impl Gateway {
    /// Refuses a request for which no exchange began. Of a read only the problem is counted.
    pub(super) fn refuse(&self, asked: Asked<'_>, refusal: Problem) -> Response<Content> {
        if is_safe(asked.method) {
            self.turned_away(refusal.kind());
            return problem(&refusal);
        }
        let id = self.engine.new_id();
        let busy = refusal.kind() == Kind::Busy;
        let report = Report {
            id: Some(id),
            ..Report::unsent()
        };
        let mut answer = Answer::ours(refusal.with("id", id.to_string()), report);
        if busy {
            answer
                .headers
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(watch) = &self.engine.options().watch {
            let refused = AtDoor {
                id,
                method: asked.method.as_str(),
                target: asked.target,
                anonymous: asked.anonymous,
                keyed: asked.keyed,
                bytes: 0,
                at: self.engine.clock().now(),
            };
            watch.refused(&refused, &answer);
        }
        into_response(answer).map(whole)
    }

    /// Counts a refusal of which nothing else is known.
    pub(super) fn turned_away(&self, kind: Kind) {
        if let Some(watch) = &self.engine.options().watch {
            watch.figures().turned_away(kind);
        }
    }
}
