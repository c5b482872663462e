//! A line that is a full write: `{"method","path","body",…}`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::{Map, Value};
use tiebreak_core::key::IdempotencyKey;
use tiebreak_core::merge::{Representation, essence};
use tiebreak_core::method::is_safe;
use tiebreak_core::validator::EntityTag;

use super::super::entry::{Entry, Name, canonical_bytes, canonical_json};
use super::super::place::Place;

/// The methods that a line may have: HTTP's own (RFC 9110, RFC 5789) and those of WebDAV and CalDAV that change
/// something. A method that nobody knows is more likely a typing error than a wish.
const METHODS: [&str; 14] = [
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "MKCOL",
    "COPY",
    "MOVE",
    "PROPPATCH",
    "LOCK",
    "UNLOCK",
    "ACL",
    "MKCALENDAR",
    "LINK",
    "UNLINK",
];

/// Fields that the wire or this program sets.
const RESERVED: [&str; 12] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Reads the members of a line; the error completes "failed to …".
pub(super) fn read(line: u64, members: Map<String, Value>, place: &Place) -> Result<Entry, String> {
    let mut parts = Parts::default();
    for (name, value) in members {
        parts.take(&name, value)?;
    }
    let method = method(parts.method.as_deref().ok_or("find the member `method`")?)?;
    let target = match (&parts.path, &parts.url) {
        (Some(path), None) => place.under(path)?,
        (None, Some(url)) => place.elsewhere(url)?,
        (Some(_), Some(_)) => return Err("choose between `path` and `url`; give one of them".into()),
        (None, None) => return Err("find the member `path` (or `url`)".into()),
    };
    let mut headers = parts.headers.take().unwrap_or_default();
    let body = content(&method, &mut parts, &mut headers)?;
    if let Some(tag) = &parts.if_match {
        headers.insert(header::IF_MATCH, tags("if_match", tag)?);
    }
    if let Some(tag) = &parts.if_none_match {
        headers.insert(header::IF_NONE_MATCH, tags("if_none_match", tag)?);
    }
    let mut names = Vec::new();
    if let Some(key) = parts.key {
        headers.insert(HeaderName::from_static("idempotency-key"), key_field(&key)?);
        names.push(Name::Key(key));
    }
    let base = parts
        .base
        .map(|base| Representation::new("application/json", base.to_string()));
    if base.is_some() && method != Method::PUT && method != Method::PATCH {
        return Err(format!("use `base` with {method}; only PUT and PATCH are merged"));
    }
    let order = place.order(&method, &target, body.value.as_ref());
    Ok(Entry {
        line,
        order,
        method,
        target,
        headers,
        canonical: body
            .value
            .as_ref()
            .map_or_else(|| canonical_bytes(&body.bytes), canonical_json),
        content: body.bytes,
        base,
        names,
    })
}

/// The members as they were found.
#[derive(Default)]
struct Parts {
    method: Option<String>,
    path: Option<String>,
    url: Option<String>,
    body: Option<Value>,
    if_match: Option<String>,
    if_none_match: Option<String>,
    key: Option<String>,
    base: Option<Value>,
    headers: Option<HeaderMap>,
    content_type: Option<String>,
}

impl Parts {
    fn take(&mut self, name: &str, value: Value) -> Result<(), String> {
        let text = |value: Value| match value {
            Value::String(text) if !text.is_empty() => Ok(Some(text)),
            _ => Err(format!(
                "read the member `{name}`; a text that is not empty is expected"
            )),
        };
        match name {
            "method" => self.method = text(value)?,
            "path" => self.path = text(value)?,
            "url" => self.url = text(value)?,
            "body" => self.body = Some(value),
            "if_match" => self.if_match = text(value)?,
            "if_none_match" => self.if_none_match = text(value)?,
            "key" => {
                self.key = match value {
                    Value::Number(number) => Some(number.to_string()),
                    other => text(other)?,
                };
            }
            "base" => self.base = Some(value),
            "headers" => self.headers = Some(fields(value)?),
            "content_type" => self.content_type = text(value)?,
            _ => {
                return Err(format!(
                    "understand the member `{name}`; there are method, path, url, body, if_match, if_none_match, key, \
                     base, headers and content_type"
                ));
            }
        }
        Ok(())
    }
}

