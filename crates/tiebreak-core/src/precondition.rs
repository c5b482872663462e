//! Preconditions and their evaluation (RFC 9110 §13).

use http::{HeaderMap, Method};

use crate::method::is_safe;
use crate::validator::{EntityTag, EntityTagError};

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagList {
    /// `*`: any current representation.
    Any,
    /// One or more tags.
    Tags(Vec<EntityTag>),
}

impl TagList {
    /// Parses a field value; several field lines are joined by `, ` first (RFC 9110 §5.3).
    ///
    /// # Errors
    /// If a member is not an entity tag, or the list is empty.
    pub fn parse(text: &str) -> Result<TagList, EntityTagError> {
        let trimmed = text.trim_matches([' ', '\t']);
        if trimmed == "*" {
            return Ok(TagList::Any);
        }
        let mut tags = Vec::new();
        let mut rest = trimmed;
        while !rest.is_empty() {
            let open = rest.find('"').ok_or_else(|| EntityTagError(text.to_owned()))?;
            let close = rest[open + 1..]
                .find('"')
                .map(|at| open + 1 + at)
                .ok_or_else(|| EntityTagError(text.to_owned()))?;
            tags.push(EntityTag::parse(&rest[..=close])?);
            rest = rest[close + 1..].trim_start_matches([' ', '\t']);
            match rest.strip_prefix(',') {
                Some(more) => rest = more.trim_start_matches([' ', '\t', ',']),
                None if rest.is_empty() => {}
                None => return Err(EntityTagError(text.to_owned())),
            }
        }
        if tags.is_empty() {
            return Err(EntityTagError(text.to_owned()));
        }
        Ok(TagList::Tags(tags))
    }
}

/// The preconditions of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preconditions {
    /// `If-Match` (§13.1.1).
    pub if_match: Option<TagList>,
    /// `If-None-Match` (§13.1.2).
    pub if_none_match: Option<TagList>,
    /// `If-Modified-Since` (§13.1.3), seconds since the Unix epoch.
    pub if_modified_since: Option<u64>,
    /// `If-Unmodified-Since` (§13.1.4), seconds since the Unix epoch.
    pub if_unmodified_since: Option<u64>,
}

impl Preconditions {
    /// Reads the precondition fields. A date that is no HTTP-date is ignored, as §13.1.3 and §13.1.4 demand.
    ///
    /// # Errors
    /// If a list of entity tags is malformed: ignoring it would turn a guarded write into an unguarded one.
    pub fn of(headers: &HeaderMap) -> Result<Preconditions, EntityTagError> {
        Ok(Preconditions {
            if_match: tags(headers, "if-match")?,
            if_none_match: tags(headers, "if-none-match")?,
            if_modified_since: date(headers, "if-modified-since"),
            if_unmodified_since: date(headers, "if-unmodified-since"),
        })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Preconditions::default()
    }

    /// Whether one of them guards a write against another state of the resource.
    #[must_use]
    pub fn guard_writes(&self) -> bool {
        self.if_match.is_some() || self.if_none_match.is_some() || self.if_unmodified_since.is_some()
    }
}

fn tags(headers: &HeaderMap, name: &str) -> Result<Option<TagList>, EntityTagError> {
    let mut joined = String::new();
    for value in headers.get_all(name) {
        let text = String::from_utf8_lossy(value.as_bytes());
        if !joined.is_empty() {
            joined.push_str(", ");
        }
        joined.push_str(&text);
    }
    if !headers.contains_key(name) {
        return Ok(None);
    }
    TagList::parse(&joined).map(Some)
}

fn date(headers: &HeaderMap, name: &str) -> Option<u64> {
    let text = headers.get(name)?.to_str().ok()?;
    let at = httpdate::parse_http_date(text).ok()?;
    at.duration_since(std::time::UNIX_EPOCH).ok().map(|d| d.as_secs())
}

/// The current state of a target resource, as preconditions see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Current<'a> {
    /// Whether there is a current representation.
    pub exists: bool,
    /// Its entity tag.
    pub etag: Option<&'a EntityTag>,
    /// Its `Last-Modified`, seconds since the Unix epoch.
    pub last_modified: Option<u64>,
}

/// What the evaluation of preconditions says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evaluation {
    /// All hold: perform the method.
    Perform,
    /// 304: the client of a GET or HEAD has it already.
    NotModified,
    /// 412: this precondition failed.
    Failed(FailedPrecondition),
}

/// Which precondition failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedPrecondition {
    /// `If-Match`: the client's version is not the current one.
    IfMatch,
    /// `If-Unmodified-Since`: it was modified since.
    IfUnmodifiedSince,
    /// `If-None-Match` on a write: there is such a representation.
    IfNoneMatch,
}

