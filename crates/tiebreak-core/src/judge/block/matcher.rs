//! Compares an answer with the signature table.
//!
//! All phrases of the table are searched for at once (Aho-Corasick), so the cost is linear in the content and
//! does not grow with the table.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use http::HeaderMap;

use crate::judge::block::page::Page;
use crate::judge::block::signature::{Mark, Shape, Signature};
use crate::judge::block::vendors::SIGNATURES;
use crate::judge::block::{Finding, excerpt};
use crate::response::Response;

/// A page that shows more than this is not a wall but a page about something.
const WALL: usize = 3_000;
/// A page that has the marks of more vendors than this is *about* walls.
const VENDORS: usize = 2;
/// How many occurrences of one phrase are looked at.
const OCCURRENCES: usize = 8;

/// The rows that a header field decides, by the field's name.
static BY_FIELD: LazyLock<Fields> = LazyLock::new(|| {
    let mut rows: Vec<_> = SIGNATURES
        .iter()
        .enumerate()
        .filter_map(|(row, s)| s.needs.first().and_then(field_of).map(|name| (name, row)))
        .collect();
    rows.sort_unstable();
    let mut lengths = [0; 256];
    for (name, _) in &rows {
        lengths[usize::from(name.as_bytes()[0])] |= 1 << (name.len() % 64);
    }
    Fields { rows, lengths }
});

struct Fields {
    rows: Vec<(&'static str, usize)>,
    /// By first letter, the lengths of the names: most fields of an answer are told apart by these alone.
    lengths: [u64; 256],
}

impl Fields {
    fn rows(&self, name: &str) -> impl Iterator<Item = usize> + '_ {
        let first = name.as_bytes().first().map_or(0, |b| usize::from(*b));
        let possible = self.lengths[first] & (1 << (name.len() % 64)) != 0;
        let rows = if possible { &self.rows[..] } else { &[] };
        let from = rows.partition_point(|(n, _)| *n < name);
        let to = rows.partition_point(|(n, _)| *n <= name);
        rows[from..to].iter().map(|(_, row)| *row)
    }
}

static TEXT: LazyLock<Phrases> = LazyLock::new(|| Phrases::new(text_phrase));
static MARKUP: LazyLock<Phrases> = LazyLock::new(|| Phrases::new(markup_phrase));

fn text_phrase(mark: Mark) -> Option<&'static str> {
    match mark {
        Mark::Says(phrase) | Mark::SaysThen(phrase, _) => Some(phrase),
        _ => None,
    }
}

fn markup_phrase(mark: Mark) -> Option<&'static str> {
    match mark {
        Mark::Markup(phrase) | Mark::MarkupThen(phrase, _) | Mark::NoMarkup(phrase) => Some(phrase),
        _ => None,
    }
}

/// The first row that a header field of `response` decides. `content` is the beginning of the content.
pub(super) fn by_field(response: &Response, content: &[u8]) -> Option<Finding> {
    let index = &*BY_FIELD;
    for name in response.headers.keys() {
        for row in index.rows(name.as_str()) {
            let answer = Answer {
                response,
                first: content.first().copied(),
                page: None,
            };
            if let Some(finding) = answer.matches(&SIGNATURES[row]) {
                return Some(finding);
            }
        }
    }
    None
}

/// The first row that `page` decides.
pub(super) fn by_page(response: &Response, page: &Page) -> Option<Finding> {
    if page.visible > WALL || page.speaks {
        return None;
    }
    let seen = Seen {
        page,
        text: TEXT.find(&page.text),
        markup: MARKUP.find(&page.markup),
    };
    let answer = Answer {
        response,
        first: Some(if page.html { b'<' } else { b'x' }),
        page: Some(&seen),
    };
    let mut findings: Vec<Finding> = Vec::new();
    let mut rows = TEXT.rows(&seen.text);
    rows.extend(MARKUP.rows(&seen.markup));
    rows.extend_from_slice(&WITHOUT_PHRASE);
    rows.sort_unstable();
    for row in rows {
        if let Some(finding) = answer.matches(&SIGNATURES[row])
            && findings.iter().all(|f| f.vendor != finding.vendor)
        {
            findings.push(finding);
        }
    }
    if findings.len() > VENDORS {
        return None;
    }
    findings.into_iter().next()
}

