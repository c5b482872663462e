//! The guarantee that is stated, over everything that bears on it, beside what the design says of A to D.

use std::fmt::Write as _;

use expect_test::expect;
use http::Method;
use tiebreak_core::exchange::{Effect, Input};
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::Fence;
use tiebreak_core::virtual_tag::VirtualTags;

use crate::cases::{Base, Case, START};
use crate::world::{Tags, answer, document, version};

const METHODS: [Method; 4] = [Method::PUT, Method::PATCH, Method::DELETE, Method::POST];

const BASES: [(Base, &str); 7] = [
    (Base::Nothing, "nothing"),
    (Base::Named, "If-Match: one"),
    (Base::NamedTwo, "If-Match: two"),
    (Base::IfMatchAny, "If-Match: *"),
    (Base::IfNoneMatch, "If-None-Match: *"),
    (Base::NamedRebase, "If-Match, rebase"),
    (Base::Read, "read before"),
];

const ORIGINS: [(Tags, VirtualTags, &str); 4] = [
    (Tags::Version, VirtualTags::Off, "versions"),
    (Tags::Digest, VirtualTags::Off, "digests"),
    (Tags::None, VirtualTags::Off, "no tags"),
    (Tags::None, VirtualTags::Bytes, "virtual"),
];

/// What the design says (A: the origin enforces a version that never comes back, named or proven; B: it honours a key; C: in
/// lanes, with tags that may come back, virtual ones, or an inferred base; D: none of these).
fn by_design(case: &Case) -> Guarantee {
    let merges = case.method == Method::PUT || case.method == Method::PATCH;
    let enforced = match (case.tags, case.virtual_tags) {
        (Tags::Version, _) => Guarantee::A,
        (Tags::Digest, _) | (_, VirtualTags::Bytes | VirtualTags::Json) => Guarantee::C,
        (Tags::None | Tags::Weak, VirtualTags::Off) => Guarantee::D,
    };
    let guard = match case.base {
        Base::Named | Base::NamedTwo | Base::NamedRebase => enforced,
        // It is created once, as long as nobody removes it. Nothing was read, so nothing says that the origin knows no tags.
        Base::IfNoneMatch => Guarantee::C,
        // Never better than C: the base is inferred.
        Base::Read | Base::ReadTwo if merges => Guarantee::C,
        // Holds for every state, and so guards none.
        Base::IfMatchAny | Base::Nothing | Base::Forgotten | Base::Read | Base::ReadTwo => Guarantee::D,
    };
    if case.honours_keys {
        guard.min(Guarantee::B)
    } else {
        guard
    }
}

/// Plays the write against an origin that is at version 1 (creations: has nothing there). Gives back what is stated; `None`: it was
/// refused before anything was sent.
fn stated(case: &Case) -> Option<Guarantee> {
    let mut exchange = case.exchange();
    let mut input = Input::Begin;
    let mut sent = false;
    loop {
        let effect = exchange.handle(START, input).effect;
        input = match effect {
            Effect::Register(..) => Input::Registered,
            Effect::LookUp(..) => Input::Found(None),
            Effect::EnterLanes { .. } | Effect::AwaitTurn => Input::Turn(case.view()),
            Effect::Claim(_) | Effect::Amend { .. } => Input::Granted(Fence(1)),
            Effect::Fetch(_) if case.base == Base::IfNoneMatch => Input::Fetched(answer(404, None, "")),
            Effect::Fetch(_) => Input::Fetched(version(case.tags, 1)),
            Effect::Send(_) => {
                sent = true;
                Input::Delivered(answer(200, case.tags.of(2).as_deref(), &document("new", 1)))
            }
            Effect::Record { .. } => Input::Recorded,
            Effect::Answer { answer, .. } => {
                let applied = answer.report.outcome == Outcome::Applied;
                assert_eq!(applied, sent, "{case:?}: {}", answer.report);
                return sent.then_some(answer.report.guarantee);
            }
            other => panic!("{case:?}: {other:?}"),
        };
    }
}