/// Evaluates `preconditions` in the order of RFC 9110 §13.2.2.
#[must_use]
pub fn evaluate(method: &Method, preconditions: &Preconditions, current: Current<'_>) -> Evaluation {
    if let Some(list) = &preconditions.if_match {
        let holds = match list {
            TagList::Any => current.exists,
            TagList::Tags(tags) => current.exists && current.etag.is_some_and(|c| tags.iter().any(|t| t.strong_eq(c))),
        };
        if !holds {
            return Evaluation::Failed(FailedPrecondition::IfMatch);
        }
    } else if let Some(since) = preconditions.if_unmodified_since
        && current.last_modified.is_some_and(|at| at > since)
    {
        return Evaluation::Failed(FailedPrecondition::IfUnmodifiedSince);
    }
    let get = method == Method::GET || method == Method::HEAD;
    if let Some(list) = &preconditions.if_none_match {
        let matches = match list {
            TagList::Any => current.exists,
            TagList::Tags(tags) => current.exists && current.etag.is_some_and(|c| tags.iter().any(|t| t.weak_eq(c))),
        };
        if matches {
            return if is_safe(method) {
                Evaluation::NotModified
            } else {
                Evaluation::Failed(FailedPrecondition::IfNoneMatch)
            };
        }
    } else if get
        && let Some(since) = preconditions.if_modified_since
        && current.last_modified.is_some_and(|at| at <= since)
    {
        return Evaluation::NotModified;
    }
    Evaluation::Perform
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUT: Method = Method::PUT;

    fn given(fields: &[(&'static str, &'static str)]) -> Preconditions {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        Preconditions::of(&headers).unwrap()
    }

    fn current(etag: &EntityTag) -> Current<'_> {
        Current {
            exists: true,
            etag: Some(etag),
            last_modified: Some(784_111_777),
        }
    }

    #[test]
    fn order_of_section_13_2_2() {
        use Evaluation::{Failed, NotModified, Perform};
        use FailedPrecondition::{IfMatch, IfNoneMatch, IfUnmodifiedSince};
        let tag = EntityTag::strong("a");
        let old = "Sun, 06 Nov 1994 08:49:36 GMT"; // a second before
        let same = "Sun, 06 Nov 1994 08:49:37 GMT";
        type Fields<'a> = &'a [(&'a str, &'a str)];
        let table: &[(Method, Fields<'_>, Evaluation)] = &[
            (PUT, &[], Perform),
            (PUT, &[("if-match", "\"a\"")], Perform),
            (PUT, &[("if-match", "\"b\", \"a\"")], Perform),
            (PUT, &[("if-match", "\"b\"")], Failed(IfMatch)),
            (PUT, &[("if-match", "W/\"a\"")], Failed(IfMatch)),
            (PUT, &[("if-match", "*")], Perform),
            // If-Unmodified-Since is ignored where If-Match is present.
            (PUT, &[("if-match", "\"a\""), ("if-unmodified-since", old)], Perform),
            (PUT, &[("if-unmodified-since", old)], Failed(IfUnmodifiedSince)),
            (PUT, &[("if-unmodified-since", same)], Perform),
            (PUT, &[("if-unmodified-since", "yesterday")], Perform),
            (PUT, &[("if-none-match", "*")], Failed(IfNoneMatch)),
            (PUT, &[("if-none-match", "W/\"a\"")], Failed(IfNoneMatch)),
            (PUT, &[("if-none-match", "\"b\"")], Perform),
            (Method::GET, &[("if-none-match", "\"a\"")], NotModified),
            (Method::GET, &[("if-modified-since", same)], NotModified),
            (Method::GET, &[("if-modified-since", old)], Perform),
            (
                Method::GET,
                &[("if-none-match", "\"b\""), ("if-modified-since", same)],
                Perform,
            ),
            (PUT, &[("if-modified-since", same)], Perform),
        ];
        for (method, fields, expected) in table {
            let got = evaluate(method, &given_dyn(fields), current(&tag));
            assert_eq!(got, *expected, "{method} {fields:?}");
        }
    }

    fn given_dyn(fields: &[(&str, &str)]) -> Preconditions {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name: http::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        Preconditions::of(&headers).unwrap()
    }

    #[test]
    fn a_missing_resource_fails_if_match_and_passes_if_none_match() {
        let gone = Current::default();
        let failed = Evaluation::Failed(FailedPrecondition::IfMatch);
        assert_eq!(evaluate(&PUT, &given(&[("if-match", "*")]), gone), failed);
        assert_eq!(evaluate(&PUT, &given(&[("if-match", "\"a\"")]), gone), failed);
        assert_eq!(
            evaluate(&PUT, &given(&[("if-none-match", "*")]), gone),
            Evaluation::Perform
        );
    }

    #[test]
    fn several_lines_are_one_list_and_malformed_lists_are_errors() {
        let two = given(&[("if-match", "\"a\""), ("if-match", "\"b\"")]);
        assert_eq!(
            two.if_match,
            Some(TagList::Tags(vec![EntityTag::strong("a"), EntityTag::strong("b")]))
        );
        for bad in ["a", "\"a\" \"b\"", "", "\"a"] {
            assert!(TagList::parse(bad).is_err(), "{bad}");
        }
        assert!(TagList::parse("\"a,b\", W/\"c\" ,, \"d\"").is_ok());
    }
}
