//! The engine as a tower `Service`, over a scripted wire.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tiebreak_client::caller::Callers;
use tiebreak_client::clock::Clock;
use tiebreak_client::service::WriteService;
use tiebreak_client::transport::{Sending, Transport};
use tiebreak_client::{Engine, EngineOptions};
use tiebreak_core::delivery::Delivery;
use tiebreak_core::judge::Judge;
use tiebreak_core::time::Time;
use tiebreak_ledger::memory::MemoryLedger;
use tower_service::Service;

/// Answers 201 and counts what came.
#[derive(Default)]
struct Wire {
    sent: AtomicUsize,
    last: Mutex<HeaderMap>,
}

impl Transport for Wire {
    fn send(&self, request: Request<Bytes>, _keep: usize) -> Sending<'_> {
        self.sent.fetch_add(1, Ordering::SeqCst);
        *self.last.lock().unwrap() = request.headers().clone();
        Box::pin(async {
            Delivery::Answered(tiebreak_core::response::Response {
                status: StatusCode::CREATED,
                headers: HeaderMap::new(),
                content: Bytes::from_static(b"made"),
                complete: true,
            })
        })
    }
}

fn service(wire: &Arc<Wire>) -> WriteService {
    let options = EngineOptions {
        seed: Some(1),
        ..EngineOptions::default()
    };
    let clock = Clock::starting_at(Time(1_000_000));
    let engine = Engine::new(
        options,
        clock,
        Arc::new(MemoryLedger::new()),
        wire.clone(),
        Arc::new(Judge::standard()),
    );
    WriteService::new(Arc::new(engine), Arc::new(Callers::new(&[1; 32])))
}

async fn call(service: &mut WriteService, request: Request<Bytes>) -> Response<Bytes> {
    std::future::poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    service.call(request).await.unwrap()
}

fn post(key: &str) -> Request<Bytes> {
    let request = Request::builder()
        .method(Method::POST)
        .uri("http://origin.example/things");
    request
        .header("idempotency-key", key)
        .body(Bytes::from_static(b"{}"))
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_write_lands_once_and_its_repeat_gets_the_same_answer() {
    let wire = Arc::new(Wire::default());
    let mut service = service(&wire);
    for replayed in [false, true] {
        let answer = call(&mut service, post("\"k\"")).await;
        assert_eq!(
            (answer.status(), answer.body().as_ref()),
            (StatusCode::CREATED, b"made".as_ref())
        );
        assert!(
            answer.headers()["tiebreak"]
                .to_str()
                .unwrap()
                .starts_with("applied; attempts=1")
        );
        assert_eq!(answer.headers().contains_key("idempotency-replayed"), replayed);
    }
    assert_eq!(wire.sent.load(Ordering::SeqCst), 1);
    assert!(!wire.last.lock().unwrap().contains_key("tiebreak"));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_write_or_names_no_origin_is_refused_unsent() {
    let wire = Arc::new(Wire::default());
    let mut service = service(&wire);
    let read = Request::get("http://origin.example/things").body(Bytes::new()).unwrap();
    assert_eq!(call(&mut service, read).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    let nowhere = Request::put("/things/1").body(Bytes::new()).unwrap();
    assert_eq!(call(&mut service, nowhere).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        call(&mut service, post("\"unclosed")).await.status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(wire.sent.load(Ordering::SeqCst), 0);
}
