use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::json::same_value;

fn why(text: &str) -> String {
    match parse_strict(text.as_bytes(), 8) {
        Ok(value) => format!("{value}"),
        Err(error) => format!("{}:{} {}", error.line, error.column, error.fault),
    }
}

#[test]
fn keeps_spelling_and_order() {
    for text in [
        r#"{"z":1.0,"a":[1E5,1e+5,-0,0.10,123456789012345678901234567890],"m":{}}"#,
        r#"{"$serde_json::private::Number":"1"}"#,
        r#"["é",true,false,null,""]"#,
        "0",
    ] {
        assert_eq!(why(text), text);
    }
}

#[test]
fn says_where_and_why() {
    assert_eq!(
        why("{\"a\":1,\n \"\\u0061\":2}"),
        "2:2 the member name \"a\" appears twice in one object"
    );
    assert_eq!(why("[[[[[[[[[]]]]]]]]]"), "1:9 it is nested deeper than 8");
    assert_eq!(why("[1,]"), "1:4 expected a value");
    assert_eq!(why("{\"a\":1,}"), "1:8 expected a member name in double quotes");
    assert_eq!(why("{\n \"a\": ?}"), "2:7 expected a value");
    assert_eq!(why("01"), "1:2 something follows the document");
    assert_eq!(why("1."), "1:3 expected a digit");
    assert_eq!(why("-"), "1:2 expected a digit");
    assert_eq!(why("nul"), "1:1 expected a value");
    assert_eq!(why(""), "1:1 it ends too early");
    assert_eq!(why("[1 2]"), "1:4 expected `,` or `]`");
    assert_eq!(why("{\"a\":1]"), "1:7 expected `,` or `}`");
    assert_eq!(why("\"a\nb\""), "1:3 a control character in a string must be escaped");
    assert_eq!(why(r#""\ud800""#), "1:1 the string has half of a surrogate pair");
    assert_eq!(why(r#""\x""#), "1:3 there is no such escape");
    assert_eq!(why(r#""\u12g4""#), "1:3 expected four hexadecimal digits after `\\u`");
    assert_eq!(why("\"abc"), "1:1 the string does not end");
    assert!(parse_strict(b"\"\xff\"", 8).is_err());
    assert!(parse_strict(b"\"\\\"", 8).is_err());
}

#[test]
fn duplicates_are_named_with_their_place() {
    let text = b"{\"a\": [1,\n {\"b/c\": 1, \"b\\u002fc\": 2}]}";
    let expected = JsonError {
        line: 2,
        column: 13,
        fault: JsonFault::Duplicate {
            name: "b/c".into(),
            pointer: Pointer::parse("/a/1/b~1c").unwrap(),
        },
    };
    assert_eq!(parse_strict(text, 9), Err(expected.clone()));
    assert_eq!(find_strict(text, 9, "a"), Err(expected));
    assert!(parse_strict(br#"{"a":{"x":1},"b":{"x":1}}"#, 9).is_ok());
}

#[test]
fn only_a_member_of_the_outermost_object_is_found() {
    let text = br#" {"a":{"id":1}, "i\u0064" : "x" } "#;
    let found = find_strict(text, 9, "id").unwrap();
    assert_eq!(&text[found.unwrap()], b"\"x\"");
    assert_eq!(find_strict(br#"{"a":{"id":1}}"#, 9, "id"), Ok(None));
    assert_eq!(find_strict(br#"[{"id":1}]"#, 9, "id"), Ok(None));
    let text = br#"{"id":{"id":[ ]} }"#;
    assert_eq!(find_strict(text, 9, "id"), Ok(Some(6..16)));
}

#[test]
fn hostile_nesting_is_an_error_and_not_a_crash() {
    assert!(parse_strict(&vec![b'['; 1 << 20], 128).is_err());
    assert!(parse_strict("{\"a\":".repeat(1 << 18).as_bytes(), 128).is_err());
    assert!(parse_strict(b"[[[]]]", 3).is_ok());
    let fault = |text: &[u8]| find_strict(text, 3, "").map_err(|e| (e.column, e.fault));
    assert_eq!(fault(b"[[[[]]]]"), Err((4, JsonFault::TooDeep(3))));
}

proptest! {
    // A fixed seed: the same cases each time.
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Random strings over JSON's own alphabet: serde_json reads the same, duplicate names apart; and to check a
    /// text comes to the same as to read it.
    #[test]
    fn agrees_with_serde_json(text in "[\\[\\]{}:,\"\\\\u0019dDe+.a \n-]{0,14}|\"(\\\\u[dD][89a-f]0[0-9]|\\\\[a-z]|é|\t){0,3}\"|-?[0-9.]{0,4}([eE][+-]?[0-9]{0,2})?|tru?e|nulll?|false|(\\{\"a\":)?\\{\"[ab]\":[1-9\"],\"[ab]\":2\\}\\}?") {
        let ours = parse_strict(text.as_bytes(), 99);
        let theirs = serde_json::from_str::<Value>(&text);
        prop_assert_eq!(find_strict(text.as_bytes(), 99, "a").err(), ours.clone().err(), "{:?}", text);
        match ours {
            Ok(ours) => {
                let theirs = theirs.map_err(|e| TestCaseError::fail(format!("{text:?}: {e}")))?;
                prop_assert!(same_value(&ours, &theirs), "{:?}: {} {}", text, ours, theirs);
            }
            // Whatever follows such an object, it is not looked at any more.
            Err(JsonError { fault: JsonFault::Duplicate { .. }, .. }) => {}
            Err(e) => prop_assert!(theirs.is_err(), "{:?}: {:?}", text, e),
        }
    }
}
