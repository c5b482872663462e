//! Versions that an origin keeps in the content (`_rev`, `metadata.resourceVersion`, `sha`) instead of in entity tags.
//!
//! Such a version is handled as the strong entity tag that it would be: what is true of validators (whether they recur,
//! which is newer, what guards an attempt) is then true of it without a second word. Only on the wire it stands in the content.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};

use crate::json::{MAX_DEPTH, Operation, Pointer, parse_strict};
use crate::merge::{Edit, Representation, is_mergeable_type};
use crate::request::{Target, WriteRequest};
use crate::validator::{EntityTag, EtagKind};

/// Where an origin keeps the version of a document, and what it does with one that a write names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyVersion {
    /// Where a document has its version, and a write names the one that it was made from.
    pub at: Pointer,
    /// Where the answer to a write names the new version, if that answer is not the document.
    pub answered_at: Option<Pointer>,
    /// The query parameter in which a write without a document names it, such as `rev`.
    pub query: Option<String>,
    /// What its values are worth: whether they never come back.
    pub kind: EtagKind,
    /// What a write means that names none.
    pub absent: Absent,
    /// What a write's content is.
    pub content: Sent,
}

/// What a write of a whole document means that names no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Absent {
    /// The document shall not exist yet. Such a write goes out as it is: a version would change its meaning.
    #[default]
    Creates,
    /// Whatever is there is replaced. Such a write may be given the version of its base.
    Overwrites,
}

/// What the content of a write to such an origin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sent {
    /// The document itself, which can be merged.
    #[default]
    Document,
    /// A message about the document, which has another form than what is read: it is never merged.
    Message,
}

/// The version that a write names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The version, as a tag.
    pub tag: EntityTag,
    /// Whether it stands in the query, where nobody replaces it.
    pub in_query: bool,
}

impl BodyVersion {
    /// A version at this place, with the defaults of an origin of which no more is said.
    #[must_use]
    pub fn at(at: Pointer) -> BodyVersion {
        BodyVersion {
            at,
            answered_at: None,
            query: None,
            kind: EtagKind::Auto,
            absent: Absent::default(),
            content: Sent::default(),
        }
    }

    /// The version that `representation` has.
    #[must_use]
    pub fn of(&self, representation: &Representation) -> Option<EntityTag> {
        tag_of(self.at.get(representation.document().ok()?.value())?)
    }

    /// The document that a write made, as its caller knows it, and its version: where the answer names that.
    #[must_use]
    pub fn written(
        &self,
        write: &WriteRequest,
        status: &StatusCode,
        headers: &HeaderMap,
        content: &Bytes,
    ) -> Option<(EntityTag, Representation)> {
        let field = |headers: &HeaderMap| headers.get(header::CONTENT_TYPE)?.to_str().ok().map(str::to_owned);
        if !matches!(status.as_u16(), 200 | 201) {
            return None;
        }
        let answer = Representation::new(&field(headers)?, content.clone());
        let at = self.answered_at.as_ref().unwrap_or(&self.at);
        let tag = tag_of(at.get(answer.document().ok()?.value())?)?;
        let edit = Edit::of(write);
        let made = self.put_into(&edit, &write.content, &tag, None)?;
        Some((tag, Representation::new(&field(&write.headers)?, made)))
    }

    /// The version that a write names: in its content, else in its query.
    #[must_use]
    pub fn stated_by(&self, write: &WriteRequest, edit: &Edit) -> Option<Stated> {
        let stated = |tag| Stated { tag, in_query: false };
        self.in_content(write, edit).map(stated).or_else(|| {
            let tag = tag_from(&self.parameter(&write.target)?)?;
            Some(Stated { tag, in_query: true })
        })
    }

    fn in_content(&self, write: &WriteRequest, edit: &Edit) -> Option<EntityTag> {
        match edit {
            Edit::Whole(sent) => self.of(sent),
            Edit::MergePatch { patch, .. } => tag_of(self.at.get(patch)?),
            Edit::JsonPatch { patch, .. } => patch.0.iter().find_map(|operation| match operation {
                Operation::Test { path, value } if *path == self.at => tag_of(value),
                _ => None,
            }),
            Edit::Other(_) => {
                let json = is_mergeable_type(write.field("content-type").unwrap_or_default());
                if !json || write.content.is_empty() {
                    return None;
                }
                tag_of(self.at.get(&parse_strict(&write.content, MAX_DEPTH).ok()?)?)
            }
        }
    }

    /// `content`, which has the form of `edit`, under `tag`. `like` is a document that has this version: its value is
    /// taken over as it is spelled. `None`: it cannot name a version.
    #[must_use]
    pub fn put_into(
        &self,
        edit: &Edit,
        content: &Bytes,
        tag: &EntityTag,
        like: Option<&Representation>,
    ) -> Option<Bytes> {
        if !matches!(edit, Edit::Whole(_) | Edit::MergePatch { .. }) || self.content == Sent::Message {
            return None;
        }
        let mut document = parse_strict(content, MAX_DEPTH).ok()?;
        if self.at.get(&document).and_then(tag_of).as_ref() == Some(tag) {
            return Some(content.clone());
        }
        let version = like
            .filter(|like| self.of(like).as_ref() == Some(tag))
            .and_then(|like| self.at.get(like.document().ok()?.value()).cloned())
            .unwrap_or_else(|| Value::String(tag.opaque().to_owned()));
        let (last, above) = self.at.0.split_last()?;
        let mut place = &mut document;
        for token in above {
            let Value::Object(members) = place else { return None };
            place = match edit {
                // What a merge patch does not have yet, it may say all the same.
                Edit::MergePatch { .. } => members
                    .entry(token.clone())
                    .or_insert_with(|| Value::Object(Map::new())),
                _ => members.get_mut(token)?,
            };
        }
        let Value::Object(members) = place else { return None };
        members.insert(last.clone(), version);
        Some(Bytes::from(document.to_string()))
    }

