//! What frees a key, what keeps it, and what turns it into a doubt; and who is answered from whose record.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tiebreak_core::base::Candidates;
use tiebreak_core::caller::CallerId;
use tiebreak_core::delivery::{Delivery, NotSent, Unknown};
use tiebreak_core::exchange::{Answer, Context, Effect, Entry, Exchange, Input, LaneView, Registrant};
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::judge::Judge;
use tiebreak_core::key::{KeyDigest, KeyTrace};
use tiebreak_core::outcome::{Outcome, Report};
use tiebreak_core::policy::{KeyPolicy, Policy};
use tiebreak_core::problem::Kind;
use tiebreak_core::record::{Claim, Doubt, Fence, Record, Settlement, State, WriteId};
use tiebreak_core::repeat::Likeness;
use tiebreak_core::request::{Target, WriteRequest};
use tiebreak_core::response::Response;
use tiebreak_core::time::Time;

use crate::cases::{CALLER, START};
use crate::world::{answer, fields};

const OTHER: CallerId = CallerId(Digest([8; 32]));

/// A POST, which cannot be proven and has no lanes.
fn write() -> WriteRequest {
    WriteRequest {
        method: Method::POST,
        target: Target::parse("http://origin.example/things").unwrap(),
        headers: fields(&[("content-type", "application/json")]),
        content: Bytes::from_static(b"{}"),
    }
}

fn trace(exclusive: bool) -> KeyTrace {
    KeyTrace {
        digest: Digest([5; 32]),
        exclusive,
    }
}

fn key_of(caller: CallerId) -> KeyDigest {
    KeyDigest(Digest::of(&[&caller.0.0]))
}

/// A write of `caller` with a key.
fn context(caller: CallerId, exclusive: bool) -> Context {
    Context {
        id: WriteId([1; 16]),
        caller,
        key: Some(key_of(caller)),
        trace: Some(trace(exclusive)),
        derived: None,
        likeness: Likeness::of(caller, Some(Digest([3; 32])), Fingerprint::of(&write())),
        fingerprint: Fingerprint::of(&write()),
        lanes: Vec::new(),
        policy: Arc::new(Policy {
            attempts: 2,
            remember: Some(Duration::from_secs(60)),
            ..Policy::default()
        }),
        connection: None,
        candidates: Candidates::default(),
        base: None,
        marked: false,
        check_first: false,
        shared: false,
        seed: 1,
    }
}

fn exchange(context: Context) -> Exchange {
    Exchange::new(Arc::new(write()), context, Arc::new(Judge::standard()))
}

/// Drives the exchange to its end; the wire brings `delivery` each time. Returns what was recorded, and the answer.
fn performed(context: Context, delivery: &Delivery) -> (Option<Entry>, Answer) {
    let mut exchange = exchange(context);
    let (mut now, mut input, mut recorded) = (START, Input::Begin, None);
    loop {
        input = match exchange.handle(now, input).effect {
            Effect::Answer { answer, .. } => return (recorded, *answer),
            Effect::Register(_) => Input::Registered,
            Effect::LookUp(_) | Effect::Get(_) => Input::Found(None),
            Effect::EnterLanes { .. } | Effect::AwaitTurn => Input::Turn(LaneView::default()),
            Effect::Claim(_) | Effect::Amend { .. } | Effect::Retake { .. } => Input::Granted(Fence(1)),
            Effect::Send(_) => Input::Delivered(delivery.clone()),
            Effect::Fetch(_) => Input::Fetched(Delivery::Unknown(Unknown::Closed)),
            Effect::Sleep(until) => {
                now = until;
                Input::Elapsed
            }
            Effect::Record { entry, .. } => {
                recorded = Some(*entry);
                Input::Recorded
            }
            Effect::Await => panic!("nothing to wait for"),
            Effect::HandOff { .. } => panic!("nothing is handed off"),
        };
    }
}

