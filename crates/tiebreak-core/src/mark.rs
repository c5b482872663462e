//! Marks: a member that Tiebreak writes into JSON objects which it serves, and takes out of writes. It names the very
//! representation that was served, so that a write says what it was made from whoever it came through.

use std::fmt;

use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::json::{MAX_DEPTH, parse_strict};
use crate::merge::Representation;
use crate::validator::EntityTag;

/// What every mark begins with.
const PREFIX: &str = "tiebreak-base-";

/// Hexadecimal digits after that.
const DIGITS: usize = 32;

/// What is put at the end of the opaque value of an entity tag whose representation was marked: other bytes need another
/// validator (RFC 9110 §8.8.1).
const SUFFIX: &str = "~tiebreak";

/// The name of one representation: it follows from its entity tag and its bytes, and is no secret. Nobody gets anything by naming
/// one that was not served to him.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mark(String);

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Content that holds a mark, and cannot be read in one way only: nobody can tell whether the mark was all that would be taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("take the mark of a read out of the content: it is no JSON that can be read in one way only")]
pub struct Ambiguous;

impl Mark {
    /// The mark of what was served under this tag.
    #[must_use]
    pub fn of(etag: Option<&EntityTag>, served: &Representation) -> Mark {
        let mut hash = Sha256::new();
        hash.update(etag.map(ToString::to_string).unwrap_or_default());
        hash.update(b"\n");
        hash.update(served.digest());
        let digits: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Mark(format!("{PREFIX}{}", &digits[..DIGITS]))
    }

    fn read(value: &Value) -> Option<Mark> {
        let text = value.as_str()?;
        let digits = text.strip_prefix(PREFIX)?;
        let own = digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit());
        own.then(|| Mark(text.to_owned()))
    }

    /// `content` with this mark as its last member, and otherwise byte for byte as it was. `None`: it stays as it is, since it is no
    /// JSON object, or has a member of that name of its own.
    ///
    /// Marks that its origin has stored say nothing about what is served now: they are taken out, also where no mark is put in, and
    /// the rest is written anew.
    #[must_use]
    pub fn put_into(&self, member: &str, content: &Bytes) -> Option<Bytes> {
        let mut document = parse_strict(content, MAX_DEPTH).ok()?;
        let cleaned = strip(member, &mut document).then(|| Bytes::from(document.to_string()));
        let Some(members) = document.as_object().filter(|members| !members.contains_key(member)) else {
            return cleaned;
        };
        let content = cleaned.as_ref().unwrap_or(content);
        let end = content.iter().rposition(|b| *b == b'}')?;
        let comma = if members.is_empty() { "" } else { "," };
        let added = format!("{comma}{}:\"{self}\"", Value::String(member.to_owned()));
        Some(Bytes::from(
            [&content[..end], added.as_bytes(), &content[end..]].concat(),
        ))
    }

    /// Whether something in the form of a mark stands anywhere in the content, whatever that is.
    #[must_use]
    pub fn is_within(content: &[u8]) -> bool {
        let prefix = PREFIX.as_bytes();
        let digits = |at: usize| content.get(at + prefix.len()..at + prefix.len() + DIGITS);
        let begins = content.windows(prefix.len()).enumerate().filter(|(_, w)| *w == prefix);
        begins
            .map(|(at, _)| digits(at))
            .any(|d| d.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)))
    }

    /// Takes the marks out of what was written: the one at its top, and the content without any. What has the name of the member and
    /// not the form of a mark is its author's, and stays. `None`: there is none.
    ///
    /// # Errors
    /// If there is one, and the content cannot be read.
    pub fn take_out(member: &str, content: &Bytes) -> Result<Option<(Option<Mark>, Bytes)>, Ambiguous> {
        let Ok(mut document) = parse_strict(content, MAX_DEPTH) else {
            let text = String::from_utf8_lossy(content);
            return if text.contains(PREFIX) {
                Err(Ambiguous)
            } else {
                Ok(None)
            };
        };
        let own = document.get(member).and_then(Mark::read);
        if !strip(member, &mut document) {
            return Ok(None);
        }
        Ok(Some((own, Bytes::from(document.to_string()))))
    }
}