struct Body {
    bytes: Bytes,
    /// The content, where it is JSON.
    value: Option<Value>,
}

fn content(method: &Method, parts: &mut Parts, headers: &mut HeaderMap) -> Result<Body, String> {
    let Some(body) = parts.body.take() else {
        if parts.content_type.is_some() {
            return Err("use `content_type` without `body`".into());
        }
        return Ok(Body {
            bytes: Bytes::new(),
            value: None,
        });
    };
    let kind = parts.content_type.take().unwrap_or_else(|| {
        let kind = match (method, &body) {
            (&Method::PATCH, Value::Array(_)) => "application/json-patch+json",
            (&Method::PATCH, _) => "application/merge-patch+json",
            _ => "application/json",
        };
        kind.to_owned()
    });
    let is_json = {
        let essence = essence(&kind).to_ascii_lowercase();
        essence == "application/json" || essence.ends_with("+json") || essence == "text/json"
    };
    let value = HeaderValue::from_str(&kind).map_err(|_| format!("use the content type `{kind}`; it is malformed"))?;
    headers.insert(header::CONTENT_TYPE, value);
    if is_json {
        return Ok(Body {
            bytes: Bytes::from(body.to_string()),
            value: Some(body),
        });
    }
    match body {
        Value::String(text) => Ok(Body {
            bytes: Bytes::from(text),
            value: None,
        }),
        _ => Err(format!(
            "send `body` as {kind}; with a content type other than JSON it must be a text"
        )),
    }
}

/// Reads a method.
pub(in crate::submit) fn method(text: &str) -> Result<Method, String> {
    let method =
        Method::from_bytes(text.as_bytes()).map_err(|_| format!("use the method `{text}`; it is malformed"))?;
    if is_safe(&method) {
        return Err(format!("use the method {text}; it does not write"));
    }
    if METHODS.contains(&text) {
        return Ok(method);
    }
    let upper = text.to_ascii_uppercase();
    if METHODS.contains(&upper.as_str()) {
        return Err(format!(
            "use the method `{text}`; methods are written in capitals: {upper}"
        ));
    }
    Err(format!(
        "use the unknown method `{text}`; there are {}",
        METHODS.join(", ")
    ))
}

/// One entity tag, `*`, or a list of tags. A bare version gets its quotes.
fn tags(member: &str, text: &str) -> Result<HeaderValue, String> {
    let whole = text == "*" || text.split(',').all(|tag| EntityTag::parse(tag).is_ok());
    let value = if whole {
        text.to_owned()
    } else if !text.contains(['"', ',', ' ']) {
        format!("\"{text}\"")
    } else {
        return Err(format!(
            "read the member `{member}` as an entity tag; write it like \"v7\" or *"
        ));
    };
    HeaderValue::from_str(&value).map_err(|_| format!("read the member `{member}` as an entity tag"))
}

/// The field that tells the target the key: a structured-field string (RFC 9651 §3.3.3).
fn key_field(key: &str) -> Result<HeaderValue, String> {
    IdempotencyKey::new(key).map_err(|error| error.to_string())?;
    if !key.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Err("use the member `key`; only printable ASCII can be sent as Idempotency-Key".into());
    }
    let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
    HeaderValue::from_str(&quoted).map_err(|_| "use the member `key`; it cannot be sent as a field".into())
}