/// Design, section 10: only *applied* and final *refused* answers are kept; *not sent* and transient refusals free the key;
/// *unknown* keeps it, as a doubt.
#[test]
fn what_becomes_of_the_key() {
    let unknown = [Unknown::Timeout, Unknown::Closed, Unknown::Garbage].map(Delivery::Unknown);
    let not_sent = [
        NotSent::NameNotFound,
        NotSent::Unreachable,
        NotSent::Tls,
        NotSent::ConnectTimeout,
        NotSent::ClosedBeforeSend,
        NotSent::Refused,
        NotSent::GoingAway,
        NotSent::NoStream,
        NotSent::NoPlace,
        NotSent::Expectation,
    ]
    .map(Delivery::NotSent);
    let said = |status: u16| answer(status, None, "");
    let worded = |status: u16, text: &str| answer(status, None, text);
    let mut table: Vec<(&str, Delivery)> = Vec::new();
    table.extend(unknown.into_iter().map(|d| ("doubt", d)));
    table.extend(not_sent.into_iter().map(|d| ("free", d)));
    // Applied, or taken.
    table.extend([200, 201, 202, 204, 303].map(|s| ("kept", said(s))));
    // Refused for good.
    table.extend([400, 404, 405, 410, 412, 413, 414, 415, 422, 428].map(|s| ("kept", said(s))));
    table.extend([301, 302, 307, 308].map(|s| ("kept", said(s))));
    table.push((
        "kept",
        worded(409, r#"{"error":"a thing with this name already exists"}"#),
    ));
    table.push((
        "kept",
        worded(409, r#"{"error":"the order is cancelled and cannot be changed"}"#),
    ));
    // Refused for now: who asks, how often, or what else is going on.
    table.extend([401, 403, 407, 421, 425, 426, 429].map(|s| ("free", said(s))));
    table.push((
        "free",
        worded(409, r#"{"error":"another operation is in progress, try again later"}"#),
    ));
    table.push((
        "free",
        worded(
            423,
            r#"{"error":"the resource is locked by another request, try again"}"#,
        ),
    ));
    // Nobody knows.
    table.extend([408, 500, 502, 503, 504].map(|s| ("doubt", said(s))));
    let mut wrong = Vec::new();
    for (expected, delivery) in table {
        let (recorded, answer) = performed(context(CALLER, true), &delivery);
        let became = match &recorded {
            Some(Entry::Settle(..)) => "kept",
            Some(Entry::Release(..)) => "free",
            Some(Entry::Doubt(..)) => "doubt",
            Some(Entry::Resolve(..)) | None => "nothing",
        };
        // An expiry is told of what is kept and of nothing else.
        let expires = (became == "kept").then_some(START.after(Duration::from_secs(60)));
        if became != expected || answer.report.key_expires != expires {
            wrong.push(format!("{became}, not {expected}: {delivery:?} {:?}", answer.report));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn record(caller: CallerId, exclusive: bool, state: State) -> Box<Record> {
    let write = write();
    Box::new(Record {
        claim: Claim {
            id: WriteId([2; 16]),
            key: Some(key_of(caller)),
            trace: Some(trace(exclusive)),
            caller,
            fingerprint: Fingerprint::of(&write),
            method: "POST".into(),
            target: write.target.to_string(),
            lanes: Vec::new(),
            attempt: 1,
            held: None,
            at: START,
            expires: Some(Time(START.0 + 5_000)),
        },
        fence: Fence(1),
        state,
    })
}

fn states() -> [State; 3] {
    let settlement = Settlement {
        outcome: Outcome::Applied,
        status: 201,
        fields: vec![
            ("location".into(), "/things/secret".into()),
            ("content-type".into(), "text/plain".into()),
        ],
        content: Bytes::from_static(b"the first caller's secret"),
        truncated: false,
        class: None,
        evidence: String::new(),
        guarantee: Guarantee::D,
        attempts: 1,
        at: START,
    };
    let doubt = Doubt {
        reason: Unknown::Timeout,
        attempts: 1,
        guarantee: Guarantee::D,
        since: START,
    };
    [State::Claimed, State::Settled(settlement), State::InDoubt(doubt)]
}

/// What an exchange answers when the ledger finds `record`: at its look-up, or at its claim.
fn met(context: &Context, record: &Record, at_claim: bool) -> Effect {
    let mut exchange = exchange(context.clone());
    let mut input = Input::Begin;
    loop {
        input = match exchange.handle(START, input).effect {
            Effect::Register(_) => Input::Registered,
            Effect::LookUp(_) if at_claim => Input::Found(None),
            Effect::LookUp(_) => Input::Found(Some(Box::new(record.clone()))),
            Effect::EnterLanes { .. } => Input::Turn(LaneView::default()),
            Effect::Claim(_) => Input::Taken(Box::new(record.clone())),
            other => return other,
        };
    }
}

#[test]
fn a_key_of_another_caller_is_neither_sent_nor_shown() {
    for ours in [CALLER, CallerId::ANONYMOUS] {
        for theirs in [OTHER, CallerId::ANONYMOUS] {
            for state in states() {
                for at_claim in [false, true] {
                    if ours == theirs {
                        continue;
                    }
                    let record = record(theirs, true, state.clone());
                    let Effect::Answer { answer, .. } = met(&context(ours, true), &record, at_claim) else {
                        panic!("it was not answered: {ours:?} {state:?}");
                    };
                    let problem = answer.problem.as_ref().unwrap();
                    assert_eq!((problem.kind(), answer.status.as_u16()), (Kind::CallerChanged, 409));
                    assert_eq!((answer.report.outcome, answer.replayed), (Outcome::NotSent, false));
                    let own = context(ours, true).id;
                    assert_eq!(
                        answer.report.id,
                        Some(own),
                        "the id of the record is the other's business"
                    );
                    assert_ne!(record.claim.id, own);
                    let told = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.content));
                    assert!(!told.contains("secret"), "{told}");
                }
            }
        }
    }
}

#[test]
fn the_callers_own_record_is_answered() {
    let [claimed, settled, _] = states();
    let Effect::Answer { answer, .. } = met(&context(CALLER, true), &record(CALLER, true, settled.clone()), false)
    else {
        panic!("no answer");
    };
    assert_eq!((answer.status.as_u16(), answer.replayed), (201, true));
    assert_eq!(answer.headers["location"], "/things/secret");
    assert_eq!(answer.report.key_expires, Some(Time(START.0 + 5_000)));
    assert!(
        answer.report.to_string().ends_with("; key-expires=@1005"),
        "{}",
        answer.report
    );
    // The codes are the route's.
    let mut own = context(CALLER, true);
    own.policy = Arc::new(Policy {
        keys: KeyPolicy {
            reuse_status: 400,
            running_status: 425,
            ..KeyPolicy::default()
        },
        ..Policy::default()
    });
    let mut other_write = record(CALLER, true, settled);
    other_write.claim.fingerprint = Fingerprint(Digest([4; 32]));
    for (record, status, kind) in [
        (record(CALLER, true, claimed), 425, Kind::InProgress),
        (other_write, 400, Kind::KeyReuse),
    ] {
        let Effect::Answer { answer, .. } = met(&own, &record, false) else {
            panic!("no answer");
        };
        assert_eq!(
            (answer.status.as_u16(), answer.problem.as_ref().unwrap().kind()),
            (status, kind)
        );
        assert!(!String::from_utf8_lossy(&answer.content).contains("secret"));
    }
}

/// The first effect after registering was answered with `input`.
fn registered(context: Context, input: Input) -> (Exchange, Effect) {
    let mut exchange = exchange(context);
    let first = exchange.handle(START, Input::Begin).effect;
    assert!(matches!(first, Effect::Register(_)), "{first:?}");
    let effect = exchange.handle(START, input).effect;
    (exchange, effect)
}

fn keyless() -> Context {
    Context {
        key: None,
        trace: None,
        ..context(CALLER, true)
    }
}

fn theirs() -> Box<Answer> {
    let response = Response {
        status: http::StatusCode::CREATED,
        headers: fields(&[("set-cookie", "session=1"), ("location", "/things/1")]),
        content: Bytes::from_static(b"made"),
        complete: true,
    };
    let report = Report {
        outcome: Outcome::Applied,
        attempts: 1,
        ..Report::unsent()
    };
    Box::new(Answer::from_origin(response, None, report))
}

#[test]
fn who_joins_gets_the_outcome_and_anonymous_ones_no_session() {
    let mut anonymous = context(CallerId::ANONYMOUS, true);
    anonymous.derived = Some(Duration::from_secs(10));
    for (context, input) in [
        (context(CALLER, true), Input::Running(Fingerprint::of(&write()))),
        (keyless(), Input::Repeats),
        (anonymous, Input::Running(Fingerprint::of(&write()))),
    ] {
        let anonymous = context.caller.is_anonymous();
        let (mut exchange, effect) = registered(context, input);
        assert!(matches!(effect, Effect::Await), "{effect:?}");
        assert!(exchange.can_be_abandoned());
        let told = exchange.handle(START, Input::Awaited(Some(theirs()))).effect;
        let Effect::Answer { answer, .. } = told else {
            panic!("{told:?}");
        };
        assert_eq!((answer.status.as_u16(), answer.replayed), (201, true));
        assert_eq!(answer.headers["location"], "/things/1");
        assert_eq!(answer.headers.contains_key("set-cookie"), !anonymous);
    }
}

#[test]
fn a_repeat_whose_original_ends_without_an_outcome_is_performed_itself() {
    let (mut exchange, _) = registered(keyless(), Input::Repeats);
    let next = exchange.handle(START, Input::Awaited(None)).effect;
    assert!(matches!(next, Effect::Register(Registrant::Keyless(..))), "{next:?}");
    let next = exchange.handle(START, Input::Registered).effect;
    assert!(matches!(next, Effect::EnterLanes { .. }), "{next:?}");
}

#[test]
fn what_cannot_be_told_and_what_takes_too_long_is_in_progress() {
    let (_, unclear) = registered(keyless(), Input::RepeatsSomething);
    let (mut exchange, _) = registered(keyless(), Input::Repeats);
    let late = exchange.handle(START, Input::Elapsed).effect;
    let (mut exchange, _) = registered(keyless(), Input::Repeats);
    let gone = exchange.handle(START, Input::CallerGone).effect;
    for (effect, kind) in [
        (unclear, Kind::InProgress),
        (late, Kind::InProgress),
        (gone, Kind::Stopping),
    ] {
        let Effect::Answer { answer, .. } = effect else {
            panic!("{effect:?}");
        };
        assert_eq!(answer.problem.unwrap().kind(), kind);
        assert_eq!(answer.report.outcome, Outcome::NotSent);
    }
}

#[test]
fn a_success_that_nobody_got_is_the_marked_repeats() {
    let (_, effect) = registered(keyless(), Input::Undelivered(theirs()));
    let Effect::Answer { answer, .. } = effect else {
        panic!("{effect:?}");
    };
    assert_eq!((answer.status.as_u16(), answer.replayed), (201, true));
}

#[test]
fn a_derived_key_is_remembered_for_its_window() {
    let mut derived = context(CALLER, true);
    (derived.trace, derived.derived) = (None, Some(Duration::from_secs(10)));
    let (_, answer) = performed(derived, &answer(303, None, ""));
    assert_eq!(answer.report.key_expires, Some(START.after(Duration::from_secs(10))));
}
