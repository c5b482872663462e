//! Doubts that are taken up: by their key, by a look, and what says that a gateway before the origin has it in doubt.

use std::time::Duration;

use expect_test::expect;
use http::Method;
use tiebreak_core::exchange::{Effect, Input, Step};
use tiebreak_core::record::Fence;

use crate::cases::{Case, Doubtful, START};
use crate::story::story;
use crate::world::answer;

#[test]
fn a_doubt_whose_key_the_origin_may_have_forgotten_is_not_sent_again_by_it() {
    let old = |honours_keys_for| Case {
        method: Method::POST,
        honours_keys: true,
        honours_keys_for,
        doubt: Doubtful::Unguarded,
        ..Case::default()
    };
    let within = Some(Duration::from_millis(4501));
    story(
        &old(within),
        vec![answer(201, None, "")],
        &expect![[r#"
            look up
            retake for attempt 2, held ;key=idempotency-key
            POST idempotency-key: "02020202020202020202020202020202" {"a":"new"}
                201
            settle applied
            answer 201: applied; attempts=2; guarantee=B
        "#]],
    );
    story(
        &old(None),
        vec![answer(201, None, "")],
        &expect![[r#"
            look up
            retake for attempt 2, held ;key=idempotency-key
            POST idempotency-key: "02020202020202020202020202020202" {"a":"new"}
                201
            settle applied
            answer 201: applied; attempts=2; guarantee=B
        "#]],
    );
    // The origin may have forgotten it by the time at which the last attempt would reach it.
    let too_short = Some(Duration::from_millis(4499));
    story(
        &old(too_short),
        vec![],
        &expect![[r#"
        look up
        answer 504 in-doubt: in-doubt; attempts=1; guarantee=D
    "#]],
    );
}

#[test]
fn a_doubt_that_brought_no_key_is_not_sent_again_by_one() {
    let case = Case {
        method: Method::POST,
        honours_keys: true,
        brought_key: false,
        doubt: Doubtful::Unguarded,
        ..Case::default()
    };
    story(
        &case,
        vec![],
        &expect![[r#"
        look up
        answer 504 in-doubt: in-doubt; attempts=1; guarantee=D
    "#]],
    );
}

#[test]
fn a_doubt_of_a_gateway_before_the_origin_is_named() {
    let case = Case {
        method: Method::POST,
        ..Case::default()
    };
    let theirs = r#"{"type":"https://tiebreak.dev/problems/in-doubt","id":"01a205a1ace5eaa2a7016a726d0d7ef1"}"#;
    let told = story(
        &case,
        vec![answer(504, None, theirs)],
        &expect![[r#"
        look up
        claim, held nothing
        POST {"a":"new"}
            504  {"type":"https://tiebreak.dev/problems/in-doubt","id":"01a205a1ace5eaa2a7016a726d0d7ef1"}
        record the doubt, lane suspect
        answer 504 in-doubt: in-doubt; attempts=1; guarantee=D
    "#]],
    );
    let problem: serde_json::Value = serde_json::from_slice(&told.content).unwrap();
    assert_eq!(problem["gateway_id"], "01a205a1ace5eaa2a7016a726d0d7ef1");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("as write 01a205a1ace5eaa2a7016a726d0d7ef1")
    );
    // Somebody else's 504 names none, whatever it holds.
    let other = theirs.replace("tiebreak.dev", "example.com");
    let told = story(
        &case,
        vec![answer(504, None, &other)],
        &expect![[r#"
        look up
        claim, held nothing
        POST {"a":"new"}
            504  {"type":"https://example.com/problems/in-doubt","id":"01a205a1ace5eaa2a7016a726d0d7ef1"}
        record the doubt, lane suspect
        answer 504 in-doubt: in-doubt; attempts=1; guarantee=D
    "#]],
    );
    assert!(!String::from_utf8_lossy(&told.content).contains("gateway_id"));
}

/// The first attempt may land while a look is on its way, which does not see it.
#[test]
fn a_look_that_began_while_the_attempt_could_still_arrive_does_not_decide() {
    let case = Case {
        check_first: true,
        doubt: Doubtful::Creating,
        ..Case::default()
    };
    let mut exchange = case.exchange();
    let mut now = START;
    let mut next = exchange.handle(now, Input::Begin);
    let mut looks = 0;
    let sent = loop {
        let Step { effect, .. } = next;
        let input = match effect {
            Effect::Register(..) => Input::Registered,
            Effect::LookUp(..) | Effect::Get(_) => Input::Found(case.record().map(Box::new)),
            Effect::EnterLanes { .. } | Effect::AwaitTurn => Input::Turn(case.view()),
            Effect::Fetch(_) => {
                looks += 1;
                // Longer than anything of the attempt can take.
                now = now.after(Duration::from_millis(1100));
                Input::Fetched(answer(404, None, ""))
            }
            Effect::Sleep(until) => {
                now = now.max(until);
                Input::Elapsed
            }
            Effect::Claim(_) | Effect::Amend { .. } | Effect::Retake { .. } => Input::Granted(Fence(11)),
            effect => break effect,
        };
        next = exchange.handle(now, input);
    };
    assert!(matches!(sent, Effect::Send(_)), "{sent:?}");
    assert_eq!(looks, 2, "the second began when nothing could arrive any more");
}
