//! Conditions: what must stand where.

use http::HeaderName;

use crate::judge::body::Pointer;
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
    /// Any of these places holds any of these codes.
    pub(crate) code: Option<(Vec<Place>, Vec<Glob>)>,
    /// The text contains any of these, ignoring case.
    pub(crate) text: Vec<String>,
}

/// Where a code may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Body(Pointer, String),
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

    pub(crate) fn matches(&self, text: &str) -> bool {
        match self.0.as_slice() {
            [] => text.is_empty(),
            [only] => only == text,
            [first, middle @ .., last] => {
                let Some(mut rest) = text.strip_prefix(first.as_str()) else {
                    return false;
                };
                for part in middle {
                    match rest.find(part.as_str()) {
                        Some(at) => rest = rest.get(at + part.len()..).unwrap_or(""),
                        None => return false,
                    }
                }
                rest.len() >= last.len() && rest.ends_with(last.as_str())
            }
        }
    }
}

/// What a set of conditions rested upon: its most telling place.
pub(crate) struct Seen {
    pub(crate) place: String,
    pub(crate) text: String,
}

impl When {
    /// Whether all conditions hold, and by what.
    pub(crate) fn matches(&self, view: &View<'_, '_>) -> Option<Seen> {
        if !self.status.is_empty() && !self.status.contains(&view.status) {
            return None;
        }
        if !self.method.is_empty() && !self.method.iter().any(|m| m == view.asked.method.as_str()) {
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
        let mut seen = None;
        for (name, pattern) in &self.headers {
            let value = view.field(name.as_str());
            if !holds(pattern, value.into_iter()) {
                return None;
            }
            seen = Some((
                format_args!("header {name}").to_string(),
                value.unwrap_or("").to_owned(),
            ));
        }
        for (pointer, pattern) in &self.body {
            let found = scalars(pointer, view, pattern)?;
            seen = Some(found);
        }
        if let Some((places, codes)) = &self.code {
            seen = Some(places.iter().find_map(|place| code_at(place, codes, view))?);
        }
        let (path, query) = view.asked.path.split_once('?').unwrap_or((view.asked.path, ""));
        if !self.path.is_empty() && !self.path.iter().any(|glob| glob.matches(path)) {
            return None;
        }
        for (name, pattern) in &self.query {
            let mut values = query.split('&').filter_map(|pair| {
                let (n, v) = pair.split_once('=').unwrap_or((pair, ""));
                n.eq_ignore_ascii_case(name).then_some(v)
            });
            if !holds(pattern, &mut values) {
                return None;
            }
        }
        for (name, pattern) in &self.request {
            let value = view.asked.headers.get(name).and_then(|v| v.to_str().ok());
            if !holds(pattern, value.into_iter()) {
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
        if !self.text.is_empty() {
            let phrase = self.text.iter().find(|phrase| view.lower().contains(phrase.as_str()))?;
            seen = Some(("body".to_owned(), phrase.clone()));
        }
        let (place, text) = seen.unwrap_or_else(|| ("status".to_owned(), view.status.to_string()));
        Some(Seen { place, text })
    }

    /// The names that the answer must hold for these conditions to have a chance.
    pub(crate) fn needs(&self) -> impl Iterator<Item = Need<'_>> {
        let fields = self
            .headers
            .iter()
            .filter(|(_, p)| *p != Pattern::Missing)
            .map(|(name, _)| Need::Field(name));
        let members = self
            .body
            .iter()
            .filter(|(_, p)| *p != Pattern::Missing)
            .filter_map(|(pointer, _)| pointer.last_name().map(Need::Member))
            // An index is no name.
            .filter(|need| !matches!(need, Need::Member(name) if name.parse::<u32>().is_ok()));
        fields.chain(members)
    }
}

/// A name without which conditions cannot hold.
pub(crate) enum Need<'w> {
    Field(&'w HeaderName),
    Member(&'w str),
}

fn holds<'x>(pattern: &Pattern, mut values: impl Iterator<Item = &'x str>) -> bool {
    match pattern {
        Pattern::Exists => values.next().is_some(),
        Pattern::Missing => values.next().is_none(),
        Pattern::AnyOf(globs) => values.any(|value| globs.iter().any(|glob| glob.matches(value))),
    }
}

/// The first scalar at `pointer` that fits, with its place.
fn scalars(pointer: &Pointer, view: &View<'_, '_>, pattern: &Pattern) -> Option<(String, String)> {
    let mut found = pointer.find(view.tree).filter_map(|at| {
        let node = view.tree.nodes.get(at)?;
        Some((at, node.value.scalar().unwrap_or("")))
    });
    let (at, text) = match pattern {
        Pattern::Missing => return found.next().is_none().then(|| ("body".to_owned(), String::new())),
        Pattern::Exists => found.next()?,
        Pattern::AnyOf(globs) => found.find(|(_, text)| globs.iter().any(|glob| glob.matches(text)))?,
    };
    Some((place(view, at), text.to_owned()))
}

fn code_at(place_of: &Place, codes: &[Glob], view: &View<'_, '_>) -> Option<(String, String)> {
    let fits = |text: &str| codes.iter().any(|glob| glob.matches(text));
    match place_of {
        Place::Body(pointer, _) => pointer.find(view.tree).find_map(|at| {
            let text = view.tree.nodes.get(at)?.value.scalar()?;
            fits(text).then(|| (place(view, at), text.to_owned()))
        }),
        Place::Header(name) => {
            let text = view.field(name.as_str())?;
            fits(text).then(|| (format!("header {name}"), text.to_owned()))
        }
    }
}

fn place(view: &View<'_, '_>, at: usize) -> String {
    let path = view.tree.path(at);
    if path.is_empty() {
        "body".to_owned()
    } else {
        format!("body {path}")
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
