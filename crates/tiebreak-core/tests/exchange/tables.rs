//! The standard cases, each as a short story: what the wire says, and what the exchange does.

use std::collections::VecDeque;
use std::fmt::Write as _;

use expect_test::{Expect, expect};
use http::{HeaderValue, Method};
use tiebreak_core::delivery::{Delivery, NotSent, Unknown};
use tiebreak_core::exchange::{Answer, Effect, Entry, Input, LedgerFailure, NotPassed, Outgoing, Step, Via};
use tiebreak_core::record::Fence;

use crate::cases::{Base, Case, Doubtful, HandOffs, START};
use crate::world::{Tags, accepted, answer, bot_check, version};

/// Plays `wire` against the exchange of `case`, the last of it for as long as it is read; the ledger and the lanes do
/// what they are asked.
pub(crate) fn story(case: &Case, wire: Vec<Delivery>, expected: &Expect) -> Answer {
    play(case, wire, "", expected)
}

/// As [`story`]; the ledger fails in the operation that begins with `failing`.
fn play(case: &Case, wire: Vec<Delivery>, failing: &str, expected: &Expect) -> Answer {
    let mut wire = VecDeque::from(wire);
    let mut exchange = case.exchange();
    let mut now = START;
    let mut last = None;
    let mut fences = 10;
    let mut out = String::new();
    let mut step = exchange.handle(now, Input::Begin);
    let answer = loop {
        let Step { effect, deadline } = step;
        let told = tell(&effect);
        if !told.is_empty() {
            writeln!(out, "{told}").unwrap();
        }
        let mut granted = || {
            fences += 1;
            Input::Granted(Fence(fences))
        };
        let input = match effect {
            _ if !failing.is_empty() && told.starts_with(failing) => Input::LedgerFailed(LedgerFailure {
                why: "use the ledger".into(),
            }),
            Effect::Answer { answer, .. } => break *answer,
            Effect::Register(..) => Input::Registered,
            Effect::Await => Input::Awaited(None),
            Effect::LookUp(..) | Effect::Get(_) => Input::Found(case.record().map(Box::new)),
            Effect::EnterLanes { .. } | Effect::AwaitTurn => Input::Turn(case.view()),
            Effect::Claim(_) | Effect::Amend { .. } | Effect::Retake { .. } => granted(),
            Effect::HandOff { .. } => match &case.hand_off {
                HandOffs::Elapses => {
                    now = deadline.expect("a person's time is bounded");
                    Input::Elapsed
                }
                HandOffs::Passes => Input::HandedOff(Ok(())),
                HandOffs::Closed => Input::HandedOff(Err(NotPassed::Refused)),
                HandOffs::Off => unreachable!("it was not allowed"),
            },
            Effect::Sleep(until) => {
                now = until;
                Input::Elapsed
            }
            Effect::Record { .. } => Input::Recorded,
            Effect::Send(_) => Input::Delivered(wire.pop_front().expect("the story says what the wire does")),
            Effect::Fetch(_) => {
                last = wire.pop_front().or(last);
                Input::Fetched(last.clone().expect("the story says what the wire does"))
            }
        };
        if let Input::Delivered(delivery) | Input::Fetched(delivery) = &input {
            writeln!(out, "    {}", came(delivery)).unwrap();
        }
        step = exchange.handle(now, input);
    };
    assert!(wire.is_empty(), "nobody asked for {wire:?}\n{out}");
    expected.assert_eq(&out);
    answer
}

