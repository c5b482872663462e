//! The standard cases, each as a short story: what the wire says, and what the exchange does.

use expect_test::expect;
use http::{HeaderValue, Method};
use tiebreak_core::delivery::{Delivery, NotSent};

use crate::cases::{Base, Case, Doubtful};
use crate::story::{ends, lost, ours, play, read, story};
use crate::world::{Tags, answer, version};

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

/// What is read seven times, until nothing can arrive any more.
fn looks(at: &Delivery) -> impl Iterator<Item = Delivery> {
    std::iter::repeat_n(at.clone(), 7)
}

#[test]
fn a_lost_delete_of_what_still_stands_as_it_was_read_is_sent_again_under_that_version() {
    let mut wire = vec![lost()];
    wire.extend(looks(&version(Tags::Version, 1)));
    wire.push(answer(204, None, ""));
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
        claim attempt 2, held "1"
        DELETE if-match: "1" 
            204
        settle applied
        answer 204: applied; attempts=2; guarantee=C
    "#]],
    );
}

#[test]
fn a_lost_delete_that_follows_another_is_looked_into_as_well() {
    let mut wire = vec![lost()];
    wire.extend(looks(&version(Tags::Version, 1)));
    wire.extend([lost(), answer(404, None, "")]);
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
        claim attempt 2, held "1"
        DELETE if-match: "1" 
            the connection ended before the answer
        read
            404
        settle applied
        answer 204: applied; attempts=2; guarantee=C
    "#]],
    );
}

#[test]
fn a_lost_delete_whose_target_proves_nothing_stays_in_doubt() {
    // Never read before; a tag that may have come back; another version; another content under the same tag.
    let digest = Case {
        tags: Tags::Digest,
        ..deleting(Base::Read)
    };
    let forged = answer(200, Some("\"1\""), &crate::world::document("other", 1));
    // Read before the repeat; that it was before the attempt, nobody knows.
    let repeated = Case {
        doubt: Doubtful::Unguarded,
        ..deleting(Base::Read)
    };
    let all = [
        (deleting(Base::Nothing), version(Tags::Version, 1)),
        (digest, version(Tags::Digest, 1)),
        (deleting(Base::Read), version(Tags::Version, 2)),
        (deleting(Base::Read), forged),
    ];
    for (case, found) in all {
        let mut wire = vec![lost()];
        wire.extend(looks(&found));
        let got = ends(&case, wire);
        assert_eq!(got, "in-doubt; attempts=1; guarantee=D; unguarded", "{case:?}");
    }
    let wire = looks(&version(Tags::Version, 1)).collect();
    assert_eq!(ends(&repeated, wire), "in-doubt; attempts=1; guarantee=D; unguarded");
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
            claim, held ;key=idempotency-key
            POST idempotency-key: "01010101010101010101010101010101" {"a":"new"}
                the connection ended before the answer
            wait
            claim attempt 2, held ;key=idempotency-key
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
fn what_was_read_and_had_to_make_room_guards_nothing_and_is_not_undone() {
    let case = Case {
        base: Base::Forgotten,
        ..Case::default()
    };
    story(
        &case,
        vec![],
        &expect![[r#"
        look up
        answer 409 base-unknown: not-sent; attempts=0; guarantee=D; class=stale
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
