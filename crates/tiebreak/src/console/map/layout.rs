//! Where each term stands on the map: a force layout, computed once and the same each time.
//!
//! Connected terms attract each other, all repel each other, and each group is drawn towards a place of its own; then
//! boxes that still overlap are pushed apart. Forces cool down over a fixed number of steps.

use crate::console::terms::{Group, Terms};

/// The size of the canvas that the layout aims at, in user units.
pub(crate) const WIDTH: f64 = 1500.0;
/// Its height.
pub(crate) const HEIGHT: f64 = 920.0;
/// The height of a term's box.
pub(crate) const BOX_HEIGHT: f64 = 34.0;

const STEPS: u32 = 420;
/// Free room around each box.
const GAP: f64 = 22.0;

/// A box: its middle and its width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
}

impl Place {
    /// How far it and `other` overlap, with the gap, along either axis; negative where they do not.
    fn overlap(&self, other: &Place) -> (f64, f64) {
        let x = (self.width + other.width) / 2.0 + GAP - (self.x - other.x).abs();
        let y = BOX_HEIGHT + GAP - (self.y - other.y).abs();
        (x, y)
    }
}

/// Wide enough for its title and a count.
pub(crate) fn width(title: &str) -> f64 {
    (title.chars().count() as f64 * 8.6 + 34.0).max(64.0)
}

/// Where a group gathers.
fn anchor(group: Group) -> (f64, f64) {
    let (x, y) = match group {
        Group::Status => (0.54, 0.14),
        Group::Version => (0.12, 0.30),
        Group::Conflict => (0.52, 0.55),
        Group::Guard => (0.16, 0.84),
        Group::Remedy => (0.86, 0.78),
        Group::Barrier => (0.92, 0.22),
    };
    (x * WIDTH, y * HEIGHT)
}

/// A place for every term, in their order.
pub(crate) fn layout(terms: &Terms) -> Vec<Place> {
    let mut places: Vec<Place> = terms
        .all
        .iter()
        .enumerate()
        .map(|(i, term)| {
            // A sunflower's spiral around the anchor: spread out, and without chance.
            let (x, y) = anchor(term.group);
            let angle = i as f64 * 2.399_963;
            let far = 22.0 * (i as f64 % 17.0 + 1.0).sqrt() * 2.0;
            Place {
                x: x + far * angle.cos() * 1.6,
                y: y + far * angle.sin(),
                width: width(term.title),
            }
        })
        .collect();
    for step in 0..STEPS {
        let heat = 1.0 - f64::from(step) / f64::from(STEPS);
        let forces = forces(terms, &places);
        for (place, (fx, fy)) in places.iter_mut().zip(forces) {
            let length = fx.hypot(fy).max(1e-9);
            let most = 26.0 * heat + 0.5;
            let by = length.min(most) / length;
            place.x += fx * by;
            place.y += fy * by;
        }
        separate(&mut places);
        keep_inside(&mut places);
    }
    for _ in 0..400 {
        if !separate(&mut places) {
            break;
        }
        keep_inside(&mut places);
    }
    for place in &mut places {
        place.x = place.x.round();
        place.y = place.y.round();
        place.width = place.width.round();
    }
    places
}

fn forces(terms: &Terms, places: &[Place]) -> Vec<(f64, f64)> {
    let mut forces = vec![(0.0, 0.0); places.len()];
    for a in 0..places.len() {
        for b in a + 1..places.len() {
            // Boxes are wide and low, so distance counts more from above to below.
            let (dx, dy) = ((places[a].x - places[b].x) / 1.5, places[a].y - places[b].y);
            let square = (dx * dx + dy * dy).max(100.0);
            let push = 95_000.0 / square;
            let length = square.sqrt();
            add(&mut forces, a, b, dx / length * push, dy / length * push);
        }
    }
    for link in &terms.links {
        let (a, b) = (link.from, link.to);
        let (dx, dy) = (places[b].x - places[a].x, places[b].y - places[a].y);
        let length = dx.hypot(dy).max(1.0);
        let pull = (length - 190.0) * 0.04;
        add(&mut forces, a, b, dx / length * pull, dy / length * pull);
    }
    for (force, (place, term)) in forces.iter_mut().zip(places.iter().zip(&terms.all)) {
        let (x, y) = anchor(term.group);
        force.0 += (x - place.x) * 0.04;
        force.1 += (y - place.y) * 0.04;
    }
    forces
}

/// Adds a force to `a`, and its opposite to `b`.
fn add(forces: &mut [(f64, f64)], a: usize, b: usize, x: f64, y: f64) {
    forces[a].0 += x;
    forces[a].1 += y;
    forces[b].0 -= x;
    forces[b].1 -= y;
}

/// Pushes overlapping boxes apart, along the shorter way; whether there were any.
fn separate(places: &mut [Place]) -> bool {
    let mut any = false;
    for a in 0..places.len() {
        for b in a + 1..places.len() {
            let (x, y) = places[a].overlap(&places[b]);
            if x <= 0.5 || y <= 0.5 {
                continue;
            }
            any = true;
            if x < y {
                let by = x / 2.0 * if places[a].x < places[b].x { -1.0 } else { 1.0 };
                places[a].x += by;
                places[b].x -= by;
            } else {
                let by = y / 2.0 * if places[a].y < places[b].y { -1.0 } else { 1.0 };
                places[a].y += by;
                places[b].y -= by;
            }
        }
    }
    any
}

fn keep_inside(places: &mut [Place]) {
    for place in places {
        let half = place.width / 2.0 + 12.0;
        place.x = place.x.clamp(half, WIDTH - half);
        place.y = place.y.clamp(BOX_HEIGHT, HEIGHT - BOX_HEIGHT);
    }
}

/// Where the line from the middle of `from` to the middle of `to` meets the border of `to`.
pub(crate) fn border(from: Place, to: Place) -> (f64, f64) {
    let (dx, dy) = (from.x - to.x, from.y - to.y);
    let (w, h) = (to.width / 2.0 + 3.0, BOX_HEIGHT / 2.0 + 3.0);
    let by = (w / dx.abs().max(1e-9)).min(h / dy.abs().max(1e-9)).min(1.0);
    (to.x + dx * by, to.y + dy * by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_each_time_and_nothing_overlaps() {
        let terms = Terms::get();
        let places = layout(terms);
        assert_eq!(places, layout(terms));
        assert_eq!(places.len(), terms.all.len());
        for (i, a) in places.iter().enumerate() {
            assert!(a.x - a.width / 2.0 >= 0.0 && a.x + a.width / 2.0 <= WIDTH, "{a:?}");
            assert!(a.y >= BOX_HEIGHT / 2.0 && a.y <= HEIGHT - BOX_HEIGHT / 2.0, "{a:?}");
            for (j, b) in places.iter().enumerate().skip(i + 1) {
                let (x, y) = a.overlap(b);
                let (one, two) = (terms.all[i].slug, terms.all[j].slug);
                assert!(x <= GAP / 2.0 || y <= GAP / 2.0, "{one} and {two} overlap by {x}, {y}");
            }
        }
    }

    #[test]
    fn a_line_ends_at_the_border() {
        let at = |x, y| Place { x, y, width: 100.0 };
        assert_eq!(border(at(500.0, 0.0), at(0.0, 0.0)), (53.0, 0.0));
        assert_eq!(border(at(0.0, -300.0), at(0.0, 0.0)), (0.0, -20.0));
    }
}
