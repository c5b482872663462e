//! What tells a resource apart before it has a URI: a natural key, and the look-up that finds who has it.

use std::fmt;

use bytes::Bytes;
use serde_json::Value;

use crate::fingerprint::Digest;
use crate::json::{Pointer, PointerError, same_value};
use crate::lane::LaneId;
use crate::merge::Representation;
use crate::request::{Target, WriteRequest};
use crate::response::Response;

/// Members that are unique among the resources under one target, and how a resource with given values is found.
#[derive(Debug, Clone, PartialEq)]
pub struct NaturalKey {
    /// The members, in what is created and in what exists.
    pub members: Vec<Pointer>,
    /// The request that finds a resource by them, such as `/users?email={/email}`.
    pub look_up: Template,
    /// Where its answer has what was found: an array of resources, or one. The whole answer by default.
    pub items: Pointer,
    /// Where a resource that was found is, from its members: `/users/{/id}`.
    pub location: Option<Template>,
    /// The path at the origin under which the templates are, without a slash at its end.
    pub prefix: String,
}

/// A creation whose natural key is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Sought {
    /// Its key.
    values: Vec<(Pointer, Value)>,
    /// The read that finds who has it.
    pub look_up: Target,
    /// The lane of all creations with this key.
    pub lane: LaneId,
}

/// What a look-up found.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Nobody has the key.
    Nothing,
    /// This resource has it.
    One(Existing),
    /// It cannot be told: no such answer, several resources, or only such as have another key.
    Unclear,
}

/// A resource that has the key.
#[derive(Debug, Clone, PartialEq)]
pub struct Existing {
    /// The resource, as the look-up shows it.
    pub content: Bytes,
    /// Where it is, as this gateway's clients name it.
    pub location: Option<String>,
}

impl NaturalKey {
    /// The key of what `write` would create; `None` if a member is missing, or is no text, number or truth value.
    #[must_use]
    pub fn sought(&self, write: &WriteRequest) -> Option<Sought> {
        let kind = write.field("content-type").unwrap_or_default();
        let asked = Representation::with_coding(kind, write.field("content-encoding"), write.content.clone());
        let document = asked.document().ok()?.value();
        let mut values = Vec::with_capacity(self.members.len());
        for member in &self.members {
            let value = member.get(document)?;
            if !matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_)) {
                return None;
            }
            values.push((member.clone(), value.clone()));
        }
        let path = self.look_up.expand(document)?;
        let (scheme, authority) = (write.target.uri().scheme_str()?, write.target.authority());
        let look_up = Target::parse(&format!("{scheme}://{authority}{}{path}", self.prefix)).ok()?;
        let named: Vec<String> = values.iter().map(|(_, value)| crate::json::canonical(value)).collect();
        // Keys may be personal: the lane's name, which is shown and kept, holds a digest of them.
        let digest = Digest::of(&[named.join("\n").as_bytes()]);
        let lane = LaneId(format!(
            "{} natural key {:.16}",
            write.target.as_str(),
            digest.to_string()
        ));
        Some(Sought { values, look_up, lane })
    }

    /// Reads the answer to the look-up.
    #[must_use]
    pub fn find(&self, sought: &Sought, response: &Response) -> Found {
        if matches!(response.status.as_u16(), 204 | 404 | 410) {
            return Found::Nothing;
        }
        let Some(answer) = Representation::of(response) else {
            return Found::Unclear;
        };
        let Ok(document) = answer.document() else {
            return Found::Unclear;
        };
        let items: Vec<&Value> = match self.items.get(document.value()) {
            None | Some(Value::Null) if !self.items.0.is_empty() => return Found::Nothing,
            Some(Value::Array(items)) => items.iter().collect(),
            Some(item @ Value::Object(_)) => vec![item],
            _ => return Found::Unclear,
        };
        let has_key = |item: &&&Value| {
            let same = |(at, value): &(Pointer, Value)| at.get(item).is_some_and(|is| same_value(is, value));
            sought.values.iter().all(same)
        };
        let with_key: Vec<&&Value> = items.iter().filter(has_key).collect();
        match with_key.as_slice() {
            [] if items.is_empty() => Found::Nothing,
            [one] => Found::One(Existing {
                content: Bytes::from(one.to_string()),
                location: self.location.as_ref().and_then(|template| template.expand(one)),
            }),
            // A search that ignores its filter, or that finds what is alike: nobody knows what it did not show.
            _ => Found::Unclear,
        }
    }
}

