//! Walking two objects abreast.

use std::iter::Peekable;

use serde_json::map::Iter;
use serde_json::{Map, Value};

/// Looks up members of an object in the order of another one. Versions of one document nearly always have their members in
/// one order, and what stands where it is expected is found without hashing its name.
pub(crate) struct Abreast<'a> {
    members: &'a Map<String, Value>,
    next: Peekable<Iter<'a>>,
}

impl<'a> Abreast<'a> {
    pub(crate) fn of(members: &'a Map<String, Value>) -> Abreast<'a> {
        Abreast {
            members,
            next: members.iter().peekable(),
        }
    }

    /// The member of this name.
    pub(crate) fn get(&mut self, name: &str) -> Option<&'a Value> {
        if let Some((_, value)) = self.next.next_if(|(next, _)| *next == name) {
            return Some(value);
        }
        let value = self.members.get(name)?;
        // A member that the other object lacks is in the way: step over it, and be in step again if it was the only one.
        self.next.next();
        self.next.next_if(|(next, _)| *next == name);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_found_whatever_the_order() {
        let has = json!({ "a": 1, "b": 2, "c": 3, "d": 4, "e": 5 });
        let has = has.as_object().unwrap();
        for asked in ["abcde", "edcba", "acde", "abxcde", "bcade", "xyz", "aabbee", "cccabde"] {
            let mut abreast = Abreast::of(has);
            for name in asked.chars().map(String::from) {
                assert_eq!(abreast.get(&name), has.get(&name), "{name} of {asked}");
            }
        }
    }
}
