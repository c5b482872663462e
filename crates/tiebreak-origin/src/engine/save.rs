//! What every write of a document has in common: schema, unique members, the new version.

use bytes::Bytes;
use serde_json::Value;
use tiebreak_core::json::{join, same_value};

use super::{Collection, Engine, Stop};
use crate::incoming::Content;
use crate::refusal;
use crate::settings::{StaleStatus, UniqueValue};
use crate::store::{Document, Store};
use crate::target::path;

/// The most differing members that a duplicate is reported with.
const MAX_DIFFERENCES: usize = 20;

impl<S: Store> Engine<S> {
    /// Whether a precondition is required, and the status if one fails.
    pub(super) fn demands(&self, collection: Option<&Collection>) -> (bool, StaleStatus) {
        match collection {
            Some(c) => (c.rules.require_preconditions, c.rules.stale_status),
            None => (self.limits.require_preconditions, self.limits.stale_status),
        }
    }

    /// The content as a value, if the collection's rules look inside.
    pub(super) fn look_inside(
        &self,
        collection: Option<&Collection>,
        content: &Content,
    ) -> Result<Option<Value>, Stop> {
        if collection.is_some_and(|c| c.rules.look_inside()) {
            Ok(Some(content.value().map_err(Stop::Refused)?))
        } else {
            Ok(None)
        }
    }

    /// Writes a document in place of `old`. `value` is the same as `text`, where the rules look inside.
    pub(super) fn save(
        &mut self,
        name: &str,
        id: &str,
        old: Option<&Document>,
        text: Bytes,
        value: Option<Value>,
        now: u64,
    ) -> Result<Document, Stop> {
        let known = self.collection(name);
        let mut claims = Vec::new();
        let mut releases = Vec::new();
        if let (Some(collection), Some(value)) = (&known, value) {
            let violations = collection.rules.violations(&value);
            if !violations.is_empty() {
                return Err(refusal::invalid(&violations).into());
            }
            releases = match old {
                Some(old) => self.held(collection, old)?,
                None => Vec::new(),
            };
            claims = collection.rules.unique_values(&value);
            self.nobody_else_holds(collection, id, &claims, &value)?;
        }
        let collection = self.collection_or_new(name, now)?;
        let document = self.succeed(old, text, now);
        self.store.write(collection.collected(), id, &document)?;
        for held in releases.iter().filter(|held| !claims.contains(held)) {
            self.store.release(collection.collected(), held.digest)?;
        }
        for claim in claims.iter().filter(|claim| !releases.contains(claim)) {
            self.store.claim(collection.collected(), claim.digest, document.born)?;
        }
        Ok(document)
    }

    /// The unique values that `document` holds.
    pub(super) fn held(&self, collection: &Collection, document: &Document) -> Result<Vec<UniqueValue>, Stop> {
        if collection.rules.unique.is_empty() {
            return Ok(Vec::new());
        }
        Ok(collection.rules.unique_values(&document.value()?))
    }

    fn nobody_else_holds(
        &mut self,
        collection: &Collection,
        id: &str,
        claims: &[UniqueValue],
        value: &Value,
    ) -> Result<(), Stop> {
        for claim in claims {
            let holder = self.store.holder(collection.collected(), claim.digest)?;
            let Some(holder) = holder.filter(|holder| holder != id) else {
                continue;
            };
            let fields = &collection.rules.unique[claim.rule];
            let differs = match self.store.find(collection.collected(), &holder)? {
                Some(existing) => differing(&existing.value()?, value),
                None => Vec::new(),
            };
            return Err(refusal::duplicate(&path(&collection.name, &holder), fields, differs).into());
        }
        Ok(())
    }

    /// In which top-level members `existing` differs from `sent`.
    pub(super) fn differences(existing: &Document, sent: &Content) -> Vec<String> {
        match (existing.value(), sent.value()) {
            (Ok(existing), Ok(sent)) => differing(&existing, &sent),
            _ => Vec::new(),
        }
    }
}

fn differing(existing: &Value, sent: &Value) -> Vec<String> {
    let (Value::Object(theirs), Value::Object(ours)) = (existing, sent) else {
        return if same_value(existing, sent) {
            Vec::new()
        } else {
            vec![String::new()]
        };
    };
    // An id that was left to the server is no difference.
    let only_theirs = theirs.keys().filter(|name| !ours.contains_key(*name) && *name != "id");
    let changed = ours
        .iter()
        .filter(|(name, value)| !theirs.get(*name).is_some_and(|their| same_value(their, value)));
    changed
        .map(|(name, _)| name)
        .chain(only_theirs)
        .take(MAX_DIFFERENCES)
        .map(|name| join([name.as_str()]))
        .collect()
}