fn tell(effect: &Effect) -> String {
    match effect {
        Effect::Register(..) | Effect::Get(_) | Effect::EnterLanes { .. } | Effect::AwaitTurn | Effect::Await => {
            String::new()
        }
        Effect::LookUp(..) => "look up".into(),
        Effect::Claim(claim) => format!("claim, held {}", claim.held.as_deref().unwrap_or("nothing")),
        Effect::Amend { attempt, held, .. } => {
            format!("claim attempt {attempt}, held {}", held.as_deref().unwrap_or("nothing"))
        }
        Effect::Retake { attempt, held, .. } => {
            format!(
                "retake for attempt {attempt}, held {}",
                held.as_deref().unwrap_or("nothing")
            )
        }
        Effect::Fetch(outgoing) if outgoing.via == Via::Page => "read from the page".into(),
        Effect::Fetch(_) => "read".into(),
        Effect::Send(outgoing) => sent(outgoing),
        Effect::HandOff { ask, .. } => format!("leave the lane; hand off {}: {}", ask.target, ask.check),
        Effect::Sleep(_) => "wait".into(),
        Effect::Record { entry, exit } => {
            let entry = match &**entry {
                Entry::Settle(_, _, settlement) => format!("settle {}", settlement.outcome.as_str()),
                Entry::Doubt(..) => "record the doubt".into(),
                Entry::Release(..) => "release".into(),
                Entry::Resolve(_, settlement, _) => format!("resolve the doubt: {}", settlement.outcome.as_str()),
            };
            let suspect = exit.as_ref().is_some_and(|e| e.suspect_until.is_some());
            format!("{entry}{}", if suspect { ", lane suspect" } else { "" })
        }
        Effect::Answer { answer, .. } => {
            let mut report = answer.report.clone();
            report.id = None;
            report.key_expires = None;
            let kind = answer
                .problem
                .as_ref()
                .map(|p| format!(" {}", p.kind().slug()))
                .unwrap_or_default();
            format!("answer {}{kind}: {report}", answer.status.as_u16())
        }
    }
}

fn sent(outgoing: &Outgoing) -> String {
    let mut out = format!("{}", outgoing.method);
    if outgoing.via == Via::Page {
        out.push_str(" from the page");
    }
    for name in ["if-match", "if-none-match", "idempotency-key"] {
        if let Some(value) = outgoing.headers.get(name) {
            write!(out, " {name}: {}", value.to_str().unwrap()).unwrap();
        }
    }
    write!(out, " {}", String::from_utf8_lossy(&outgoing.content)).unwrap();
    out
}

fn came(delivery: &Delivery) -> String {
    match delivery {
        Delivery::NotSent(why) => format!("not sent: {}", why.why()),
        Delivery::Unknown(why) => why.why(),
        Delivery::Declined(response) => format!("{} before the content", response.status.as_u16()),
        Delivery::Answered(response) => {
            let tag = response.field("etag").unwrap_or_default();
            let content = String::from_utf8_lossy(&response.content);
            format!("{} {tag} {content}", response.status.as_u16())
                .trim_end()
                .to_owned()
        }
    }
}

fn lost() -> Delivery {
    Delivery::Unknown(Unknown::Closed)
}

fn ours(b: u64) -> Delivery {
    answer(200, Some("\"5\""), &crate::world::document("new", b))
}

fn read() -> Case {
    Case {
        base: Base::Read,
        ..Case::default()
    }
}

fn named() -> Case {
    Case {
        base: Base::Named,
        ..Case::default()
    }
}

