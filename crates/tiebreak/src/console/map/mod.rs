//! The concept map: drawn here, so that it is there before any script runs; `map.js` makes it lively.

pub(crate) mod corner;
pub(crate) mod layout;

use std::sync::LazyLock;

use maud::{Markup, html};

use super::terms::{Group, Term, Terms, Verb};
use layout::{BOX_HEIGHT, HEIGHT, Place, WIDTH, border, layout};

/// Room for the buttons below the terms.
const TOOLS: f64 = 68.0;

fn places() -> &'static [Place] {
    static PLACES: LazyLock<Vec<Place>> = LazyLock::new(|| layout(Terms::get()));
    &PLACES
}

/// Computes the layout now rather than for the first who looks.
pub(crate) fn prepare() {
    let _ = places();
}

/// The page's content: the drawing, and the same as a list. `here`: the page that one comes from.
pub(crate) fn content(terms: &Terms, here: Option<&Term>) -> Markup {
    html! {
        div.map-head {
            div {
                h1 { "Map of conflict terms" }
                p.lead {
                    (terms.all.len()) " terms, " (terms.links.len()) " connections. Point at a term to see its neighbours; click it for its definition."
                }
            }
            form.map-search role="search" data-script hidden {
                label for="map-find" { "Find a term" }
                input #map-find type="search" name="q" autocomplete="off" spellcheck="false" placeholder="409, retry, etag …";
            }
        }
        div.map-frame {
            (drawing(terms, here))
            div.map-tools data-script hidden role="group" aria-label="Zoom" {
                button type="button" data-zoom="in" aria-label="Zoom in" { "+" }
                button type="button" data-zoom="out" aria-label="Zoom out" { "−" }
                button type="button" data-zoom="fit" { "Fit" }
                button type="button" data-zoom="reset" title="Put every term back to its place" { "Tidy up" }
            }
            aside.map-preview #map-preview hidden aria-live="polite" aria-label="Definition" {}
        }
        ul.legend aria-label="Legend" {
            @for group in Group::ALL {
                li { span.key.(format!("g-{}", group.word())) aria-hidden="true" {} (group.title()) }
            }
            @for verb in Verb::ALL {
                li {
                    svg.key viewBox="0 0 34 10" width="34" height="10" aria-hidden="true" {
                        path.edge.(format!("v-{}", verb.word())) d="M1 5H33" {}
                    }
                    (verb.forth())
                }
            }
        }
        p.hint data-script hidden {
            "Keyboard: Tab to the map, arrow keys to move, Enter to preview, Enter again to open, Escape to close, + and − to zoom. Drag a term to move it; it stays where you put it in this browser."
        }
        section aria-labelledby="as-list" {
            h2 #as-list { "The same as a list" }
            @for group in Group::ALL {
                section.group aria-labelledby={"list-" (group.word())} {
                    h3 id={"list-" (group.word())} { (group.title()) }
                    ul.terms-list {
                        @for term in terms.of(group) { (entry(terms, term)) }
                    }
                }
            }
        }
    }
}

/// One term of the list; the preview shows the same.
fn entry(terms: &Terms, term: &Term) -> Markup {
    let at = terms.position(term.slug).unwrap_or_default();
    html! {
        li #{"t-" (term.slug)} {
            p.entry-title { a href={"/terms/" (term.slug)} { (term.title) } (count(term)) }
            p { (term.short) }
            (connections(terms, at))
        }
    }
}

/// A place for the live count of a term, where there is one; empty until the script has asked.
pub(crate) fn count(term: &Term) -> Markup {
    html! {
        @if let Some(counts) = term.counts {
            span.seen data-of=(counts.of) data-value=(counts.value) {}
        }
    }
}