    /// The resource that `target` is about: without the parameter that names a version.
    #[must_use]
    pub fn resource(&self, target: &Target) -> Target {
        if self.parameter(target).is_none() {
            return target.clone();
        }
        let (before, query) = target.as_str().split_once('?').unwrap_or((target.as_str(), ""));
        let rest: Vec<&str> = query.split('&').filter(|pair| !self.is_parameter(pair)).collect();
        let text = if rest.is_empty() {
            before.to_owned()
        } else {
            format!("{before}?{}", rest.join("&"))
        };
        Target::parse(&text).unwrap_or_else(|_| target.clone())
    }

    fn is_parameter(&self, pair: &str) -> bool {
        let name = pair.split('=').next().unwrap_or_default();
        self.query.as_deref() == Some(name)
    }

    fn parameter(&self, target: &Target) -> Option<String> {
        let pair = target.uri().query()?.split('&').find(|pair| self.is_parameter(pair))?;
        Some(pair.split_once('=')?.1.to_owned())
    }
}

/// A version as a tag: text that can stand in one, or a number as it is spelled.
fn tag_of(value: &Value) -> Option<EntityTag> {
    match value {
        Value::String(text) => tag_from(text),
        Value::Number(number) => tag_from(&number.to_string()),
        _ => None,
    }
}

fn tag_from(text: &str) -> Option<EntityTag> {
    if text.is_empty() {
        return None;
    }
    // One that is weak by its form cannot come of this: the text stands between the quotes.
    EntityTag::parse(&format!("\"{text}\"")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, Method};

    fn rev() -> BodyVersion {
        BodyVersion {
            query: Some("rev".into()),
            ..BodyVersion::at(Pointer::parse("/_rev").unwrap())
        }
    }

    fn write(method: Method, target: &str, kind: &'static str, content: &'static str) -> WriteRequest {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        WriteRequest {
            method,
            target: Target::parse(target).unwrap(),
            headers,
            content: Bytes::from_static(content.as_bytes()),
        }
    }

    #[test]
    fn a_write_names_its_version_in_the_content_or_the_query() {
        let json = "application/json";
        let table = [
            (
                Method::PUT,
                "http://h/d",
                json,
                r#"{"_rev":"1-a"}"#,
                Some(("1-a", false)),
            ),
            (Method::PUT, "http://h/d", json, r#"{"_rev":17}"#, Some(("17", false))),
            (Method::PUT, "http://h/d", json, r#"{"_rev":""}"#, None),
            (Method::PUT, "http://h/d", json, r#"{"_rev":null}"#, None),
            (Method::PUT, "http://h/d?rev=1-b", json, "{}", Some(("1-b", true))),
            (Method::DELETE, "http://h/d?x=1&rev=1-b", json, "", Some(("1-b", true))),
            (
                Method::DELETE,
                "http://h/d",
                json,
                r#"{"_rev":"1-a"}"#,
                Some(("1-a", false)),
            ),
            (Method::DELETE, "http://h/d", json, "", None),
            (
                Method::PATCH,
                "http://h/d",
                "application/merge-patch+json",
                r#"{"_rev":"2"}"#,
                Some(("2", false)),
            ),
            (
                Method::PATCH,
                "http://h/d",
                "application/json-patch+json",
                r#"[{"op":"test","path":"/_rev","value":"3"}]"#,
                Some(("3", false)),
            ),
        ];
        for (method, target, kind, content, expected) in table {
            let write = write(method, target, kind, content);
            let stated = rev().stated_by(&write, &Edit::of(&write));
            let got = stated.as_ref().map(|s| (s.tag.opaque(), s.in_query));
            assert_eq!(got, expected, "{} {target} {content}", write.method);
        }
    }

    #[test]
    fn a_new_version_is_spelled_as_it_is_read_and_the_old_content_stays_as_it_was() {
        let at = BodyVersion::at(Pointer::parse("/meta/v").unwrap());
        let put = write(
            Method::PUT,
            "http://h/d",
            "application/json",
            r#"{ "meta":{"v":1}, "n":1.0 }"#,
        );
        let edit = Edit::of(&put);
        let now = Representation::new("application/json", r#"{"meta":{"v":2},"n":3}"#);
        let same = at.put_into(&edit, &put.content, &EntityTag::strong("1"), None).unwrap();
        assert_eq!(same, put.content);
        let newer = at
            .put_into(&edit, &put.content, &EntityTag::strong("2"), Some(&now))
            .unwrap();
        assert_eq!(newer, r#"{"meta":{"v":2},"n":1.0}"#);
        let nowhere = Bytes::from_static(b"{}");
        assert_eq!(at.put_into(&edit, &nowhere, &EntityTag::strong("2"), None), None);
    }

    #[test]
    fn the_resource_has_no_version_in_its_query() {
        for (target, expected) in [
            ("http://h/d?rev=1-a", "http://h/d"),
            ("http://h/d?x=1&rev=1-a&y", "http://h/d?x=1&y"),
            ("http://h/d?revs=1", "http://h/d?revs=1"),
        ] {
            assert_eq!(rev().resource(&Target::parse(target).unwrap()).as_str(), expected);
        }
    }
}
