//! Keys and blind retries through the engine, over a wire that answers when the test says so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use tiebreak_client::caller::{Callers, Credential};
use tiebreak_client::clock::Clock;
use tiebreak_client::transport::{Sending, Transport};
use tiebreak_client::{Answer, Engine, EngineOptions, Submission};
use tiebreak_core::delivery::Delivery;
use tiebreak_core::judge::Judge;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::policy::{KeyPolicy, KeyRule, Policy};
use tiebreak_core::problem::Kind;
use tiebreak_core::request::{Target, WriteRequest};
use tiebreak_core::time::Time;
use tiebreak_ledger::memory::MemoryLedger;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Keeps what was sent until it is answered.
#[derive(Default)]
struct Wire {
    waiting: Mutex<Vec<oneshot::Sender<u16>>>,
    sent: Mutex<usize>,
}

impl Wire {
    fn sent(&self) -> usize {
        *self.sent.lock().unwrap()
    }

    /// Answers all that waits, with a resource of its own for each.
    fn answer(&self, status: u16) {
        for waiting in self.waiting.lock().unwrap().drain(..) {
            waiting.send(status).unwrap();
        }
    }
}

impl Transport for Wire {
    fn send(&self, _request: Request<Bytes>, _keep: usize) -> Sending<'_> {
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().unwrap().push(answer);
        let number = {
            let mut sent = self.sent.lock().unwrap();
            *sent += 1;
            *sent
        };
        Box::pin(async move {
            let status = answered.await.unwrap();
            let mut headers = HeaderMap::new();
            headers.insert("location", format!("/things/{number}").parse().unwrap());
            headers.insert("set-cookie", HeaderValue::from_static("session=1"));
            Delivery::Answered(tiebreak_core::response::Response {
                status: StatusCode::from_u16(status).unwrap(),
                headers,
                content: Bytes::new(),
                complete: true,
            })
        })
    }
}

struct House {
    wire: Arc<Wire>,
    engine: Arc<Engine>,
    callers: Callers,
}

fn house(keys: KeyPolicy) -> House {
    house_where(Policy {
        keys,
        ..Policy::default()
    })
}

fn house_where(policy: Policy) -> House {
    let wire = Arc::new(Wire::default());
    let options = EngineOptions {
        policy: Arc::new(Policy { attempts: 1, ..policy }),
        callers: Arc::new(Callers::new(&[1; 32])),
        seed: Some(1),
        ..EngineOptions::default()
    };
    let engine = Engine::new(
        options,
        Clock::starting_at(Time(1_000_000)),
        Arc::new(MemoryLedger::new()),
        wire.clone(),
        Arc::new(Judge::standard()),
    );
    House {
        wire,
        engine: Arc::new(engine),
        callers: Callers::new(&[1; 32]),
    }
}

/// A write on its way, and its client's presence.
struct Client {
    here: Option<oneshot::Sender<()>>,
    task: JoinHandle<Answer>,
}

