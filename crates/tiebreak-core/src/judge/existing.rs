//! What else an answer tells: the resource that exists already, fields at fault, how long to wait.

use std::sync::LazyLock;
use std::time::Duration;

use memchr::memmem::Finder;

use crate::judge::body::name::{NONE, Names, hash};
use crate::judge::body::{HEAD, Key, Tree, Value, clip};
use crate::judge::view::View;
use crate::judge::wording::excerpt;
use crate::verdict::FieldError;

/// Members that name the resource that exists already, however they are spelled.
const EXISTING_MEMBERS: [u32; 19] = [
    hash(b"existingid"),
    hash(b"existingresourceid"),
    hash(b"conflictingresourceid"),
    hash(b"conflictingid"),
    hash(b"conflictid"),
    hash(b"conflictresourceid"),
    hash(b"duplicateid"),
    hash(b"existingobjectid"),
    hash(b"existingrecordid"),
    hash(b"existingclaimid"),
    hash(b"existingresource"),
    hash(b"existingurl"),
    hash(b"existinglocation"),
    hash(b"originalid"),
    hash(b"duplicateof"),
    hash(b"existinguserid"),
    hash(b"existingcontactid"),
    hash(b"matchedrecordid"),
    hash(b"conflictwith"),
];

/// A member that holds the resource itself.
const EXISTING: u32 = hash(b"existing");

/// The identifier or URL of the resource that exists already, if the answer reveals it.
pub(crate) fn find(view: &View<'_, '_>) -> Option<String> {
    let may_be = |name: &u32| view.names.may_have(*name);
    let named = (may_be(&EXISTING) || EXISTING_MEMBERS.iter().any(may_be)).then(|| member(view.tree));
    let named = named.flatten();
    named.or_else(|| wording(view.tree)).or_else(|| {
        ["location", "content-location"]
            .into_iter()
            .filter(|_| view.status != 303 && view.status >= 400)
            .find_map(|name| view.field(name))
            .map(excerpt)
    })
}

fn member(tree: Tree<'_, '_>) -> Option<String> {
    tree.names.iter().enumerate().find_map(|(at, name)| {
        let node = tree.nodes.get(at)?;
        if *name == EXISTING && node.value == Value::Object {
            return tree.scalar(at, "id").map(excerpt);
        }
        EXISTING_MEMBERS
            .contains(name)
            .then(|| node.value.scalar())
            .flatten()
            .filter(|text| !text.is_empty() && *text != "null")
            .map(excerpt)
    })
}

/// Members with a message for people.
const MESSAGES: [u32; 9] = [
    hash(b"message"),
    hash(b"detail"),
    hash(b"msg"),
    hash(b"description"),
    hash(b"reason"),
    hash(b"error"),
    hash(b"title"),
    hash(b"text"),
    NONE,
];

/// The same as few bits, which settle most cases.
const MESSAGE_BITS: u64 = {
    let mut bits = 0;
    let mut at = 0;
    while at < MESSAGES.len() {
        bits |= Names::bit(MESSAGES[at]);
        at += 1;
    }
    bits
};

/// How many messages are searched for an identifier.
const MAX_MESSAGES: usize = 4;

/// `Existing ID: 123`, `by container "2ce1…"`, `already exists: name`, `'name' already exists`.
fn wording(tree: Tree<'_, '_>) -> Option<String> {
    tree.names
        .iter()
        .enumerate()
        .filter(|(_, name)| MESSAGE_BITS & Names::bit(**name) != 0 && MESSAGES.contains(name))
        .filter_map(|(at, _)| match &tree.nodes.get(at)?.value {
            Value::Text(text) if text.len() >= 16 && text.contains(' ') => Some(clip(text, 512)),
            _ => None,
        })
        .take(MAX_MESSAGES)
        .find_map(|text| named_in(&text))
}

/// Words of which one stands beside every identifier that is looked for.
static EXISTS: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| ["xist", "in use"].map(Finder::new));

/// What stands right before an identifier.
static LEADS: LazyLock<[Finder<'static>; 3]> =
    LazyLock::new(|| ["xisting ID: ", "xisting id: ", "by container \""].map(Finder::new));

fn named_in(text: &str) -> Option<String> {
    let find = |words: &str| memchr::memmem::find(text.as_bytes(), words.as_bytes());
    if EXISTS.iter().all(|word| word.find(text.as_bytes()).is_none()) {
        return None;
    }
    for lead in LEADS.iter() {
        if let Some(at) = lead.find(text.as_bytes()) {
            return token(text.get(at + lead.needle().len()..)?);
        }
    }
    let at = find("already exist").or_else(|| find("already in use"))?;
    let before = text.get(..at)?.trim_end().trim_end_matches("is").trim_end();
    if let Some(quote) = before.chars().next_back().filter(|c| matches!(c, '"' | '\'')) {
        let inner = before.strip_suffix(quote)?;
        let start = inner.rfind(quote)? + quote.len_utf8();
        return Some(excerpt(inner.get(start..)?));
    }
    let (_, after) = text.get(at..)?.split_once(": ")?;
    token(after)
}

fn token(text: &str) -> Option<String> {
    let end = text
        .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ')' | '<'))
        .unwrap_or(text.len());
    let token = text.get(..end)?.trim_end_matches(['.', ';']);
    (!token.is_empty()).then(|| excerpt(token))
}

