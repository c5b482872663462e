//! The readers must take anything; and each form of input must give the same case.

use http::{Method, StatusCode};
use proptest::prelude::*;
use tiebreak_core::judge::Judge;

use super::read::{Given, Input, json, read};
use super::{anything, show};

fn one(text: &str) -> super::Case {
    match read(text.as_bytes(), &Given::default()) {
        Ok(Input::One(case)) => *case,
        other => panic!("expected one case, got {other:?}"),
    }
}

fn error(text: &str) -> String {
    read(text.as_bytes(), &Given::default()).unwrap_err().to_string()
}

#[test]
fn raw_request_and_response() {
    let case = one(
        "PUT /a?b=1 HTTP/1.1\r\nHost: api.example.com\r\nIf-Match: \"7\"\r\n\r\n{\"x\":1}\r\n\r\nHTTP/1.1 412 Precondition Failed\r\nETag: \"9\"\r\n\r\n{}",
    );
    let request = case.request.unwrap();
    assert_eq!(request.method, Some(Method::PUT));
    assert_eq!(request.path, "/a?b=1");
    assert_eq!(request.url.as_deref(), Some("http://api.example.com/a?b=1"));
    assert_eq!(request.headers["if-match"], "\"7\"");
    assert_eq!(request.content.as_deref(), Some(&b"{\"x\":1}"[..]));
    assert_eq!(case.response.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(&case.response.content[..], b"{}");
}

#[test]
fn chunks_are_joined_and_folded_fields_unfolded() {
    let case = one(
        "HTTP/1.1 409 Conflict\nTransfer-Encoding: chunked\nX-A: one\n two\n\n5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n",
    );
    assert_eq!(&case.response.content[..], b"{\"a\":1}");
    assert_eq!(case.response.headers["x-a"], "one two");
}

#[test]
fn interim_answers_are_passed_over() {
    let case = one(
        "HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/2 409\r\ncontent-type: text/plain\r\n\r\nno",
    );
    assert_eq!(case.response.status, StatusCode::CONFLICT);
    assert_eq!(&case.response.content[..], b"no");
}

#[test]
fn a_body_may_bring_its_own_status() {
    assert_eq!(
        one(r#"{"title":"Conflict","status":409}"#).response.status,
        StatusCode::CONFLICT
    );
}

#[test]
fn errors_name_the_place_and_what_was_expected() {
    expect_test::expect![[r#"line 1, column 1: `hello` is no status line; expected `HTTP/1.1 409 Conflict` (as `curl -i` prints it), or, for a body alone, --status on the command line, such as `--status 409 --method PUT`"#]]
        .assert_eq(&error("hello"));
    expect_test::expect![
        "line 3, column 11: `oops there` is no header field; expected `Name: value`, or an empty line before the body"
    ]
    .assert_eq(&error("HTTP/1.1 409 Conflict\nA: b\noops there\n\n{}"));
    expect_test::expect![
        "line 4, column 1: the response is missing after the request; expected a line like `HTTP/1.1 409 Conflict`"
    ]
    .assert_eq(&error("PUT / HTTP/1.1\nHost: a\n\n"));
    expect_test::expect![[r#"line 2, column 14: this is not JSON: expected value"#]]
        .assert_eq(&error("{\"request\": {},\n \"response\": oops}"));
    expect_test::expect!["`response.status` is missing or no status code; expected a number from 100 to 999"]
        .assert_eq(&error(r#"{"response": {"status": "no"}}"#));
    assert_eq!(
        error("{\"response\":{\"status\":409}}\n{\"response\":{\"status\":409}}\n"),
        "line 2, column 1: more follows after the JSON; for one case a line, use --batch"
    );
    assert!(error("").starts_with("the input is empty"));
}

#[test]
fn cases_in_json_are_read_tolerantly() {
    let text = br#"{"id": 7, "request": {"method": "put", "path": null, "headers": {"IF-MATCH": ["\"1\"", "\"2\""], "X": null, "N": 5}, "body": {"a": 1.50}},
        "response": {"status": "409", "headers": [{"name": "ETag", "value": "\"3\""}, ["A", "b"]], "body": null}}"#;
    let (id, case) = json::line(text).unwrap();
    assert_eq!(id, Some(7.into()));
    let request = case.request.as_ref().unwrap();
    assert_eq!(request.headers.get_all("if-match").iter().count(), 2);
    assert_eq!(request.headers["n"], "5");
    assert_eq!(request.content.as_deref(), Some(&br#"{"a":1.50}"#[..]));
    assert_eq!(case.response.headers["etag"], "\"3\"");
    assert_eq!(case.response.headers["a"], "b");
    assert_eq!(case.response.status, StatusCode::CONFLICT);

    assert!(json::line(br#"{"response":{"status":409}}"#).is_ok());
    assert!(json::line(br#"{"request":null,"response":{"status":409,"headers":null,"body":null}}"#).is_ok());
    assert!(json::line(br#"{"response":null}"#).is_err());
}

#[test]
fn control_characters_of_an_answer_do_not_reach_the_terminal() {
    let text = "HTTP/1.1 409 Conflict\n\n{\"message\":\"already exists \u{1b}[2J\u{7}\"}";
    let said = show(
        &Judge::standard(),
        read(text.as_bytes(), &Given::default()).unwrap(),
        false,
    );
    assert!(!said.contains("\u{1b}[2J") && !said.contains('\u{7}'), "{said:?}");
    assert!(said.contains("already exists"), "{said:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_bytes_are_read_or_refused(text in proptest::collection::vec(any::<u8>(), 0..600)) {
        anything::run(&text);
    }

    #[test]
    fn any_text_that_looks_familiar_is_read_or_refused(
        parts in proptest::collection::vec(prop_oneof![
            Just("HTTP/1.1 409 Conflict\r\n".to_owned()), Just("< HTTP/2 409\n".into()), Just("> PUT /a HTTP/1.1\n".into()),
            Just("PUT /a HTTP/1.1\n".into()), Just("< \n".into()), Just("> \n".into()), Just("\r\n".into()), Just("* x\n".into()),
            Just("{\"request\":".into()), Just("{\"log\":{\"entries\":[".into()), Just("\"response\":{\"status\":409".into()),
            Just("}".into()), Just("]".into()), Just("Transfer-Encoding: chunked\n".into()), Just("5\r\n".into()),
            Just("  0     0 --:--:-- --:--:--\r100 5".into()), "\\PC{0,20}".prop_map(|s| s),
        ], 0..12)
    ) {
        anything::run(parts.concat().as_bytes());
    }
}
