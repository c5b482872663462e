//! The query of a listing: `?limit=`, `?after=`, and filters.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tiebreak_core::problem::Kind;

use super::filter::Filter;
use crate::answer::Answer;
use crate::refusal;

/// The most filters in one query.
const MAX_FILTERS: usize = 16;

/// What is not escaped in a query: RFC 3986 §2.3.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Which page is asked for.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) limit: usize,
    /// The birth of the last document of the page before, or 0.
    pub(super) after: u64,
    pub(super) filter: Filter,
}

impl Query {
    /// Reads `text`, the part of the URI behind the question mark.
    pub(super) fn of(text: Option<&str>, max_page: usize) -> Result<Query, Box<Answer>> {
        let bad = |detail: String| Box::new(refusal::plain(Kind::BadRequest, detail));
        let (mut limit, mut after, mut filters) = (max_page, 0, Vec::new());
        for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = match (decoded(name), decoded(value)) {
                (Some(name), Some(value)) => (name, value),
                _ => return Err(bad(format!("`{pair}` is no UTF-8 when decoded"))),
            };
            match name.as_str() {
                "limit" => match value.parse::<usize>() {
                    Ok(n) if n > 0 => limit = n.min(max_page),
                    _ => {
                        return Err(bad(format!(
                            "limit is `{value}`; a number from 1 to {max_page} is expected"
                        )));
                    }
                },
                "after" => {
                    after = u64::from_str_radix(&value, 16)
                        .map_err(|_| bad("this cursor was not given out here; start without `after`".to_owned()))?;
                }
                _ => filters.push((name, value)),
            }
        }
        if filters.len() > MAX_FILTERS {
            return Err(bad(format!("at most {MAX_FILTERS} filters are accepted")));
        }
        Ok(Query {
            limit,
            after,
            filter: Filter::new(filters),
        })
    }

    /// The URI reference of the page behind the document born at `after`.
    pub(super) fn next(&self, path: &str, after: u64) -> String {
        let mut next = format!("{path}?limit={}&after={after:x}", self.limit);
        for (name, value) in self.filter.pairs() {
            next.push('&');
            next.extend(utf8_percent_encode(name, ESCAPED));
            next.push('=');
            next.extend(utf8_percent_encode(value, ESCAPED));
        }
        next
    }
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}
