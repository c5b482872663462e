//! Pages of a collection.

use std::sync::PoisonError;

use http::StatusCode;
use http::header::{CACHE_CONTROL, LINK};
use serde_json::Value;

use super::query::Query;
use crate::answer::Answer;
use crate::origin::{Backend, Origin};
use crate::store::{Listed, SETTINGS_COLLECTION, StoreError};
use crate::target::SETTINGS;

/// The most documents that one page looks at while it filters; a page may come out shorter, or empty, with a next.
const MAX_SCANNED: usize = 10_000;

/// The most content in one page, in bytes; the first document always fits.
const MAX_BYTES: usize = 8 << 20;

/// How many documents are fetched at a time.
const CHUNK: usize = 128;

/// What a listing found.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) items: Vec<Listed>,
    /// Where the next page starts: after the document of this birth.
    pub(super) next: Option<u64>,
}

impl Origin {
    /// A page of a collection, in order of creation; `None` if there is no such collection.
    pub(super) async fn list(&self, name: &str, query: &Query) -> Result<Option<Page>, StoreError> {
        match &self.backend {
            Backend::Memory(engine) => {
                let number = if name == SETTINGS {
                    SETTINGS_COLLECTION.number
                } else {
                    let engine = engine.read().unwrap_or_else(PoisonError::into_inner);
                    match engine.collection(name) {
                        Some(collection) => collection.number,
                        None => return Ok(None),
                    }
                };
                // Chunk by chunk, so that writers get their turn in between.
                let mut fetch = |after, limit| {
                    let engine = engine.read().unwrap_or_else(PoisonError::into_inner);
                    Ok(engine.store.from(number, after).take(limit).cloned().collect())
                };
                collect(query, &mut fetch).map(Some)
            }
            Backend::File(store) => {
                let query = query.clone();
                store.listing(name, move |fetch| collect(&query, fetch)).await
            }
        }
    }
}

fn collect(
    query: &Query,
    fetch: &mut dyn FnMut(u64, usize) -> Result<Vec<Listed>, StoreError>,
) -> Result<Page, StoreError> {
    let mut page = Page::default();
    let mut after = query.after;
    let (mut scanned, mut bytes) = (0, 0);
    loop {
        let chunk = fetch(after, CHUNK)?;
        if chunk.is_empty() {
            return Ok(page);
        }
        for listed in chunk {
            let holds = query.filter.holds(&listed.document.content);
            let full = page.items.len() == query.limit || bytes >= MAX_BYTES;
            if (holds && full) || scanned == MAX_SCANNED {
                page.next = Some(after);
                return Ok(page);
            }
            after = listed.document.born;
            scanned += 1;
            if holds {
                bytes += listed.document.content.len();
                page.items.push(listed);
            }
        }
    }
}

/// One item: `fields`, and at the end a member whose value is JSON text already, kept as it is.
pub(super) fn item(fields: &[(&str, Value)], (name, text): (&str, String)) -> String {
    let mut item = String::with_capacity(text.len() + 100);
    item.push('{');
    for (name, value) in fields {
        item.push_str(&format!("\"{name}\":{value},"));
    }
    item.push_str(&format!("\"{name}\":{text}}}"));
    item
}

/// The page as an answer, with `next` (a URI reference) in it and as a link (RFC 8288).
pub(super) fn answer(items: Vec<String>, next: Option<String>) -> Answer {
    let mut text = format!("{{\"items\":[{}]", items.join(","));
    if let Some(next) = &next {
        text.push_str(&format!(",\"next\":{}", Value::from(next.as_str())));
    }
    text.push('}');
    let answer = Answer::json(StatusCode::OK, text.into()).with(CACHE_CONTROL, "no-cache");
    match next {
        Some(next) => answer.with_text(LINK, format!("<{next}>; rel=\"next\"")),
        None => answer,
    }
}
