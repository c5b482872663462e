//! What the request itself says that bears on its answer: preconditions, keys, versions.

use http::Method;

use crate::judge::Asked;
use crate::judge::body::name::{Names, hash};
use crate::judge::body::{self, HEAD, Tree};
use crate::method::is_safe;

/// What a write demanded of the state it meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demand {
    /// It must not exist yet: the place of the condition.
    pub(crate) absent: Option<&'static str>,
    /// It must have this version: the place of the condition.
    pub(crate) version: Option<&'static str>,
    /// It must exist, whatever its version (`If-Match: *`).
    pub(crate) present: bool,
    /// It carried an idempotency key in this field.
    pub(crate) key: Option<&'static str>,
    /// It is no write at all.
    pub(crate) safe: bool,
    /// It replaces or edits what is at its target (PUT, PATCH).
    pub(crate) updates: bool,
    /// Whether its content was at hand, so that what was not found in it is not there.
    pub(crate) whole: bool,
    /// Whether anything in it may be a version, by whatever name.
    pub(crate) versioned: bool,
    /// The names of its fields, as bits.
    pub(crate) fields: u64,
}

/// The request field that carries an idempotency key, if `name` is one.
fn key_field(name: &str) -> Option<&'static str> {
    Some(match name {
        "idempotency-key" => "idempotency-key",
        "x-idempotency-key" => "x-idempotency-key",
        "idempotence-key" => "idempotence-key",
        "idempotency-token" => "idempotency-token",
        "x-idempotent-key" => "x-idempotent-key",
        "x-idempotency-token" => "x-idempotency-token",
        "paypal-request-id" => "paypal-request-id",
        "request-idempotency-key" => "request-idempotency-key",
        "sd-idempotency-key" => "sd-idempotency-key",
        "repeatability-request-id" => "repeatability-request-id",
        _ => return None,
    })
}

/// Whether a request field of this name may make the request conditional.
fn is_condition(name: &str) -> bool {
    matches!(
        name,
        "if" | "if-match" | "if-none-match" | "if-unmodified-since" | "overwrite" | "x-goog-if-generation-match"
    )
}

/// Query parameters that name a version, in lower case, with the value that means "must not exist".
const VERSION_PARAMETERS: [(&str, Option<&str>); 19] = [
    ("ifgenerationmatch", Some("0")),
    ("ifmetagenerationmatch", None),
    ("rev", None),
    ("version", None),
    ("if_seq_no", None),
    ("_version_", Some("-1")),
    ("previndex", None),
    ("prevvalue", None),
    ("prevexist", Some("false")),
    ("cas", Some("0")),
    ("resourceversion", None),
    ("lock_version", None),
    ("currentdocument.updatetime", None),
    ("currentdocument.exists", Some("false")),
    ("op_type", Some("create")),
    ("if-match", None),
    ("etag", None),
    ("ifmatch", None),
    ("revision", None),
];

/// Members of the content that name a version, as they are written.
const VERSION_MEMBERS: [&str; 24] = [
    "_rev",
    "rev",
    "version",
    "_version",
    "_version_",
    "resourceVersion",
    "resource_version",
    "lock_version",
    "lockVersion",
    "revision",
    "_revision",
    "etag",
    "_etag",
    "@odata.etag",
    "odata.etag",
    "row_version",
    "rowVersion",
    "expected_version",
    "expectedVersion",
    "base_version",
    "baseVersion",
    "parent_version",
    "sha",
    "ModifyIndex",
];

impl Demand {
    /// Reads the fields, the query and, where it is at hand, the content of a request.
    pub(crate) fn of(asked: &Asked<'_>) -> Demand {
        let field = |name: &str| asked.headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
        let mut demand = Demand {
            absent: None,
            version: None,
            present: false,
            key: asked.headers.keys().find_map(|name| key_field(name.as_str())),
            safe: is_safe(asked.method),
            updates: matches!(asked.method.as_str(), "PUT" | "PATCH"),
            whole: asked.content.is_some() || *asked.method == Method::DELETE,
            versioned: false,
            fields: 0,
        };
        let mut conditional = false;
        for name in asked.headers.keys() {
            conditional |= is_condition(name.as_str());
            demand.fields |= Names::bit(hash(name.as_str().as_bytes()));
        }
        if conditional {
            demand.conditions(field);
        }
        demand.query(asked.path);
        if let Some(content) = asked
            .content
            .filter(|_| demand.version.is_none() && demand.absent.is_none())
        {
            demand.content(asked.method, content);
        }
        demand.versioned = demand.versioned || demand.version.is_some() || demand.present;
        demand
    }

