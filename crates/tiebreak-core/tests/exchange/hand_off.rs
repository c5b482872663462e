//! Bot checks that a person passes in a real browser.

use expect_test::expect;
use tiebreak_core::delivery::{Delivery, NotSent};

use crate::cases::{Case, HandOffs};
use crate::story::{lost, ours, read, story};
use crate::world::{Tags, answer, bot_check, version};

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
