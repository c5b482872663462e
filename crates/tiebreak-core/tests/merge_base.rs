//! Whose base: each rule, one case at a time.

use std::sync::LazyLock;

use bytes::Bytes;
use http::Method;
use tiebreak_core::base::{BaseDecision, BaseUnknown, Connections, How, Question, Served, decide};
use tiebreak_core::merge::{Edit, MergeRules, Representation};
use tiebreak_core::precondition::TagList;
use tiebreak_core::time::Time;
use tiebreak_core::validator::EntityTag;
use tiebreak_core::variant::Variant;

fn served(tag: &str, content: &str, connection: u64) -> Served {
    Served {
        etag: Some(EntityTag::strong(tag)),
        content: Some(Representation::new("application/json", content.to_owned())),
        at: Time(0),
        connection: Some(connection),
        written_since: false,
        ..Served::default()
    }
}

fn put(content: &str) -> Edit {
    Edit::read(
        &Method::PUT,
        "application/json",
        None,
        &Bytes::copy_from_slice(content.as_bytes()),
    )
}

static RULES: LazyLock<MergeRules> = LazyLock::new(MergeRules::default);

fn ask<'q>(edit: &'q Edit, served: &'q [Served], change: impl FnOnce(&mut Question<'q>)) -> BaseDecision {
    let mut question = Question {
        edit,
        if_match: None,
        connection: Some(1),
        served,
        complete: true,
        current: None,
        rules: &RULES,
        connections: Connections::Unknown,
    };
    change(&mut question);
    decide(&question)
}

fn proven(base: usize, how: How) -> BaseDecision {
    BaseDecision::Proven { base, how }
}

#[test]
fn never_read_or_read_as_something_else_is_no_base() {
    assert_eq!(ask(&put("{}"), &[], |_| {}), BaseDecision::Absent);
    let page = Served {
        content: Some(Representation::new("text/html", "<p>")),
        ..served("v1", "", 1)
    };
    assert_eq!(ask(&put("{}"), &[page], |_| {}), BaseDecision::Absent);
}