impl House {
    /// A client POSTs; it is awaited that its write is on the wire, joined or answered.
    async fn post(&self, fields: &[(&'static str, &str)]) -> Client {
        self.post_from(fields, Some("192.0.2.1")).await
    }

    async fn post_from(&self, fields: &[(&'static str, &str)], sender: Option<&str>) -> Client {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        let (here, gone) = oneshot::channel();
        let submission = Submission {
            caller: Some(
                self.callers
                    .of(&Credential::of(&headers, &HeaderName::from_static("idempotency-key"))),
            ),
            sender: sender.map(str::to_owned),
            gone: Some(gone),
            ..Submission::default()
        };
        let request = WriteRequest {
            method: Method::POST,
            target: Target::parse("http://origin.example/things").unwrap(),
            headers,
            content: Bytes::from_static(b"a=1"),
        };
        let engine = Arc::clone(&self.engine);
        let task = tokio::spawn(async move { engine.write(request, submission).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        Client { here: Some(here), task }
    }
}

impl Client {
    fn goes(&mut self) {
        self.here = None;
    }

    async fn answer(self) -> Answer {
        let _here = self.here;
        self.task.await.unwrap()
    }
}

fn location(answer: &Answer) -> &str {
    answer.headers["location"].to_str().unwrap()
}

const TOKEN: (&str, &str) = ("authorization", "Bearer a");
const RETRY: (&str, &str) = ("x-stainless-retry-count", "1");
const UUID: (&str, &str) = ("idempotency-key", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"");

#[tokio::test(start_paused = true)]
async fn a_blind_retry_joins_the_original_that_was_left() {
    let house = house(KeyPolicy::default());
    let mut first = house.post(&[TOKEN]).await;
    first.goes();
    let second = house.post(&[TOKEN]).await;
    assert_eq!(house.wire.sent(), 1, "the second one waits for the first");
    house.wire.answer(201);
    let answer = second.answer().await;
    assert_eq!((answer.status.as_u16(), location(&answer)), (201, "/things/1"));
    assert!(answer.replayed && answer.headers.contains_key("set-cookie"));
    // The same once more is a new write.
    let third = house.post(&[TOKEN]).await;
    assert_eq!(house.wire.sent(), 2);
    house.wire.answer(201);
    assert_eq!(location(&third.answer().await), "/things/2");
}

#[tokio::test(start_paused = true)]
async fn a_route_may_take_no_write_for_a_repeat() {
    let house = house_where(Policy {
        joins: false,
        ..Policy::default()
    });
    let mut first = house.post(&[TOKEN]).await;
    first.goes();
    let second = house.post(&[TOKEN, RETRY]).await;
    assert_eq!(house.wire.sent(), 2);
    house.wire.answer(201);
    assert_eq!(location(&second.answer().await), "/things/2");
    // What has a key is told by the key all the same.
    let one = house.post(&[TOKEN, UUID]).await;
    let two = house.post(&[TOKEN, UUID]).await;
    assert_eq!(house.wire.sent(), 3);
    house.wire.answer(201);
    let (one, two) = (one.answer().await, two.answer().await);
    assert_eq!((location(&one), location(&two)), ("/things/3", "/things/3"));
}

#[tokio::test(start_paused = true)]
async fn two_equal_writes_whose_clients_are_there_stay_two() {
    let house = house(KeyPolicy::default());
    let (one, two) = (house.post(&[TOKEN]).await, house.post(&[TOKEN]).await);
    assert_eq!(house.wire.sent(), 2);
    house.wire.answer(201);
    let (one, two) = (one.answer().await, two.answer().await);
    assert_ne!(location(&one), location(&two));
    assert!(!one.replayed && !two.replayed);
}

#[tokio::test(start_paused = true)]
async fn another_caller_or_another_write_joins_nothing() {
    let house = house(KeyPolicy::default());
    let mut first = house.post(&[TOKEN]).await;
    first.goes();
    house.post(&[("authorization", "Bearer b"), RETRY]).await;
    house.post(&[TOKEN, RETRY, ("content-type", "text/plain")]).await;
    assert_eq!(house.wire.sent(), 3);
}

#[tokio::test(start_paused = true)]
async fn anonymous_callers_are_told_apart_by_address_and_browser() {
    let house = house(KeyPolicy::default());
    let browser = ("user-agent", "Browser/1");
    let mut first = house.post(&[browser]).await;
    first.goes();
    house.post_from(&[browser], Some("192.0.2.2")).await;
    house.post(&[("user-agent", "Browser/2")]).await;
    house.post_from(&[browser], None).await;
    assert_eq!(house.wire.sent(), 4);
    let same = house.post(&[browser]).await;
    assert_eq!(house.wire.sent(), 4);
    house.wire.answer(201);
    let answer = same.answer().await;
    assert_eq!(location(&answer), "/things/1");
    assert!(
        !answer.headers.contains_key("set-cookie"),
        "a session is the first one's"
    );
}

#[tokio::test(start_paused = true)]
async fn a_marked_retry_joins_whether_or_not_the_client_was_seen_to_go() {
    let house = house(KeyPolicy::default());
    let first = house.post(&[TOKEN]).await;
    let mut second = house.post(&[TOKEN, RETRY]).await;
    assert_eq!(house.wire.sent(), 1);
    // One joiner each: nothing is sent for the next one, nor is it told another's outcome.
    let third = house.post(&[TOKEN, RETRY]).await.answer().await;
    assert_eq!(third.problem.as_ref().unwrap().kind(), Kind::InProgress);
    // The one that waited goes as well; then the next repeat takes its place.
    second.goes();
    assert_eq!(second.answer().await.report.outcome, Outcome::NotSent);
    let fourth = house.post(&[TOKEN, RETRY]).await;
    house.wire.answer(201);
    assert_eq!(location(&fourth.answer().await), "/things/1");
    assert_eq!(location(&first.answer().await), "/things/1");
    assert_eq!(house.wire.sent(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_success_that_nobody_got_goes_to_the_marked_retry_once() {
    let house = house(KeyPolicy::default());
    let mut first = house.post(&[TOKEN]).await;
    first.goes();
    house.wire.answer(201);
    first.answer().await;
    let retry = house.post(&[TOKEN, RETRY]).await.answer().await;
    assert_eq!((location(&retry), retry.replayed), ("/things/1", true));
    // Another one is another's: its first attempt never came here.
    house.post(&[TOKEN, RETRY]).await;
    assert_eq!(house.wire.sent(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_delivered_refused_or_long_ago_is_sent_again() {
    for (status, goes, waits) in [(201, false, 0), (429, true, 0), (422, true, 0), (201, true, 61)] {
        let house = house(KeyPolicy::default());
        let mut first = house.post(&[TOKEN]).await;
        if goes {
            first.goes();
        }
        house.wire.answer(status);
        first.answer().await;
        tokio::time::sleep(Duration::from_secs(waits)).await;
        house.post(&[TOKEN, RETRY]).await;
        assert_eq!(house.wire.sent(), 2, "after {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_its_callers_own() {
    let house = house(KeyPolicy::default());
    let first = house.post(&[TOKEN, UUID]).await;
    let early = house.post(&[("authorization", "Bearer b"), UUID]).await.answer().await;
    assert_eq!(early.problem.as_ref().unwrap().kind(), Kind::CallerChanged);
    house.wire.answer(201);
    first.answer().await;
    for other in [&[("authorization", "Bearer b"), UUID][..], &[UUID]] {
        let answer = house.post(other).await.answer().await;
        assert_eq!(answer.problem.as_ref().unwrap().kind(), Kind::CallerChanged);
        assert!(!answer.headers.contains_key("location"));
    }
    let own = house.post(&[TOKEN, UUID]).await.answer().await;
    assert_eq!((location(&own), own.replayed), ("/things/1", true));
    assert_eq!(house.wire.sent(), 1);
    // A key that can be guessed is another write for each caller.
    for token in ["Bearer a", "Bearer b"] {
        house
            .post(&[("authorization", token), ("idempotency-key", "order-5")])
            .await;
    }
    assert_eq!(house.wire.sent(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_form_that_is_sent_twice_is_performed_once() {
    let derived = || KeyPolicy {
        rule: KeyRule::Derived,
        ..KeyPolicy::default()
    };
    for cookie in [Some(("cookie", "session=a")), None] {
        let house = house(derived());
        let fields: Vec<_> = cookie.into_iter().collect();
        let mut first = house.post(&fields).await;
        // A browser drops the first connection at the second click.
        first.goes();
        let second = house.post(&fields).await;
        house.wire.answer(303);
        let answer = second.answer().await;
        assert_eq!((answer.status.as_u16(), location(&answer)), (303, "/things/1"));
        first.answer().await;
        let third = house.post(&fields).await.answer().await;
        assert_eq!((location(&third), third.replayed), ("/things/1", true));
        assert!(!third.headers.contains_key("set-cookie"));
        // Somebody else's is somebody else's.
        house.post(&[("cookie", "session=b")]).await;
        house.post_from(&[], Some("192.0.2.2")).await;
        assert_eq!(house.wire.sent(), 3);
        tokio::time::sleep(Duration::from_secs(10)).await;
        house.post(&fields).await;
        assert_eq!(house.wire.sent(), 4, "the window is over");
    }
}

#[tokio::test(start_paused = true)]
async fn the_route_says_what_a_key_is() {
    let kinds = async |keys: KeyPolicy, fields: &[(&'static str, &str)]| {
        let house = house(keys);
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let client = house.post(fields).await;
            house.wire.answer(201);
            let answer = client.answer().await;
            kinds.push(answer.problem.map_or("none", |p| p.kind().slug()));
        }
        (kinds, house.wire.sent())
    };
    let field = |name| HeaderName::from_static(name);
    let required = KeyPolicy {
        rule: KeyRule::Required,
        field: field("paypal-request-id"),
        ..KeyPolicy::default()
    };
    let missing = kinds(required.clone(), &[TOKEN, UUID]).await;
    assert_eq!(missing, (vec!["key-missing"; 2], 0));
    assert_eq!(
        kinds(required.clone(), &[TOKEN, ("paypal-request-id", "7")]).await,
        (vec!["none"; 2], 1)
    );
    assert_eq!(
        kinds(required, &[TOKEN, ("paypal-request-id", "\"7")]).await,
        (vec!["key-invalid"; 2], 0)
    );
    let off = KeyPolicy {
        rule: KeyRule::Off,
        ..KeyPolicy::default()
    };
    assert_eq!(kinds(off, &[TOKEN, UUID]).await, (vec!["none"; 2], 2));
}
