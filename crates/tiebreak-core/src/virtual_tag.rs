//! Virtual entity tags: ours, for representations to which their origin gives none.
//!
//! Such a tag is a digest, so it comes back when the content does; and nobody but Tiebreak knows it, so the origin cannot
//! enforce it. It is shown to clients and compared in the lane of its target, and never sent on.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::json::canonical;
use crate::merge::{Document, MergeRules, Representation, essence};
use crate::validator::EntityTag;

/// What every virtual tag begins with.
const PREFIX: &str = "tiebreak-";

/// Of what virtual tags are made (the route setting `virtual_tags`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum VirtualTags {
    /// There are none.
    #[default]
    Off,
    /// The media type and the bytes of the content.
    Bytes,
    /// The media type and, of JSON, its data: spelling, the order of members and what the server maintains
    /// ([`MergeRules::volatile`]) do not count. Of other content, the bytes.
    Json,
}

impl VirtualTags {
    /// The tag of a representation without content coding; `None` where there are none.
    #[must_use]
    pub fn of(self, representation: &Representation, rules: &MergeRules) -> Option<EntityTag> {
        let mut hash = Sha256::new();
        hash.update(essence(representation.content_type()).to_ascii_lowercase());
        match (self, representation) {
            (VirtualTags::Off, _) => return None,
            (VirtualTags::Bytes, content) => bytes(&mut hash, content),
            (VirtualTags::Json, content) => match content.document() {
                Ok(Document::Json(value)) => {
                    hash.update(b"\njson\n");
                    hash.update(lasting(value, rules));
                }
                Ok(Document::Form(_)) | Err(_) => bytes(&mut hash, content),
            },
        }
        let digest: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Some(EntityTag::strong(format!("{PREFIX}{digest}")))
    }
}

/// Whether a tag has the form of a virtual one.
#[must_use]
pub fn is_virtual(tag: &EntityTag) -> bool {
    !tag.is_weak() && tag.opaque().starts_with(PREFIX)
}

fn bytes(hash: &mut Sha256, representation: &Representation) {
    hash.update(b"\nbytes\n");
    hash.update(representation.content());
}

/// The data as text, without what the server maintains.
fn lasting(value: &Value, rules: &MergeRules) -> String {
    if rules.volatile.is_empty() {
        return canonical(value);
    }
    let mut value = value.clone();
    leave_out_volatile(&mut value, &mut Vec::new(), rules);
    canonical(&value)
}

fn leave_out_volatile(value: &mut Value, path: &mut Vec<String>, rules: &MergeRules) {
    match value {
        Value::Object(members) => members.retain(|name, member| {
            path.push(name.clone());
            let stays = !rules.is_volatile(path);
            if stays {
                leave_out_volatile(member, path, rules);
            }
            path.pop();
            stays
        }),
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                path.push(at.to_string());
                if rules.is_volatile(path) {
                    *item = Value::Null;
                } else {
                    leave_out_volatile(item, path, rules);
                }
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(kind: VirtualTags, content_type: &str, content: &'static str) -> EntityTag {
        let rules = MergeRules::default().with_volatile("/rows/*/seen").expect("a place");
        kind.of(&Representation::new(content_type, content), &rules)
            .expect("a tag")
    }

    #[test]
    fn what_counts() {
        use VirtualTags::{Bytes, Json};
        let json = "application/json";
        let one = r#"{"a":1,"rows":[{"b":2,"seen":3}]}"#;
        for (other_type, other, same_bytes, same_json) in [
            (json, one, true, true),
            ("Application/JSON; charset=utf-8", one, true, true),
            (json, r#"{ "rows":[{"seen":4,"b":2.0}], "a":1 }"#, false, true),
            (json, r#"{"a":1,"rows":[{"b":2}]}"#, false, true),
            (json, r#"{"a":2,"rows":[{"b":2,"seen":3}]}"#, false, false),
            (json, r#"{"a":"1","rows":[{"b":2,"seen":3}]}"#, false, false),
            ("application/other+json", one, false, false),
            ("text/plain", one, false, false),
        ] {
            let alike = |kind| tag(kind, json, one) == tag(kind, other_type, other);
            assert_eq!(alike(Bytes), same_bytes, "bytes {other_type} {other}");
            assert_eq!(alike(Json), same_json, "json {other_type} {other}");
        }
        assert_eq!(tag(Json, "text/plain", "x"), tag(Bytes, "text/plain", "x"));
        assert_eq!(tag(Json, json, "{"), tag(Bytes, json, "{"));
        assert_ne!(tag(Json, json, "{}"), tag(Bytes, json, "{}"));
        assert!(is_virtual(&tag(Bytes, json, "{}")) && !tag(Bytes, json, "{}").is_weak());
        let off = VirtualTags::Off.of(&Representation::new(json, "{}"), &MergeRules::default());
        assert_eq!(off, None);
    }
}