    /// Reads the request's fields.
    fn conditions<'f>(&mut self, field: impl Fn(&str) -> Option<&'f str>) {
        match field("if-match") {
            Some("*") => self.present = true,
            Some(_) => self.version = Some("if-match"),
            None => {}
        }
        if field("if-unmodified-since").is_some() {
            self.version = self.version.or(Some("if-unmodified-since"));
        }
        if field("if-none-match").is_some() && !self.safe {
            self.absent = Some("if-none-match");
        }
        if field("overwrite").is_some_and(|v| v.eq_ignore_ascii_case("f")) {
            self.absent = self.absent.or(Some("overwrite"));
        }
        match field("x-goog-if-generation-match") {
            Some("0") => self.absent = self.absent.or(Some("x-goog-if-generation-match")),
            Some(_) => self.version = self.version.or(Some("x-goog-if-generation-match")),
            None => {}
        }
        // RFC 4918 §10.4: an `If` field may list entity tags in brackets.
        if field("if").is_some_and(|v| v.contains("[\"") || v.contains("[W/")) {
            self.version = self.version.or(Some("if"));
        }
    }

    fn query(&mut self, path: &str) {
        let Some((_, query)) = path.split_once('?') else { return };
        for pair in query.split('&').take(64) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some((known, absent)) = VERSION_PARAMETERS.iter().find(|(n, _)| name.eq_ignore_ascii_case(n)) else {
                continue;
            };
            match absent {
                Some(none) if *none == value => self.absent = self.absent.or(Some(known)),
                // These say nothing but whether it must exist.
                _ if matches!(*known, "op_type" | "prevexist" | "currentdocument.exists") => {
                    self.present |= value == "true"
                }
                _ => self.version = self.version.or(Some(known)),
            }
        }
    }

    fn content(&mut self, method: &Method, content: &[u8]) {
        if *method == Method::DELETE || content.len() > body::MAX_CONTENT {
            return;
        }
        let Ok(text) = std::str::from_utf8(content) else { return };
        if !text.trim_start().starts_with('{') {
            return;
        }
        let (_, nodes) = body::read(text, "application/json");
        let tree = Tree::whole(&nodes, &[]);
        self.versioned = nodes.iter().take(HEAD).filter_map(|n| n.name()).any(may_be_version);
        let named = |at: usize| {
            VERSION_MEMBERS
                .into_iter()
                .find(|name| tree.scalar(at, name).is_some_and(|v| v != "null"))
        };
        self.version = named(0)
            .or_else(|| tree.member(0, "metadata").and_then(named))
            .filter(|name| *method != Method::POST || *name != "version");
    }
}

/// Whether a member of the content may name a version: `JobModifyIndex`, `updated_stamp`, `cas`.
fn may_be_version(name: &str) -> bool {
    const PARTS: [&str; 13] = [
        "version",
        "rev",
        "etag",
        "cas",
        "stamp",
        "seq",
        "sha",
        "generation",
        "index",
        "lock",
        "hash",
        "modified",
        "updated",
    ];
    name.len() <= 64 && PARTS.iter().any(|part| body::has(name, part))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn conditions_are_found_wherever_they_stand() {
        let mut headers = HeaderMap::new();
        let ask = |path: &'static str, content: Option<&'static [u8]>, headers: &HeaderMap| {
            Demand::of(&Asked {
                method: &Method::PUT,
                path,
                headers,
                earlier: crate::judge::Earlier::Nothing,
                content,
            })
        };
        assert_eq!(
            ask("/a?ifGenerationMatch=0", None, &headers).absent,
            Some("ifgenerationmatch")
        );
        assert_eq!(
            ask("/a?ifGenerationMatch=7", None, &headers).version,
            Some("ifgenerationmatch")
        );
        assert_eq!(ask("/a", Some(b"{\"_rev\":\"1-a\"}"), &headers).version, Some("_rev"));
        assert_eq!(
            ask("/a", Some(b"{\"metadata\":{\"resourceVersion\":\"1\"}}"), &headers).version,
            Some("resourceVersion")
        );
        headers.insert("if-none-match", http::HeaderValue::from_static("*"));
        assert_eq!(ask("/a", None, &headers).absent, Some("if-none-match"));
    }
}