/// Takes all marks out; whether there were any. Parts of documents that were read may stand anywhere in what is written.
fn strip(member: &str, value: &mut Value) -> bool {
    match value {
        Value::Object(members) => {
            let own = members.get(member).is_some_and(|value| Mark::read(value).is_some());
            if own {
                // The others keep their order.
                members.shift_remove(member);
            }
            let below = members.values_mut().map(|value| strip(member, value));
            below.fold(own, |any, one| any | one)
        }
        Value::Array(items) => items
            .iter_mut()
            .map(|value| strip(member, value))
            .fold(false, |any, one| any | one),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The tag of a representation that was marked.
#[must_use]
pub fn marked_tag(tag: &EntityTag) -> EntityTag {
    let opaque = format!("{}{SUFFIX}", tag.opaque());
    match tag.is_weak() {
        true => EntityTag::weak(opaque),
        false => EntityTag::strong(opaque),
    }
}

/// The tag that its origin gave to a representation that was marked; `None`: this is none of a marked one.
#[must_use]
pub fn unmarked_tag(tag: &EntityTag) -> Option<EntityTag> {
    let opaque = tag.opaque().strip_suffix(SUFFIX)?;
    Some(match tag.is_weak() {
        true => EntityTag::weak(opaque),
        false => EntityTag::strong(opaque),
    })
}

/// A field that lists entity tags, with those of marked representations as their origin knows them. `None`: there is none among them.
#[must_use]
pub fn without_marked(tags: &str) -> Option<String> {
    let ended = format!("{SUFFIX}\"");
    tags.contains(&ended).then(|| tags.replace(&ended, "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = "application/json";

    fn mark(content: &'static str) -> Mark {
        Mark::of(Some(&EntityTag::strong("v1")), &Representation::new(JSON, content))
    }

    #[test]
    fn what_was_served_comes_back_as_it_was() {
        for content in ["{}", "{ }\n", r#"{"a":1.50,"b":{"c":[1e3]}}"#, "{\"a\": \"}\"\r\n}\r\n"] {
            let own = mark(content);
            let marked = own.put_into("_base", &Bytes::from(content)).unwrap();
            let before = parse_strict(content.as_bytes(), 9).unwrap();
            let (taken, clean) = Mark::take_out("_base", &marked).unwrap().unwrap();
            assert_eq!(taken, Some(own));
            assert_eq!(parse_strict(&clean, 9).unwrap().to_string(), before.to_string());
            assert!(marked.ends_with(&content.as_bytes()[content.rfind('}').unwrap()..]));
        }
    }

    #[test]
    fn each_version_has_its_own() {
        let plain = |tag: Option<&EntityTag>, content| Mark::of(tag, &Representation::new(JSON, content));
        let (one, two) = (EntityTag::strong("v1"), EntityTag::weak("v1"));
        let all = [
            plain(None, "{}"),
            plain(Some(&one), "{}"),
            plain(Some(&two), "{}"),
            plain(Some(&one), "{ }"),
        ];
        for (at, mark) in all.iter().enumerate() {
            assert!(all[..at].iter().all(|other| other != mark));
        }
    }

    #[test]
    fn what_is_the_authors_stays() {
        for content in [
            "[1]",
            "\"x\"",
            "{\"a\":1",
            r#"{"_base":"mine"}"#,
            r#"{"_base":{"n":1}}"#,
            r#"{"_base":"tiebreak-base-1"}"#,
            r#"{"other":"tiebreak-base-0123456789abcdef0123456789abcdef"}"#,
        ] {
            let content = Bytes::from(content);
            assert_eq!(Mark::take_out("_base", &content), Ok(None), "{content:?}");
        }
        assert_eq!(mark("{}").put_into("_base", &Bytes::from(r#"{"_base":null}"#)), None);
        assert_eq!(mark("{}").put_into("_base", &Bytes::from("[]")), None);
    }

    #[test]
    fn a_mark_that_the_origin_has_stored_gives_way() {
        let (own, old) = (mark("{}"), mark("[]"));
        let held = format!(r#"{{"_base":"{old}", "a":1.50,"b":[{{"_base":"{old}"}}]}}"#);
        let served = own.put_into("_base", &Bytes::from(held)).unwrap();
        assert_eq!(served, format!(r#"{{"a":1.50,"b":[{{}}],"_base":"{own}"}}"#));
        // Also where there is no place for another.
        for (held, expected) in [
            (format!(r#"[{{"_base":"{old}","a":1.50}}]"#), r#"[{"a":1.50}]"#),
            (
                format!(r#"{{"_base":"mine","b":{{"_base":"{old}"}}}}"#),
                r#"{"_base":"mine","b":{}}"#,
            ),
        ] {
            assert_eq!(own.put_into("_base", &Bytes::from(held)).unwrap(), expected);
        }
    }

    #[test]
    fn what_has_the_form_of_a_mark_is_seen_in_anything() {
        let own = mark("{}").to_string();
        for content in [
            own.clone(),
            format!("a=1&_base={own}"),
            format!("\u{0}tiebreak-base-{own}"),
        ] {
            assert!(Mark::is_within(content.as_bytes()), "{content}");
        }
        for content in [
            "",
            "tiebreak-base-",
            "tiebreak-base-0123456789abcdef0123456789abcdeg",
            &own[..own.len() - 1],
        ] {
            assert!(!Mark::is_within(content.as_bytes()), "{content}");
        }
    }

    #[test]
    fn marks_are_found_wherever_they_stand_and_never_passed_over() {
        let own = mark("{}");
        let nested = Bytes::from(format!(r#"{{"items":[{{"_base":"{own}","n":1}}],"a":2}}"#));
        let (taken, clean) = Mark::take_out("_base", &nested).unwrap().unwrap();
        assert_eq!((taken, &clean[..]), (None, &br#"{"items":[{"n":1}],"a":2}"#[..]));
        let escaped = Bytes::from(format!(r#"{{"\u005fbase":"{own}"}}"#));
        assert_eq!(Mark::take_out("_base", &escaped).unwrap().unwrap().1, "{}");
        let twice = Bytes::from(format!(r#"{{"_base":"{own}","_base":"{own}"}}"#));
        assert_eq!(Mark::take_out("_base", &twice), Err(Ambiguous));
    }

    #[test]
    fn tags_go_there_and_back() {
        for tag in [EntityTag::strong("v1"), EntityTag::weak("")] {
            let marked = marked_tag(&tag).to_string();
            assert_ne!(marked, tag.to_string());
            assert_eq!(without_marked(&marked), Some(tag.to_string()));
            assert_eq!(unmarked_tag(&marked_tag(&tag)), Some(tag.clone()));
            assert_eq!(unmarked_tag(&tag), None);
            assert_eq!(
                without_marked(&format!("\"x\", {marked}")),
                Some(format!("\"x\", {tag}"))
            );
            assert_eq!(without_marked(&tag.to_string()), None);
        }
    }
}
