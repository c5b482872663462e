//! The engine as a [`tower_service::Service`], for Rust programs.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use tiebreak_core::exchange::Answer;
use tiebreak_core::method::is_safe;
use tiebreak_core::outcome::{Outcome, Report};
use tiebreak_core::problem::{Kind, Problem};
use tiebreak_core::request::{Target, WriteRequest};
use tokio::sync::oneshot;

use crate::caller::{Callers, Credential};
use crate::engine::{Engine, Submission};

/// Sends writes through an [`Engine`]; requests have absolute URIs. Safe methods are not for it: they get a 405, since there is
/// nothing to protect and a streaming client serves them better.
#[derive(Debug, Clone)]
pub struct WriteService {
    engine: Arc<Engine>,
    callers: Arc<Callers>,
}

impl WriteService {
    /// A service over `engine` that tells callers apart with `callers`.
    #[must_use]
    pub fn new(engine: Arc<Engine>, callers: Arc<Callers>) -> WriteService {
        WriteService { engine, callers }
    }
}

impl tower_service::Service<Request<Bytes>> for WriteService {
    type Response = Response<Bytes>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The bounds are the lanes'; what is over them is answered with a problem.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (engine, callers) = (Arc::clone(&self.engine), Arc::clone(&self.callers));
        Box::pin(async move {
            // Dropped with this future: then nobody waits for the answer any more.
            let (here, gone) = oneshot::channel();
            let work = async move { perform(&engine, &callers, request, gone).await };
            // A task of its own: a caller that drops the future must not cut an exchange in the middle.
            let answer = tokio::spawn(work).await.unwrap_or_else(|error| {
                tracing::error!(%error, "an exchange ended in a panic");
                refusal(
                    Problem::new(
                        Kind::InDoubt,
                        "an internal error ended this write; it is not known whether it was applied",
                    ),
                    Outcome::InDoubt,
                )
            });
            drop(here);
            Ok(into_response(answer))
        })
    }
}

async fn perform(engine: &Engine, callers: &Callers, request: Request<Bytes>, gone: oneshot::Receiver<()>) -> Answer {
    let (head, content) = request.into_parts();
    if is_safe(&head.method) {
        let detail = "this service sends writes only; send safe methods with your own client";
        return refusal(Problem::new(Kind::MethodNotAllowed, detail), Outcome::NotSent);
    }
    let target = match Target::from_uri(head.uri) {
        Ok(target) => target,
        Err(error) => {
            return refusal(
                Problem::new(Kind::BadRequest, format!("failed to {error}")),
                Outcome::NotSent,
            );
        }
    };
    let credential = Credential::of(&head.headers, &engine.options().policy.keys.field);
    let submission = Submission {
        caller: Some(callers.of(&credential)),
        // All that comes this way is one program's.
        sender: Some("this program".to_owned()),
        gone: Some(gone),
        ..Submission::default()
    };
    engine
        .write(
            WriteRequest {
                method: head.method,
                target,
                headers: head.headers,
                content,
            },
            submission,
        )
        .await
}

fn refusal(problem: Problem, outcome: Outcome) -> Answer {
    let report = Report {
        outcome,
        ..Report::unsent()
    };
    Answer::ours(problem, report)
}

/// The answer as an HTTP response, with its `Tiebreak` field.
#[must_use]
pub fn into_response(answer: Answer) -> Response<Bytes> {
    let mut response = Response::new(answer.content);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    if let Ok(report) = HeaderValue::from_str(&answer.report.to_string()) {
        response
            .headers_mut()
            .insert(HeaderName::from_static("tiebreak"), report);
    }
    if answer.replayed {
        response.headers_mut().insert(
            HeaderName::from_static("idempotency-replayed"),
            HeaderValue::from_static("true"),
        );
    }
    response
}
