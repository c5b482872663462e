//! What one looks up: the map, the terms, the problem types.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;
use tiebreak_core::problem::Kind;

use crate::admin::Desk;
use crate::console::map::{self, corner};
use crate::console::markdown::{inline, render};
use crate::console::page::{Page, not_found};
use crate::console::problems;
use crate::console::terms::{Group, Term, Terms};

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/map", get(show_map))
        .route("/terms", get(|| async { index() }))
        .route("/terms/{slug}", get(show_term))
        .route("/problems", get(|| async { problem_index() }))
        .route("/problems/{slug}", get(show_problem))
}

#[derive(Deserialize)]
struct At {
    /// The slug of the page that one comes from.
    at: Option<String>,
}

async fn show_map(Query(At { at }): Query<At>) -> Response {
    let terms = Terms::get();
    let here = at.and_then(|slug| terms.position(&slug)).map(|i| &terms.all[i]);
    let page = Page {
        title: "Map",
        place: "/map",
        scripts: &["map.js"],
        wide: true,
        content: map::content(terms, here),
    };
    page.into_response()
}

fn index() -> Response {
    let terms = Terms::get();
    let content = html! {
        h1 { "Terms" }
        p.lead { "The words around HTTP conflicts, each on a page: what it means, why one sees it, what to do. Or look at them on the " a href="/map" { "map" } "." }
        @for group in Group::ALL {
            section aria-labelledby=(group.word()) {
                h2 id=(group.word()) { (group.title()) }
                ul.cards {
                    @for term in terms.of(group) {
                        li {
                            a.card href={"/terms/" (term.slug)} {
                                span.card-title { (term.title) }
                                span { (term.short) }
                                (map::count(term))
                            }
                        }
                    }
                }
            }
        }
    };
    Page {
        title: "Terms",
        place: "/terms",
        scripts: &[],
        wide: true,
        content,
    }
    .into_response()
}

async fn show_term(Path(slug): Path<String>) -> Response {
    let terms = Terms::get();
    match terms.position(&slug) {
        Some(at) => Page {
            title: terms.all[at].title,
            place: "/terms",
            scripts: &[],
            wide: false,
            content: term_page(terms, at),
        }
        .into_response(),
        None => not_found(&format!("term called “{slug}”")),
    }
}

/// One term's page.
pub(super) fn term_page(terms: &Terms, at: usize) -> Markup {
    let term = &terms.all[at];
    html! {
        nav.crumbs aria-label="Where you are" {
            a href="/terms" { "Terms" } " › " a href={"/terms#" (term.group.word())} { (term.group.title()) }
        }
        article.term {
            h1 { (term.title) }
            p.lead { (term.short) }
            (map::count(term))
            section.facts aria-labelledby="facts" {
                h2 #facts { "Quick facts" }
                dl {
                    @for (name, fact) in &term.facts {
                        div { dt { (name) } dd { (inline(fact)) } }
                    }
                    div { dt { "Source" } dd { (inline(term.source)) } }
                }
            }
            @if term.sections.len() > 4 { (contents(term)) }
            @for (heading, text) in &term.sections {
                section aria-labelledby=(anchor(heading)) {
                    h2 id=(anchor(heading)) { (heading) }
                    (render(text))
                }
            }
            section.questions aria-labelledby="questions" {
                h2 #questions { "Frequent questions" }
                @for question in &term.questions {
                    details open {
                        summary { h3 { (inline(question.question)) } }
                        (render(&question.answer))
                    }
                }
            }
            section aria-labelledby="related" {
                h2 #related { "Related terms" }
                (corner::corner(terms, at))
                (map::connections(terms, at))
                p { a href={"/map?at=" (term.slug)} { "See it on the whole map" } }
            }
        }
    }
}

fn contents(term: &Term) -> Markup {
    html! {
        nav.contents aria-label="On this page" {
            ul {
                @for (heading, _) in &term.sections { li { a href={"#" (anchor(heading))} { (heading) } } }
                li { a href="#questions" { "Frequent questions" } }
                li { a href="#related" { "Related terms" } }
            }
        }
    }
}

/// A heading as a fragment.
fn anchor(heading: &str) -> String {
    let words = heading
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|w| !w.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

fn problem_index() -> Response {
    let content = html! {
        h1 { "Problem types" }
        p.lead { "Tiebreak's own errors are problem documents (RFC 9457). The last word of " code { "type" } " names a page here." }
        div.wide tabindex="0" role="group" aria-label="Problem types" {
            table {
                thead { tr { th scope="col" { "Type" } th scope="col" { "Status" } th scope="col" { "Title" } } }
                tbody {
                    @for kind in Kind::ALL {
                        tr {
                            td { a href={"/problems/" (kind.slug())} { code { (kind.slug()) } } }
                            td { (kind.status()) }
                            td { (kind.title()) }
                        }
                    }
                }
            }
        }
    };
    Page {
        title: "Problem types",
        place: "",
        scripts: &[],
        wide: false,
        content,
    }
    .into_response()
}

async fn show_problem(Path(slug): Path<String>) -> Response {
    let Some(kind) = problems::find(&slug) else {
        return not_found(&format!("problem type called “{slug}”"));
    };
    let terms = Terms::get();
    let term = terms.position(problems::term(kind)).map(|i| &terms.all[i]);
    let content = html! {
        nav.crumbs aria-label="Where you are" { a href="/problems" { "Problem types" } }
        article.term {
            h1 { (kind.title()) }
            (render(problems::text(kind)))
            @if let Some(term) = term {
                h2 { "Read more" }
                p { a href={"/terms/" (term.slug)} { (term.title) } ": " (term.short) }
            }
        }
    };
    Page {
        title: kind.title(),
        place: "",
        scripts: &[],
        wide: false,
        content,
    }
    .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a link of our own pages may lead besides terms and problem types.
    const PAGES: [&str; 7] = ["/", "/live", "/writes", "/explain", "/map", "/terms", "/problems"];

    fn links(html: &str) -> impl Iterator<Item = &str> {
        html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next())
    }

    #[test]
    fn every_link_leads_somewhere() {
        let terms = Terms::get();
        let mut all = 0;
        let problem_texts = Kind::ALL.iter().map(|k| render(problems::text(*k)));
        for page in (0..terms.all.len()).map(|at| term_page(terms, at)).chain(problem_texts) {
            let html = page.into_string();
            for link in links(&html) {
                all += 1;
                let path = link.split(['?', '#']).next().unwrap();
                let known = match path.rsplit_once('/') {
                    Some(("/terms", slug)) => terms.position(slug).is_some(),
                    Some(("/problems", slug)) => problems::find(slug).is_some(),
                    _ => path.is_empty() || PAGES.contains(&path),
                };
                assert!(known, "{link}");
                if let Some(fragment) = link.strip_prefix('#') {
                    assert!(html.contains(&format!("id=\"{fragment}\"")), "{link}");
                }
            }
        }
        assert!(all > 500, "{all}");
    }

    #[test]
    fn headings_become_fragments() {
        assert_eq!(anchor("409 or another code?"), "409-or-another-code");
    }
}