/// A number of seconds, whole or not.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    let number: f64 = text.trim().parse().ok()?;
    (number.is_finite() && (0.0..=31_536_000.0).contains(&number))
        .then(|| Duration::from_millis((number * 1000.0) as u64))
}

/// How long the origin asks to wait: `Retry-After` (RFC 9110 §10.2.3; a date counts from the answer's own `Date`), its
/// relatives in milliseconds, or a member of the body.
pub(crate) fn retry_after(view: &View<'_, '_>) -> Option<Duration> {
    if let Some(value) = view.field("retry-after") {
        if let Some(wait) = seconds(value) {
            return Some(wait);
        }
        let date = |text: &str| httpdate::parse_http_date(text).ok();
        if let (Some(until), Some(now)) = (date(value), view.field("date").and_then(date)) {
            return Some(until.duration_since(now).unwrap_or(Duration::ZERO));
        }
    }
    for name in ["retry-after-ms", "x-ms-retry-after-ms"] {
        if let Some(wait) = view.field(name).and_then(|v| v.trim().parse().ok()) {
            return Some(Duration::from_millis(wait));
        }
    }
    view.tree
        .nodes
        .iter()
        .take(HEAD)
        .find(|n| {
            matches!(
                n.name(),
                Some("retry_after" | "retryAfter" | "retry_after_seconds" | "retryAfterSeconds" | "RetryAfterSeconds")
            )
        })
        .and_then(|n| seconds(n.value.scalar()?))
}

/// How many field errors are kept.
const MAX_FIELDS: usize = 16;

/// Whether the list that holds node `at` lists faults.
fn lists_faults(tree: Tree<'_, '_>, at: usize) -> bool {
    let list = tree.parent(at);
    list == 0
        || matches!(
            tree.nodes.get(list).and_then(|n| n.name()),
            Some(
                "errors"
                    | "error"
                    | "details"
                    | "detail"
                    | "violations"
                    | "fieldErrors"
                    | "field_errors"
                    | "validationErrors"
                    | "validation"
                    | "invalid_params"
                    | "invalid-params"
                    | "issues"
                    | "causes"
                    | "errorCauses"
                    | "messages"
            )
        )
}

/// What the answer says about single fields: lists of `{field, message}`, JSON:API pointers, `{"field": ["message"]}`.
pub(crate) fn fields(tree: Tree<'_, '_>) -> Vec<FieldError> {
    let mut found: Vec<FieldError> = Vec::new();
    for (at, node) in tree.nodes.iter().enumerate().take(HEAD) {
        if found.len() >= MAX_FIELDS {
            break;
        }
        match (&node.key, &node.value) {
            (Key::Index(_), Value::Object) if lists_faults(tree, at) => {
                let field = [
                    "field",
                    "path",
                    "param",
                    "property",
                    "propertyPath",
                    "attribute",
                    "loc",
                    "name",
                    "location",
                    "pointer",
                ]
                .into_iter()
                .find_map(|name| {
                    let at = tree.member(at, name)?;
                    let node = tree.nodes.get(at)?;
                    match node.value {
                        Value::Array => {
                            let last = tree.children(at).last()?;
                            tree.nodes.get(last)?.value.scalar()
                        }
                        _ => node.value.scalar(),
                    }
                })
                .or_else(|| tree.scalar(tree.member(at, "source")?, "pointer"));
                let message = [
                    "message",
                    "detail",
                    "description",
                    "msg",
                    "error",
                    "code",
                    "title",
                    "reason",
                ]
                .into_iter()
                .find_map(|name| tree.scalar(at, name));
                if let (Some(field), Some(message)) = (field, message) {
                    found.push(FieldError {
                        field: excerpt(field),
                        message: excerpt(message),
                    });
                }
            }
            // Rails, Django, Laravel: {"errors": {"email": ["has already been taken"]}} or the object alone.
            (Key::Index(0), Value::Text(text)) => {
                let list = tree.parent(at);
                let owner = tree.parent(list);
                let named = tree.nodes.get(list).and_then(|n| n.name());
                let inside = owner == 0 || tree.nodes.get(owner).and_then(|n| n.name()) == Some("errors");
                if let Some(name) = named.filter(|n| {
                    inside
                        && list != 0
                        && !matches!(
                            *n,
                            "errors" | "error" | "messages" | "full_messages" | "schemas" | "errorMessages"
                        )
                }) {
                    found.push(FieldError {
                        field: excerpt(name),
                        message: excerpt(text),
                    });
                }
            }
            _ => {}
        }
    }
    found
}
