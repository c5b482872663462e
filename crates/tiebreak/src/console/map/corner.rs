//! A term's corner of the map: the term in the middle, what points at it on the left, what it points at on the right.

use maud::{Markup, html};

use super::layout::{BOX_HEIGHT, width};
use super::{arrow, arrow_heads};
use crate::console::terms::{Term, Terms, Verb};

const WIDTH: f64 = 900.0;
const STEP: f64 = 46.0;

/// A neighbour: how it is connected, whether the connection starts at the term in the middle, and which it is.
type Neighbour<'a> = (Verb, bool, &'a Term);

/// Draws the corner of the term at `at`.
pub(crate) fn corner(terms: &Terms, at: usize) -> Markup {
    let term = &terms.all[at];
    let (right, left): (Vec<Neighbour<'_>>, Vec<Neighbour<'_>>) =
        terms.around(at).into_iter().partition(|(_, forth, _)| *forth);
    let rows = left.len().max(right.len()).max(1);
    let height = rows as f64 * STEP + 20.0;
    let middle = height / 2.0;
    // A side where nothing is takes no room: on a phone the term itself would be out of sight.
    let own = (width(term.title) / 2.0 + 10.0).round();
    let from = if left.is_empty() { WIDTH / 2.0 - own } else { 0.0 };
    let to = if right.is_empty() { WIDTH / 2.0 + own } else { WIDTH };
    let half = left.is_empty() || right.is_empty();
    html! {
        div.wide tabindex="0" role="group" aria-label={"How " (term.title) " is connected"} {
            svg.corner.half[half] viewBox={(from) " 0 " (to - from) " " (height)} width=(to - from) height=(height) role="group" aria-label={(term.title) " and its neighbours"} {
                (arrow_heads())
                @for (i, side) in [(0, &left), (1, &right)] {
                    @for (row, neighbour) in side.iter().enumerate() {
                        @let y = middle + (row as f64 - (side.len() as f64 - 1.0) / 2.0) * STEP;
                        (spoke(term, neighbour, i == 1, middle, y))
                    }
                }
                g.node.here.(format!("g-{}", term.group.word())) transform={"translate(" (WIDTH / 2.0) " " (middle) ")"} {
                    (boxed(term))
                }
            }
        }
    }
}

fn boxed(term: &Term) -> Markup {
    let wide = width(term.title);
    html! {
        rect x=(-wide / 2.0) y=(-BOX_HEIGHT / 2.0) width=(wide) height=(BOX_HEIGHT) rx=(super::corner_of(term.group)) {}
        text text-anchor="middle" y="5" { (term.title) }
    }
}

fn spoke(term: &Term, (verb, forth, other): &Neighbour<'_>, right: bool, middle: f64, y: f64) -> Markup {
    let own = width(term.title) / 2.0 + 3.0;
    let wide = width(other.title);
    let side = if right { 1.0 } else { -1.0 };
    let x = if right {
        WIDTH - wide / 2.0 - 6.0
    } else {
        wide / 2.0 + 6.0
    };
    let (near, far) = ((WIDTH / 2.0) + own * side, x - (wide / 2.0 + 3.0) * side);
    // The line leaves and arrives level, and its word stands where it arrives.
    let (from, to) = if *forth {
        ((near, middle), (far, y))
    } else {
        ((far, y), (near, middle))
    };
    let bend = (from.0 + to.0) / 2.0;
    let d = format!(
        "M{:.0} {:.0}C{bend:.0} {:.0} {bend:.0} {:.0} {:.0} {:.0}",
        from.0, from.1, from.1, to.1, to.0, to.1
    );
    html! {
        path.edge.(format!("v-{}", verb.word())) d=(d) marker-end=[arrow(*verb)] {}
        text.verb x=(far - 6.0 * side) y=(y - 6.0) text-anchor=(if right { "end" } else { "start" }) {
            (verb.forth())
        }
        a.node.(format!("g-{}", other.group.word())) href={"/terms/" (other.slug)} transform={"translate(" (x) " " (y) ")"} {
            (boxed(other))
        }
    }
}
