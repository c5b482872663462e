//! What is known of a family's documents beside its answers: which members the server sets.

use serde_json::Value;

use super::when::Glob;
use crate::json::{Pattern, Pointer};
use crate::merge::Representation;
use crate::policy::Policy;

/// A family's documents: how they are recognised, and what in them is the server's.
#[derive(Debug, Clone, Default)]
pub struct DocumentFacts {
    /// The paths where they are, any of these.
    pub(crate) path: Vec<Glob>,
    /// The places that all of them have.
    pub(crate) has: Vec<Pointer>,
    /// The member that names the version, and never recurs.
    pub(crate) version: Option<Pointer>,
    /// The members that the server sets, whatever was sent.
    pub(crate) maintained: Vec<Pattern>,
}

impl DocumentFacts {
    /// Whether what is read at `path` is such a document.
    pub(crate) fn fit(&self, path: &str, document: &Representation) -> bool {
        let there = |value: &Value| self.has.iter().all(|place| place.get(value).is_some());
        self.path.iter().any(|glob| glob.matches(path))
            && document.document().is_ok_and(|document| there(document.value()))
    }

    /// `policy` with what the facts add; `None` where it says all that already. What a route declares itself goes first.
    #[must_use]
    pub fn added_to(&self, policy: &Policy) -> Option<Policy> {
        let rules = &policy.merge;
        let version = self.version.as_ref().filter(|_| rules.version.is_empty());
        let new: Vec<&Pattern> = self
            .maintained
            .iter()
            .filter(|place| !rules.volatile.contains(place))
            .collect();
        if version.is_none() && new.is_empty() {
            return None;
        }
        let mut policy = policy.clone();
        policy.merge.volatile.extend(new.into_iter().cloned());
        if let Some(version) = version {
            policy.merge = policy.merge.with_version_at(version.clone());
        }
        Some(policy)
    }
}
