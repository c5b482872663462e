//! What the target `fields` does with its input; also run, bounded, by the tests of `tiebreak-core`.

use http::{HeaderMap, HeaderValue, Method};
use tiebreak_core::key::IdempotencyKey;
use tiebreak_core::precondition::{Current, Preconditions, TagList, evaluate};
use tiebreak_core::validator::EntityTag;

/// Parses `data` as each of the fields that guard writes, and evaluates the preconditions.
pub(crate) fn run(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(key) = IdempotencyKey::parse(text) {
            assert!(!key.as_str().is_empty(), "an empty key");
        }
        let _ = TagList::parse(text);
        if let Ok(tag) = EntityTag::parse(text) {
            // What was parsed is written the same way again.
            assert_eq!(EntityTag::parse(&tag.to_string()).as_ref(), Ok(&tag));
            assert!(tag.weak_eq(&tag));
        }
    }
    let mut headers = HeaderMap::new();
    for (name, value) in ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"]
        .into_iter()
        .zip(data.split(|b| *b == b'\n'))
    {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    if let Ok(preconditions) = Preconditions::of(&headers) {
        let tag = EntityTag::strong("1");
        let present = Current {
            exists: true,
            etag: Some(&tag),
            last_modified: Some(784_111_777),
        };
        for current in [Current::default(), present] {
            for method in [Method::PUT, Method::GET] {
                let first = evaluate(&method, &preconditions, current);
                assert_eq!(first, evaluate(&method, &preconditions, current));
            }
        }
    }
}
