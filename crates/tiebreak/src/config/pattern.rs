//! Patterns of paths: `/contacts/{id}`, `/files/{rest*}`.

use std::fmt;

use percent_encoding::percent_decode_str;

/// A pattern of paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// This very text, decoded.
    Literal(String),
    /// Any text but the empty one.
    Name(String),
    /// All that follows, also nothing or several segments; the last one only.
    Rest(String),
}

/// Why a text is no pattern, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PatternError {
    pub(crate) what: String,
    pub(crate) remedy: &'static str,
}

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Pattern, PatternError> {
        let fail = |what: String, remedy| Err(PatternError { what, remedy });
        let Some(rest) = text.strip_prefix('/') else {
            return fail(
                format!("{text:?} does not begin with a slash"),
                "write the path as clients ask for it, such as \"/contacts/{id}\"",
            );
        };
        if text.contains(['?', '#']) {
            return fail(
                format!("{text:?} has a query or a fragment; a pattern names paths only"),
                "leave it out: a route holds for all queries (its lane may name them, like \"{query:branch}\")",
            );
        }
        let parts: Vec<&str> = rest.split('/').collect();
        let mut segments = Vec::with_capacity(parts.len());
        for (at, part) in parts.iter().enumerate() {
            let segment = match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
                None if part.contains(['{', '}']) => {
                    return fail(
                        format!("in {text:?} a name is only a part of the segment {part:?}"),
                        "a name takes a whole segment, such as \"/contacts/{id}\"",
                    );
                }
                None => Segment::Literal(decoded(part)),
                Some(name) => {
                    let (name, all) = name.strip_suffix('*').map_or((name, false), |name| (name, true));
                    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                    if name.is_empty() || !name.chars().all(fits) {
                        return fail(
                            format!("in {text:?} the name {name:?} is not made of letters, digits, `_` and `-`"),
                            "name the segment, such as \"{id}\", or \"{rest*}\" for all that follows",
                        );
                    }
                    if all && at + 1 < parts.len() {
                        return fail(
                            format!("in {text:?} something follows {{{name}*}}, which stands for all that follows"),
                            "put it last, or name one segment, such as \"{id}\"",
                        );
                    }
                    if all {
                        Segment::Rest(name.to_owned())
                    } else {
                        Segment::Name(name.to_owned())
                    }
                }
            };
            segments.push(segment);
        }
        let pattern = Pattern(segments);
        let names: Vec<&str> = pattern.names().collect();
        match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            Some((_, twice)) => fail(
                format!("in {text:?} the name {twice:?} stands twice"),
                "give each segment a name of its own",
            ),
            None => Ok(pattern),
        }
    }

    /// The pattern of all paths.
    pub(crate) fn anything() -> Pattern {
        Pattern(vec![Segment::Rest("rest".to_owned())])
    }

    /// The names of its segments.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Name(name) | Segment::Rest(name) => Some(name.as_str()),
        })
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else {
            return false;
        };
        let mut asked = path.split('/');
        for segment in &self.0 {
            let Some(text) = asked.next() else { return false };
            match segment {
                Segment::Rest(_) => return true,
                Segment::Name(_) if text.is_empty() => return false,
                Segment::Name(_) => {}
                Segment::Literal(literal) if *literal == text => {}
                Segment::Literal(literal) if text.contains('%') && *literal == decoded(text) => {}
                Segment::Literal(_) => return false,
            }
        }
        asked.next().is_none()
    }

    /// What stands for this name in a path that matches.
    pub(crate) fn value(&self, name: &str, path: &str) -> Option<String> {
        let path = path.strip_prefix('/')?;
        let at = self.0.iter().position(|segment| match segment {
            Segment::Name(n) | Segment::Rest(n) => n == name,
            Segment::Literal(_) => false,
        })?;
        match self.0[at] {
            Segment::Rest(_) => path.splitn(at + 1, '/').nth(at).map(decoded),
            _ => path.split('/').nth(at).map(decoded),
        }
    }

    /// Whether each path that `other` matches is matched by this one.
    pub(crate) fn covers(&self, other: &Pattern) -> bool {
        for (at, segment) in self.0.iter().enumerate() {
            match (segment, other.0.get(at)) {
                (_, None) | (Segment::Literal(_), Some(Segment::Name(_))) => return false,
                (Segment::Rest(_), Some(_)) => return true,
                (_, Some(Segment::Rest(_))) => return false,
                (Segment::Name(_), Some(Segment::Literal(text))) if text.is_empty() => return false,
                (Segment::Name(_), Some(_)) => {}
                (Segment::Literal(a), Some(Segment::Literal(b))) if a == b => {}
                (Segment::Literal(_), Some(Segment::Literal(_))) => return false,
            }
        }
        self.0.len() == other.0.len()
    }

    /// Whether some path is matched by both.
    pub(crate) fn meets(&self, other: &Pattern) -> bool {
        let mut at = 0;
        loop {
            match (self.0.get(at), other.0.get(at)) {
                (None, None) => return true,
                (None, _) | (_, None) => return false,
                (Some(Segment::Rest(_)), Some(_)) | (Some(_), Some(Segment::Rest(_))) => return true,
                (Some(Segment::Literal(a)), Some(Segment::Literal(b))) if a != b => return false,
                (Some(Segment::Name(_)), Some(Segment::Literal(text)))
                | (Some(Segment::Literal(text)), Some(Segment::Name(_)))
                    if text.is_empty() =>
                {
                    return false;
                }
                (Some(_), Some(_)) => at += 1,
            }
        }
    }
}

fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| match segment {
            Segment::Literal(text) => write!(f, "/{text}"),
            Segment::Name(name) => write!(f, "/{{{name}}}"),
            Segment::Rest(name) => write!(f, "/{{{name}*}}"),
        })
    }
}
