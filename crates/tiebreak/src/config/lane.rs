//! The lanes that a route declares: its conflict domains, as templates such as `account/{account}`.

use http::HeaderMap;
use http::header::HeaderName;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tiebreak_core::json::Pointer;

use super::pattern::Pattern;

/// The template of a lane's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LaneTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// A segment of the path, by its name in the route's pattern.
    Path(String),
    Query(String),
    Header(HeaderName),
    /// A place in JSON content.
    Content(Pointer),
}

/// What a lane is named after.
pub(crate) struct Named<'r> {
    pub(crate) pattern: &'r Pattern,
    pub(crate) path: &'r str,
    pub(crate) query: Option<&'r str>,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) content: &'r [u8],
}

impl LaneTemplate {
    /// # Errors
    /// What is wrong with it, and what to do.
    pub(crate) fn parse(text: &str) -> Result<LaneTemplate, (String, String)> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            }
            let Some(length) = rest[open..].find('}') else {
                let remedy = "close it, such as \"account/{account}\"";
                return Err((format!("in {text:?} a `{{` is not closed"), remedy.to_owned()));
            };
            parts.push(Part::parse(text, &rest[open + 1..open + length])?);
            rest = &rest[open + length + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if parts.is_empty() {
            let remedy = "name the conflict domain, such as \"account/{account}\"";
            return Err(("the name of the lane is empty".to_owned(), remedy.to_owned()));
        }
        Ok(LaneTemplate {
            text: text.to_owned(),
            parts,
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether the content has to be read for it.
    pub(super) fn reads_content(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Content(_)))
    }

    /// The lane's name for one request. What the request does not say stays open in the name: all writes that do not say it
    /// queue together, which is the safe side.
    pub(crate) fn name(&self, request: &Named<'_>, content: Option<&Value>) -> String {
        let mut name = String::new();
        for part in &self.parts {
            let value = match part {
                Part::Text(text) => {
                    name.push_str(text);
                    continue;
                }
                Part::Path(segment) => request.pattern.value(segment, request.path),
                Part::Query(member) => query_value(request.query.unwrap_or_default(), member),
                Part::Header(field) => {
                    let values: Vec<String> = request.headers.get_all(field).iter().map(text_of).collect();
                    (!values.is_empty()).then(|| values.join(", "))
                }
                Part::Content(pointer) => content
                    .and_then(|content| pointer.get(content))
                    .map(|value| match value {
                        Value::String(text) => text.clone(),
                        other => other.to_string(),
                    }),
            };
            match value {
                Some(value) => value.chars().for_each(|c| match c {
                    // So that no value can be taken for another part of the name.
                    '/' | '{' | '}' | '%' => name.push_str(&format!("%{:02X}", u32::from(c))),
                    c => name.push(c),
                }),
                None => name.push_str("{}"),
            }
        }
        name
    }
}

impl Part {
    fn parse(template: &str, inner: &str) -> Result<Part, (String, String)> {
        let fail = |what: String, remedy: &str| Err((format!("in {template:?} {what}"), remedy.to_owned()));
        match inner.split_once(':') {
            None if inner.is_empty() => fail(
                "a part has no name".to_owned(),
                "name a segment of the path, such as \"{account}\", or write {query:…}, {header:…} or {content:/…}",
            ),
            None => Ok(Part::Path(inner.to_owned())),
            Some(("query", name)) if !name.is_empty() => Ok(Part::Query(name.to_owned())),
            Some(("header", name)) => match HeaderName::from_bytes(name.as_bytes()) {
                Ok(name) => Ok(Part::Header(name)),
                Err(_) => fail(
                    format!("{name:?} is no name of a header field"),
                    "write it like {header:X-Tenant}",
                ),
            },
            Some(("content", pointer)) => match Pointer::parse(pointer) {
                Ok(pointer) if !pointer.0.is_empty() => Ok(Part::Content(pointer)),
                _ => fail(
                    format!("{pointer:?} is no JSON Pointer to a member"),
                    "write it like {content:/parent/id}, with ~1 for / and ~0 for ~",
                ),
            },
            Some((kind, _)) => fail(
                format!("{{{inner}}} names nothing ({kind:?} is not known)"),
                "write {name} for a segment of the path, {query:name}, {header:Name} or {content:/pointer}",
            ),
        }
    }
}

/// The names of a request's lanes, of which `templates` are the templates.
pub(crate) fn names(templates: &[LaneTemplate], request: &Named<'_>) -> Vec<String> {
    let reads = templates.iter().any(LaneTemplate::reads_content);
    let content: Option<Value> = reads.then(|| serde_json::from_slice(request.content).ok()).flatten();
    templates
        .iter()
        .map(|template| template.name(request, content.as_ref()))
        .collect()
}

fn text_of(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn query_value(query: &str, name: &str) -> Option<String> {
    let decode = |text: &str| {
        percent_decode_str(&text.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key) == name).then(|| decode(value))
    })
}