/// A path with places of a document in it: `/users?email={/email}`. What is put in is percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Place(Pointer),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It is no path.
    #[error("read `{0}` as a path: begin it with /")]
    NoPath(String),
    /// A brace is open, or closes nothing.
    #[error("read `{0}` as a path with places: close each {{ with a }}, such as /users?email={{/email}}")]
    Brace(String),
    /// What stands in braces is no place.
    #[error(transparent)]
    Place(#[from] PointerError),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// If it does not begin with `/`, a brace has no partner, or what is in braces is no JSON Pointer to a member.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        if !text.starts_with('/') {
            return Err(TemplateError::NoPath(text.to_owned()));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let brace = || TemplateError::Brace(text.to_owned());
            let (place, after) = after.split_once('}').ok_or_else(brace)?;
            if before.contains('}') {
                return Err(brace());
            }
            let pointer = Pointer::parse(place)?;
            if pointer.0.is_empty() {
                return Err(PointerError(place.to_owned()).into());
            }
            parts.push(Part::Literal(before.to_owned()));
            parts.push(Part::Place(pointer));
            rest = after;
        }
        if rest.contains('}') {
            return Err(TemplateError::Brace(text.to_owned()));
        }
        parts.push(Part::Literal(rest.to_owned()));
        Ok(Template {
            text: text.to_owned(),
            parts,
        })
    }

    /// The path for `document`; `None` if a place is missing there, or holds no text, number or truth value.
    #[must_use]
    pub fn expand(&self, document: &Value) -> Option<String> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Place(place) => match place.get(document)? {
                    Value::String(text) => encode(text, &mut out),
                    Value::Number(number) => encode(&number.to_string(), &mut out),
                    Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
                    Value::Null | Value::Array(_) | Value::Object(_) => return None,
                },
            }
        }
        Some(out)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// All but unreserved characters (RFC 3986 §2.3).
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, Method, StatusCode};
    use serde_json::json;

    fn key() -> NaturalKey {
        NaturalKey {
            members: vec![Pointer::parse("/email").unwrap()],
            look_up: Template::parse("/users?email={/email}&exact=1").unwrap(),
            items: Pointer::parse("/items").unwrap(),
            location: Some(Template::parse("/users/{/id}").unwrap()),
            prefix: "/v2".into(),
        }
    }

    fn post(content: &Value) -> WriteRequest {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        WriteRequest {
            method: Method::POST,
            target: Target::parse("http://h/v2/users").unwrap(),
            headers,
            content: content.to_string().into(),
        }
    }

    fn answer(status: u16, content: &Value) -> Response {
        Response {
            status: StatusCode::from_u16(status).unwrap(),
            headers: post(content).headers,
            content: content.to_string().into(),
            complete: true,
        }
    }

    #[test]
    fn a_key_is_looked_up_and_names_a_lane_without_showing_itself() {
        let sought = key().sought(&post(&json!({"email": "ü@x.org", "n": 1}))).unwrap();
        assert_eq!(
            sought.look_up.as_str(),
            "http://h/v2/users?email=%C3%BC%40x.org&exact=1"
        );
        assert!(!sought.lane.0.contains("x.org"), "{}", sought.lane);
        let other = key().sought(&post(&json!({"email": "v@x.org"}))).unwrap();
        assert_ne!(sought.lane, other.lane);
        for none in [json!({}), json!({"email": null}), json!({"email": ["a"]})] {
            assert_eq!(key().sought(&post(&none)), None, "{none}");
        }
    }

    #[test]
    fn only_what_has_the_very_key_is_found() {
        let sought = key().sought(&post(&json!({"email": "a@x"}))).unwrap();
        let item = json!({"id": 7, "email": "a@x", "n": 1});
        let other = json!({"id": 8, "email": "A@x"});
        let existing = Found::One(Existing {
            content: item.to_string().into(),
            location: Some("/users/7".into()),
        });
        let table = [
            (200, json!({"items": []}), Found::Nothing),
            (200, json!({"items": null}), Found::Nothing),
            (200, json!({"total": 0}), Found::Nothing),
            (404, json!({}), Found::Nothing),
            (200, json!({"items": [item]}), existing.clone()),
            (200, json!({"items": item}), existing.clone()),
            (200, json!({"items": [other, item]}), existing),
            (200, json!({"items": [item, item]}), Found::Unclear),
            (200, json!({"items": [other]}), Found::Unclear),
            (200, json!({"items": "a"}), Found::Unclear),
            (206, json!({"items": []}), Found::Unclear),
            (500, json!({"items": []}), Found::Unclear),
        ];
        for (status, content, expected) in table {
            assert_eq!(
                key().find(&sought, &answer(status, &content)),
                expected,
                "{status} {content}"
            );
        }
    }

    #[test]
    fn templates_say_what_is_wrong() {
        for bad in ["users", "/a{/b", "/a}b", "/a{b}", "/a{}"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(
            Template::parse("/a{/b}{/c}")
                .unwrap()
                .expand(&json!({"b": true, "c": 1.0}))
                .unwrap(),
            "/atrue1.0"
        );
    }
}
