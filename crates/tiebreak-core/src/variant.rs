//! Which of a target's representations somebody was given: proactive negotiation (RFC 9110 §12.1) and `Vary` (§12.5.5).
//!
//! A German title is not an older version of an English one. What is merged has to be of one variant: the current
//! representation is read with the fields by which the base was chosen, not with those that the write happens to have.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The request fields that the answer's `Vary` named, with the values that chose the representation; `None`: the request did
/// not have the field. Empty where the answer named none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Variant(Vec<(HeaderName, Option<HeaderValue>)>);

impl Variant {
    /// The variant that a request got. `None` for `Vary: *`: nothing in the request tells which one it was.
    #[must_use]
    pub fn of(asked: &HeaderMap, answered: &HeaderMap) -> Option<Variant> {
        let mut fields: Vec<(HeaderName, Option<HeaderValue>)> = Vec::new();
        for line in answered.get_all(header::VARY) {
            for name in String::from_utf8_lossy(line.as_bytes()).split(',').map(str::trim) {
                if name == "*" {
                    return None;
                }
                let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
                    continue;
                };
                if !is_apart(name.as_str()) && !fields.iter().any(|(known, _)| *known == name) {
                    let value = value_of(asked, &name);
                    fields.push((name, value));
                }
            }
        }
        Some(Variant(fields))
    }

    /// The variant that a write was about, whose base is not known. Answers to writes seldom have `Vary`, since nobody
    /// caches them; the language is what such a write is about all the same.
    #[must_use]
    pub fn written(asked: &HeaderMap, answered: &HeaderMap) -> Option<Variant> {
        let mut variant = Variant::of(asked, answered)?;
        let name = header::ACCEPT_LANGUAGE;
        if !variant.names(&name) {
            let value = value_of(asked, &name);
            variant.0.push((name, value));
        }
        Some(variant)
    }

    /// What both say together; `None` if they are different variants. `same_type`: whether both have the same media type,
    /// so that it does not matter how it was asked for.
    #[must_use]
    pub fn and(&self, other: &Variant, same_type: bool) -> Option<Variant> {
        let mut both = self.clone();
        for (name, value) in &other.0 {
            match self.0.iter().find(|(known, _)| known == name) {
                Some((_, known)) if known == value || (same_type && name == header::ACCEPT) => {}
                Some(_) => return None,
                None => both.0.push((name.clone(), value.clone())),
            }
        }
        Some(both)
    }

    /// Whether a request with these fields is given this variant.
    #[must_use]
    pub fn is_chosen_by(&self, headers: &HeaderMap) -> bool {
        self.0.iter().all(|(name, value)| value_of(headers, name) == *value)
    }

    /// Makes a request with these fields ask for this variant.
    pub fn ask(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            headers.remove(name);
            if let Some(value) = value {
                headers.insert(name.clone(), value.clone());
            }
        }
    }

    /// All fields by which a request with `headers` that asks for this variant may be given one representation or another,
    /// with their values, sorted: those of RFC 9110 §12.5, any of the API's own (a tenant, a profile, a version), and what
    /// the variant names. Fields that only trace or steer a request do not choose one.
    #[must_use]
    pub fn selecting(&self, headers: &HeaderMap) -> Vec<String> {
        let own = headers
            .iter()
            .filter(|(name, _)| may_choose(name.as_str()) && !self.names(name));
        let named = self.0.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let mut chosen: Vec<String> = own
            .chain(named)
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        chosen.sort_unstable();
        chosen
    }

    fn names(&self, name: &HeaderName) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }
}

/// The value of a field, its lines combined (RFC 9110 §5.3).
fn value_of(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?.clone();
    let mut all = first.as_bytes().to_vec();
    for line in lines {
        all.extend_from_slice(b", ");
        all.extend_from_slice(line.as_bytes());
    }
    Some(HeaderValue::from_bytes(&all).unwrap_or(first))
}

/// Fields that `Vary` names although they tell no variants of one caller apart: who asks, from which page, and in which coding
/// (a coded representation is no base anyway).
fn is_apart(name: &str) -> bool {
    ["accept-encoding", "authorization", "cookie", "origin", "host"].contains(&name)
        || name.starts_with("content-")
        || name.starts_with("if-")
        || name.starts_with("access-control-request-")
}

fn may_choose(name: &str) -> bool {
    const TRACES: [&str; 8] = [
        "x-request-",
        "x-correlation-",
        "x-b3-",
        "x-amzn-trace",
        "x-cloud-trace",
        "x-forwarded-",
        "x-stainless-",
        "x-real-ip",
    ];
    name == "accept"
        || name.starts_with("accept-") && name != "accept-encoding"
        || name.starts_with("x-") && !TRACES.iter().any(|t| name.starts_with(t))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, value.parse().expect("a field value"));
        }
        headers
    }

    #[test]
    fn what_vary_names_tells_variants_apart() {
        let (german, english) = (
            fields(&[("accept-language", "de")]),
            fields(&[("accept-language", "en")]),
        );
        let vary = fields(&[("vary", "Accept-Encoding, Accept-Language"), ("vary", "Cookie")]);
        let read = Variant::of(&german, &vary).expect("a variant");
        assert!(read.is_chosen_by(&german) && !read.is_chosen_by(&english) && !read.is_chosen_by(&fields(&[])));
        let mut asked = english.clone();
        read.ask(&mut asked);
        assert_eq!(asked, german);
        assert_eq!(read.selecting(&english), ["accept-language: de"]);
        let other = Variant::of(&english, &vary).expect("a variant");
        assert_eq!(read.and(&other, true), None);
        assert_eq!(read.and(&Variant::default(), true), Some(read.clone()));
        assert_eq!(Variant::of(&german, &fields(&[("vary", "Accept, *")])), None);
    }

    #[test]
    fn how_a_media_type_was_asked_for_does_not_matter_if_it_is_the_same() {
        let vary = fields(&[("vary", "accept")]);
        let of = |accept| Variant::of(&fields(&[("accept", accept)]), &vary).expect("a variant");
        assert!(of("*/*").and(&of("application/json"), true).is_some());
        assert!(of("*/*").and(&of("application/json"), false).is_none());
    }

    #[test]
    fn a_field_that_was_not_there_is_not_asked_for() {
        let vary = fields(&[("vary", "tenant")]);
        let none = Variant::of(&fields(&[]), &vary).expect("a variant");
        let mut asked = fields(&[("tenant", "a")]);
        assert!(!none.is_chosen_by(&asked));
        none.ask(&mut asked);
        assert!(asked.is_empty());
    }
}