#[test]
fn the_client_names_it() {
    let versions = [served("v1", r#"{"a":1}"#, 1), served("v2", r#"{"a":2}"#, 1)];
    let named = |text: &str| {
        let tags = TagList::parse(text).expect("tags");
        let edit = put(r#"{"a":3}"#);
        ask(&edit, &versions, |question| question.if_match = Some(&tags))
    };
    assert_eq!(named("\"v1\""), proven(0, How::Named));
    assert_eq!(named("\"v9\""), BaseDecision::TagOnly(EntityTag::strong("v9")));
    assert_eq!(named("\"v8\", \"v9\""), BaseDecision::Unknown(BaseUnknown::NotServed));
    assert_eq!(named("\"v1\", \"v2\""), BaseDecision::FetchCurrent(Variant::default()));
    assert_eq!(named("*"), proven(1, How::Connection), "it names none");
    assert_eq!(
        named("W/\"v1\""),
        BaseDecision::TagOnly(EntityTag::weak("v1")),
        "If-Match compares strongly"
    );
}

#[test]
fn the_document_names_it() {
    let versions = [
        served("x", r#"{"_rev":"1-a","a":1}"#, 2),
        served("y", r#"{"_rev":"2-b","a":2}"#, 1),
    ];
    let rules = MergeRules::default().with_version("/_rev").expect("pointer");
    let question = |edit: &Edit| ask(edit, &versions, |question| question.rules = &rules);
    let edit = put(r#"{"_rev":"1-a","a":3}"#);
    assert_eq!(question(&edit), proven(0, How::Named));
    let edit = put(r#"{"_rev":"0-z","a":3}"#);
    assert_eq!(question(&edit), BaseDecision::Unknown(BaseUnknown::NotServed));
}

#[test]
fn the_connection_is_evidence_once_and_only_if_nothing_smells() {
    let versions = [served("v1", r#"{"a":1,"b":1}"#, 2), served("v2", r#"{"a":2,"b":1}"#, 1)];
    assert_eq!(
        ask(&put(r#"{"a":2,"b":9}"#), &versions, |_| {}),
        proven(1, How::Connection)
    );
    // Made from v1: it would put /a back.
    assert_eq!(
        ask(&put(r#"{"a":1,"b":9}"#), &versions, |_| {}),
        BaseDecision::FetchCurrent(Variant::default())
    );
    // Equal to what was read, while another version was read as well.
    assert_eq!(
        ask(&put(r#"{"a":2,"b":1}"#), &versions, |_| {}),
        BaseDecision::FetchCurrent(Variant::default())
    );
    let other = |question: &mut Question<'_>| question.connections = Connections::Pooled;
    assert_eq!(
        ask(&put(r#"{"a":2,"b":9}"#), &versions, other),
        BaseDecision::FetchCurrent(Variant::default())
    );
    let http2 = |question: &mut Question<'_>| question.connection = None;
    assert_eq!(
        ask(&put(r#"{"a":2,"b":9}"#), &versions, http2),
        BaseDecision::FetchCurrent(Variant::default())
    );
    let mut used = versions.clone();
    used[1].written_since = true;
    assert_eq!(
        ask(&put(r#"{"a":2,"b":9}"#), &used, |_| {}),
        BaseDecision::FetchCurrent(Variant::default())
    );
}

#[test]
fn all_candidates_must_agree() {
    let versions = [served("v1", r#"{"a":1,"b":1}"#, 2), served("v2", r#"{"a":2,"b":1}"#, 3)];
    let on = |sent: &str, current: &str| {
        let current = Representation::new("application/json", current.to_owned());
        let edit = put(sent);
        ask(&edit, &versions, |question| question.current = Some(&current))
    };
    assert_eq!(
        on(r#"{"a":1,"b":9}"#, r#"{"a":2,"b":1}"#),
        BaseDecision::Unknown(BaseUnknown::Several)
    );
    let BaseDecision::Agreed(merged) = on(r#"{"a":2,"b":9}"#, r#"{"b":1,"a":2,"c":1}"#) else {
        panic!("both lead to the same");
    };
    assert_eq!(merged.content, r#"{"b":9,"a":2,"c":1}"#);
    // The same, on a connection that read something else: that is a smell.
    let mut mine = versions.to_vec();
    mine[1].connection = Some(1);
    let current = Representation::new("application/json", r#"{"a":2,"b":1}"#);
    let edit = put(r#"{"a":1,"b":9}"#);
    let decision = ask(&edit, &mine, |question| question.current = Some(&current));
    assert_eq!(decision, BaseDecision::Unknown(BaseUnknown::Pooled));
}

#[test]
fn equal_contents_are_one_candidate_and_evicted_ones_are_not_forgotten() {
    let same = [served("v1", "{}", 2), served("v2", "{}", 3)];
    assert_eq!(ask(&put(r#"{"a":1}"#), &same, |_| {}), proven(1, How::Only));
    let gone = Served {
        content: None,
        ..served("v1", "", 2)
    };
    let mut versions = vec![gone.clone()];
    assert_eq!(
        ask(&put("{}"), &versions, |_| {}),
        BaseDecision::TagOnly(EntityTag::strong("v1"))
    );
    versions.push(served("v2", r#"{"a":1}"#, 1));
    assert_eq!(
        ask(&put("{}"), &versions, |_| {}),
        BaseDecision::Unknown(BaseUnknown::Evicted)
    );
    // The same tag with content elsewhere: nothing is missing.
    let known = [gone, served("v1", r#"{"a":1}"#, 1)];
    assert_eq!(ask(&put("{}"), &known, |_| {}), proven(1, How::Only));
}

#[test]
fn content_that_cannot_be_looked_at_is_never_believed_by_connection() {
    let text = |tag, content: &str, connection| Served {
        content: Some(Representation::new("text/plain", content.to_owned())),
        ..served(tag, "", connection)
    };
    let edit = Edit::read(&Method::PUT, "text/plain", None, &Bytes::from_static(b"c"));
    assert_eq!(ask(&edit, &[text("v1", "a", 1)], |_| {}), proven(0, How::Only));
    let versions = [text("v1", "a", 2), text("v2", "b", 1)];
    let current = Representation::new("text/plain", "b");
    let decision = ask(&edit, &versions, |question| question.current = Some(&current));
    assert_eq!(decision, BaseDecision::Unknown(BaseUnknown::Several));
}

/// Two workers with one credential on a pool: one read version 1, one version 2, and either may send this. From version 2 it is an edit
/// of `a` alone; from version 1 it sets `b` as somebody else did meanwhile, and would write over an `a` that its author never
/// saw. Nothing in the request tells the two apart, so neither is taken, however few edits it implies.
#[test]
fn what_two_readers_may_have_sent_is_nobodys() {
    let versions = [
        served("v1", r#"{"a":1,"b":"open"}"#, 2),
        served("v2", r#"{"a":2,"b":"done"}"#, 3),
    ];
    let current = Representation::new("application/json", r#"{"a":2,"b":"done"}"#);
    let edit = put(r#"{"a":3,"b":"done"}"#);
    let decision = ask(&edit, &versions, |question| question.current = Some(&current));
    assert_eq!(decision, BaseDecision::Unknown(BaseUnknown::Several));
}

#[test]
fn a_member_that_the_server_sets_says_what_a_document_was_made_from() {
    let rules = MergeRules::default().with_volatile("/at").expect("a place");
    let versions = [
        served("v1", r#"{"a":1,"at":"10:00"}"#, 2),
        served("v2", r#"{"a":2,"at":"10:05"}"#, 1),
    ];
    let with = |content: &str, connections, complete| {
        let edit = put(content);
        ask(&edit, &versions, |question| {
            question.rules = &rules;
            question.connections = connections;
            question.complete = complete;
        })
    };
    let (unknown, pooled) = (Connections::Unknown, Connections::Pooled);
    assert_eq!(with(r#"{"a":3,"at":"10:00"}"#, pooled, true), proven(0, How::Only));
    assert_eq!(with(r#"{"a":3,"at":"10:05"}"#, pooled, true), proven(1, How::Only));
    // The connection read another version last: it is not the author's.
    assert_eq!(with(r#"{"a":3,"at":"10:00"}"#, unknown, true), proven(0, How::Only));
    // Of what is not all that was read, another may have had the same value.
    assert_eq!(
        with(r#"{"a":3,"at":"10:00"}"#, unknown, false),
        BaseDecision::Unknown(BaseUnknown::Pooled)
    );
    // What no version had is the author's own; what is left out says nothing.
    let fetch = BaseDecision::FetchCurrent(Variant::default());
    assert_eq!(with(r#"{"a":3,"at":"11:00"}"#, pooled, true), fetch);
    assert_eq!(with(r#"{"a":3}"#, pooled, true), fetch);
    assert_eq!(
        with(r#"{"a":3,"at":"11:00"}"#, unknown, true),
        proven(1, How::Connection)
    );
}

/// Where the answer to a write does not show what it made, its caller may go on from what it sent, which has the version of its base.
#[test]
fn of_a_version_that_was_read_and_written_from_the_connection_tells() {
    let rules = MergeRules::default().with_version("/v").expect("a place");
    let sent = Served {
        sent: true,
        ..served("v2", r#"{"a":2,"b":1,"v":1}"#, 2)
    };
    let versions = [
        served("v1", r#"{"a":1,"b":1,"v":1}"#, 2),
        served("v1", r#"{"a":1,"b":1,"v":1}"#, 1),
        sent,
    ];
    let on = |connections| {
        ask(&put(r#"{"a":1,"b":5,"v":1}"#), &versions, |question| {
            question.rules = &rules;
            question.connections = connections;
            question.complete = false;
        })
    };
    assert_eq!(on(Connections::Unknown), proven(1, How::Connection));
    assert_eq!(on(Connections::Pooled), BaseDecision::FetchCurrent(Variant::default()));
}
