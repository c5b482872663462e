//! A line that is a record: what is written where follows from the options of the job.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;
use tiebreak_core::json::Pointer;

use super::super::entry::{Entry, Name, canonical_json};
use super::super::place::Place;

/// How records become writes.
#[derive(Debug, Clone)]
pub(in crate::submit) struct RecordRules {
    /// The method; by default PUT where records have an id, else POST.
    pub(in crate::submit) method: Method,
    /// Where a record's id is.
    pub(in crate::submit) id: Option<Pointer>,
    /// Where the parts of a record's key are.
    pub(in crate::submit) key: Vec<Pointer>,
}

/// Makes a write of a record; the error completes "failed to …".
pub(super) fn read(line: u64, record: &Value, rules: &RecordRules, place: &Place) -> Result<Entry, String> {
    let mut names = Vec::new();
    let target = match &rules.id {
        Some(pointer) => {
            let id = id_of(record, pointer)?;
            let target = place.record(&id)?;
            names.push(Name::Record(id));
            target
        }
        None => place.whole()?,
    };
    if !rules.key.is_empty() {
        let found: Result<Vec<Value>, String> = rules.key.iter().map(|p| part(record, p)).collect();
        names.push(Name::Key(tiebreak_core::json::canonical(&Value::Array(found?))));
    }
    let mut headers = HeaderMap::new();
    let (content, canonical) = if rules.method == Method::DELETE {
        (Bytes::new(), canonical_json(&Value::Null))
    } else {
        let kind = if rules.method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        (Bytes::from(record.to_string()), canonical_json(record))
    };
    Ok(Entry {
        line,
        order: place.order(&rules.method, &target, Some(record)),
        method: rules.method.clone(),
        target,
        headers,
        content,
        canonical,
        base: None,
        names,
    })
}

fn id_of(record: &Value, pointer: &Pointer) -> Result<String, String> {
    match part(record, pointer)? {
        Value::String(text) if text.is_empty() || text == "." || text == ".." => {
            Err(format!("use `{text}` at {pointer} as a record id"))
        }
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(format!(
            "use the value at {pointer} as a record id; a text or a number is expected"
        )),
    }
}

fn part(record: &Value, pointer: &Pointer) -> Result<Value, String> {
    match pointer.get(record) {
        Some(Value::Null) | None => Err(format!("find a value at {pointer}")),
        Some(value) => Ok(value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(id: Option<&str>, key: &[&str], method: Method) -> RecordRules {
        let pointer = |p: &&str| Pointer::parse(p).unwrap();
        RecordRules {
            method,
            id: id.map(|p| Pointer::parse(p).unwrap()),
            key: key.iter().map(pointer).collect(),
        }
    }

    fn place() -> Place {
        Place::to("/people").unwrap()
    }

    #[test]
    fn a_record_goes_to_its_id_percent_encoded() {
        let with_id = rules(Some("/id"), &[], Method::PUT);
        let entry = read(1, &json!({"id": "a/b ü"}), &with_id, &place()).unwrap();
        assert_eq!(entry.target.path(), "/people/a%2Fb%20%C3%BC");
        assert_eq!(entry.names, [Name::Record("a/b ü".into())]);
        let number = read(1, &json!({"id": 7}), &with_id, &place()).unwrap();
        assert_eq!(number.target.path(), "/people/7");
    }

    #[test]
    fn a_key_may_have_parts() {
        let keyed = rules(None, &["/mail", "/at/0"], Method::POST);
        let entry = read(1, &json!({"mail": "a@b", "at": [1]}), &keyed, &place()).unwrap();
        assert_eq!(entry.target.path(), "/people");
        assert_eq!(entry.names.len(), 1);
        assert!(entry.order.is_none());
    }

    #[test]
    fn records_without_their_id_or_key_are_refused() {
        let with_id = rules(Some("/id"), &["/mail"], Method::PUT);
        for record in [
            json!({}),
            json!({"id": null}),
            json!({"id": ""}),
            json!({"id": ".."}),
            json!({"id": [1]}),
            json!({"id": 1}),
        ] {
            assert!(read(1, &record, &with_id, &place()).is_err(), "{record}");
        }
    }
}
