//! What a path names.

use http::{Method, Uri};
use percent_encoding::percent_decode_str;

/// The reserved collection that holds the settings of the others.
pub(crate) const SETTINGS: &str = "_collections";

/// The longest name of a collection or document, in bytes.
const MAX_NAME: usize = 128;

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/`: the list of collections.
    Root,
    /// `/{collection}`.
    Collection(String),
    /// `/{collection}/{id}`.
    Document(String, String),
    /// `/_collections/{collection}`.
    Settings(String),
}

/// Why a path names nothing here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum TargetError {
    /// More segments than there are levels.
    #[error("there is nothing at `{0}`; documents are at /collection/id")]
    Nowhere(String),
    /// A segment that cannot be a name.
    #[error(
        "`{0}` cannot be a name; use up to {MAX_NAME} of the characters A-Z a-z 0-9 - . _ ~ @ : + , = (a collection starts with a letter or digit)"
    )]
    BadName(String),
}

impl Target {
    /// Reads the path of `uri`.
    pub(crate) fn of(uri: &Uri) -> Result<Target, TargetError> {
        let path = uri.path();
        let mut segments = path.strip_prefix('/').unwrap_or(path).split('/');
        let first = segments.next().unwrap_or_default();
        let second = segments.next();
        if segments.next().is_some() {
            return Err(TargetError::Nowhere(path.to_owned()));
        }
        let first = decoded(first)?;
        match second {
            None if first.is_empty() => Ok(Target::Root),
            None => collection(first).map(Target::Collection),
            Some("") => Err(TargetError::Nowhere(path.to_owned())),
            Some(id) if first == SETTINGS => collection(decoded(id)?).map(Target::Settings),
            Some(id) => {
                let id = decoded(id)?;
                if is_id(&id) {
                    Ok(Target::Document(collection(first)?, id))
                } else {
                    Err(TargetError::BadName(id))
                }
            }
        }
    }

    /// The methods it knows, as the value of `Allow` (RFC 9110 §10.2.1).
    pub(crate) fn allow(&self) -> &'static str {
        match self {
            Target::Root => "GET, HEAD, OPTIONS",
            Target::Collection(_) => "GET, HEAD, POST, OPTIONS",
            Target::Document(..) => "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
            Target::Settings(_) => "GET, HEAD, PUT, OPTIONS",
        }
    }

    /// Whether `method` is among them.
    pub(crate) fn allows(&self, method: &Method) -> bool {
        self.allow().split(", ").any(|m| m == method.as_str())
    }
}

/// The path of a document (or, in [`SETTINGS`], of settings). Names need no escaping: see [`is_id`].
pub(crate) fn path(collection: &str, id: &str) -> String {
    format!("/{collection}/{id}")
}

/// Whether `text` is a safe path segment: unreserved characters and a few of `pchar` (RFC 3986 §3.3),
/// so that one document has one spelling; no dot segments.
pub(crate) fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_NAME
        && text != "."
        && text != ".."
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~@:+,=".contains(&b))
}

fn decoded(segment: &str) -> Result<String, TargetError> {
    match percent_decode_str(segment).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(TargetError::BadName(segment.to_owned())),
    }
}

fn collection(name: String) -> Result<String, TargetError> {
    if is_id(&name) && name.as_bytes()[0].is_ascii_alphanumeric() {
        Ok(name)
    } else {
        Err(TargetError::BadName(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let doc = |c: &str, i: &str| Some(Target::Document(c.into(), i.into()));
        let table = [
            ("/", Some(Target::Root)),
            ("/things", Some(Target::Collection("things".into()))),
            ("/things/1", doc("things", "1")),
            ("/things/a%40b", doc("things", "a@b")),
            ("/_collections/things", Some(Target::Settings("things".into()))),
            ("/_collections", None),
            ("/_collections/_collections", None),
            ("/things/", None),
            ("/things/1/2", None),
            ("/things/a%2Fb", None),
            ("/things/%2e%2E", None),
            ("/things/%ff", None),
            ("//1", None),
        ];
        for (path, expected) in table {
            assert_eq!(Target::of(&path.parse().unwrap()).ok(), expected, "{path}");
        }
    }
}
