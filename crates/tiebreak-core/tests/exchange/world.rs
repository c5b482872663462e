//! A small world in which every version of the target says which version it is.
//!
//! Version `n` holds `{"a": "old", "b": n}`. A caller edits `a` and leaves `b` as it read it; so whatever is sent says by its `b`
//! what it was made from, and may only go out under the tag of that very version.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tiebreak_core::delivery::Delivery;
use tiebreak_core::response::Response;

/// The kind of entity tags that the origin gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tags {
    Version,
    Digest,
    Weak,
    None,
}

impl Tags {
    /// The tag of version `n` as a field value.
    pub(crate) fn of(self, n: u64) -> Option<String> {
        match self {
            Tags::Version => Some(format!("\"{n}\"")),
            // Hexadecimal digits alone: the form of a digest.
            Tags::Digest => Some(format!("\"{n:02x}ab{n:02x}cd\"")),
            Tags::Weak => Some(format!("W/\"{n}\"")),
            Tags::None => None,
        }
    }

    /// The version that a tag names.
    pub(crate) fn version(self, tag: &str) -> Option<u64> {
        (0..100).find(|n| self.of(*n).as_deref() == Some(tag))
    }
}

pub(crate) fn document(a: &str, b: u64) -> String {
    format!("{{\"a\":\"{a}\",\"b\":{b}}}")
}

pub(crate) fn fields(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// A whole answer.
pub(crate) fn answer(status: u16, tag: Option<&str>, content: &str) -> Delivery {
    let mut headers = HeaderMap::new();
    if let Some(tag) = tag {
        headers.insert("etag", HeaderValue::from_str(tag).unwrap());
    }
    if !content.is_empty() {
        headers.insert("content-type", HeaderValue::from_static("application/json"));
    }
    Delivery::Answered(Response {
        status: StatusCode::from_u16(status).unwrap(),
        headers,
        content: Bytes::from(content.to_owned()),
        complete: true,
    })
}

/// What a read of version `n` brings.
pub(crate) fn version(tags: Tags, n: u64) -> Delivery {
    answer(200, tags.of(n).as_deref(), &document("old", n))
}

/// A bot wall's answer in the API's place.
pub(crate) fn bot_check() -> Delivery {
    let Delivery::Answered(mut response) = answer(403, None, "") else {
        unreachable!("it is an answer");
    };
    response
        .headers
        .insert("cf-mitigated", HeaderValue::from_static("challenge"));
    Delivery::Answered(response)
}

/// The write is taken, and goes on behind the answer; `monitor` is where that can be seen.
pub(crate) fn accepted(field: &'static str, monitor: &'static str) -> Delivery {
    let Delivery::Answered(mut response) = answer(202, None, "") else {
        unreachable!("it is an answer");
    };
    response.headers.insert(field, HeaderValue::from_static(monitor));
    Delivery::Answered(response)
}
