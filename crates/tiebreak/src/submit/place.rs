//! Where writes go: an HTTP API, or the embedded origin.

use http::{Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tiebreak_core::method::acts_on_target;
use tiebreak_core::request::Target;
use tiebreak_core::userinfo;

/// What stands for itself in a path segment (RFC 3986 §2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The authority under which the embedded origin is known to the engine. `.invalid` leads nowhere (RFC 2606).
pub(super) const EMBEDDED: &str = "http://origin.tiebreak.invalid";

/// The value of `--to`, or the embedded origin where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Scheme and authority.
    prefix: String,
    /// The path under which paths of lines lie, without a slash at its end.
    base: String,
    /// The query of `--to`, with its question mark.
    query: String,
    /// Whether `--to` was given.
    named: bool,
}

impl Place {
    /// The embedded origin.
    pub(super) fn embedded() -> Place {
        Place {
            prefix: EMBEDDED.to_owned(),
            base: String::new(),
            query: String::new(),
            named: false,
        }
    }

    /// Reads the value of `--to`: a URL, or a path at the embedded origin.
    pub(super) fn to(text: &str) -> Result<Place, String> {
        let shown = userinfo::hidden(text);
        let fail = |why: &str| format!("use --to {shown}: {why}; write it like https://api.example.com/contacts");
        let local = text.starts_with('/');
        let whole = if local {
            format!("{EMBEDDED}{text}")
        } else {
            text.to_owned()
        };
        let uri: Uri = whole.parse().map_err(|_| fail("it is no URL"))?;
        let scheme = match uri.scheme_str() {
            Some(scheme @ ("http" | "https")) => scheme,
            _ => return Err(fail("it must begin with http://, https:// or /")),
        };
        let authority = uri.authority().ok_or_else(|| fail("it names no host"))?;
        if !has_port(authority) {
            return Err(fail("its port is no number up to 65535"));
        }
        let authority = authority.as_str();
        if authority.contains('@') {
            return Err(fail("it holds a user name; use --header for credentials"));
        }
        Ok(Place {
            prefix: format!("{scheme}://{authority}"),
            base: uri.path().trim_end_matches('/').to_owned(),
            query: uri.query().map(|q| format!("?{q}")).unwrap_or_default(),
            named: true,
        })
    }

    pub(super) fn is_embedded(&self) -> bool {
        self.prefix == EMBEDDED
    }

    /// As it is told to people.
    pub(super) fn shown(&self) -> String {
        let base = if self.base.is_empty() { "/" } else { &self.base };
        if self.is_embedded() {
            format!("the embedded origin, {base}")
        } else {
            format!("{}{base}{}", self.prefix, self.query)
        }
    }

    /// What distinguishes this place from others.
    pub(super) fn identity(&self) -> String {
        format!("{}{}{}", self.prefix, self.base, self.query)
    }

    /// A URI there, to try the connection.
    pub(super) fn uri(&self) -> Option<Uri> {
        format!("{}/", self.prefix).parse().ok()
    }

    /// The target for `path` of a line.
    pub(super) fn under(&self, path: &str) -> Result<Target, String> {
        if !path.starts_with('/') {
            return Err(format!("use the path `{path}`; it must begin with /"));
        }
        if !self.query.is_empty() {
            return Err("join `path` to a --to that has a query; leave the query out".into());
        }
        plain(path)?;
        Target::parse(&format!("{}{}{path}", self.prefix, self.base)).map_err(|error| error.to_string())
    }

    /// The target for `url` of a line. Credentials belong to one place, so another one is refused where `--to` was given.
    pub(super) fn elsewhere(&self, url: &str) -> Result<Target, String> {
        plain(url)?;
        let target = Target::parse(url).map_err(|error| error.to_string())?;
        if !target.uri().authority().is_some_and(has_port) {
            return Err(format!(
                "send to {}: its port is no number up to 65535",
                target.authority()
            ));
        }
        let own = format!(
            "{}://{}",
            target.uri().scheme_str().unwrap_or_default(),
            target.authority()
        );
        if self.named && own != self.prefix {
            return Err(format!("send to {own}; with --to every line goes to {}", self.prefix));
        }
        Ok(target)
    }

    /// The target for the record `id`.
    pub(super) fn record(&self, id: &str) -> Result<Target, String> {
        let id = utf8_percent_encode(id, SEGMENT);
        let text = format!("{}{}/{id}{}", self.prefix, self.base, self.query);
        Target::parse(&text).map_err(|error| error.to_string())
    }

    /// The target for records without an id.
    pub(super) fn whole(&self) -> Result<Target, String> {
        let base = if self.base.is_empty() { "/" } else { &self.base };
        Target::parse(&format!("{}{base}{}", self.prefix, self.query)).map_err(|error| error.to_string())
    }

    /// What must keep its order: the writes of one target; and, at the embedded origin, a POST and the writes of the
    /// document that it creates, whose `id` is the document's own.
    pub(super) fn order(&self, method: &Method, target: &Target, body: Option<&Value>) -> Option<String> {
        if acts_on_target(method) {
            return Some(target.as_str().to_owned());
        }
        if !target.as_str().starts_with(EMBEDDED) {
            return None;
        }
        let id = match body?.get("id")? {
            Value::String(id) => id.clone(),
            Value::Number(id) => id.to_string(),
            _ => return None,
        };
        Some(format!(
            "{}/{}",
            target.as_str().trim_end_matches('/'),
            utf8_percent_encode(&id, SEGMENT)
        ))
    }
}

/// Whether the port is absent or one; the parser takes any digits, and they must not be taken for the default port.
fn has_port(authority: &http::uri::Authority) -> bool {
    let text = authority.as_str();
    let behind_host = text.rsplit_once([']', '@']).map_or(text, |(_, rest)| rest);
    !behind_host.contains(':') || authority.port_u16().is_some()
}

/// Parsers of URIs differ over a fragment and over what is not ASCII.
fn plain(text: &str) -> Result<(), String> {
    match text.chars().find(|c| *c == '#' || !c.is_ascii_graphic()) {
        Some(c) => Err(format!(
            "read `{}` as a target URI: it holds {c:?}; write such characters percent-encoded",
            userinfo::hidden(text)
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_and_other_hosts_refused() {
        let place = Place::to("https://api.example/v2/").unwrap();
        assert_eq!(
            place.under("/a/1?x=y").unwrap().as_str(),
            "https://api.example/v2/a/1?x=y"
        );
        assert!(place.elsewhere("https://api.example/other").is_ok());
        for bad in [
            "https://evil.example/a",
            "http://api.example/a",
            "https://u@api.example/a",
            "/a",
        ] {
            assert!(place.elsewhere(bad).is_err(), "{bad}");
        }
        assert!(Place::embedded().elsewhere("http://127.0.0.1:9/a").is_ok());
        assert!(Place::embedded().elsewhere("http://127.0.0.1:99999/a").is_err());
    }

    #[test]
    fn bad_places_are_named() {
        for bad in [
            "",
            "api.example",
            "ftp://h/",
            "http://u:p@h/",
            "http://",
            "http://h:99999/",
        ] {
            assert!(Place::to(bad).is_err(), "{bad}");
        }
        assert!(Place::to("/airports").unwrap().is_embedded());
    }

    #[test]
    fn a_query_stays_behind_the_record() {
        let place = Place::to("http://h/a?v=1").unwrap();
        assert_eq!(place.record("x").unwrap().as_str(), "http://h/a/x?v=1");
        assert_eq!(place.whole().unwrap().as_str(), "http://h/a?v=1");
    }
}