/// The rows that no phrase leads to: they look at the title and the status.
static WITHOUT_PHRASE: LazyLock<Vec<usize>> = LazyLock::new(|| {
    let is_phrase = |m: &Mark| text_phrase(*m).or(markup_phrase(*m)).is_some();
    let led = |s: &Signature| s.needs.first().and_then(field_of).is_some() || s.needs.iter().any(is_phrase);
    (0..SIGNATURES.len()).filter(|row| !led(&SIGNATURES[*row])).collect()
});

fn field_of(mark: &Mark) -> Option<&'static str> {
    match mark {
        Mark::Field(name) | Mark::FieldIs(name, _) | Mark::FieldHas(name, _) => Some(name),
        _ => None,
    }
}

struct Answer<'a> {
    response: &'a Response,
    first: Option<u8>,
    page: Option<&'a Seen<'a>>,
}

struct Seen<'a> {
    page: &'a Page,
    text: Hits,
    markup: Hits,
}

impl Answer<'_> {
    fn matches(&self, row: &Signature) -> Option<Finding> {
        let mut seen = Vec::new();
        for mark in row.needs {
            if let Some(evidence) = self.has(mark)? {
                seen.push(evidence);
            }
        }
        Some(Finding {
            vendor: row.vendor,
            kind: row.kind,
            says: row.says,
            seen,
        })
    }

    /// `None`: the mark is missing. `Some(None)`: it is there, but nothing to show.
    fn has(&self, mark: &Mark) -> Option<Option<(String, String)>> {
        let there = |yes: bool| yes.then_some(None);
        let status = self.response.status.as_u16();
        match *mark {
            Mark::Field(name) => self.field(name, |_| true),
            Mark::FieldIs(name, values) => self.field(name, |v| values.iter().any(|x| v.eq_ignore_ascii_case(x))),
            Mark::FieldHas(name, part) => self.field(name, |v| contains(v, part)),
            Mark::Status(list) => list
                .contains(&status)
                .then(|| Some(("status".into(), status.to_string()))),
            Mark::Error => there(status >= 400),
            Mark::Empty => there(self.first.is_none()),
            Mark::Foreign => there(!matches!(self.first, Some(b'{' | b'['))),
            Mark::Bare => there(self.page.is_some_and(|p| p.page.visible <= 240 && !p.page.own)),
            Mark::AtMost(limit) => there(self.page.is_some_and(|p| p.page.visible <= limit)),
            Mark::Title(titles) => self.title(|t| titles.iter().any(|x| t.eq_ignore_ascii_case(x))),
            Mark::TitleHas(part) => self.title(|t| contains(t, part)),
            Mark::Says(phrase) => self.phrase(&TEXT, phrase, None),
            Mark::SaysThen(phrase, shape) => self.phrase(&TEXT, phrase, Some(shape)),
            Mark::Markup(phrase) => self.phrase(&MARKUP, phrase, None),
            Mark::NoMarkup(phrase) => there(self.phrase(&MARKUP, phrase, None).is_none()),
            Mark::MarkupThen(phrase, shape) => self.phrase(&MARKUP, phrase, Some(shape)),
        }
    }

    fn field(&self, name: &'static str, accept: impl Fn(&str) -> bool) -> Option<Option<(String, String)>> {
        let value = values(&self.response.headers, name).find(|v| accept(v.trim()))?;
        Some(Some((format!("header {name}"), excerpt(value))))
    }

    fn title(&self, accept: impl Fn(&str) -> bool) -> Option<Option<(String, String)>> {
        let title = &self.page?.page.title;
        (!title.is_empty() && accept(title)).then(|| Some(("body title".into(), excerpt(title))))
    }

    fn phrase(&self, phrases: &Phrases, phrase: &str, shape: Option<Shape>) -> Option<Option<(String, String)>> {
        let seen = self.page?;
        let visible = std::ptr::eq(phrases, &raw const *TEXT);
        let (view, hits, place) = if visible {
            (&seen.page.text, &seen.text, "body text")
        } else {
            (&seen.page.markup, &seen.markup, "body markup")
        };
        let at = hits.of(phrases.number(phrase)?).iter().copied().find(|&at| {
            let end = at + phrase.len();
            !(visible && is_quoted(&view[..at])) && shape.is_none_or(|s| s.follows(&view[end..]))
        })?;
        let line = view[at..].split('\n').next().unwrap_or_default();
        Some(Some((place.to_owned(), excerpt(line.trim_end()))))
    }
}

