//! Conditions: what must stand where.

use http::HeaderName;

use crate::judge::body::Pointer;
use crate::judge::body::name::{Names, hash, with_value};
use crate::judge::view::View;

/// A set of conditions that must all hold. Within one, any of its values will do.
#[derive(Debug, Clone, Default)]
pub(crate) struct When {
    pub(crate) status: Vec<u16>,
    pub(crate) method: Vec<String>,
    pub(crate) path: Vec<Glob>,
    pub(crate) demand: Option<DemandIs>,
    pub(crate) query: Vec<(String, Pattern)>,
    pub(crate) request: Vec<(HeaderName, Pattern)>,
    pub(crate) content: Vec<(Pointer, Pattern)>,
    pub(crate) headers: Vec<(HeaderName, Pattern)>,
    pub(crate) body: Vec<(Pointer, Pattern)>,
    /// Any of the pack's places for codes holds any of these.
    pub(crate) code: Option<Vec<Glob>>,
    /// The text contains any of these, ignoring case.
    pub(crate) text: Vec<String>,
}

/// Where a code may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Body(Pointer),
    Header(HeaderName),
}

/// What the request demanded of the state it meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DemandIs {
    Absent,
    Version,
    /// Neither, as far as fields, query and content show; the content must be at hand.
    Nothing,
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    Exists,
    Missing,
    AnyOf(Vec<Glob>),
}

/// A text in which `*` stands for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob(Vec<String>);

impl Glob {
    pub(crate) fn new(text: &str) -> Glob {
        Glob(text.split('*').map(str::to_owned).collect())
    }

    /// What every text that matches begins with.
    fn beginning(&self) -> &[u8] {
        self.0.first().map_or(&[], String::as_bytes)
    }

    /// The segments that every path that matches has, as bits: those that stand whole between slashes.
    pub(crate) fn segments(&self) -> u64 {
        let last = self.0.len().saturating_sub(1);
        let whole = self.0.iter().enumerate().flat_map(|(at, part)| {
            let segments: Vec<&str> = part.split('/').collect();
            let from = usize::from(at != 0);
            let to = segments.len().saturating_sub(usize::from(at != last));
            segments.get(from..to).unwrap_or(&[]).to_vec()
        });
        whole.fold(0, |bits, segment| bits | segment_bit(segment))
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match self.0.as_slice() {
            [] => text.is_empty(),
            [only] => only.len() == text.len() && only.as_bytes().first() == text.as_bytes().first() && only == text,
            [first, middle @ .., last] => {
                let (text, first, last) = (text.as_bytes(), first.as_bytes(), last.as_bytes());
                if !begins(text, first) {
                    return false;
                }
                let mut rest = text.get(first.len()..).unwrap_or(&[]);
                for part in middle {
                    match memchr::memmem::find(rest, part.as_bytes()) {
                        Some(at) => rest = rest.get(at + part.len()..).unwrap_or(&[]),
                        None => return false,
                    }
                }
                last.is_empty() || rest.ends_with(last)
            }
        }
    }
}

/// The segments of a path as bits.
pub(crate) fn segments(path: &str) -> u64 {
    path.split('/').fold(0, |bits, segment| bits | segment_bit(segment))
}

/// A segment as one of 64 bits; none where it is empty.
fn segment_bit(segment: &str) -> u64 {
    if segment.is_empty() {
        return 0;
    }
    let mix = |hash: u32, b: &u8| (hash ^ u32::from(*b)).wrapping_mul(0x0100_0193);
    Names::bit(segment.as_bytes().iter().fold(0x811C_9DC5, mix))
}

/// Whether `text` begins with `first`. Nearly all texts differ where the beginning ends: that spares the comparison.
fn begins(text: &[u8], first: &[u8]) -> bool {
    let Some(last) = first.len().checked_sub(1) else {
        return true;
    };
    text.get(last) == first.get(last) && text.starts_with(first)
}

