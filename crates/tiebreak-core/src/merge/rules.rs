//! What a route declares about merging its documents.

use crate::json::{Pattern, Pointer, PointerError, join};
use crate::policy::OnOverlap;

/// How documents of a route merge. Places are patterns: JSON Pointers in which `*` is any member or item.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MergeRules {
    /// Arrays whose items are told apart by these members, instead of being one value as a whole.
    pub identity_keys: Vec<(Pattern, Vec<String>)>,
    /// Members that only make sense as a set.
    pub together: Vec<Together>,
    /// What is done with edits that overlap.
    pub on_overlap: OnOverlap,
    /// Members that the server maintains (`/updated_at`, `/metadata/resourceVersion`): left out of
    /// comparisons; where a whole document still has what was read, it gets what is there now.
    pub volatile: Vec<Pattern>,
    /// Members that name the version of the document (`/_rev`, `/metadata/resourceVersion`): a whole document that
    /// has one says which version it was made from. Volatile as well.
    pub version: Vec<Pointer>,
}

/// Places that only make sense as a set, such as `/start` and `/end`: if two writers each change some of them,
/// that is an overlap, even if they changed different ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Together {
    /// Where the set is; may hold `*`, then each match has a set of its own.
    pub(crate) at: Pattern,
    /// The places, from there.
    pub(crate) members: Vec<Vec<String>>,
}

/// Why a rule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A place is no JSON Pointer.
    #[error(transparent)]
    Pointer(#[from] PointerError),
    /// A set with fewer than two places says nothing.
    #[error("read a `together` rule: name at least two places, like [\"/start\", \"/end\"]")]
    TooFew,
    /// `*` may stand only where all places of the set agree.
    #[error("read a `together` rule: `*` may stand only in the part that all its places begin with")]
    Wildcard,
}

impl Together {
    /// A set of places, such as `["/slots/*/start", "/slots/*/end"]`.
    ///
    /// # Errors
    /// If a place is no pointer, there are fewer than two, or `*` stands after the part they share.
    pub fn parse(places: &[impl AsRef<str>]) -> Result<Together, RuleError> {
        let places: Vec<Pattern> = places
            .iter()
            .map(|place| Pattern::parse(place.as_ref()))
            .collect::<Result<_, _>>()?;
        let (Some(first), true) = (places.first(), places.len() >= 2) else {
            return Err(RuleError::TooFew);
        };
        let mut shared = first.tokens().len().saturating_sub(1);
        for place in &places {
            let tokens = place.tokens();
            let alike = tokens.iter().zip(first.tokens()).take_while(|(a, b)| a == b).count();
            shared = shared.min(alike).min(tokens.len().saturating_sub(1));
        }
        let members: Vec<Vec<String>> = places.iter().map(|place| place.tokens()[shared..].to_vec()).collect();
        if members.iter().any(Vec::is_empty) {
            return Err(RuleError::TooFew);
        }
        if members.iter().flatten().any(|token| token == "*") {
            return Err(RuleError::Wildcard);
        }
        Ok(Together {
            at: Pattern::of(&first.tokens()[..shared]),
            members,
        })
    }
}

impl Together {
    /// The places of the set, as pointers.
    #[must_use]
    pub fn places(&self) -> Vec<String> {
        let tokens = |member: &'_ [String]| self.at.tokens().iter().chain(member).cloned().collect::<Vec<_>>();
        let place = |member: &Vec<String>| join(tokens(member).iter().map(String::as_str));
        self.members.iter().map(place).collect()
    }
}

impl MergeRules {
    /// These rules with one more array whose items are told apart by `members`.
    ///
    /// # Errors
    /// If `place` is no pointer.
    pub fn with_identity(mut self, place: &str, members: &[&str]) -> Result<MergeRules, PointerError> {
        let members = members.iter().map(|&member| member.to_owned()).collect();
        self.identity_keys.push((Pattern::parse(place)?, members));
        Ok(self)
    }

    /// These rules with one more set of places that only make sense together.
    ///
    /// # Errors
    /// As [`Together::parse`].
    pub fn with_together(mut self, places: &[&str]) -> Result<MergeRules, RuleError> {
        self.together.push(Together::parse(places)?);
        Ok(self)
    }

    /// These rules with one more member that the server maintains.
    ///
    /// # Errors
    /// If `place` is no pointer.
    pub fn with_volatile(mut self, place: &str) -> Result<MergeRules, PointerError> {
        self.volatile.push(Pattern::parse(place)?);
        Ok(self)
    }

    /// These rules with one more member that names the version.
    ///
    /// # Errors
    /// If `place` is no pointer.
    pub fn with_version(self, place: &str) -> Result<MergeRules, PointerError> {
        Ok(self.with_version_at(Pointer::parse(place)?))
    }

    /// As [`MergeRules::with_version`], with a place that was read already.
    #[must_use]
    pub fn with_version_at(mut self, place: Pointer) -> MergeRules {
        if !self.version.contains(&place) {
            self.volatile.push(Pattern::of(&place.0));
            self.version.push(place);
        }
        self
    }

    /// These rules with another way to treat overlaps.
    #[must_use]
    pub fn with_overlap(mut self, on_overlap: OnOverlap) -> MergeRules {
        self.on_overlap = on_overlap;
        self
    }

    pub(crate) fn is_volatile(&self, path: &[impl AsRef<str>]) -> bool {
        self.volatile.iter().any(|pattern| pattern.matches(path))
    }

    pub(super) fn identity(&self, path: &[impl AsRef<str>]) -> Option<&[String]> {
        self.identity_keys
            .iter()
            .find(|(pattern, members)| !members.is_empty() && pattern.matches(path))
            .map(|(_, members)| members.as_slice())
    }
}
