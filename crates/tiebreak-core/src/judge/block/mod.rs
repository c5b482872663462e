//! Was it the API that spoke, or a bot wall in front of it?
//!
//! Only conclusive signatures count: that a vendor's CDN or sensor is present says nothing, for genuine API
//! errors pass through the same machines. The order of questions: a field that only refused answers carry; a
//! JSON form that only a wall sends; a page with the marks of a known wall; a page that can be nothing else.
//! `docs/blocks.md` tells the reasons.

mod json;
mod matcher;
mod page;
mod signature;
mod unknown;
mod vendors;

use std::time::Duration;

use http::HeaderMap;

use crate::judge::Asked;
use crate::remedy::Remedy;
use crate::response::Response;
use crate::verdict::{Class, Confidence, Evidence, Verdict};
use page::Page;
use signature::Kind;

/// A wall that is recognised, for lists and documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Who runs or makes it.
    pub vendor: &'static str,
    /// What gives it away.
    pub says: &'static str,
    /// Where that is documented or was seen.
    pub source: &'static str,
}

/// Every signature that is known, in the order of the table.
pub fn known() -> impl Iterator<Item = Known> {
    let pages = vendors::SIGNATURES.iter().map(|s| (s.vendor, s.says, s.source));
    let json = json::SIGNATURES.iter().map(|s| (s.vendor, s.says, s.source));
    pages
        .chain(json)
        .map(|(vendor, says, source)| Known { vendor, says, source })
}

/// How long an excerpt may be, in characters.
const EXCERPT: usize = 120;

/// A finding: who refused, and the marks that prove it.
#[derive(Debug)]
struct Finding {
    vendor: &'static str,
    kind: Kind,
    says: &'static str,
    /// Place and excerpt of each mark, the deciding one first.
    seen: Vec<(String, String)>,
}

/// The verdict `blocked`, if `response` is conclusively the work of a bot wall or a firewall.
pub(crate) fn detect(_asked: &Asked<'_>, response: &Response) -> Option<Verdict> {
    let mut verdict = find(response)?.into_verdict();
    verdict.retry_after = response
        .field("retry-after")
        .and_then(|v| v.trim().parse().ok())
        .map(Duration::from_secs);
    Some(verdict)
}

fn find(response: &Response) -> Option<Finding> {
    let content = response.content.trim_ascii_start();
    let by_field = || matcher::by_field(response, content);
    match content.first() {
        None => by_field(),
        Some(b'{' | b'[') => by_field().or_else(|| json::find(content, response)),
        Some(_) if is_media(&response.headers) && content.len() > 1024 => by_field(),
        Some(_) => by_field().or_else(|| {
            let page = Page::read(content);
            matcher::by_page(response, &page).or_else(|| unknown::find(response, &page))
        }),
    }
}

fn is_media(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(http::header::CONTENT_TYPE)
        .map_or(&b""[..], |v| v.as_bytes());
    [
        &b"image/"[..],
        b"video/",
        b"audio/",
        b"font/",
        b"application/pdf",
        b"application/zip",
        b"application/octet",
    ]
    .iter()
    .any(|prefix| kind.len() >= prefix.len() && kind[..prefix.len()].eq_ignore_ascii_case(prefix))
}

impl Finding {
    fn into_verdict(self) -> Verdict {
        let signal = match self.kind {
            Kind::Challenge => format!("a browser test by {}: {}", self.vendor, self.says),
            Kind::Refusal => format!("refused by {}: {}", self.vendor, self.says),
            Kind::Gateway => format!("refused on the way out, by {}: {}", self.vendor, self.says),
        };
        let mut evidence = self.seen.into_iter().map(|(place, excerpt)| Evidence {
            signal: signal.clone().into(),
            place: place.into(),
            excerpt,
        });
        let first = evidence.next().unwrap_or_else(|| Evidence {
            signal: signal.clone().into(),
            place: "body".into(),
            excerpt: String::new(),
        });
        let mut verdict = Verdict::new(Class::Blocked, Remedy::HandOff, Confidence::High, first);
        verdict.evidence.extend(evidence.map(|e| Evidence {
            signal: "a further mark of the same signature".into(),
            ..e
        }));
        // A test is made before the API sees the request. A refusal by rule may concern the *answer*
        // (firewalls inspect those, too): then the request may well have been applied.
        verdict.proves_refusal = self.kind == Kind::Challenge;
        verdict
    }
}

/// `text` cut to the length of an excerpt.
fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
