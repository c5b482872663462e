//! A page as a second way to the origin: requests go out from within it, with whatever the browser adds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use serde_json::{Value, json};
use tiebreak_client::transport::{Sending, Transport};
use tiebreak_core::delivery::{Delivery, NotSent, Unknown};
use tiebreak_core::response::Response;

use super::seats::Seat;
use super::webdriver::{Fault, Session};

/// Runs in the page.
const FETCH: &str = include_str!("fetch.js");

/// What is the browser's to say, not the caller's: what it is, where it comes from, how it speaks, which cookies it has.
const BROWSERS_OWN: [&str; 9] = [
    "accept-encoding",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "host",
    "origin",
    "referer",
    "user-agent",
];

/// What redirects come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Redirects {
    /// They are the answer.
    Kept,
    /// They are followed, as in any page.
    Followed,
}

/// One window, in which one request goes out after the other. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Window {
    open: Option<(Session, Seat)>,
}

impl Window {
    pub(super) fn new(session: Session, seat: Seat) -> Window {
        Window {
            open: Some((session, seat)),
        }
    }

    /// Its session; there is one until it is dropped.
    pub(super) fn session(&self) -> Option<&Session> {
        self.open.as_ref().map(|(session, _)| session)
    }

    /// Sends `request` from within the page.
    pub(super) async fn fetch(&self, request: Request<Bytes>, keep: usize, redirects: Redirects) -> Delivery {
        let Some(session) = self.session() else {
            return Delivery::NotSent(NotSent::ClosedBeforeSend);
        };
        let (head, content) = request.into_parts();
        let content = (!content.is_empty()).then(|| STANDARD.encode(&content));
        let redirect = match redirects {
            Redirects::Kept => "manual",
            Redirects::Followed => "follow",
        };
        let args = json!([
            head.method.as_str(),
            head.uri.to_string(),
            sendable(&head.headers),
            content,
            keep,
            redirect,
        ]);
        match session.run_async(FETCH, args, keep.saturating_mul(2)).await {
            Ok(said) => delivery(&said),
            Err(Fault::Unreached) => Delivery::NotSent(NotSent::ClosedBeforeSend),
            Err(Fault::Overdue) => Delivery::Unknown(Unknown::Timeout),
            Err(Fault::Gone | Fault::Other(_)) => Delivery::Unknown(Unknown::Closed),
        }
    }
}

impl Transport for Window {
    fn send(&self, request: Request<Bytes>, keep: usize) -> Sending<'_> {
        Box::pin(self.fetch(request, keep, Redirects::Kept))
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if let Some((session, seat)) = self.open.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                session.close().await;
                drop(seat);
            });
        }
    }
}

/// The fields that a page may set. Field values are bytes; scripts know them as the characters up to U+00FF (Fetch §2.2.2).
fn sendable(headers: &HeaderMap) -> Vec<[String; 2]> {
    headers
        .iter()
        .filter(|(name, _)| !BROWSERS_OWN.contains(&name.as_str()))
        .map(|(name, value)| {
            let value = value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
            [name.to_string(), value]
        })
        .collect()
}

/// What the script says of the attempt.
fn delivery(said: &Value) -> Delivery {
    if said["unsent"].is_string() {
        return Delivery::NotSent(NotSent::ClosedBeforeSend);
    }
    if said["redirected"] == true {
        // A page is not told which redirect it was.
        return Delivery::Unknown(Unknown::Status(300));
    }
    let status = said["status"].as_u64().and_then(|n| u16::try_from(n).ok());
    let Some(status) = status.and_then(|n| StatusCode::from_u16(n).ok()) else {
        return Delivery::Unknown(Unknown::Closed);
    };
    let content = said["content"].as_str().and_then(|text| STANDARD.decode(text).ok());
    let complete = said["complete"] == true && content.is_some();
    Delivery::Answered(Response {
        status,
        headers: fields(&said["fields"]),
        content: content.unwrap_or_default().into(),
        complete,
    })
}

/// The fields of the answer, without those about a coding that the browser has undone.
fn fields(said: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for field in said.as_array().into_iter().flatten() {
        let (Some(name), Some(value)) = (field[0].as_str(), field[1].as_str()) else {
            continue;
        };
        let bytes: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        let value = bytes.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok());
        if let (Ok(name), Some(value)) = (name.parse::<HeaderName>(), value) {
            headers.append(name, value);
        }
    }
    for undone in [
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
    ] {
        headers.remove(undone);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_sent_for_certain_counts_as_unsent() {
        for (said, unsent) in [
            (json!({"unsent": "Error: the page is elsewhere"}), true),
            (json!({"lost": "TypeError: Failed to fetch"}), false),
            (json!({"redirected": true}), false),
            (json!(null), false),
            (json!({"status": 7}), false),
        ] {
            match delivery(&said) {
                Delivery::NotSent(_) => assert!(unsent, "{said}"),
                Delivery::Unknown(_) => assert!(!unsent, "{said}"),
                Delivery::Answered(_) | Delivery::Declined(_) => panic!("{said}"),
            }
        }
    }

    #[test]
    fn an_answer_is_what_the_origin_said_without_the_coding_that_the_browser_undid() {
        let said = json!({
            "status": 200, "content": STANDARD.encode("{}"), "complete": true,
            "fields": [["content-encoding", "gzip"], ["content-length", "22"], ["etag", "\"v1\""], ["x-name", "J\u{fc}rgen"]],
        });
        let Delivery::Answered(response) = delivery(&said) else {
            panic!()
        };
        assert_eq!(
            (response.status.as_u16(), &response.content[..], response.complete),
            (200, &b"{}"[..], true)
        );
        assert_eq!(response.field("etag"), Some("\"v1\""));
        assert_eq!(response.headers["x-name"].as_bytes(), b"J\xfcrgen");
        assert_eq!(response.headers.len(), 2);
    }

    #[test]
    fn a_page_says_itself_what_it_is_and_keeps_its_cookies() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("user-agent", "curl"),
            ("cookie", "a=b"),
            ("host", "h"),
            ("if-match", "\"1\""),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        assert_eq!(sendable(&headers), [["if-match".to_owned(), "\"1\"".to_owned()]]);
    }
}
