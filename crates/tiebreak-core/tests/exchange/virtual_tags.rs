//! An origin that gives no entity tags, behind a route that makes some: the client's own preconditions are compared in the lane.

use expect_test::expect;
use http::Method;
use tiebreak_core::delivery::{Delivery, NotSent, Unknown};
use tiebreak_core::virtual_tag::VirtualTags;

use crate::cases::{Base, Case, Doubtful};
use crate::story::story;
use crate::world::{Tags, answer, document, version};

fn untagged(base: Base) -> Case {
    Case {
        base,
        tags: Tags::None,
        virtual_tags: VirtualTags::Bytes,
        claim_ahead: true,
        ..Case::default()
    }
}

fn there(n: u64) -> Delivery {
    version(Tags::None, n)
}

fn ours(b: u64) -> Delivery {
    answer(200, None, &document("new", b))
}

/// The tag of a document whose `a` is "new".
fn tag_of(case: &Case, b: u64) -> String {
    let representation = tiebreak_core::merge::Representation::new("application/json", document("new", b));
    case.policy().virtual_tag(&representation).unwrap().to_string()
}

#[test]
fn a_tag_that_is_current_lets_the_write_pass_without_it_and_the_answer_gets_the_next() {
    let case = untagged(Base::Named);
    let got = story(
        &case,
        vec![there(1), ours(1)],
        &expect![[r#"
        look up
        read
            200  {"a":"old","b":1}
        claim, held nothing
        PUT {"a":"new","b":1}
            200  {"a":"new","b":1}
        settle applied
        answer 200: applied; attempts=1; guarantee=C
    "#]],
    );
    assert_eq!(got.headers["etag"], tag_of(&case, 1));
}

#[test]
fn a_tag_that_is_not_current_is_refused() {
    let case = untagged(Base::Named);
    let got = story(
        &case,
        vec![there(2)],
        &expect![[r#"
        look up
        read
            200  {"a":"old","b":2}
        answer 412 stale: not-sent; attempts=0; guarantee=D; class=stale
    "#]],
    );
    assert_eq!(got.headers["etag"], case.shown(2).unwrap());
    let problem = got.problem.unwrap();
    assert_eq!(problem.member("yours").unwrap(), case.shown(1).unwrap().as_str());
    assert_eq!(problem.member("current").unwrap(), case.shown(2).unwrap().as_str());
}

#[test]
fn it_is_merged_where_that_is_wanted() {
    let case = untagged(Base::NamedRebase);
    let got = story(
        &case,
        vec![there(2), ours(2)],
        &expect![[r#"
        look up
        read
            200  {"a":"old","b":2}
        claim, held nothing
        PUT {"a":"new","b":2}
            200  {"a":"new","b":2}
        settle applied
        answer 200: applied; attempts=1; guarantee=C; rebased
    "#]],
    );
    assert_eq!(got.headers["etag"], tag_of(&case, 2));
}

#[test]
fn an_overlap_is_refused_before_anything_is_sent() {
    let case = untagged(Base::NamedRebase);
    let theirs = answer(200, None, &document("theirs", 1));
    let got = story(
        &case,
        vec![theirs],
        &expect![[r#"
        look up
        read
            200  {"a":"theirs","b":1}
        answer 409 overlap: not-sent; attempts=0; guarantee=D; class=stale
    "#]],
    );
    assert!(got.headers["etag"].to_str().unwrap().starts_with("\"tiebreak-"));
}

#[test]
fn what_was_read_and_what_is_gone_do_not_match() {
    story(
        &untagged(Base::Named),
        vec![answer(404, None, "")],
        &expect![[r#"
        look up
        read
            404
        answer 412 stale: not-sent; attempts=0; guarantee=D; class=stale
    "#]],
    );
}

#[test]
fn a_creation_is_refused_where_something_is_and_sent_where_nothing_is() {
    let case = untagged(Base::IfNoneMatch);
    story(
        &case,
        vec![there(2)],
        &expect![[r#"
        look up
        read
            200  {"a":"old","b":2}
        answer 412 precondition-failed: not-sent; attempts=0; guarantee=D; class=stale
    "#]],
    );
    story(
        &case,
        vec![answer(404, None, ""), answer(201, None, "")],
        &expect![[r#"
        look up
        read
            404
        claim, held nothing
        PUT if-none-match: * {"a":"new","b":1}
            201
        settle applied
        answer 201: applied; attempts=1; guarantee=C
    "#]],
    );
}

#[test]
fn what_has_a_tag_of_its_origin_is_the_origins_business() {
    let case = Case {
        tags: Tags::Version,
        ..untagged(Base::Named)
    };
    story(
        &case,
        vec![version(Tags::Version, 2), answer(412, None, "")],
        &expect![[r#"
            look up
            read
                200 "2" {"a":"old","b":2}
            claim, held "1";new
            PUT if-match: "1" {"a":"new","b":1}
                412
            settle refused
            answer 412: refused; attempts=1; guarantee=A; class=stale
        "#]],
    );
}

#[test]
fn what_cannot_be_read_is_the_origins_business() {
    story(
        &untagged(Base::Named),
        vec![answer(405, None, ""), answer(204, None, "")],
        &expect![[r#"
            look up
            read
                405
            claim, held "tiebreak-4f0524c3c9a9d82ed67e7e35cd88a61544ae2ded4913f35e1f0c9319519d36ea";new
            PUT if-match: "tiebreak-4f0524c3c9a9d82ed67e7e35cd88a61544ae2ded4913f35e1f0c9319519d36ea" {"a":"new","b":1}
                204
            settle applied
            answer 204: applied; attempts=1; guarantee=D
        "#]],
    );
}

#[test]
fn a_lost_answer_is_looked_into_and_never_compared_with_itself() {
    let lost = Delivery::Unknown(Unknown::Closed);
    let case = untagged(Base::Named);
    let got = story(
        &case,
        vec![there(1), lost.clone(), ours(1)],
        &expect![[r#"
        look up
        read
            200  {"a":"old","b":1}
        claim, held nothing
        PUT {"a":"new","b":1}
            the connection ended before the answer
        read
            200  {"a":"new","b":1}
        settle applied
        answer 200: applied; attempts=1; guarantee=C
    "#]],
    );
    assert_eq!(got.headers["etag"], tag_of(&case, 1));
    // It has not landed, and nothing would keep a second one from being applied over somebody else's: in doubt.
    story(
        &case,
        vec![there(1), lost.clone(), there(1)],
        &expect![[r#"
        look up
        read
            200  {"a":"old","b":1}
        claim, held nothing
        PUT {"a":"new","b":1}
            the connection ended before the answer
        read
            200  {"a":"old","b":1}
        wait
        read
            200  {"a":"old","b":1}
        wait
        read
            200  {"a":"old","b":1}
        wait
        read
            200  {"a":"old","b":1}
        wait
        read
            200  {"a":"old","b":1}
        wait
        read
            200  {"a":"old","b":1}
        wait
        read
            200  {"a":"old","b":1}
        record the doubt
        answer 504 in-doubt: in-doubt; attempts=1; guarantee=C
    "#]],
    );
    let removal = Case {
        method: Method::DELETE,
        ..untagged(Base::Named)
    };
    story(
        &removal,
        vec![there(1), lost, answer(404, None, "")],
        &expect![[r#"
        look up
        read
            200  {"a":"old","b":1}
        claim, held nothing
        DELETE 
            the connection ended before the answer
        read
            404
        settle applied
        answer 204: applied; attempts=1; guarantee=C
    "#]],
    );
}

#[test]
fn under_a_key_that_the_origin_honours_it_goes_again_as_it_went() {
    let case = Case {
        honours_keys: true,
        ..untagged(Base::Named)
    };
    let lost = Delivery::Unknown(Unknown::Closed);
    story(
        &case,
        vec![there(1), lost, ours(1)],
        &expect![[r#"
            look up
            read
                200  {"a":"old","b":1}
            claim, held ;key=idempotency-key
            PUT idempotency-key: "01010101010101010101010101010101" {"a":"new","b":1}
                the connection ended before the answer
            wait
            claim attempt 2, held ;key=idempotency-key
            PUT idempotency-key: "01010101010101010101010101010101" {"a":"new","b":1}
                200  {"a":"new","b":1}
            settle applied
            answer 200: applied; attempts=2; guarantee=B
        "#]],
    );
}

#[test]
fn before_another_attempt_it_is_compared_again() {
    let unreachable = Delivery::NotSent(NotSent::Unreachable);
    let case = untagged(Base::Named);
    story(
        &case,
        vec![there(1), unreachable, there(2)],
        &expect![[r#"
        look up
        read
            200  {"a":"old","b":1}
        claim, held nothing
        PUT {"a":"new","b":1}
            not sent: it refused the connection
        wait
        read
            200  {"a":"old","b":2}
        release
        answer 412 stale: not-sent; attempts=0; guarantee=C
    "#]],
    );
    story(
        &case,
        vec![there(1), answer(429, None, ""), there(1), ours(1)],
        &expect![[r#"
            look up
            read
                200  {"a":"old","b":1}
            claim, held nothing
            PUT {"a":"new","b":1}
                429
            wait
            read
                200  {"a":"old","b":1}
            claim attempt 2, held nothing
            PUT {"a":"new","b":1}
                200  {"a":"new","b":1}
            settle applied
            answer 200: applied; attempts=2; guarantee=C
        "#]],
    );
}

#[test]
fn a_doubt_is_taken_up_by_looking() {
    let case = Case {
        doubt: Doubtful::Unguarded,
        ..untagged(Base::Named)
    };
    story(
        &case,
        vec![ours(1)],
        &expect![[r#"
        look up
        read
            200  {"a":"new","b":1}
        resolve the doubt: applied
        answer 200: applied; attempts=1; guarantee=D
    "#]],
    );
    let with_key = Case {
        honours_keys: true,
        ..case
    };
    story(
        &with_key,
        vec![there(1), ours(1)],
        &expect![[r#"
            look up
            read
                200  {"a":"old","b":1}
            retake for attempt 2, held ;key=idempotency-key
            PUT idempotency-key: "02020202020202020202020202020202" {"a":"new","b":1}
                200  {"a":"new","b":1}
            settle applied
            answer 200: applied; attempts=2; guarantee=B
        "#]],
    );
    story(
        &with_key,
        vec![ours(1)],
        &expect![[r#"
        look up
        read
            200  {"a":"new","b":1}
        resolve the doubt: applied
        answer 200: applied; attempts=1; guarantee=B
    "#]],
    );
}

#[test]
fn what_the_lane_carries_is_read_again() {
    let expected = expect![[r#"
        look up
        read
            200  {"a":"old","b":1}
        claim, held nothing
        PUT {"a":"new","b":1}
            200  {"a":"new","b":1}
        settle applied
        answer 200: applied; attempts=1; guarantee=C
    "#]];
    for base in [Base::Named, Base::Read] {
        let case = Case {
            carried: Some(1),
            ..untagged(base)
        };
        story(&case, vec![there(1), ours(1)], &expected);
    }
}

#[test]
fn edits_without_a_precondition_are_merged_as_everywhere() {
    let case = untagged(Base::Read);
    let got = story(
        &case,
        vec![there(2), ours(2)],
        &expect![[r#"
        look up
        read
            200  {"a":"old","b":2}
        claim, held nothing
        PUT {"a":"new","b":2}
            200  {"a":"new","b":2}
        settle applied
        answer 200: applied; attempts=1; guarantee=C; rebased
    "#]],
    );
    assert_eq!(got.headers["etag"], tag_of(&case, 2));
}