/// What a set of conditions rested upon: its most telling place.
pub(crate) struct Seen {
    pub(crate) place: String,
    pub(crate) text: String,
}

impl When {
    /// Whether all conditions hold, and by what. `codes` are the values at the pack's places for codes.
    pub(crate) fn matches(&self, view: &View<'_, '_>, codes: &[(Spot<'_>, &str)]) -> Option<Seen> {
        let seen = self.holds(view, codes)?;
        let mut said = None;
        if !self.text.is_empty() {
            said = Some(
                self.text
                    .iter()
                    .find(|phrase| view.lower().contains(phrase.as_str()))?
                    .as_str(),
            );
        }
        Some(match (seen, said) {
            (Some((spot, text)), _) => Seen {
                place: spot.place(view),
                text: text.to_owned(),
            },
            (None, Some(phrase)) => Seen {
                place: "body".to_owned(),
                text: phrase.to_owned(),
            },
            (None, None) => Seen {
                place: "status".to_owned(),
                text: view.status.to_string(),
            },
        })
    }

    /// Whether the text has one of the phrases, if any is asked for.
    pub(crate) fn speaks(&self, view: &View<'_, '_>) -> bool {
        self.text.is_empty() || self.text.iter().any(|phrase| view.lower().contains(phrase.as_str()))
    }

    /// Whether all conditions but those on the text hold, and by what.
    #[allow(clippy::option_option)]
    pub(crate) fn holds<'v>(
        &'v self,
        view: &'v View<'_, '_>,
        codes: &[(Spot<'v>, &'v str)],
    ) -> Option<Option<(Spot<'v>, &'v str)>> {
        if !self.status.is_empty() && !self.status.contains(&view.status) {
            return None;
        }
        if !self.method.is_empty() && !self.method.iter().any(|m| m == view.asked.method.as_str()) {
            return None;
        }
        // What costs least stands first.
        if !self.path.is_empty() && !self.path.iter().any(|glob| glob.matches(view.path)) {
            return None;
        }
        let demand = &view.demand;
        match self.demand {
            Some(DemandIs::Absent) if demand.absent.is_none() => return None,
            Some(DemandIs::Version) if demand.version.is_none() => return None,
            Some(DemandIs::Nothing) if demand.absent.is_some() || demand.version.is_some() || !demand.whole => {
                return None;
            }
            _ => {}
        }
        for (name, pattern) in &self.request {
            let value = view.asked.headers.get(name).and_then(|v| v.to_str().ok());
            if !holds(pattern, value.into_iter()) {
                return None;
            }
        }
        let mut seen: Option<(Spot<'_>, &str)> = None;
        if let Some(wanted) = &self.code {
            let found = codes
                .iter()
                .find(|(_, text)| wanted.iter().any(|glob| glob.matches(text)))?;
            seen = Some(*found);
        }
        for (name, pattern) in &self.headers {
            let value = view.value(name);
            if !holds(pattern, value.into_iter()) {
                return None;
            }
            seen = seen.or(Some((Spot::Header(name), value.unwrap_or(""))));
        }
        for (pointer, pattern) in &self.body {
            let found = scalar(pointer, view, pattern)?;
            seen = seen.or(found);
        }
        for (name, pattern) in &self.query {
            let mut values = view.query.split('&').filter_map(|pair| {
                let (n, v) = pair.split_once('=').unwrap_or((pair, ""));
                n.eq_ignore_ascii_case(name).then_some(v)
            });
            if !holds(pattern, &mut values) {
                return None;
            }
        }
        for (pointer, pattern) in &self.content {
            let tree = view.sent();
            let mut values = pointer.find(tree).filter_map(|at| {
                let node = tree.nodes.get(at)?;
                Some(node.value.scalar().unwrap_or("{}"))
            });
            if !holds(pattern, &mut values) {
                return None;
            }
        }
        Some(seen)
    }

    /// The names of request fields that must be there.
    pub(crate) fn needs_of_request(&self) -> impl Iterator<Item = u32> + '_ {
        self.request
            .iter()
            .filter(|(_, p)| *p != Pattern::Missing)
            .map(|(name, _)| hash(name.as_str().as_bytes()))
    }

    /// Members of which one must be there, each with how its value begins; empty where nothing is known of them.
    pub(crate) fn needs_one_of(&self) -> Vec<u32> {
        let fewest = self
            .body
            .iter()
            .filter_map(|(pointer, pattern)| match pattern {
                Pattern::AnyOf(globs) => {
                    let name = pointer.last_name()?;
                    globs.iter().map(|glob| with_value(name, glob.beginning())).collect()
                }
                Pattern::Exists | Pattern::Missing => None,
            })
            .min_by_key(Vec::len);
        fewest.unwrap_or_default()
    }

    /// The hashes of names that the answer must have for these conditions to have a chance.
    pub(crate) fn needs(&self) -> impl Iterator<Item = u32> + '_ {
        let fields = self
            .headers
            .iter()
            .filter(|(_, p)| *p != Pattern::Missing)
            .map(|(name, _)| hash(name.as_str().as_bytes()));
        let members = self
            .body
            .iter()
            .filter(|(_, p)| *p != Pattern::Missing)
            .flat_map(|(pointer, _)| pointer.names_on_the_way());
        fields.chain(members)
    }
}

