//! How strong the promise of an attempt is: the letter that the `Tiebreak` field says.
//!
//! | | the attempt goes out |
//! |---|---|
//! | A | under a version that never comes back, which its client names or its base is proven to have |
//! | B | with an idempotency key that the origin honours |
//! | C | under a tag that may come back, under the version of an inferred base, or after a look in its lane |
//! | D | on its own |

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::exchange::Exchange;
use crate::exchange::plan::Guard;
use crate::guarantee::Guarantee;
use crate::key::IDEMPOTENCY_KEY;
use crate::precondition::TagList;
use crate::record::{Claim, key_brought, with_key};
use crate::time::Time;

impl Exchange {
    /// Whether the write may be sent again under its key: the origin honours keys, and this one has a key, its client's or ours,
    /// that it cannot have forgotten.
    pub(super) fn repeats_by_key(&self) -> bool {
        let policy = &self.context.policy;
        policy.honours_keys
            && !self.key_is_lost
            && (self.write.headers.contains_key(&policy.keys.field) || !self.is_signed())
    }

    /// Whether it brings a key of our making: the origin honours keys, and the caller sent none.
    fn brings_own_key(&self) -> bool {
        self.repeats_by_key() && !self.write.headers.contains_key(&self.context.policy.keys.field)
    }

    /// What the claim of an attempt keeps beside what it `held`: whether the origin gets a key of ours.
    pub(super) fn and_key(&self, held: Option<String>) -> Option<String> {
        match self.brings_own_key() {
            true => Some(with_key(held, &self.context.policy.keys.field)),
            false => held,
        }
    }

    /// Whether the origin cannot tell a repeat of this doubt by its key: it may have forgotten it, or never got one.
    pub(super) fn is_key_lost(&self, now: Time, claim: &Claim) -> bool {
        let policy = &self.context.policy;
        // Its last attempt may arrive so late.
        let last = now.after(policy.patience + policy.attempt_timeout);
        let forgets = |honours: Duration| last > claim.at.after(honours);
        let field = &policy.keys.field;
        let got = self.write.headers.contains_key(field)
            || claim.held.as_deref().and_then(key_brought).as_ref() == Some(field);
        !got || policy.honours_keys_for.is_some_and(forgets)
    }

    /// The key that this write brings along where the origin honours keys and the caller sent none.
    pub(super) fn own_key(&self) -> Vec<(HeaderName, HeaderValue)> {
        let name = self.context.policy.keys.field.clone();
        if !self.brings_own_key() {
            return Vec::new();
        }
        let id = self.resumed.as_ref().map_or(self.context.id, |r| r.claim.id);
        // Only the standard field is known to hold a structured-field string.
        let quote = if name == IDEMPOTENCY_KEY { "\"" } else { "" };
        HeaderValue::from_str(&format!("{quote}{id}{quote}"))
            .map(|value| vec![(name, value)])
            .unwrap_or_default()
    }

    /// The guarantee of an attempt under `guard`, which can be no better than `best` by that guard.
    pub(super) fn strength(&self, guard: Option<&Guard>, best: Guarantee) -> Guarantee {
        self.or_by_key(match guard {
            Some(_) if self.has_no_tags() => Guarantee::D,
            Some(guard) if guard.version => best,
            Some(_) => best.max(Guarantee::C),
            None if self.context.check_first => best.max(Guarantee::C),
            None => Guarantee::D,
        })
    }

    /// The better of what guards an attempt and the key that it brings along.
    pub(super) fn or_by_key(&self, by_guard: Guarantee) -> Guarantee {
        if self.repeats_by_key() {
            by_guard.min(Guarantee::B)
        } else {
            by_guard
        }
    }

    /// The guarantee of what goes out as it is: `guard` is the one version that it names, if it does.
    pub(super) fn literal_strength(&self, guard: Option<&Guard>) -> Guarantee {
        match guard {
            Some(_) => self.strength(guard, Guarantee::A),
            None if self.context.check_first => self.strength(None, Guarantee::A),
            None if self.has_no_tags() => self.or_by_key(Guarantee::D),
            None => self.or_by_key(self.by_own_lists()),
        }
    }

    /// What the client's own preconditions are worth that do not name one version. Several versions guard as well as one. `If-Match: *`
    /// holds for any state, and so guards none; `If-None-Match: *` does as long as what is created does not go away again.
    pub(super) fn by_own_lists(&self) -> Guarantee {
        match (&self.preconditions.if_match, &self.preconditions.if_none_match) {
            (Some(TagList::Tags(tags)), _) => {
                // A weak tag matches nothing (RFC 9110 §13.1.1).
                let mut strong = tags.iter().filter(|t| !t.is_weak()).peekable();
                if strong.peek().is_none() {
                    return Guarantee::D;
                }
                if strong.all(|tag| self.guard(tag.clone(), self.content_of(tag).as_ref()).version) {
                    Guarantee::A
                } else {
                    Guarantee::C
                }
            }
            (_, Some(TagList::Any)) => Guarantee::C,
            (Some(TagList::Any) | None, _) => Guarantee::D,
        }
    }

    /// Whether the origin was seen to give the target no tag: then it can enforce none.
    pub(super) fn has_no_tags(&self) -> bool {
        if self.context.policy.body_version.is_some() {
            return false;
        }
        let mut read = self.context.candidates.served.iter().filter(|s| !s.sent).peekable();
        read.peek().is_some() && read.all(|s| s.etag.is_none())
    }
}