#[test]
fn a_write_from_what_was_read_goes_under_its_version() {
    story(
        &read(),
        vec![ours(1)],
        &expect![[r#"
            look up
            claim, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                200 "5" {"a":"new","b":1}
            settle applied
            answer 200: applied; attempts=1; guarantee=C
        "#]],
    );
}

#[test]
fn a_write_from_an_old_version_is_merged_into_the_new_one() {
    let wire = vec![answer(412, None, ""), version(Tags::Version, 2), ours(2)];
    story(
        &read(),
        wire,
        &expect![[r#"
            look up
            claim, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                412
            read
                200 "2" {"a":"old","b":2}
            claim attempt 2, held "2";new
            PUT if-match: "2" {"a":"new","b":2}
                200 "5" {"a":"new","b":2}
            settle applied
            answer 200: applied; attempts=2; guarantee=C; rebased
        "#]],
    );
}

#[test]
fn what_the_lane_carries_saves_the_read() {
    let case = Case {
        carried: Some(2),
        ..read()
    };
    story(
        &case,
        vec![ours(2)],
        &expect![[r#"
            look up
            claim, held "2";new
            PUT if-match: "2" {"a":"new","b":2}
                200 "5" {"a":"new","b":2}
            settle applied
            answer 200: applied; attempts=1; guarantee=C; rebased
        "#]],
    );
}

#[test]
fn an_overlap_is_reported_and_not_sent() {
    let theirs = answer(200, Some("\"2\""), &crate::world::document("theirs", 1));
    story(
        &read(),
        vec![answer(412, None, ""), theirs],
        &expect![[r#"
            look up
            claim, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                412
            read
                200 "2" {"a":"theirs","b":1}
            settle refused
            answer 409 overlap: refused; attempts=1; guarantee=C; class=stale
        "#]],
    );
}

#[test]
fn a_lagging_replica_is_asked_again() {
    let wire = vec![
        answer(412, None, ""),
        version(Tags::Version, 1),
        version(Tags::Version, 2),
        ours(2),
    ];
    story(
        &read(),
        wire,
        &expect![[r#"
            look up
            claim, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                412
            read
                200 "1" {"a":"old","b":1}
            wait
            read
                200 "2" {"a":"old","b":2}
            claim attempt 2, held "2";new
            PUT if-match: "2" {"a":"new","b":2}
                200 "5" {"a":"new","b":2}
            settle applied
            answer 200: applied; attempts=2; guarantee=C; rebased
        "#]],
    );
}

#[test]
fn the_own_precondition_is_literal() {
    story(
        &named(),
        vec![answer(412, None, "")],
        &expect![[r#"
            look up
            claim, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                412
            settle refused
            answer 412: refused; attempts=1; guarantee=A; class=stale
        "#]],
    );
}

/// A write that met somebody's lock.
fn locked(retry_after: Option<&str>) -> Delivery {
    let held = "<D:error xmlns:D=\"DAV:\"><D:lock-token-submitted/></D:error>";
    let Delivery::Answered(mut response) = answer(423, None, held) else {
        unreachable!("it is an answer");
    };
    let headers = &mut response.headers;
    headers.insert("content-type", HeaderValue::from_static("application/xml"));
    if let Some(seconds) = retry_after {
        headers.insert("retry-after", HeaderValue::from_str(seconds).unwrap());
    }
    Delivery::Answered(response)
}

#[test]
fn a_lock_without_an_end_is_told_at_once() {
    story(
        &named(),
        vec![locked(None)],
        &expect![[r#"
        look up
        claim, held "1";new
        PUT if-match: "1" {"a":"new","b":1}
            423  <D:error xmlns:D="DAV:"><D:lock-token-submitted/></D:error>
        release
        answer 423: refused; attempts=1; guarantee=A; class=race
    "#]],
    );
}

#[test]
fn a_lock_that_says_when_it_ends_is_waited_for() {
    story(
        &named(),
        vec![locked(Some("2")), ours(1)],
        &expect![[r#"
        look up
        claim, held "1";new
        PUT if-match: "1" {"a":"new","b":1}
            423  <D:error xmlns:D="DAV:"><D:lock-token-submitted/></D:error>
        wait
        PUT if-match: "1" {"a":"new","b":1}
            200 "5" {"a":"new","b":1}
        settle applied
        answer 200: applied; attempts=2; guarantee=A
    "#]],
    );
}

#[test]
fn a_lock_met_after_a_lost_attempt_is_looked_behind() {
    let wire = vec![
        lost(),
        version(Tags::Version, 1),
        locked(None),
        version(Tags::Version, 1),
    ];
    story(
        &named(),
        wire,
        &expect![[r#"
        look up
        claim, held "1";new
        PUT if-match: "1" {"a":"new","b":1}
            the connection ended before the answer
        read
            200 "1" {"a":"old","b":1}
        wait
        claim attempt 2, held "1";new
        PUT if-match: "1" {"a":"new","b":1}
            423  <D:error xmlns:D="DAV:"><D:lock-token-submitted/></D:error>
        read
            200 "1" {"a":"old","b":1}
        wait
        read
            200 "1" {"a":"old","b":1}
        wait
        read
            200 "1" {"a":"old","b":1}
        wait
        read
            200 "1" {"a":"old","b":1}
        wait
        read
            200 "1" {"a":"old","b":1}
        wait
        read
            200 "1" {"a":"old","b":1}
        record the doubt
        answer 504 in-doubt: in-doubt; attempts=2; guarantee=A
    "#]],
    );
}

fn deleting(base: Base) -> Case {
    Case {
        method: Method::DELETE,
        base,
        ..Case::default()
    }
}

#[test]
fn a_lost_delete_after_a_read_is_done_once_the_target_is_gone() {
    let wire = vec![lost(), version(Tags::Version, 1), answer(404, None, "")];
    story(
        &deleting(Base::Read),
        wire,
        &expect![[r#"
        look up
        claim, held nothing
        DELETE 
            the connection ended before the answer
        read
            200 "1" {"a":"old","b":1}
        wait
        read
            404
        settle adopted, lane suspect
        answer 204: adopted; attempts=1; guarantee=D; unguarded
    "#]],
    );
}

#[test]
fn a_lost_delete_of_what_was_never_read_stays_in_doubt() {
    let wire = vec![lost(), answer(404, None, "")];
    story(
        &deleting(Base::Nothing),
        wire,
        &expect![[r#"
        look up
        claim, held nothing
        DELETE 
            the connection ended before the answer
        read
            404
        wait
        read
            404
        wait
        read
            404
        wait
        read
            404
        wait
        read
            404
        wait
        read
            404
        wait
        read
            404
        record the doubt
        answer 504 in-doubt: in-doubt; attempts=1; guarantee=D; unguarded
    "#]],
    );
}

#[test]
fn a_lost_answer_is_proven_by_a_look() {
    story(
        &named(),
        vec![lost(), ours(1)],
        &expect![[r#"
            look up
            claim, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                the connection ended before the answer
            read
                200 "5" {"a":"new","b":1}
            settle applied
            answer 200: applied; attempts=1; guarantee=A
        "#]],
    );
}

#[test]
fn a_lost_write_goes_again_under_the_same_version() {
    let wire = vec![lost(), version(Tags::Version, 1), ours(1)];
    story(
        &named(),
        wire,
        &expect![[r#"
            look up
            claim, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                the connection ended before the answer
            read
                200 "1" {"a":"old","b":1}
            wait
            claim attempt 2, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                200 "5" {"a":"new","b":1}
            settle applied
            answer 200: applied; attempts=2; guarantee=A
        "#]],
    );
}

#[test]
fn a_lost_write_that_then_conflicts_may_have_met_itself() {
    let wire = vec![lost(), version(Tags::Version, 1), answer(412, None, ""), ours(1)];
    story(
        &named(),
        wire,
        &expect![[r#"
            look up
            claim, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                the connection ended before the answer
            read
                200 "1" {"a":"old","b":1}
            wait
            claim attempt 2, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                412
            read
                200 "5" {"a":"new","b":1}
            settle applied
            answer 200: applied; attempts=2; guarantee=A
        "#]],
    );
}

#[test]
fn a_refusal_does_not_speak_for_the_attempt_before_it() {
    let unchanged = || version(Tags::Version, 1);
    let wire = vec![lost(), unchanged(), answer(403, None, ""), unchanged()];
    story(
        &named(),
        wire,
        &expect![[r#"
            look up
            claim, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                the connection ended before the answer
            read
                200 "1" {"a":"old","b":1}
            wait
            claim attempt 2, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                403
            read
                200 "1" {"a":"old","b":1}
            wait
            read
                200 "1" {"a":"old","b":1}
            wait
            read
                200 "1" {"a":"old","b":1}
            wait
            read
                200 "1" {"a":"old","b":1}
            wait
            read
                200 "1" {"a":"old","b":1}
            wait
            read
                200 "1" {"a":"old","b":1}
            record the doubt
            answer 504 in-doubt: in-doubt; attempts=2; guarantee=A
        "#]],
    );
}

#[test]
fn a_digest_never_justifies_a_second_send() {
    let case = Case {
        tags: Tags::Digest,
        ..named()
    };
    story(
        &case,
        vec![lost(), version(Tags::Digest, 1)],
        &expect![[r#"
            look up
            claim, held "01ab01cd";new
            PUT if-match: "01ab01cd" {"a":"new","b":1}
                the connection ended before the answer
            read
                200 "01ab01cd" {"a":"old","b":1}
            wait
            read
                200 "01ab01cd" {"a":"old","b":1}
            wait
            read
                200 "01ab01cd" {"a":"old","b":1}
            wait
            read
                200 "01ab01cd" {"a":"old","b":1}
            wait
            read
                200 "01ab01cd" {"a":"old","b":1}
            wait
            read
                200 "01ab01cd" {"a":"old","b":1}
            wait
            read
                200 "01ab01cd" {"a":"old","b":1}
            record the doubt
            answer 504 in-doubt: in-doubt; attempts=1; guarantee=C
        "#]],
    );
}

#[test]
fn a_lost_post_is_in_doubt() {
    let case = Case {
        method: Method::POST,
        ..Case::default()
    };
    story(
        &case,
        vec![lost()],
        &expect![[r#"
        look up
        claim, held nothing
        POST {"a":"new"}
            the connection ended before the answer
        record the doubt, lane suspect
        answer 504 in-doubt: in-doubt; attempts=1; guarantee=D
    "#]],
    );
}

#[test]
fn a_lost_post_goes_again_where_keys_are_honoured() {
    let case = Case {
        method: Method::POST,
        honours_keys: true,
        ..Case::default()
    };
    story(
        &case,
        vec![lost(), answer(201, None, "")],
        &expect![[r#"
        look up
        claim, held nothing
        POST idempotency-key: "01010101010101010101010101010101" {"a":"new"}
            the connection ended before the answer
        wait
        claim attempt 2, held nothing
        POST idempotency-key: "01010101010101010101010101010101" {"a":"new"}
            201
        settle applied
        answer 201: applied; attempts=2; guarantee=B
    "#]],
    );
}

#[test]
fn what_was_not_sent_goes_again() {
    let wire = vec![Delivery::NotSent(NotSent::Unreachable), answer(204, None, "")];
    story(
        &Case::default(),
        wire,
        &expect![[r#"
        look up
        claim, held nothing
        PUT {"a":"new","b":1}
            not sent: it refused the connection
        wait
        PUT {"a":"new","b":1}
            204
        settle applied
        answer 204: applied; attempts=1; guarantee=D; unguarded
    "#]],
    );
}

#[test]
fn an_answer_before_the_content_leaves_no_doubt() {
    let Delivery::Answered(response) = answer(500, None, "") else {
        unreachable!("it is an answer");
    };
    story(
        &Case::default(),
        vec![Delivery::Declined(response)],
        &expect![[r#"
        look up
        claim, held nothing
        PUT {"a":"new","b":1}
            500 before the content
        release
        answer 500: refused; attempts=1; guarantee=D; class=other; unguarded
    "#]],
    );
}

#[test]
fn too_many_requests_waits() {
    story(
        &Case::default(),
        vec![answer(429, None, ""), answer(204, None, "")],
        &expect![[r#"
        look up
        claim, held nothing
        PUT {"a":"new","b":1}
            429
        wait
        PUT {"a":"new","b":1}
            204
        settle applied
        answer 204: applied; attempts=2; guarantee=D; unguarded
    "#]],
    );
}

#[test]
fn a_passing_refusal_frees_the_key() {
    story(
        &Case::default(),
        vec![answer(401, None, "")],
        &expect![[r#"
        look up
        claim, held nothing
        PUT {"a":"new","b":1}
            401
        release
        answer 401: refused; attempts=1; guarantee=D; class=other; unguarded
    "#]],
    );
}

#[test]
fn a_deletion_that_is_gone_was_ours_if_it_was_seen_before() {
    let case = Case {
        method: Method::DELETE,
        ..named()
    };
    story(
        &case,
        vec![lost(), answer(404, None, "")],
        &expect![[r#"
        look up
        claim, held "1"
        DELETE if-match: "1" 
            the connection ended before the answer
        read
            404
        settle applied
        answer 204: applied; attempts=1; guarantee=A
    "#]],
    );
}

#[test]
fn a_job_looks_creates_and_waits_before_it_creates_again() {
    let case = Case {
        check_first: true,
        ..Case::default()
    };
    let mut wire = vec![answer(404, None, ""), lost()];
    wire.extend((0..7).map(|_| answer(404, None, "")));
    wire.push(answer(201, None, ""));
    story(
        &case,
        wire,
        &expect![[r#"
            look up
            read
                404
            claim, held *;new
            PUT if-none-match: * {"a":"new","b":1}
                the connection ended before the answer
            read
                404
            wait
            read
                404
            wait
            read
                404
            wait
            read
                404
            wait
            read
                404
            wait
            read
                404
            wait
            read
                404
            claim attempt 2, held *;new
            PUT if-none-match: * {"a":"new","b":1}
                201
            settle applied, lane suspect
            answer 201: applied; attempts=2; guarantee=C
        "#]],
    );
}

#[test]
fn a_doubt_is_taken_up_under_the_version_that_its_caller_names() {
    let case = Case {
        doubt: Doubtful::UnderBase,
        ..named()
    };
    story(
        &case,
        vec![version(Tags::Version, 1), ours(1)],
        &expect![[r#"
            look up
            read
                200 "1" {"a":"old","b":1}
            wait
            retake for attempt 2, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                200 "5" {"a":"new","b":1}
            settle applied
            answer 200: applied; attempts=2; guarantee=A
        "#]],
    );
}

#[test]
fn a_doubt_that_was_merged_is_merged_anew() {
    let case = Case {
        doubt: Doubtful::UnderMerged,
        ..read()
    };
    story(
        &case,
        vec![version(Tags::Version, 2), ours(2)],
        &expect![[r#"
            look up
            read
                200 "2" {"a":"old","b":2}
            retake for attempt 2, held "2";new
            PUT if-match: "2" {"a":"new","b":2}
                200 "5" {"a":"new","b":2}
            settle applied
            answer 200: applied; attempts=2; guarantee=C; rebased
        "#]],
    );
}

#[test]
fn a_doubt_whose_base_nobody_knows_stays_one() {
    let case = Case {
        doubt: Doubtful::UnderMerged,
        ..Case::default()
    };
    story(
        &case,
        vec![version(Tags::Version, 2)],
        &expect![[r#"
            look up
            read
                200 "2" {"a":"old","b":2}
            wait
            read
                200 "2" {"a":"old","b":2}
            wait
            read
                200 "2" {"a":"old","b":2}
            wait
            read
                200 "2" {"a":"old","b":2}
            wait
            read
                200 "2" {"a":"old","b":2}
            wait
            read
                200 "2" {"a":"old","b":2}
            wait
            read
                200 "2" {"a":"old","b":2}
            answer 504 in-doubt: in-doubt; attempts=1; guarantee=A
        "#]],
    );
}

#[test]
fn without_a_ledger_nothing_is_sent() {
    play(
        &read(),
        Vec::new(),
        "look up",
        &expect![[r#"
        look up
        answer 503 ledger-unavailable: not-sent; attempts=0; guarantee=D
    "#]],
    );
    play(
        &read(),
        Vec::new(),
        "claim",
        &expect![[r#"
            look up
            claim, held "1";new
            answer 503 ledger-unavailable: not-sent; attempts=0; guarantee=C
        "#]],
    );
}

#[test]
fn what_cannot_be_recorded_is_in_doubt() {
    play(
        &read(),
        vec![ours(1)],
        "settle",
        &expect![[r#"
            look up
            claim, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                200 "5" {"a":"new","b":1}
            settle applied
            answer 504 in-doubt: in-doubt; attempts=1; guarantee=C
        "#]],
    );
}

#[test]
fn a_second_attempt_that_cannot_be_claimed_is_neither_sent_nor_in_doubt() {
    let wire = vec![answer(412, None, ""), version(Tags::Version, 2)];
    play(
        &read(),
        wire,
        "claim attempt 2",
        &expect![[r#"
            look up
            claim, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                412
            read
                200 "2" {"a":"old","b":2}
            claim attempt 2, held "2";new
            release
            answer 503 ledger-unavailable: refused; attempts=1; guarantee=C
        "#]],
    );
}

fn handed(hand_off: HandOffs) -> Case {
    Case { hand_off, ..read() }
}

#[test]
fn a_bot_check_is_not_handed_off_unless_the_route_allows_it() {
    story(
        &read(),
        vec![bot_check()],
        &expect![[r#"
        look up
        claim, held "1";new
        PUT if-match: "1" {"a":"new","b":1}
            403
        release
        answer 403: refused; attempts=1; guarantee=C; class=blocked
    "#]],
    );
}

#[test]
fn a_passed_check_lets_the_write_go_out_from_the_page() {
    story(
        &handed(HandOffs::Passes),
        vec![bot_check(), ours(1)],
        &expect![[r#"
        look up
        claim, held "1";new
        PUT if-match: "1" {"a":"new","b":1}
            403
        leave the lane; hand off http://origin.example/things/7: a browser test by Cloudflare: the field that only challenged answers carry
        claim attempt 2, held "1";new
        PUT from the page if-match: "1" {"a":"new","b":1}
            200 "5" {"a":"new","b":1}
        settle applied
        answer 200: applied; attempts=2; guarantee=C
    "#]],
    );
}

#[test]
fn what_others_wrote_while_the_person_was_at_it_is_merged_from_the_page_too() {
    let wire = vec![bot_check(), answer(412, None, ""), version(Tags::Version, 2), ours(2)];
    story(
        &handed(HandOffs::Passes),
        wire,
        &expect![[r#"
            look up
            claim, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                403
            leave the lane; hand off http://origin.example/things/7: a browser test by Cloudflare: the field that only challenged answers carry
            claim attempt 2, held "1";new
            PUT from the page if-match: "1" {"a":"new","b":1}
                412
            read from the page
                200 "2" {"a":"old","b":2}
            claim attempt 3, held "2";new
            PUT from the page if-match: "2" {"a":"new","b":2}
                200 "5" {"a":"new","b":2}
            settle applied
            answer 200: applied; attempts=3; guarantee=C; rebased
        "#]],
    );
}

#[test]
fn a_lost_answer_to_the_page_is_looked_into_from_the_page() {
    story(
        &handed(HandOffs::Passes),
        vec![bot_check(), lost(), ours(1)],
        &expect![[r#"
            look up
            claim, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                403
            leave the lane; hand off http://origin.example/things/7: a browser test by Cloudflare: the field that only challenged answers carry
            claim attempt 2, held "1";new
            PUT from the page if-match: "1" {"a":"new","b":1}
                the connection ended before the answer
            read from the page
                200 "5" {"a":"new","b":1}
            settle applied
            answer 200: applied; attempts=2; guarantee=C
        "#]],
    );
}

#[test]
fn a_check_that_comes_again_ends_the_write() {
    story(
        &handed(HandOffs::Passes),
        vec![bot_check(), bot_check()],
        &expect![[r#"
        look up
        claim, held "1";new
        PUT if-match: "1" {"a":"new","b":1}
            403
        leave the lane; hand off http://origin.example/things/7: a browser test by Cloudflare: the field that only challenged answers carry
        claim attempt 2, held "1";new
        PUT from the page if-match: "1" {"a":"new","b":1}
            403
        release
        answer 403 blocked: refused; attempts=2; guarantee=C; class=blocked
    "#]],
    );
}

#[test]
fn a_page_that_is_gone_ends_the_write_unsent() {
    let wire = vec![bot_check(), Delivery::NotSent(NotSent::ClosedBeforeSend)];
    story(
        &handed(HandOffs::Passes),
        wire,
        &expect![[r#"
        look up
        claim, held "1";new
        PUT if-match: "1" {"a":"new","b":1}
            403
        leave the lane; hand off http://origin.example/things/7: a browser test by Cloudflare: the field that only challenged answers carry
        claim attempt 2, held "1";new
        PUT from the page if-match: "1" {"a":"new","b":1}
            not sent: it closed the connection before the request was sent
        release
        answer 403 blocked: refused; attempts=1; guarantee=C; class=blocked
    "#]],
    );
}

#[test]
fn a_closed_window_ends_the_write() {
    story(
        &handed(HandOffs::Closed),
        vec![bot_check()],
        &expect![[r#"
        look up
        claim, held "1";new
        PUT if-match: "1" {"a":"new","b":1}
            403
        leave the lane; hand off http://origin.example/things/7: a browser test by Cloudflare: the field that only challenged answers carry
        release
        answer 403 blocked: refused; attempts=1; guarantee=C; class=blocked
    "#]],
    );
}

#[test]
fn a_check_that_nobody_passes_in_time_ends_the_write() {
    story(
        &handed(HandOffs::Elapses),
        vec![bot_check()],
        &expect![[r#"
        look up
        claim, held "1";new
        PUT if-match: "1" {"a":"new","b":1}
            403
        leave the lane; hand off http://origin.example/things/7: a browser test by Cloudflare: the field that only challenged answers carry
        release
        answer 403 blocked: refused; attempts=1; guarantee=C; class=blocked
    "#]],
    );
}

#[test]
fn an_unknown_attempt_is_never_handed_off() {
    let wire = vec![
        lost(),
        version(Tags::Version, 1),
        bot_check(),
        version(Tags::Version, 1),
    ];
    story(
        &handed(HandOffs::Passes),
        wire,
        &expect![[r#"
        look up
        claim, held "1";new
        PUT if-match: "1" {"a":"new","b":1}
            the connection ended before the answer
        read
            200 "1" {"a":"old","b":1}
        wait
        claim attempt 2, held "1";new
        PUT if-match: "1" {"a":"new","b":1}
            403
        read
            200 "1" {"a":"old","b":1}
        wait
        read
            200 "1" {"a":"old","b":1}
        wait
        read
            200 "1" {"a":"old","b":1}
        wait
        read
            200 "1" {"a":"old","b":1}
        wait
        read
            200 "1" {"a":"old","b":1}
        wait
        read
            200 "1" {"a":"old","b":1}
        record the doubt
        answer 504 in-doubt: in-doubt; attempts=2; guarantee=C
    "#]],
    );
}

fn following() -> Case {
    Case {
        method: Method::POST,
        follow_202: true,
        ..Case::default()
    }
}

#[test]
fn what_is_accepted_is_said_and_leaves_the_lane_suspect() {
    let wire = vec![accepted("location", "/ops/1")];
    story(
        &Case::default(),
        wire,
        &expect![[r#"
        look up
        claim, held nothing
        PUT {"a":"new","b":1}
            202
        settle accepted, lane suspect
        answer 202: accepted; attempts=1; guarantee=D; unguarded
    "#]],
    );
}

#[test]
fn what_is_accepted_is_followed_to_its_end() {
    let wire = vec![
        accepted("operation-location", "http://origin.example/ops/1"),
        answer(200, None, r#"{"status":"Running"}"#),
        Delivery::Unknown(Unknown::Closed),
        answer(200, Some("\"of the monitor\""), r#"{"status":"Succeeded"}"#),
    ];
    story(
        &following(),
        wire,
        &expect![[r#"
        look up
        claim, held nothing
        POST {"a":"new"}
            202
        wait
        read
            200  {"status":"Running"}
        wait
        read
            the connection ended before the answer
        wait
        read
            200 "of the monitor" {"status":"Succeeded"}
        settle applied
        answer 200: applied; attempts=1; guarantee=D
    "#]],
    );
}

#[test]
fn what_is_accepted_and_fails_is_refused() {
    let wire = vec![
        accepted("azure-asyncoperation", "/ops/1"),
        answer(200, None, r#"{"status":"Failed","error":{"code":"Quota"}}"#),
    ];
    story(
        &following(),
        wire,
        &expect![[r#"
        look up
        claim, held nothing
        POST {"a":"new"}
            202
        wait
        read
            200  {"status":"Failed","error":{"code":"Quota"}}
        settle refused
        answer 409 operation-failed: refused; attempts=1; guarantee=D; class=state
    "#]],
    );
}

#[test]
fn what_does_not_end_within_the_patience_stays_accepted() {
    let wire = vec![accepted("location", "/ops/1"), answer(202, None, "")];
    story(
        &following(),
        wire,
        &expect![[r#"
        look up
        claim, held nothing
        POST {"a":"new"}
            202
        wait
        read
            202
        wait
        read
            202
        wait
        read
            202
        wait
        read
            202
        wait
        read
            202
        wait
        read
            202
        wait
        read
            202
        wait
        read
            202
        wait
        read
            202
        settle accepted, lane suspect
        answer 202: accepted; attempts=1; guarantee=D
    "#]],
    );
}

#[test]
fn nobody_else_is_asked_what_became_of_it() {
    let wire = vec![accepted("location", "http://other.example/ops/1")];
    story(
        &following(),
        wire,
        &expect![[r#"
        look up
        claim, held nothing
        POST {"a":"new"}
            202
        settle accepted, lane suspect
        answer 202: accepted; attempts=1; guarantee=D
    "#]],
    );
}