/// Where a value was found.
#[derive(Clone, Copy)]
pub(crate) enum Spot<'w> {
    Node(usize),
    Header(&'w HeaderName),
}

impl Spot<'_> {
    fn place(self, view: &View<'_, '_>) -> String {
        match self {
            Spot::Header(name) => format!("header {name}"),
            Spot::Node(at) => {
                let path = view.tree.path(at);
                if path.is_empty() {
                    "body".to_owned()
                } else {
                    format!("body {path}")
                }
            }
        }
    }
}

/// The values at a pack's places for codes.
pub(crate) fn codes<'v>(places: &'v [Place], view: &'v View<'_, '_>) -> Vec<(Spot<'v>, &'v str)> {
    let mut found = Vec::new();
    for place in places {
        match place {
            Place::Header(name) => {
                let value = view.value(name);
                found.extend(value.map(|text| (Spot::Header(name), text)));
            }
            Place::Body(pointer) => found.extend(pointer.find(view.tree).filter_map(|at| {
                let text = view.tree.nodes.get(at)?.value.scalar()?;
                Some((Spot::Node(at), text))
            })),
        }
        if found.len() > 32 {
            break;
        }
    }
    found
}

fn holds<'x>(pattern: &Pattern, mut values: impl Iterator<Item = &'x str>) -> bool {
    match pattern {
        Pattern::Exists => values.next().is_some(),
        Pattern::Missing => values.next().is_none(),
        Pattern::AnyOf(globs) => values.any(|value| globs.iter().any(|glob| glob.matches(value))),
    }
}

/// The first scalar at `pointer` that fits; nothing to show where it had to be missing.
#[allow(clippy::option_option)]
fn scalar<'v>(pointer: &'v Pointer, view: &'v View<'_, '_>, pattern: &Pattern) -> Option<Option<(Spot<'v>, &'v str)>> {
    let mut found = pointer.find(view.tree).filter_map(|at| {
        let node = view.tree.nodes.get(at)?;
        Some((Spot::Node(at), node.value.scalar().unwrap_or("")))
    });
    match pattern {
        Pattern::Missing => found.next().is_none().then_some(None),
        Pattern::Exists => found.next().map(Some),
        Pattern::AnyOf(globs) => found
            .find(|(_, text)| globs.iter().any(|glob| glob.matches(text)))
            .map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn globs() {
        for (glob, text, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("*", "", true),
            ("*x*", "axb", true),
            ("a*a", "a", false),
            ("/v1/*/items", "/v1/7/items", true),
        ] {
            assert_eq!(Glob::new(glob).matches(text), fits, "{glob} {text}");
        }
    }
}
