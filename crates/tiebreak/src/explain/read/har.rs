//! HAR files (HTTP Archive 1.2), as browsers and proxies save them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{Method, StatusCode};
use serde::Deserialize;

use crate::explain::case::{Case, Request, response};
use crate::explain::error::ReadError;
use crate::explain::read::json::Fields;
use crate::explain::read::{Given, Input, http1};

#[derive(Deserialize)]
struct Har {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    request: HarRequest,
    response: HarResponse,
}

#[derive(Deserialize)]
struct HarRequest {
    method: String,
    url: String,
    #[serde(default)]
    headers: Fields,
    #[serde(default, rename = "postData")]
    post: Option<PostData>,
}

#[derive(Deserialize)]
struct PostData {
    #[serde(default)]
    text: Option<String>,
}

#[derive(Deserialize)]
struct HarResponse {
    status: i64,
    #[serde(default)]
    headers: Fields,
    #[serde(default)]
    content: Content,
}

#[derive(Deserialize, Default)]
struct Content {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    encoding: Option<String>,
}

/// Reads all entries that were answered, or the one that was asked for.
pub(crate) fn read(text: &[u8], given: &Given) -> Result<Input, ReadError> {
    let har: Har = serde_json::from_slice(text)?;
    let entries = har.log.entries;
    let count = entries.len();
    if let Some(number) = given.entry {
        let entry = number.checked_sub(1).and_then(|i| entries.into_iter().nth(i));
        let entry = entry.ok_or_else(|| {
            ReadError::whole(format!(
                "the file has {count} entries; expected --entry from 1 to {count}, not {number}"
            ))
        })?;
        let case = entry.case().ok_or_else(|| {
            ReadError::whole(format!(
                "entry {number} has no answer (status 0): the connection broke or was blocked"
            ))
        })?;
        return Ok(Input::One(Box::new(case)));
    }
    let cases = entries.into_iter().enumerate();
    Ok(Input::Many(
        cases.filter_map(|(i, entry)| Some((i + 1, entry.case()?))).collect(),
    ))
}

impl Entry {
    /// `None` where the browser got no answer and wrote a status of 0.
    fn case(self) -> Option<Case> {
        let status = u16::try_from(self.response.status).ok()?;
        let status = StatusCode::from_u16(status).ok()?;
        let content = self.response.content;
        let text = content.text.unwrap_or_default();
        let bytes = match content.encoding.as_deref() {
            Some("base64") => BASE64.decode(text.trim()).unwrap_or_default(),
            _ => text.into_bytes(),
        };
        Some(Case {
            request: Some(Request {
                method: Method::from_bytes(self.request.method.as_bytes()).ok(),
                path: http1::path(&self.request.url),
                url: Some(self.request.url),
                headers: self.request.headers.0,
                content: self.request.post.and_then(|p| p.text).map(Into::into),
            }),
            response: response(status, self.response.headers.0, bytes),
        })
    }
}