/// Whether what comes next stands in quotation marks.
fn is_quoted(before: &str) -> bool {
    before.ends_with(['"', '“', '„', '«', '‘', '`', '「', '『'])
}

fn contains(text: &str, part: &str) -> bool {
    text.len() >= part.len()
        && text
            .as_bytes()
            .windows(part.len())
            .any(|w| w.eq_ignore_ascii_case(part.as_bytes()))
}

fn values<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|v| v.to_str().ok())
}

/// The phrases of one view, numbered.
struct Phrases {
    list: Vec<&'static str>,
    /// For each phrase the rows of which it is the first phrase of any kind.
    leads: Vec<Vec<usize>>,
    automaton: Option<AhoCorasick>,
}

type PhraseOf = fn(Mark) -> Option<&'static str>;

impl Phrases {
    fn new(phrase_of: PhraseOf) -> Phrases {
        let mut list: Vec<_> = SIGNATURES
            .iter()
            .flat_map(|s| s.needs.iter().copied().filter_map(phrase_of))
            .collect();
        list.sort_unstable();
        list.dedup();
        let mut leads = vec![Vec::new(); list.len()];
        for (row, signature) in SIGNATURES.iter().enumerate() {
            let any = |m: &Mark| markup_phrase(*m).or(text_phrase(*m)).is_some();
            let first = signature.needs.iter().find(|m| any(m)).and_then(|m| phrase_of(*m));
            if let Some(number) = first.and_then(|p| list.binary_search(&p).ok())
                && signature.needs.first().and_then(field_of).is_none()
            {
                leads[number].push(row);
            }
        }
        // The table is a constant: that it builds is proven by the test below, once for all.
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(&list).ok();
        Phrases { list, leads, automaton }
    }

    /// The rows that a phrase of `hits` leads to.
    fn rows(&self, hits: &Hits) -> Vec<usize> {
        let hit = self.leads.iter().zip(&hits.0).filter(|(_, places)| !places.is_empty());
        hit.flat_map(|(rows, _)| rows.iter().copied()).collect()
    }

    fn number(&self, phrase: &str) -> Option<usize> {
        self.list.binary_search(&phrase).ok()
    }

    fn find(&self, view: &str) -> Hits {
        let mut hits: Vec<Vec<usize>> = vec![Vec::new(); self.list.len()];
        if let Some(automaton) = &self.automaton {
            for hit in automaton.find_overlapping_iter(view) {
                let places = &mut hits[hit.pattern().as_usize()];
                if places.len() < OCCURRENCES {
                    places.push(hit.start());
                }
            }
        }
        Hits(hits)
    }
}

struct Hits(Vec<Vec<usize>>);

impl Hits {
    fn of(&self, number: usize) -> &[usize] {
        self.0.get(number).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phrases_build_and_each_row_is_sound() {
        assert!(TEXT.automaton.is_some() && MARKUP.automaton.is_some());
        for row in SIGNATURES {
            assert!(
                !row.needs.is_empty() && !row.source.is_empty(),
                "{}: {}",
                row.vendor,
                row.says
            );
            let names = row.needs.iter().filter_map(field_of);
            names.for_each(|n| assert_eq!(n, n.to_ascii_lowercase(), "field names are compared in lower case"));
            assert!(
                row.needs.iter().any(|m| !matches!(
                    m,
                    Mark::Bare | Mark::Empty | Mark::Error | Mark::Foreign | Mark::AtMost(_)
                )),
                "{}: a shape alone proves nothing",
                row.vendor
            );
            assert!(
                !matches!(
                    row.needs[0],
                    Mark::FieldHas("server" | "via" | "set-cookie", _) | Mark::Field("server")
                ),
                "{}: presence decides nothing",
                row.vendor
            );
        }
    }
}
