//! A doubt about an edit that was merged: its content died with the process that merged it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tiebreak_core::base::Candidates;
use tiebreak_core::caller::CallerId;
use tiebreak_core::delivery::{Delivery, Unknown};
use tiebreak_core::exchange::{Answer, Context, Effect, Entry, Exchange, Input, LaneView, Outgoing};
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::judge::Judge;
use tiebreak_core::key::{IDEMPOTENCY_KEY, KeyDigest};
use tiebreak_core::lane::default_lanes;
use tiebreak_core::merge::Representation;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::policy::Policy;
use tiebreak_core::record::{Claim, Doubt, Fence, Record, State, WriteId, with_key};
use tiebreak_core::request::{Target, WriteRequest};
use tiebreak_core::response::Response;
use tiebreak_core::time::Time;
use tiebreak_core::validator::EtagKind;

const BASE: &str = r#"{"a":0,"b":0}"#;
const OURS: &str = r#"{"a":1,"b":0}"#;
const THEIRS: &str = r#"{"a":0,"b":2}"#;
const MERGED: &str = r#"{"a":1,"b":2}"#;

/// The exchange of a rerun, and the record of the attempt that a crash left in doubt under the version `"v1"`.
struct Rerun {
    exchange: Exchange,
    record: Record,
    now: u64,
}

impl Rerun {
    fn new(honours_keys: bool) -> Rerun {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        let write = WriteRequest {
            method: Method::PUT,
            target: Target::parse("http://h/docs/1").unwrap(),
            headers,
            content: Bytes::from_static(OURS.as_bytes()),
        };
        let (fingerprint, lanes) = (Fingerprint::of(&write), default_lanes(&write));
        let key = Some(KeyDigest(Digest([7; 32])));
        let claim = Claim {
            id: WriteId([1; 16]),
            key,
            trace: None,
            caller: CallerId::ANONYMOUS,
            fingerprint,
            method: "PUT".into(),
            target: "http://h/docs/1".into(),
            lanes: lanes.clone(),
            attempt: 1,
            held: Some(match honours_keys {
                true => with_key(Some("\"v1\"".into()), &IDEMPOTENCY_KEY),
                false => "\"v1\"".into(),
            }),
            at: Time(0),
            expires: None,
        };
        let doubt = Doubt {
            reason: Unknown::Crash,
            attempts: 1,
            guarantee: Guarantee::A,
            since: Time(0),
        };
        let context = Context {
            id: WriteId([2; 16]),
            caller: CallerId::ANONYMOUS,
            key,
            trace: None,
            derived: None,
            likeness: None,
            fingerprint,
            lanes,
            policy: Arc::new(Policy {
                honours_keys,
                etag: EtagKind::Version,
                ..Policy::default()
            }),
            connection: None,
            candidates: Candidates::default(),
            base: Some(Representation::new("application/json", BASE)),
            marked: false,
            check_first: true,
            shared: false,
            seed: 1,
        };
        Rerun {
            exchange: Exchange::new(Arc::new(write), context, Arc::new(Judge::standard())),
            record: Record {
                claim,
                fence: Fence(1),
                state: State::InDoubt(doubt),
            },
            now: 1000,
        }
    }

    fn handle(&mut self, input: Input) -> Effect {
        self.now += 1;
        self.exchange.handle(Time(self.now), input).effect
    }

    /// Up to the look at the target.
    fn looks(&mut self) {
        assert!(matches!(self.handle(Input::Begin), Effect::Register(..)));
        assert!(matches!(self.handle(Input::Registered), Effect::LookUp(..)));
        let record = Box::new(self.record.clone());
        assert!(matches!(
            self.handle(Input::Found(Some(record))),
            Effect::EnterLanes { .. }
        ));
        // Somebody may have proven it while it waited.
        assert!(matches!(self.handle(Input::Turn(LaneView::default())), Effect::Get(_)));
        let record = Box::new(self.record.clone());
        let effect = self.handle(Input::Found(Some(record)));
        assert!(matches!(effect, Effect::Fetch(_)), "nothing is sent unseen: {effect:?}");
    }

