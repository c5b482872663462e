//! One case as JSON: `{"request": {…}, "response": {…}}`, also the lines of `--batch`. Tolerant: people and
//! programs write `null`, arrays of values, upper-case names, bodies as JSON instead of text.

use std::borrow::Cow;
use std::fmt;

use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::explain::case::{Case, Request, add_field, response};
use crate::explain::error::ReadError;
use crate::explain::read::{Given, Input, har};

/// Whether `text`, which begins like a JSON object, is a case or a HAR file, and not a body.
pub(crate) fn is_case(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Top {
        log: Option<IgnoredAny>,
        response: Option<IgnoredAny>,
    }
    match serde_json::from_slice::<Top>(text) {
        Ok(top) => top.log.is_some() || top.response.is_some(),
        // Broken JSON is reported by whoever reads it; a body may be anything.
        Err(_) => [&b"\"response\""[..], b"\"log\""]
            .iter()
            .any(|name| text.windows(name.len()).any(|w| w == *name)),
    }
}

/// Reads a case or a HAR file.
pub(crate) fn read(text: &[u8], given: &Given) -> Result<Input, ReadError> {
    #[derive(Deserialize)]
    struct Top {
        log: Option<IgnoredAny>,
    }
    if serde_json::from_slice::<Top>(text)?.log.is_some() {
        return har::read(text, given);
    }
    let (_, case) = line(text)?;
    Ok(Input::One(Box::new(case)))
}

/// Reads one case; also gives its `id` as it was written.
pub(crate) fn line(text: &[u8]) -> Result<(Option<Value>, Case), ReadError> {
    let line: Line<'_> = serde_json::from_slice(text)?;
    let id = line.id;
    let Some(answer) = line.response else {
        return Err(ReadError::whole(
            "`response` is missing; expected {\"response\": {\"status\": 409, \"headers\": {}, \"body\": \"\"}}",
        ));
    };
    let status = answer.status.0.ok_or_else(|| {
        ReadError::whole("`response.status` is missing or no status code; expected a number from 100 to 999")
    })?;
    let request = line.request.map(|r| Request {
        method: r.method.0.and_then(|m| Method::from_bytes(m.as_bytes()).ok()),
        url: r
            .url
            .0
            .as_deref()
            .or(r.path.0.as_deref())
            .filter(|u| u.contains("://"))
            .map(str::to_owned),
        path: super::http1::path(r.path.0.as_deref().or(r.url.0.as_deref()).unwrap_or_default()),
        headers: r.headers.0,
        content: r.body.0.map(|b| b.into_owned().into()),
    });
    let content = answer.body.0.map(Cow::into_owned).unwrap_or_default();
    Ok((
        id,
        Case {
            request,
            response: response(status, answer.headers.0, content),
        },
    ))
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default, borrow)]
    request: Option<Asked<'a>>,
    #[serde(default, borrow)]
    response: Option<Answer<'a>>,
}

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(default, borrow)]
    method: Text<'a>,
    #[serde(default, borrow)]
    path: Text<'a>,
    #[serde(default, borrow)]
    url: Text<'a>,
    #[serde(default)]
    headers: Fields,
    #[serde(default, borrow, alias = "content")]
    body: Text<'a>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(default)]
    status: Status,
    #[serde(default)]
    headers: Fields,
    #[serde(default, borrow, alias = "content")]
    body: Text<'a>,
}

/// A status code, as a number or as text.
#[derive(Default)]
struct Status(Option<StatusCode>);

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Status, D::Error> {
        let text = Text::deserialize(from)?;
        let code = text.0.and_then(|t| t.trim().parse::<u16>().ok());
        Ok(Status(code.and_then(|c| StatusCode::from_u16(c).ok())))
    }
}

/// Text; or any JSON, as the text that it is written with; or null.
#[derive(Default)]
struct Text<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Text<'a>, D::Error> {
        from.deserialize_any(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, or any JSON")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(value.to_string())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(value.to_string())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(value.to_string())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let value = Value::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Some(Cow::Owned(value.to_string())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        let value = Value::deserialize(SeqAccessDeserializer::new(seq))?;
        Ok(Some(Cow::Owned(value.to_string())))
    }
}

/// Header fields: an object (values may be text, numbers, arrays, null), or a list of `{"name", "value"}` or pairs.
#[derive(Default)]
pub(super) struct Fields(pub(super) HeaderMap);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Fields, D::Error> {
        from.deserialize_any(FieldsVisitor).map(Fields)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = HeaderMap;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("header fields: an object of names and values, or a list of {\"name\", \"value\"}")
    }

    fn visit_unit<E>(self) -> Result<HeaderMap, E> {
        Ok(HeaderMap::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HeaderMap, A::Error> {
        let mut headers = HeaderMap::new();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let Values(values) = map.next_value()?;
            values.iter().for_each(|v| add_field(&mut headers, &name, v.as_bytes()));
        }
        Ok(headers)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<HeaderMap, A::Error> {
        let mut headers = HeaderMap::new();
        while let Some(item) = seq.next_element::<Value>()? {
            let (name, value) = match &item {
                Value::Object(o) => (o.get("name"), o.get("value")),
                Value::Array(pair) => (pair.first(), pair.get(1)),
                _ => (None, None),
            };
            if let (Some(name), Some(value)) = (name.and_then(Value::as_str), value.and_then(Value::as_str)) {
                add_field(&mut headers, name, value.as_bytes());
            }
        }
        Ok(headers)
    }
}

/// One or more values of a field.
struct Values<'a>(Vec<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Values<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Values<'de>, D::Error> {
        from.deserialize_any(ValuesVisitor).map(Values)
    }
}

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = Vec<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a header field, or a list of values")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(vec![Cow::Borrowed(text)])
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(vec![Cow::Owned(text.to_owned())])
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(vec![Cow::Owned(value.to_string())])
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(vec![Cow::Owned(value.to_string())])
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(vec![Cow::Owned(value.to_string())])
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(vec![Cow::Owned(value.to_string())])
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let value = Value::deserialize(MapAccessDeserializer::new(map))?;
        Ok(vec![Cow::Owned(value.to_string())])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Text(value)) = seq.next_element::<Text<'de>>()? {
            all.extend(value);
        }
        Ok(all)
    }
}