/// The connections of a term, a line for each kind.
pub(crate) fn connections(terms: &Terms, at: usize) -> Markup {
    let around = terms.around(at);
    let mut kinds: Vec<(Verb, bool)> = around.iter().map(|(v, f, _)| (*v, *f)).collect();
    kinds.dedup();
    html! {
        dl.links {
            @for (verb, forth) in kinds {
                div.(format!("v-{}", verb.word())) {
                    dt { (if forth { verb.forth() } else { verb.back() }) }
                    dd {
                        @for (i, (_, _, other)) in around.iter().filter(|(v, f, _)| (*v, *f) == (verb, forth)).enumerate() {
                            @if i > 0 { ", " }
                            a href={"/terms/" (other.slug)} data-term=(other.slug) { (other.title) }
                        }
                    }
                }
            }
        }
    }
}

fn drawing(terms: &Terms, here: Option<&Term>) -> Markup {
    let places = places();
    html! {
        svg.map #map viewBox={"0 0 " (WIDTH) " " (HEIGHT + TOOLS)} role="group" aria-label="Map of conflict terms; the same is in the list below" {
            (arrow_heads())
            g.scene {
                g.edges aria-hidden="true" {
                    @for link in &terms.links {
                        path.edge.(format!("v-{}", link.verb.word())) data-a=(link.from) data-b=(link.to)
                            marker-end=[arrow(link.verb)] d=(line(places[link.from], places[link.to])) {}
                    }
                }
                g.nodes {
                    @for (i, (term, place)) in terms.all.iter().zip(places).enumerate() {
                        @let is_here = here.is_some_and(|h| h.slug == term.slug);
                        a.node.(format!("g-{}", term.group.word())).here[is_here] href={"/terms/" (term.slug)} data-i=(i)
                            data-slug=(term.slug) data-x=(place.x) data-y=(place.y) data-w=(place.width)
                            aria-current=[is_here.then_some("location")] transform={"translate(" (place.x) " " (place.y) ")"} {
                            rect x=(-place.width / 2.0) y=(-BOX_HEIGHT / 2.0) width=(place.width) height=(BOX_HEIGHT) rx=(corner_of(term.group)) {}
                            text text-anchor="middle" y="5" { (term.title) }
                            @if is_here { text.you text-anchor="middle" y="-24" { "you are here" } }
                            @if let Some(counts) = term.counts {
                                g.badge data-of=(counts.of) data-value=(counts.value) transform={"translate(" (place.width / 2.0) " " (-BOX_HEIGHT / 2.0) ")"} {}
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The outline tells the group as well as the colour does.
fn corner_of(group: Group) -> u8 {
    match group {
        Group::Status => 3,
        Group::Conflict => 0,
        Group::Version | Group::Barrier => 8,
        Group::Guard | Group::Remedy => 17,
    }
}

/// The way of a connection's line.
fn line(from: Place, to: Place) -> String {
    let (x, y) = border(from, to);
    format!("M{} {}L{x:.0} {y:.0}", from.x, from.y)
}

/// Confusion goes both ways and has no arrow.
pub(crate) fn arrow(verb: Verb) -> Option<String> {
    (verb != Verb::ConfusedWith).then(|| format!("url(#arrow-{})", verb.word()))
}

/// Arrow heads, in the colour of their lines.
pub(crate) fn arrow_heads() -> Markup {
    html! {
        defs {
            @for verb in Verb::ALL {
                @if verb != Verb::ConfusedWith {
                    marker #{"arrow-" (verb.word())} viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9"
                        markerUnits="userSpaceOnUse" orient="auto" {
                        path.head.(format!("v-{}", verb.word())) d="M0 1L10 5L0 9z" {}
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terms_are_in_the_page() {
        let terms = Terms::get();
        let html = content(terms, terms.all.first()).into_string();
        assert_eq!(html.matches("data-slug=").count(), terms.all.len());
        assert_eq!(html.matches("data-a=").count(), terms.links.len());
        assert_eq!(html.matches("class=\"entry-title\"").count(), terms.all.len());
        assert_eq!(html.matches("you are here").count(), 1);
        assert!(!html.contains("style="), "a style attribute, which the policy forbids");
    }
}