#[test]
fn what_is_stated_is_what_the_design_says_and_the_least_is_enforced_by_it() {
    let mut table = String::new();
    for (tags, virtual_tags, origin) in ORIGINS {
        for honours_keys in [false, true] {
            let keys = if honours_keys { ", keys" } else { "" };
            writeln!(table, "{origin}{keys}").unwrap();
            for (base, told) in BASES {
                write!(table, "    {told:<18}").unwrap();
                for method in METHODS {
                    let case = Case {
                        method: method.clone(),
                        base,
                        tags,
                        virtual_tags,
                        honours_keys,
                        ..Case::default()
                    };
                    let stated_ = stated(&case).expect("nothing is too weak for D");
                    assert_eq!(stated_, by_design(&case), "{origin}{keys}, {told}, {method}");
                    for least in [Guarantee::A, Guarantee::B, Guarantee::C, Guarantee::D] {
                        let demanding = Case { least, ..case.clone() };
                        let expected = (stated_ <= least).then_some(stated_);
                        assert_eq!(stated(&demanding), expected, "least {}: {case:?}", least.as_str());
                    }
                    write!(table, " {method} {}", stated_.as_str()).unwrap();
                }
                table.push('\n');
            }
        }
    }
    expect![[r#"
        versions
            nothing            PUT D PATCH D DELETE D POST D
            If-Match: one      PUT A PATCH A DELETE A POST A
            If-Match: two      PUT A PATCH A DELETE A POST A
            If-Match: *        PUT D PATCH D DELETE D POST D
            If-None-Match: *   PUT C PATCH C DELETE C POST C
            If-Match, rebase   PUT A PATCH A DELETE A POST A
            read before        PUT C PATCH C DELETE D POST D
        versions, keys
            nothing            PUT B PATCH B DELETE B POST B
            If-Match: one      PUT A PATCH A DELETE A POST A
            If-Match: two      PUT A PATCH A DELETE A POST A
            If-Match: *        PUT B PATCH B DELETE B POST B
            If-None-Match: *   PUT B PATCH B DELETE B POST B
            If-Match, rebase   PUT A PATCH A DELETE A POST A
            read before        PUT B PATCH B DELETE B POST B
        digests
            nothing            PUT D PATCH D DELETE D POST D
            If-Match: one      PUT C PATCH C DELETE C POST C
            If-Match: two      PUT C PATCH C DELETE C POST C
            If-Match: *        PUT D PATCH D DELETE D POST D
            If-None-Match: *   PUT C PATCH C DELETE C POST C
            If-Match, rebase   PUT C PATCH C DELETE C POST C
            read before        PUT C PATCH C DELETE D POST D
        digests, keys
            nothing            PUT B PATCH B DELETE B POST B
            If-Match: one      PUT B PATCH B DELETE B POST B
            If-Match: two      PUT B PATCH B DELETE B POST B
            If-Match: *        PUT B PATCH B DELETE B POST B
            If-None-Match: *   PUT B PATCH B DELETE B POST B
            If-Match, rebase   PUT B PATCH B DELETE B POST B
            read before        PUT B PATCH B DELETE B POST B
        no tags
            nothing            PUT D PATCH D DELETE D POST D
            If-Match: one      PUT D PATCH D DELETE D POST D
            If-Match: two      PUT D PATCH D DELETE D POST D
            If-Match: *        PUT D PATCH D DELETE D POST D
            If-None-Match: *   PUT C PATCH C DELETE C POST C
            If-Match, rebase   PUT D PATCH D DELETE D POST D
            read before        PUT C PATCH C DELETE D POST D
        no tags, keys
            nothing            PUT B PATCH B DELETE B POST B
            If-Match: one      PUT B PATCH B DELETE B POST B
            If-Match: two      PUT B PATCH B DELETE B POST B
            If-Match: *        PUT B PATCH B DELETE B POST B
            If-None-Match: *   PUT B PATCH B DELETE B POST B
            If-Match, rebase   PUT B PATCH B DELETE B POST B
            read before        PUT B PATCH B DELETE B POST B
        virtual
            nothing            PUT D PATCH D DELETE D POST D
            If-Match: one      PUT C PATCH C DELETE C POST C
            If-Match: two      PUT C PATCH C DELETE C POST C
            If-Match: *        PUT D PATCH D DELETE D POST D
            If-None-Match: *   PUT C PATCH C DELETE C POST C
            If-Match, rebase   PUT C PATCH C DELETE C POST C
            read before        PUT C PATCH C DELETE D POST D
        virtual, keys
            nothing            PUT B PATCH B DELETE B POST B
            If-Match: one      PUT B PATCH B DELETE B POST B
            If-Match: two      PUT B PATCH B DELETE B POST B
            If-Match: *        PUT B PATCH B DELETE B POST B
            If-None-Match: *   PUT B PATCH B DELETE B POST B
            If-Match, rebase   PUT B PATCH B DELETE B POST B
            read before        PUT B PATCH B DELETE B POST B
    "#]]
    .assert_eq(&table);
}

/// A signed write brings no key of ours along, so that an origin that honours keys could not tell a repeat.
#[test]
fn a_signed_write_without_a_key_has_no_guarantee_by_keys() {
    for (signature, expected) in [
        ("AWS4-HMAC-SHA256 Credential=x", Guarantee::D),
        ("Bearer x", Guarantee::B),
    ] {
        let case = Case {
            honours_keys: true,
            authorization: Some(signature),
            ..Case::default()
        };
        assert_eq!(stated(&case), Some(expected), "{signature}");
    }
}