    /// Sends what was planned.
    fn sends(&mut self, retake: &Effect) -> Outgoing {
        let Effect::Retake { held, .. } = retake else {
            panic!("{retake:?}")
        };
        assert!(held.is_some(), "the attempt is guarded");
        match self.handle(Input::Granted(Fence(2))) {
            Effect::Send(outgoing) => *outgoing,
            other => panic!("{other:?}"),
        }
    }

    fn ends(&mut self, record: Effect) -> (Entry, Answer) {
        let Effect::Record { entry, .. } = record else {
            panic!("{record:?}")
        };
        match self.handle(Input::Recorded) {
            Effect::Answer { answer, .. } => (*entry, *answer),
            other => panic!("{other:?}"),
        }
    }
}

fn holds(tag: &str, content: &'static str) -> Delivery {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    headers.insert("etag", tag.parse().unwrap());
    Delivery::Answered(Response {
        status: StatusCode::OK,
        headers,
        content: Bytes::from_static(content.as_bytes()),
        complete: true,
    })
}

#[test]
fn under_the_same_version_it_is_merged_anew_and_never_sent_as_it_was_written() {
    for honours_keys in [false, true] {
        let mut rerun = Rerun::new(honours_keys);
        rerun.looks();
        let retake = rerun.handle(Input::Fetched(holds("\"v1\"", THEIRS)));
        let sent = rerun.sends(&retake);
        assert_eq!(sent.content, MERGED, "their change would be reverted");
        assert_eq!(sent.headers["if-match"], "\"v1\"");
    }
}

#[test]
fn without_a_key_what_is_there_already_is_not_sent_again() {
    let mut rerun = Rerun::new(false);
    rerun.looks();
    let record = rerun.handle(Input::Fetched(holds("\"v2\"", MERGED)));
    let (entry, answer) = rerun.ends(record);
    assert!(matches!(entry, Entry::Resolve(..)), "{entry:?}");
    assert_eq!(answer.report.outcome, Outcome::Adopted);
}

#[test]
fn without_a_key_another_version_without_the_change_leaves_the_doubt_open() {
    let mut rerun = Rerun::new(false);
    rerun.looks();
    // It may have been applied, and overwritten since.
    let mut effect = rerun.handle(Input::Fetched(holds("\"v3\"", BASE)));
    for _ in 0..100 {
        effect = match effect {
            Effect::Sleep(until) => {
                rerun.now = until.0;
                rerun.handle(Input::Elapsed)
            }
            Effect::Fetch(_) => rerun.handle(Input::Fetched(holds("\"v3\"", BASE))),
            other => {
                let Effect::Answer { answer, .. } = other else {
                    panic!("{other:?}")
                };
                assert_eq!(answer.report.outcome, Outcome::InDoubt);
                return;
            }
        };
    }
    panic!("it never ends");
}

#[test]
fn a_key_that_is_known_with_other_content_proves_that_it_was_performed() {
    let mut rerun = Rerun::new(true);
    rerun.looks();
    // Applied under v1, and another writer came after.
    let retake = rerun.handle(Input::Fetched(holds("\"v3\"", r#"{"a":1,"b":3}"#)));
    let sent = rerun.sends(&retake);
    assert_eq!(
        sent.headers["idempotency-key"],
        format!("\"{}\"", WriteId([1; 16])).as_str()
    );
    let reused = Delivery::Answered(Response {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        headers: std::iter::once(("content-type".parse().unwrap(), "application/problem+json".parse().unwrap())).collect(),
        content: Bytes::from_static(br#"{"type":"https://tiebreak.dev/problems/key-reuse","title":"This key was used for another request","status":422,"detail":"this Idempotency-Key came with other content before; send the same content, or a new key"}"#),
        complete: true,
    });
    let look = rerun.handle(Input::Delivered(reused));
    assert!(matches!(look, Effect::Fetch(_)), "{look:?}");
    let record = rerun.handle(Input::Fetched(holds("\"v3\"", r#"{"a":1,"b":3}"#)));
    let (entry, answer) = rerun.ends(record);
    assert!(matches!(entry, Entry::Settle(..)), "{entry:?}");
    assert_eq!(answer.report.outcome, Outcome::Applied);
}
