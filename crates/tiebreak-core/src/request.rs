//! A write as its caller sent it.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};

use crate::userinfo;

/// Any request whose method is not known to be safe, whole and in memory.
///
/// Hop-by-hop fields (RFC 9110 §7.6.1) and inbound `Tiebreak` fields have been removed by the door it came through.
#[derive(Debug, Clone)]
pub struct WriteRequest {
    /// The request method.
    pub method: Method,
    /// The target URI, at the origin.
    pub target: Target,
    /// The header fields that are meant for the origin.
    pub headers: HeaderMap,
    /// The content.
    pub content: Bytes,
}

impl WriteRequest {
    /// The first value of field `name`, if it is visible ASCII.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }
}

/// An absolute target URI (RFC 9110 §7.1): scheme, authority, path and query, kept as they were sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target(Uri, String);

/// Why a string is no target URI.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("read `{shown}` as a target URI: {why}; write it like http://host/path", shown = userinfo::hidden(text))]
pub struct TargetError {
    text: String,
    why: &'static str,
}

impl Target {
    /// Parses an absolute `http` or `https` URI.
    ///
    /// # Errors
    /// If it is malformed, relative, of another scheme, or holds a user name.
    pub fn parse(text: &str) -> Result<Target, TargetError> {
        let fail = |why| TargetError {
            text: text.to_owned(),
            why,
        };
        let uri: Uri = text.parse().map_err(|_| fail("it is malformed"))?;
        Target::from_uri(uri).map_err(|e| fail(e.why))
    }

    /// Takes a URI that is absolute already.
    ///
    /// # Errors
    /// If it is relative, of another scheme, or holds a user name: such a URI must not be sent (RFC 9110 §4.2.4).
    pub fn from_uri(uri: Uri) -> Result<Target, TargetError> {
        let text = uri.to_string();
        let why = match uri.scheme_str() {
            Some("http" | "https") => match uri.authority() {
                Some(authority) if authority.as_str().contains('@') => {
                    "it holds a user name; send credentials in the Authorization field instead"
                }
                Some(_) => return Ok(Target(uri, text)),
                None => "it names no host",
            },
            Some(_) => "its scheme is neither http nor https",
            None => "it has no scheme",
        };
        Err(TargetError { text, why })
    }

    /// What a reference in an answer about this target names (RFC 3986 §5): a whole URI, an absolute path, or a path beneath it.
    #[must_use]
    pub fn refer(&self, reference: &str) -> Option<Target> {
        let scheme = self.0.scheme_str()?;
        let text = if reference.is_empty() {
            return None;
        } else if reference.contains("://") {
            reference.to_owned()
        } else if reference.starts_with("//") {
            format!("{scheme}:{reference}")
        } else if reference.starts_with('/') {
            format!("{scheme}://{}{reference}", self.authority())
        } else {
            // Strictly it would take the place of the last segment; what APIs mean is beneath the target.
            let path = self.path().trim_end_matches('/');
            format!("{scheme}://{}{path}/{reference}", self.authority())
        };
        Target::parse(&text).ok()
    }

    /// The URI.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.0
    }

    /// The URI as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.1
    }

    /// Host and port, as written.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.authority().map_or("", |a| a.as_str())
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.1)
    }
}