fn fields(value: Value) -> Result<HeaderMap, String> {
    let Value::Object(members) = value else {
        return Err("read the member `headers`; an object of texts is expected".into());
    };
    let mut headers = HeaderMap::new();
    for (name, value) in members {
        let Value::String(text) = value else {
            return Err(format!("read the field `{name}`; a text is expected"));
        };
        let field: HeaderName = name.parse().map_err(|_| format!("use `{name}` as a field name"))?;
        if RESERVED.contains(&field.as_str()) {
            return Err(format!(
                "set the field `{name}` in `headers`; use the member for it, or leave it out"
            ));
        }
        let mut value = HeaderValue::from_str(&text).map_err(|_| format!("use the value of the field `{name}`"))?;
        value.set_sensitive(true);
        headers.insert(field, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: Value) -> Result<Entry, String> {
        let Value::Object(members) = value else {
            panic!("an object")
        };
        read(7, members, &Place::embedded())
    }

    #[test]
    fn a_full_write_becomes_a_request() {
        let entry =
            parse(json!({"method": "PUT", "path": "/a/1", "body": {"x": 1.50}, "if_match": "v7", "key": "k\"1"}))
                .unwrap();
        assert_eq!(entry.target.path(), "/a/1");
        assert_eq!(entry.headers["if-match"], "\"v7\"");
        assert_eq!(entry.headers["idempotency-key"], "\"k\\\"1\"");
        assert_eq!(entry.headers["content-type"], "application/json");
        assert_eq!(entry.names, [Name::Key("k\"1".into())]);
    }

    #[test]
    fn the_content_type_follows_method_and_body() {
        let kind = |value| {
            parse(value).unwrap().headers["content-type"]
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(
            kind(json!({"method": "PATCH", "path": "/a/1", "body": {}})),
            "application/merge-patch+json"
        );
        assert_eq!(
            kind(json!({"method": "PATCH", "path": "/a/1", "body": []})),
            "application/json-patch+json"
        );
        let raw = parse(json!({"method": "PUT", "path": "/a/1", "body": "x=1", "content_type": "text/plain"})).unwrap();
        assert_eq!(&raw.content[..], b"x=1");
        let none = parse(json!({"method": "DELETE", "path": "/a/1"})).unwrap();
        assert!(none.content.is_empty() && !none.headers.contains_key("content-type"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let table = [
            (json!({"path": "/a"}), "member `method`"),
            (json!({"method": "PUT"}), "member `path`"),
            (
                json!({"method": "PUT", "path": "/a/1", "url": "http://h/a"}),
                "choose between",
            ),
            (json!({"method": "PUT", "path": "a/1"}), "must begin with /"),
            (json!({"method": "PUT", "path": "/a b"}), "target URI"),
            (json!({"method": "PUT", "url": "ftp://h/a"}), "target URI"),
            (json!({"method": "GET", "path": "/a"}), "does not write"),
            (json!({"method": "PUTT", "path": "/a"}), "unknown method `PUTT`"),
            (json!({"method": "put", "path": "/a"}), "capitals: PUT"),
            (json!({"method": "PUT", "path": "/a", "bodi": 1}), "member `bodi`"),
            (json!({"method": "PUT", "path": "/a", "if_match": "\"a"}), "`if_match`"),
            (json!({"method": "PUT", "path": "/a", "if_match": 7}), "`if_match`"),
            (json!({"method": "PUT", "path": "/a", "key": "é"}), "printable ASCII"),
            (
                json!({"method": "PUT", "path": "/a", "headers": {"Host": "x"}}),
                "field `Host`",
            ),
            (json!({"method": "PUT", "path": "/a", "headers": {"X": 1}}), "field `X`"),
            (
                json!({"method": "POST", "path": "/a", "base": {}}),
                "only PUT and PATCH",
            ),
            (
                json!({"method": "PUT", "path": "/a", "body": {}, "content_type": "text/plain"}),
                "must be a text",
            ),
        ];
        for (value, part) in table {
            let why = parse(value.clone()).unwrap_err();
            assert!(why.contains(part), "{value}: {why}");
        }
    }

    #[test]
    fn equal_as_data_is_the_same_submission_and_another_precondition_is_not() {
        let whole = |value| parse(value).unwrap().digests();
        let a = whole(json!({"method": "PUT", "path": "/a/1", "body": {"x": 1, "y": 2}}));
        let spelled: Value = serde_json::from_str(r#"{"path":"/a/1","method":"PUT","body":{"y":2.0,"x":1}}"#).unwrap();
        assert_eq!(whole(spelled), a);
        let guarded = whole(json!({"method": "PUT", "path": "/a/1", "body": {"x": 1, "y": 2}, "if_match": "1"}));
        assert_eq!(guarded.asked, a.asked);
        assert_ne!(guarded.whole, a.whole);
        let keyed = whole(json!({"method": "PUT", "path": "/a/1", "body": {"x": 1, "y": 2}, "key": "k"}));
        assert_eq!(keyed, a);
    }
}
