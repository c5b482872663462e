//! The collections: known, made on first use, set up when the origin opens.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{Collection, Engine};
use crate::refusal;
use crate::settings::{CollectionSettings, Rules, Violation};
use crate::store::{Document, OpenError, SETTINGS_COLLECTION, Store, StoreError};
use crate::target::is_id;

use super::Stop;

impl<S: Store> Engine<S> {
    /// The collection `name`, if it was ever used or set up.
    pub(crate) fn collection(&self, name: &str) -> Option<Arc<Collection>> {
        self.collections.get(name).cloned()
    }

    /// Takes a collection that is in the store, or its new settings, into account.
    pub(super) fn register(&mut self, collection: Collection) -> Arc<Collection> {
        let collection = Arc::new(collection);
        self.collections.insert(collection.name.clone(), collection.clone());
        collection
    }

    /// The collection `name`, made if there is none. To be called when nothing can be refused any more.
    pub(super) fn collection_or_new(&mut self, name: &str, now: u64) -> Result<Arc<Collection>, Stop> {
        if let Some(known) = self.collection(name) {
            return Ok(known);
        }
        let number = self.make(name)?;
        let document = self.succeed(None, Bytes::from_static(b"{}"), now);
        self.store.write(SETTINGS_COLLECTION, name, &document)?;
        let rules = Rules::bare(self.limits.require_preconditions, self.limits.stale_status);
        let name = name.to_owned();
        Ok(self.register(Collection { number, name, rules }))
    }

    /// Makes room for a collection in the store.
    pub(super) fn make(&mut self, name: &str) -> Result<i64, Stop> {
        if self.collections.len() >= self.limits.max_collections {
            return Err(refusal::store(&StoreError::Full).into());
        }
        Ok(self.store.make_collection(name)?)
    }

    pub(super) fn compile(&self, settings: &CollectionSettings) -> Result<Rules, Violation> {
        Rules::compile(settings, self.limits.require_preconditions, self.limits.stale_status)
    }

    /// The next version.
    pub(super) fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// A new version with this content, in place of `old` if there is one.
    pub(super) fn succeed(&mut self, old: Option<&Document>, content: Bytes, now: u64) -> Document {
        let version = self.next();
        Document {
            born: old.map_or(version, |old| old.born),
            version,
            epoch: self.epoch,
            modified: now,
            content,
        }
    }

    /// Forgets the collections and takes those in the store instead: `stored` are numbers and names.
    pub(crate) fn reload(&mut self, stored: Vec<(i64, String)>) -> Result<(), OpenError> {
        self.collections.clear();
        for (number, name) in stored {
            let failed = |why: String| OpenError::Settings {
                collection: name.clone(),
                why,
            };
            let document = self
                .store
                .find(SETTINGS_COLLECTION, &name)
                .map_err(|e| failed(e.to_string()))?;
            let value = document.map_or(Ok(Value::Object(Map::new())), |d| d.value());
            let value = value.map_err(|e| failed(e.to_string()))?;
            let rules = CollectionSettings::read(&value).and_then(|settings| self.compile(&settings));
            let rules = rules.map_err(|v| failed(format!("{}: {}", v.pointer, v.detail)))?;
            self.register(Collection { number, name, rules });
        }
        Ok(())
    }

    /// Sets up what the operator declared; what is stored like that already stays as it is.
    pub(crate) fn declare(&mut self, name: &str, settings: &CollectionSettings, now: u64) -> Result<(), OpenError> {
        let failed = |why: String| OpenError::Settings {
            collection: name.to_owned(),
            why,
        };
        if !is_id(name) || !name.as_bytes()[0].is_ascii_alphanumeric() {
            return Err(failed("this cannot be a name".to_owned()));
        }
        let document = settings.to_json();
        let stored = self
            .store
            .find(SETTINGS_COLLECTION, name)
            .map_err(|e| failed(e.to_string()))?;
        if stored.is_some_and(|d| d.value().is_ok_and(|v| v == document)) {
            return Ok(());
        }
        match self.set_up(name, settings, document.to_string().into(), now) {
            Ok(_) => Ok(()),
            Err(Stop::Store(e)) => Err(failed(e.to_string())),
            Err(Stop::Refused(answer)) => {
                let problem: Value = serde_json::from_slice(&answer.content).unwrap_or_default();
                Err(failed(problem["detail"].as_str().unwrap_or_default().to_owned()))
            }
        }
    }
}
